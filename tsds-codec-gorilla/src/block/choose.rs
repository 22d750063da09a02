//! Which mode is shortest.

use super::classic;
use super::header::{CORRECTIONS, EXCEPTIONS, Mode, SINGLE, Shape};
use super::parse::MAX_DEPTH;
use crate::bits::{put_signed, put_varint};
use crate::ints;
use crate::values::{
    DecimalFit, Decimals, Kind, MAX_DISTINCT, distinct, fits, is_set, lane_of_ordered, ordered_of_lane,
    quantize,
};

/// What the encoder is free to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeChoice {
    /// Take the shortest mode.
    #[default]
    Shortest,
    /// Take this mode if the values have it, else the shortest.
    Only(Mode),
    /// Take the codes of the paper, if that is shorter than raw.
    Classic {
        /// The logarithm of the number of lanes, 3 to 5, or 0 for none; fewer are taken where there are too few values.
        lanes_log2: u8,
    },
}

impl ModeChoice {
    pub(super) fn allows(self, mode: Mode) -> bool {
        match self {
            Self::Shortest => true,
            Self::Only(only) => only == mode,
            Self::Classic { .. } => mode == Mode::Classic,
        }
    }
}

/// Below so many bits for a value nothing is gained by trying further modes.
const GOOD_ENOUGH_BITS: usize = 1;
/// How many rows, and how often, ways to encode are compared on.
const SAMPLE_ROWS: usize = ints::MINI;
const SAMPLES: usize = 4;
/// So many rows of a progression, which take a bit each in the codes of the paper, are never shorter there than the 20 bytes that
/// it takes at most.
const MAX_CLASSIC_PROGRESSION: usize = 160;
/// Roughly the bytes of a stream that samples have too.
const HEAD_BYTES: usize = 32;
/// Roughly the bytes of the directory of a sample.
const DIRECTORY_BYTES: usize = 16;
/// Roughly the bytes of an exception.
const EXCEPTION_BYTES: usize = 5;

/// Appends values in the shortest of the modes that are allowed, raw if that is shorter or none is.
pub(super) fn write_values(
    kind: Kind,
    lanes: &[i64],
    validity: Option<&[u64]>,
    choice: ModeChoice,
    out: &mut Vec<u8>,
) -> Shape {
    write_at_depth(kind, lanes, validity, choice, 0, out)
}

fn write_at_depth(
    kind: Kind,
    lanes: &[i64],
    validity: Option<&[u64]>,
    choice: ModeChoice,
    depth: usize,
    out: &mut Vec<u8>,
) -> Shape {
    if let Some(shape) = progression(kind, lanes, choice, depth, out) {
        return shape;
    }
    let mut candidates = Candidates { kind, lanes, validity, choice, depth, best: None, bytes: Vec::new() };
    let decimals = candidates.decimals();
    // Where it is not clear what decimals they are, a dictionary may be shorter by so much that nothing else need be tried.
    let estimated = decimals.and_then(|(_, estimated)| estimated);
    let early = estimated.and_then(|estimated| candidates.dictionary_len().filter(|len| *len < estimated));
    if let Some(len) = early {
        candidates.try_dictionary(len);
    }
    candidates.try_decimals(decimals);
    candidates.try_integers();
    if early.is_none()
        && candidates.bits() > GOOD_ENOUGH_BITS
        && let Some(len) = candidates.dictionary_len()
    {
        candidates.try_dictionary(len);
    }
    candidates.try_classic();
    match candidates.best {
        Some(shape) if candidates.bytes.len() < lanes.len() * kind.width() => {
            out.extend_from_slice(&candidates.bytes);
            shape
        }
        _ => {
            write_raw(kind, lanes, out);
            Shape::new(Mode::Raw)
        }
    }
}

