//! Which mode is shortest.

use super::header::{CORRECTIONS, EXCEPTIONS, Mode, SINGLE, Shape};
use crate::bits::{put_signed, put_varint};
use crate::ints;
use crate::values::{Kind, MAX_DISTINCT, distinct, fit, ordered_of_lane, quantize, write_exceptions};

/// What the encoder is free to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Take the shortest mode.
    #[default]
    Shortest,
    /// Take this mode if the values have it, else the shortest.
    Only(Mode),
    /// Take classic codes in so many lanes, as a logarithm.
    Classic { lanes_log2: u8 },
}

impl Choice {
    fn allows(self, mode: Mode) -> bool {
        match self {
            Self::Shortest => true,
            Self::Only(only) => only == mode,
            Self::Classic { .. } => mode == Mode::Classic,
        }
    }
}

/// Below so many bits for a value nothing is gained by trying further modes.
const GOOD_ENOUGH_BITS: usize = 3;
/// A dictionary is tried if a sample of [`DICTIONARY_SAMPLE`] values has at most so many distinct ones.
const DICTIONARY_SAMPLE: usize = 128;
const DICTIONARY_SAMPLE_DISTINCT: usize = 80;

/// Appends values in the shortest of the modes that are allowed, raw if that is shorter or none is.
pub(super) fn write_values(kind: Kind, lanes: &[i64], choice: Choice, out: &mut Vec<u8>) -> Shape {
    let start = out.len();
    let raw_len = lanes.len() * kind.width();
    if let Some(shape) = progression(kind, lanes, choice, out) {
        return shape;
    }
    let mut candidates = Candidates { best: None, bytes: Vec::new() };
    match kind.is_float() {
        true => float_candidates(kind, lanes, choice, &mut candidates),
        false => {
            if choice.allows(Mode::Integers) {
                candidates.offer(Shape::new(Mode::Integers), |out| {
                    ints::encode(lanes, out);
                });
            }
        }
    }
    dictionary_candidate(kind, lanes, choice, &mut candidates);
    match candidates.best {
        Some(shape) if candidates.bytes.len() < raw_len => {
            out.extend_from_slice(&candidates.bytes);
            shape
        }
        _ => {
            out.truncate(start);
            write_raw(kind, lanes, out);
            Shape::new(Mode::Raw)
        }
    }
}

/// The shortest so far.
struct Candidates {
    best: Option<Shape>,
    bytes: Vec<u8>,
}

impl Candidates {
    fn offer(&mut self, shape: Shape, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        write(&mut bytes);
        if self.best.is_none() || bytes.len() < self.bytes.len() {
            (self.best, self.bytes) = (Some(shape), bytes);
        }
    }

    /// The bits for each of `rows` values.
    fn bits(&self, rows: usize) -> usize {
        match self.best {
            Some(_) => self.bytes.len() * 8 / rows.max(1),
            None => usize::MAX,
        }
    }
}

fn progression(kind: Kind, lanes: &[i64], choice: Choice, out: &mut Vec<u8>) -> Option<Shape> {
    let first = lanes.first().copied().unwrap_or(0);
    let step = match kind.is_float() {
        true => 0,
        false => lanes.get(1).map_or(0, |second| second.wrapping_sub(first)),
    };
    let regular = lanes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    if !regular || !choice.allows(Mode::Progression) {
        return None;
    }
    put_signed(first, out);
    put_signed(step, out);
    Some(Shape::new(Mode::Progression))
}

fn float_candidates(kind: Kind, lanes: &[i64], choice: Choice, candidates: &mut Candidates) {
    let mut exact = false;
    if choice.allows(Mode::Decimal)
        && let Some(fit) = fit(kind, lanes)
        && let Some(decimals) = quantize(kind, lanes, fit, lanes.len() / 4)
    {
        exact = decimals.exceptions.len() * 16 <= lanes.len();
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let flags = flag(SINGLE, fit.single)
            | flag(CORRECTIONS, !decimals.corrections.is_empty())
            | flag(EXCEPTIONS, !decimals.exceptions.is_empty());
        candidates.offer(Shape { mode: Mode::Decimal, detail: fit.exponent, flags }, |out| {
            ints::encode(&decimals.numbers, out);
            if !decimals.corrections.is_empty() {
                ints::encode_centred(&decimals.corrections, 0, out);
            }
            if !decimals.exceptions.is_empty() {
                write_exceptions(&decimals.exceptions, out);
            }
        });
    }
    if choice.allows(Mode::Integers) && (!exact || candidates.bits(lanes.len()) > kind.width() * 4) {
        candidates.offer(Shape::new(Mode::Integers), |out| {
            let ordered: Vec<i64> = lanes.iter().map(|lane| ordered_of_lane(kind, *lane)).collect();
            ints::encode(&ordered, out);
        });
    }
}

fn dictionary_candidate(kind: Kind, lanes: &[i64], choice: Choice, candidates: &mut Candidates) {
    if !choice.allows(Mode::Dictionary) || candidates.bits(lanes.len()) <= GOOD_ENOUGH_BITS {
        return;
    }
    let sample: Vec<i64> = lanes.iter().step_by((lanes.len() / DICTIONARY_SAMPLE).max(1)).copied().collect();
    if distinct(&sample, DICTIONARY_SAMPLE_DISTINCT).is_none() {
        return;
    }
    let ordered: Vec<i64> = lanes.iter().map(|lane| ordered_of_lane(kind, *lane)).collect();
    let Some((values, codes)) = distinct(&ordered, MAX_DISTINCT.min(lanes.len() / 2)) else { return };
    let values: Vec<i64> =
        values.into_iter().map(|value| crate::values::lane_of_ordered(kind, value)).collect();
    candidates.offer(Shape::new(Mode::Dictionary), |out| {
        put_varint(values.len() as u64, out);
        let shape_at = out.len();
        out.extend_from_slice(&[0; 3]);
        // Modes of a dictionary's values: all but another dictionary.
        let mut inner = Candidates { best: None, bytes: Vec::new() };
        if kind.is_float() {
            float_candidates(kind, &values, Choice::Shortest, &mut inner);
        } else {
            inner.offer(Shape::new(Mode::Integers), |out| {
                ints::encode(&values, out);
            });
        }
        let shape = match inner.best {
            Some(shape) if inner.bytes.len() < values.len() * kind.width() => {
                out.extend_from_slice(&inner.bytes);
                shape
            }
            _ => {
                write_raw(kind, &values, out);
                Shape::new(Mode::Raw)
            }
        };
        out[shape_at..shape_at + 3].copy_from_slice(&shape.to_bytes());
        ints::encode(&codes, out);
    });
}

fn write_raw(kind: Kind, lanes: &[i64], out: &mut Vec<u8>) {
    let width = kind.width().min(8);
    out.reserve(lanes.len() * width);
    lanes.iter().for_each(|lane| out.extend_from_slice(&lane.to_le_bytes()[..width]));
}
