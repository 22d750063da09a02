//! Columns as they stand in segment files, taken apart for devices: see [`crate::kernel::encoded`].

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use tsds_codec_gorilla::{Block, ClassicLayout, Form, IntegersLayout, Kind, Layout};
use tsds_traits::{EncodedBlock, Result};

use crate::kernel::encoded::{
    CLASSIC, CLASSIC_PLACE_WORDS, CLASSIC_ROWS, CORRECTIONS, DECIMAL, DICTIONARY, EXCEPTIONS, INTEGERS,
    PLAIN, PROGRESSION, SAME, SCALED, SINGLE, WIDE,
};
use crate::load::value_bytes;
use crate::program::words_of;

/// The codec whose blocks are taken apart, and the version of its format.
const CODEC: (&str, u16) = ("tsds.gorilla", tsds_codec_gorilla::VERSION as u16);
/// What reading a number may look at beyond its end.
const PADDING_WORDS: usize = 2;

/// By what the numbers of decimals are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    pub(crate) divisor: f64,
    pub(crate) single: bool,
}

/// A block in the codes of the paper, which only one kernel decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Classic {
    /// The part's row with which it begins.
    pub(crate) first_row: u32,
    /// How many places it has.
    pub(crate) places: u32,
}

/// Rows of a column, as words for a device.
#[derive(Debug)]
pub(crate) struct EncodedColumn {
    pub(crate) words: Vec<u32>,
    /// How many encoded blocks there are.
    pub(crate) blocks: u32,
    /// The divisors of its decimals.
    pub(crate) fits: Vec<Fit>,
    /// Ascending.
    pub(crate) classic: Vec<Classic>,
}

/// Takes the blocks of the rows from `first_row` on apart. `array` has the values of these rows, `kind` is theirs on the device; blocks that are of
/// another codec, or have a mode that no device decodes, are stored as plain values. `None` if that is not shorter than
/// plain values are, or if a block is not what `array` says.
///
/// # Errors
///
/// `Internal` for more words than 32 bits can number.
pub(crate) fn encode(
    kind: Kind,
    blocks: &[&EncodedBlock],
    first_row: usize,
    array: &dyn Array,
) -> Result<Option<EncodedColumn>> {
    let Some(values) = values_of(array, kind) else { return Ok(None) };
    let mut writer = Writer { words: vec![0; 2 * blocks.len()], fits: Vec::new(), classic: Vec::new() };
    let mut row = 0usize;
    for (index, block) in blocks.iter().enumerate() {
        let rows = block.layout.rows as usize;
        if block.layout.first_row != (first_row + row) as u64 {
            return Ok(None);
        }
        let (Some(own), Ok(number)) = (values.get(row..row + rows), u32::try_from(row)) else {
            return Ok(None);
        };
        let part = array.slice(row, rows);
        let Some(at) = writer.block(kind, block, own, (number, &part)) else { return Ok(None) };
        if let Some([first, description]) = writer.words.get_mut(2 * index..2 * index + 2) {
            (*first, *description) = (number, at);
        }
        row += rows;
    }
    writer.words.extend([0; PADDING_WORDS]);
    let plain_words = array.len() * kind.width() / 4;
    let is_shorter = row == array.len() && writer.words.len() < plain_words;
    let Writer { words, fits, classic } = writer;
    Ok(is_shorter.then_some(EncodedColumn { words, blocks: blocks.len() as u32, fits, classic }))
}

/// The values of an array as lanes.
fn values_of(array: &dyn Array, kind: Kind) -> Option<Vec<i64>> {
    let bytes = value_bytes(array)?;
    let lanes = match kind {
        Kind::Int64 | Kind::UInt64 | Kind::Float64 => {
            bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
        }
        Kind::Int32 => {
            bytes.as_chunks().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect()
        }
        Kind::UInt32 | Kind::Float32 => {
            bytes.as_chunks().0.iter().map(|bytes| i64::from(u32::from_le_bytes(*bytes))).collect()
        }
        _ => return None,
    };
    Some(lanes)
}