/// Values within values: how they are stored, and they.
fn write_nested(kind: Kind, lanes: &[i64], depth: usize, out: &mut Vec<u8>) {
    let shape_at = out.len();
    out.extend_from_slice(&[0; 3]);
    let shape = write_at_depth(kind, lanes, None, ModeChoice::Shortest, depth, out);
    out[shape_at..shape_at + 3].copy_from_slice(&shape.to_bytes());
}

/// Values, and the shortest encoding of them so far.
struct Candidates<'a> {
    kind: Kind,
    lanes: &'a [i64],
    /// Which rows are not null.
    validity: Option<&'a [u64]>,
    choice: ModeChoice,
    depth: usize,
    best: Option<Shape>,
    bytes: Vec<u8>,
}

impl Candidates<'_> {
    /// Takes what `write` writes if it is the shortest so far; it may give up, and say so, where that is not to be.
    fn offer(&mut self, shape: Shape, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let is_whole = write(&mut bytes);
        if is_whole && (self.best.is_none() || bytes.len() < self.bytes.len()) {
            (self.best, self.bytes) = (Some(shape), bytes);
        }
    }

    /// What is of no use if it has more bytes.
    fn most(&self) -> usize {
        if self.best.is_some() { self.bytes.len() } else { usize::MAX }
    }

    /// The bits for each value so far.
    fn bits(&self) -> usize {
        match self.best {
            Some(_) => self.bytes.len() * 8 / self.lanes.len().max(1),
            None => usize::MAX,
        }
    }

    /// The best way to write decimals, and roughly the bytes that takes, if there were several; `None` where decimals do not pay.
    fn decimals(&self) -> Option<(DecimalFit, Option<usize>)> {
        let may_be = self.kind.is_float() && self.choice.allows(Mode::Decimal);
        may_be.then(|| cheapest(self.kind, self.lanes, self.validity, fits(self.kind, self.lanes))).flatten()
    }

    fn try_decimals(&mut self, decimals: Option<(DecimalFit, Option<usize>)>) {
        let Some((fit, estimated)) = decimals else { return };
        if self.best.is_some() && estimated.is_some_and(|estimated| estimated / 2 > self.bytes.len()) {
            return;
        }
        let max_exceptions = if self.depth < MAX_DEPTH { self.lanes.len() / 4 } else { 0 };
        let Some(decimals) = quantize(self.kind, self.lanes, self.validity, fit, max_exceptions) else {
            return;
        };
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let flags = flag(SINGLE, fit.single)
            | flag(CORRECTIONS, !decimals.corrections.is_empty())
            | flag(EXCEPTIONS, !decimals.exceptions.is_empty());
        let (kind, depth, most) = (self.kind, self.depth, self.most());
        self.offer(Shape { mode: Mode::Decimal, detail: fit.exponent, flags }, |out| {
            write_decimals(kind, fit, &decimals, depth, most, out)
        });
    }

    fn try_integers(&mut self) {
        if !self.choice.allows(Mode::Integers) || self.bits() <= self.kind.width() * 4 {
            return;
        }
        let ordered: Vec<i64> = self.lanes.iter().map(|lane| ordered_of_lane(self.kind, *lane)).collect();
        let choice = ints::Choice::of(&ordered);
        if self.best.is_some() && is_much_more(choice.estimated_len, self.bytes.len()) {
            return;
        }
        let most = self.most();
        self.offer(Shape::new(Mode::Integers), |out| choice.write(&ordered, most, out));
    }

    /// The codes of the paper: so that no block is longer than they are, they are taken where they are shorter.
    fn try_classic(&mut self) {
        let (kind, lanes) = (self.kind, self.lanes);
        let lanes_log2 = match self.choice {
            ModeChoice::Classic { lanes_log2 } => lanes_log2,
            _ if !self.choice.allows(Mode::Classic) || self.depth > 0 => return,
            _ => {
                if classic::len_below(kind, lanes, self.most()).is_none() {
                    return;
                }
                0
            }
        };
        let mut bytes = Vec::new();
        let detail = classic::write(kind, lanes, lanes_log2, &mut bytes);
        self.offer(Shape { mode: Mode::Classic, detail, flags: 0 }, |out| {
            *out = bytes;
            true
        });
    }

    /// Roughly the most bytes that a dictionary takes; `None` where few values are the same.
    fn dictionary_len(&self) -> Option<usize> {
        if !self.choice.allows(Mode::Dictionary) || self.depth >= MAX_DEPTH {
            return None;
        }
        let sample = sample(self.lanes, None);
        let (values, codes) = distinct(&sample, sample.len() / 2)?;
        let (_, ranks) = by_frequency(&values, &codes);
        let len = ints::estimated_len(&codes).min(ints::estimated_len(&ranks)) + DIRECTORY_BYTES;
        // Of a whole block the dictionary is larger, but not as much as the block.
        Some((len + values.len()) * self.lanes.len() / sample.len().max(1))
    }

    /// Takes a dictionary, of which at most so many bytes are expected, if it is shorter.
    fn try_dictionary(&mut self, expected: usize) {
        if self.best.is_some() && expected >= self.bytes.len() {
            return;
        }
        let (kind, depth) = (self.kind, self.depth);
        let ordered: Vec<i64> = self.lanes.iter().map(|lane| ordered_of_lane(kind, *lane)).collect();
        let Some((mut values, codes)) = distinct(&ordered, MAX_DISTINCT.min(self.lanes.len() / 2)) else {
            return;
        };
        values.iter_mut().for_each(|value| *value = lane_of_ordered(kind, *value));
        let (frequent, ranks) = by_frequency(&values, &codes);
        let nested = |values: &[i64]| {
            let mut bytes = Vec::new();
            put_varint(values.len() as u64, &mut bytes);
            write_nested(kind, values, depth + 1, &mut bytes);
            bytes
        };
        // Values take less in their order; codes may where the most frequent come first.
        let (mut values, mut codes, mut len) = (nested(&values), codes, 0);
        let mut choice = ints::Choice::of(&codes);
        len += values.len() + choice.estimated_len;
        let choice_of_ranks = ints::Choice::of(&ranks);
        let len_of_ranks = choice_of_ranks.estimated_len;
        if len_of_ranks + values.len() < len {
            let frequent = nested(&frequent);
            if frequent.len() + len_of_ranks < len {
                (len, values, codes) = (frequent.len() + len_of_ranks, frequent, ranks);
                choice = choice_of_ranks;
            }
        }
        if self.best.is_some() && is_much_more(len, self.bytes.len()) {
            return;
        }
        let most = self.most().saturating_sub(values.len());
        self.offer(Shape::new(Mode::Dictionary), |out| {
            out.extend_from_slice(&values);
            choice.write(&codes, most, out)
        });
    }
}

