//! Where everything of a block lies, for those who decode it themselves, such as a kernel on a device.

use super::classic;
use super::parse::{Block, Values};
use crate::classic::ClassicLayout;
use crate::error::Result;
use crate::ints::{Form, Minis, Pad, Stream};
use crate::simd::Portable;

/// How the values of a block are stored, and where. Offsets count bytes from the beginning of the block. Everything has been
/// checked: all that is named lies within the block.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Layout<'b> {
    /// Values as Arrow lays them out, from an offset on.
    Raw(usize),
    /// `first + row * step`.
    Progression {
        /// The first value, as a lane.
        first: i64,
        /// What is added for every row; wraps.
        step: i64,
    },
    /// Integers; of floats, their places in the total order (see [`crate::place`]).
    Integers(IntegersLayout),
    /// Floats: the doubles nearest to `number / divisor`, rounded to single precision if `single`, with a correction added to
    /// their bits, and exceptions in place of some.
    Decimal {
        /// The numbers.
        numbers: IntegersLayout,
        /// What they are divided by.
        divisor: f64,
        /// Whether quotients are rounded to single precision.
        single: bool,
        /// What is added to the bits of doubles.
        corrections: Option<IntegersLayout>,
        /// The rows of exceptions, ascending.
        exception_rows: &'b [i64],
        /// The lanes of exceptions.
        exceptions: &'b [i64],
    },
    /// Places in a list of lanes.
    Dictionary {
        /// The distinct lanes.
        lanes: &'b [i64],
        /// The place of every row's.
        codes: IntegersLayout,
    },
    /// The codes of the paper.
    Classic {
        /// The logarithm of the number of lanes.
        lanes_log2: u8,
        /// Where they begin; they go on to the end of the block.
        offset: usize,
    },
    /// Booleans: 1 for true, 0 for false.
    Bits(IntegersLayout),
}

/// A stream of integers in mini-blocks of 128 values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct IntegersLayout {
    /// How small unsigned numbers become integers.
    pub form: Form,
    /// What integers are multiplied by and what is then added; `(1, 0)` for nothing.
    pub scale: (i64, i64),
    /// The centre of the forms that have one.
    pub centre: i64,
    /// The mini-blocks, in the order of rows.
    pub minis: Vec<MiniLayout>,
}

/// A mini-block.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MiniLayout {
    /// How many values it has.
    pub rows: usize,
    /// The offset of its packed values, lowest bit first.
    pub offset: usize,
    /// Their width in bits: 0 to 57, or 64.
    pub width: u32,
    /// How many values have upper bits elsewhere.
    pub patches: usize,
    /// The offset of the positions of those: 7 bits each, or for more than 18 a bitmap of 128 bits.
    pub positions_offset: usize,
    /// The offset of the upper bits, each stored as one less.
    pub patches_offset: usize,
    /// The width of upper bits: 0 to 57, or 64.
    pub patch_width: u32,
    /// The base of the forms that have one.
    pub base: i64,
    /// The first step of [`Form::DeltaOfDelta`].
    pub step: i64,
}

impl Block<'_> {
    /// Where everything lies.
    ///
    /// # Errors
    ///
    /// [`Damaged`](crate::Damaged) for damage that shows only now.
    pub fn layout(&self) -> Result<Layout<'_>> {
        let integers = |stream: &Stream<'_>| integers(stream, self.len);
        Ok(match &self.values {
            Values::Raw(bytes) => Layout::Raw(self.len - bytes.len()),
            Values::Progression { first, step } => Layout::Progression { first: *first, step: *step },
            Values::Integers(stream) => Layout::Integers(integers(stream)?),
            Values::Decimal(decimal) => Layout::Decimal {
                numbers: integers(&decimal.numbers)?,
                divisor: decimal.fit.power.divisor,
                single: decimal.fit.single,
                corrections: decimal.corrections.as_ref().map(integers).transpose()?,
                exception_rows: &decimal.exceptions.rows,
                exceptions: &decimal.exceptions.lanes,
            },
            Values::Dictionary { lanes, codes } => Layout::Dictionary { lanes, codes: integers(codes)? },
            Values::Classic { lanes_log2, bytes } => {
                Layout::Classic { lanes_log2: *lanes_log2, offset: self.len - bytes.len() }
            }
            Values::Bits(stream) => Layout::Bits(integers(stream)?),
        })
    }

    /// The codes of the paper with places to begin at, one for each `step` rows of a lane (at least 1); `None` for other modes. Codes
    /// have no such places: all of them are looked at.
    ///
    /// # Errors
    ///
    /// As [`Block::layout`].
    pub fn classic_layout(&self, step: usize) -> Result<Option<ClassicLayout>> {
        let Values::Classic { lanes_log2, bytes } = &self.values else { return Ok(None) };
        classic::layout(self.kind, bytes, *lanes_log2, self.rows, step).map(Some)
    }

    /// Where the stream lies that is 1 for rows that are not null; `None` if none is null.
    ///
    /// # Errors
    ///
    /// As [`Block::layout`].
    pub fn validity_layout(&self) -> Result<Option<IntegersLayout>> {
        self.validity.as_ref().map(|stream| integers(stream, self.len)).transpose()
    }
}