struct Writer {
    words: Vec<u32>,
    fits: Vec<Fit>,
    classic: Vec<Classic>,
}

impl Writer {
    /// Writes a block, whose values from a row of the part on are in an array, and returns where its description is; `None` if the block
    /// has other values than `own`.
    fn block(
        &mut self,
        kind: Kind,
        block: &EncodedBlock,
        own: &[i64],
        (first_row, array): (u32, &ArrayRef),
    ) -> Option<u32> {
        let is_ours = (&*block.layout.codec, block.layout.version) == CODEC;
        let parsed = is_ours.then(|| Block::parse(&block.bytes).ok()).flatten();
        let rows = u32::try_from(own.len()).ok()?;
        let description = match parsed {
            Some(parsed) => {
                let mut lanes = vec![0; own.len()];
                let same = parsed.kind() == kind && parsed.rows() == own.len();
                parsed.read_lanes(0..own.len(), &mut lanes).ok().filter(|()| same)?;
                let differs = |row: usize| array.is_valid(row) && lanes.get(row) != own.get(row);
                if (0..own.len()).any(differs) {
                    return None;
                }
                match parsed.classic_layout(CLASSIC_ROWS as usize).ok()? {
                    Some(layout) => self.classic(&layout, own, kind, first_row)?,
                    None => self.description(&parsed, &block.bytes, own, kind, rows)?,
                }
            }
            None => self.plain(own, kind, rows)?,
        };
        self.push(&description)
    }

    fn description(
        &mut self,
        block: &Block<'_>,
        bytes: &[u8],
        own: &[i64],
        kind: Kind,
        rows: u32,
    ) -> Option<Vec<u32>> {
        Some(match block.layout().ok()? {
            Layout::Progression { first, step } => {
                let ([f0, f1], [s0, s1]) = (words_of(first as u64), words_of(step as u64));
                vec![PROGRESSION, rows, f0, f1, s0, s1]
            }
            Layout::Integers(integers) => vec![INTEGERS, rows, self.stream(&integers, bytes)?],
            Layout::Decimal { numbers, divisor, single, corrections, exception_rows, exceptions } => {
                let numbers = self.stream(&numbers, bytes)?;
                // Exact: it is below 2^60 and a small multiple of a power of ten.
                let [d0, d1] = words_of(divisor as u64);
                let flag = |is: bool, flag: u32| if is { flag } else { 0 };
                let flags = flag(single, SINGLE)
                    | flag(corrections.is_some(), CORRECTIONS)
                    | flag(!exceptions.is_empty(), EXCEPTIONS);
                let mut words =
                    vec![DECIMAL, rows, numbers, flags, d0, d1, self.fit(Fit { divisor, single })];
                if flags & (CORRECTIONS | EXCEPTIONS) != 0 {
                    words.push(match corrections {
                        Some(corrections) => self.stream(&corrections, bytes)?,
                        None => 0,
                    });
                    let rows: Vec<u32> = exception_rows.iter().map(|row| *row as u32).collect();
                    words.extend([rows.len() as u32, self.push(&rows)?, self.lanes(exceptions)?]);
                }
                words
            }
            Layout::Dictionary { lanes, codes } => {
                vec![DICTIONARY, rows, self.stream(&codes, bytes)?, self.lanes(lanes)?]
            }
            _ => self.plain(own, kind, rows)?,
        })
    }

    /// Classic codes with their places, if they are shorter so than plain values are.
    fn classic(
        &mut self,
        layout: &ClassicLayout,
        own: &[i64],
        kind: Kind,
        first_row: u32,
    ) -> Option<Vec<u32>> {
        let rows = u32::try_from(own.len()).ok()?;
        let place_words = layout.places.len() * CLASSIC_PLACE_WORDS as usize;
        if layout.words.len() + place_words >= own.len() * kind.width() / 4 {
            return self.plain(own, kind, rows);
        }
        let mut places = Vec::with_capacity(place_words);
        for place in &layout.places {
            let ([v0, v1], [s0, s1]) = (words_of(place.value), words_of(place.state));
            places.extend([u32::try_from(place.row).ok()?, u32::try_from(place.bit).ok()?, v0, v1, s0, s1]);
        }
        let many = u32::try_from(layout.places.len()).ok()?;
        self.classic.push(Classic { first_row, places: many });
        Some(vec![CLASSIC, rows, self.push(&layout.words)?, self.push(&places)?, many])
    }