/// Whether a length that was estimated is so much more than another that it is not worth to find out.
fn is_much_more(estimated: usize, len: usize) -> bool {
    estimated > len + len / 4
}

/// The values of a dictionary and their codes, the most frequent first: then most codes are small, though their order says
/// nothing.
fn by_frequency(values: &[i64], codes: &[i64]) -> (Vec<i64>, Vec<i64>) {
    let mut counts = vec![0u32; values.len()];
    codes.iter().for_each(|code| counts[*code as usize] += 1);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|code| std::cmp::Reverse(counts[*code]));
    let mut ranks = vec![0; values.len()];
    for (rank, code) in (0i64..).zip(&order) {
        ranks[*code] = rank;
    }
    let values = order.into_iter().map(|code| values[code]).collect();
    (values, codes.iter().map(|code| ranks[*code as usize]).collect())
}

/// Some parts of all rows, without nulls.
fn sample(lanes: &[i64], validity: Option<&[u64]>) -> Vec<i64> {
    let parts = lanes.len().div_ceil(SAMPLE_ROWS);
    let starts = (0..lanes.len()).step_by(SAMPLE_ROWS).step_by((parts / SAMPLES).max(1)).take(SAMPLES);
    let rows = starts.flat_map(|start| start..lanes.len().min(start + SAMPLE_ROWS));
    let valid = rows.filter(|row| validity.is_none_or(|validity| is_set(validity, *row)));
    valid.map(|row| lanes[row]).collect()
}