fn integers(stream: &Stream<'_>, block_len: usize) -> Result<IntegersLayout> {
    // The payload of a stream goes on to the end of the block.
    let start = block_len - stream.payload.len();
    let mut minis = Minis::from(Portable, stream, 0)?;
    let mut layouts = Vec::new();
    let mut pad = Pad::new();
    for _ in 0..crate::ints::mini_count(stream.rows) {
        let offset = start + minis.at();
        let mini = minis.next(Portable, &mut pad)?;
        layouts.push(MiniLayout {
            rows: mini.rows,
            offset,
            width: mini.width,
            patches: mini.patches,
            positions_offset: offset + mini.positions_at(),
            patches_offset: offset + mini.patches_at(),
            patch_width: mini.patch_width,
            base: mini.base,
            step: mini.step,
        });
    }
    minis.finish()?;
    let scale = stream.scale.map_or((1, 0), |scale| (scale.factor, scale.offset));
    Ok(IntegersLayout { form: stream.form, scale, centre: stream.centre, minis: layouts })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bits::unzigzag;
    use crate::block::{Column, ModeChoice, encode};
    use crate::values::Kind;

    /// Bits from the block, one by one: what a kernel does that knows nothing but the layout.
    fn bits(bytes: &[u8], at: usize, width: u32) -> u64 {
        (0..width as usize)
            .fold(0, |value, bit| value | u64::from(bytes[(at + bit) / 8] >> ((at + bit) % 8) & 1) << bit)
    }

    /// Decodes a stream by its layout alone.
    fn decode(bytes: &[u8], layout: &IntegersLayout) -> Vec<i64> {
        let mut values = Vec::new();
        for mini in &layout.minis {
            let mut numbers: Vec<u64> = (0..mini.rows)
                .map(|row| bits(bytes, mini.offset * 8 + row * mini.width as usize, mini.width))
                .collect();
            let patched: Vec<usize> = match mini.patches {
                0..=18 => (0..mini.patches)
                    .map(|at| bits(bytes, mini.positions_offset * 8 + at * 7, 7) as usize)
                    .collect(),
                _ => (0..128).filter(|row| bits(bytes, mini.positions_offset * 8 + row, 1) == 1).collect(),
            };
            for (at, row) in patched.into_iter().enumerate() {
                let upper =
                    bits(bytes, mini.patches_offset * 8 + at * mini.patch_width as usize, mini.patch_width);
                numbers[row] += (upper + 1) << mini.width;
            }
            let (mut sum, mut sum_of_sums) = (0i64, 0i64);
            for (row, number) in (0i64..).zip(numbers) {
                sum = sum.wrapping_add(unzigzag(number));
                sum_of_sums = sum_of_sums.wrapping_add(sum);
                let value = match layout.form {
                    Form::Flat => mini.base.wrapping_add(number as i64),
                    Form::Centred => layout.centre.wrapping_add(unzigzag(number)),
                    Form::Delta => mini.base.wrapping_add(row.wrapping_mul(layout.centre)).wrapping_add(sum),
                    Form::DeltaOfDelta => {
                        mini.base.wrapping_add(row.wrapping_mul(mini.step)).wrapping_add(sum_of_sums)
                    }
                };
                values.push(value.wrapping_mul(layout.scale.0).wrapping_add(layout.scale.1));
            }
        }
        values
    }

    proptest! {
        #[test]
        fn what_the_layout_says_is_enough_to_decode(
            steps in prop::collection::vec((any::<i64>(), 40u32..64), 1..500), factor in 1i64..100
        ) {
            let mut value = 0i64;
            let lanes: Vec<i64> = steps
                .into_iter()
                .map(|(step, shift)| {
                    value = value.wrapping_add(step >> shift);
                    value.wrapping_mul(factor)
                })
                .collect();
            let mut bytes = Vec::new();
            let column = Column { kind: Kind::Int64, lanes: &lanes, validity: None };
            encode(column, ModeChoice::Only(crate::Mode::Integers), &mut bytes);
            let block = Block::parse(&bytes).unwrap();
            match block.layout().unwrap() {
                Layout::Integers(layout) => prop_assert_eq!(decode(&bytes, &layout), lanes),
                Layout::Raw(offset) => prop_assert_eq!(offset, 16),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