    /// The number of a divisor.
    fn fit(&mut self, fit: Fit) -> u32 {
        let known = self.fits.iter().position(|known| *known == fit);
        known.unwrap_or_else(|| {
            self.fits.push(fit);
            self.fits.len() - 1
        }) as u32
    }

    /// Values as they are.
    fn plain(&mut self, own: &[i64], kind: Kind, rows: u32) -> Option<Vec<u32>> {
        let words = own.iter().flat_map(|lane| words_of(*lane as u64).into_iter().take(kind.width() / 4));
        let words: Vec<u32> = words.collect();
        Some(vec![PLAIN, rows, self.push(&words)?])
    }

    fn stream(&mut self, integers: &IntegersLayout, bytes: &[u8]) -> Option<u32> {
        let start = integers.minis.first().map_or(0, |mini| mini.offset);
        let end = integers
            .minis
            .last()
            .map_or(0, |mini| mini.patches_offset + (mini.patches * mini.patch_width as usize).div_ceil(8));
        let payload = bytes.get(start..end)?;
        let payload: Vec<u32> = payload
            .chunks(4)
            .map(|chunk| chunk.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
            .collect();
        let payload = self.push(&payload)?;

        let has_bases = integers.form != Form::Centred;
        let smallest = integers.minis.iter().map(|mini| mini.base).min().unwrap_or(0);
        let above = |base: i64| base.wrapping_sub(smallest) as u64;
        let largest = integers.minis.iter().map(|mini| above(mini.base)).max().unwrap_or(0);
        let (bases, base_words) = match largest {
            0 => (SAME, 0),
            1..=0xffff_ffff => (0, 1),
            _ => (WIDE, 2),
        };
        let is_scaled = integers.scale != (1, 0);
        let flags = if is_scaled { SCALED } else { 0 } | if has_bases { bases } else { 0 };
        let mut words = vec![integers.form as u32 | flags, payload];
        if matches!(integers.form, Form::Delta | Form::Centred) {
            words.extend(words_of(integers.centre as u64));
        }
        if is_scaled {
            words.extend(words_of(integers.scale.0 as u64));
            words.extend(words_of(integers.scale.1 as u64));
        }
        if has_bases {
            words.extend(words_of(smallest as u64));
        }
        for mini in &integers.minis {
            words.push(u32::try_from((mini.offset - start) * 8).ok()?);
            words.push(mini.width | mini.patch_width << 8 | u32::try_from(mini.patches).ok()? << 16);
            if has_bases {
                words.extend(words_of(above(mini.base)).into_iter().take(base_words));
            }
            if integers.form == Form::DeltaOfDelta {
                words.extend(words_of(mini.step as u64));
            }
        }
        self.push(&words)
    }

    fn lanes(&mut self, lanes: &[i64]) -> Option<u32> {
        let words: Vec<u32> = lanes.iter().flat_map(|lane| words_of(*lane as u64)).collect();
        self.push(&words)
    }

    fn push(&mut self, words: &[u32]) -> Option<u32> {
        let at = u32::try_from(self.words.len()).ok()?;
        self.words.extend_from_slice(words);
        Some(at)
    }
}

/// The rows at which the blocks of a column begin.
pub(crate) fn starts(blocks: &[EncodedBlock]) -> Vec<u64> {
    blocks.iter().map(|block| block.layout.first_row).collect()
}

/// The blocks of a column that hold `rows`, which are of whole blocks.
pub(crate) fn of_rows<'a>(blocks: &'a [EncodedBlock], rows: &Range<usize>) -> Vec<&'a EncodedBlock> {
    let within = |block: &&EncodedBlock| {
        let first = block.layout.first_row;
        first >= rows.start as u64 && first < rows.end as u64
    };
    blocks.iter().filter(within).collect()
}