/// The one of several fits that takes the fewest bytes for a sample, and roughly those that all values take if there are several.
fn cheapest(
    kind: Kind,
    lanes: &[i64],
    validity: Option<&[u64]>,
    fits: Vec<DecimalFit>,
) -> Option<(DecimalFit, Option<usize>)> {
    if fits.len() < 2 {
        return fits.first().map(|fit| (*fit, None));
    }
    let sample = sample(lanes, validity);
    let cost = |fit: &DecimalFit| match quantize(kind, &sample, None, *fit, sample.len() / 3) {
        None => usize::MAX,
        Some(decimals) => {
            let mut bytes = Vec::new();
            ints::encode(&decimals.numbers, &mut bytes);
            if !decimals.corrections.is_empty() {
                ints::encode_centred(&decimals.corrections, 0, &mut bytes);
            }
            bytes.len() + decimals.exceptions.len() * EXCEPTION_BYTES
        }
    };
    let costs = fits.into_iter().map(|fit| (fit, cost(&fit)));
    let (fit, cost) = costs.min_by_key(|(_, cost)| *cost)?;
    let more = lanes.len() / sample.len().max(1);
    Some((fit, Some(cost.saturating_sub(HEAD_BYTES).saturating_mul(more))))
}

/// Appends decimals, unless it is seen that they take more than `most` bytes. Returns whether it did.
fn write_decimals(
    kind: Kind,
    fit: DecimalFit,
    decimals: &Decimals,
    depth: usize,
    most: usize,
    out: &mut Vec<u8>,
) -> bool {
    out.push(fit.multiplier);
    if !ints::encode_within(&decimals.numbers, most, out) {
        return false;
    }
    if !decimals.corrections.is_empty() {
        ints::encode_centred(&decimals.corrections, 0, out);
    }
    if out.len() > most {
        return false;
    }
    if !decimals.exceptions.is_empty() {
        let (rows, lanes): (Vec<i64>, Vec<i64>) =
            decimals.exceptions.iter().map(|(row, lane)| (i64::from(*row), *lane)).unzip();
        put_varint(rows.len() as u64, out);
        ints::encode(&rows, out);
        write_nested(kind, &lanes, depth + 1, out);
    }
    true
}

fn progression(
    kind: Kind,
    lanes: &[i64],
    choice: ModeChoice,
    depth: usize,
    out: &mut Vec<u8>,
) -> Option<Shape> {
    let first = lanes.first().copied().unwrap_or(0);
    let step = match kind.is_float() {
        true => 0,
        false => lanes.get(1).map_or(0, |second| second.wrapping_sub(first)),
    };
    let regular = lanes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    if !regular || !choice.allows(Mode::Progression) {
        return None;
    }
    let start = out.len();
    put_signed(first, out);
    put_signed(step, out);
    let len = out.len() - start;
    let is_classic_shorter = || {
        let may_be = depth == 0 && lanes.len() < MAX_CLASSIC_PROGRESSION && choice.allows(Mode::Classic);
        may_be && classic::len_below(kind, lanes, len).is_some()
    };
    if len > lanes.len() * kind.width() || is_classic_shorter() {
        // As it may be for a few values.
        out.truncate(start);
        return None;
    }
    Some(Shape::new(Mode::Progression))
}

fn write_raw(kind: Kind, lanes: &[i64], out: &mut Vec<u8>) {
    let width = kind.width().min(8);
    out.reserve(lanes.len() * width);
    lanes.iter().for_each(|lane| out.extend_from_slice(&lane.to_le_bytes()[..width]));
}
