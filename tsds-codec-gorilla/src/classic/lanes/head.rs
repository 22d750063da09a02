//! What lanes begin with, and where it is written: the head of a block.

use super::schedule::{Division, Supply};
use crate::classic::code::{Code, Known};
use crate::classic::floats::{Floats32, Floats64};
use crate::classic::times::Times;
use crate::error::{Damaged, Result};

/// Codes whose lanes begin with what a head says.
pub(in crate::classic) trait Headed: Code {
    /// What all lanes' beginnings follow from.
    type Head: Copy;

    fn head_of(values: &[Self::Value], division: Division, lanes: usize) -> Self::Head;
    fn write(head: Self::Head, out: &mut Vec<u8>);
    fn read_head(bytes: &mut &[u8]) -> Result<Self::Head>;

    /// What is known before the first row of a lane.
    fn before_first(head: Self::Head, start: usize) -> Known;

    /// What the state is after the first row of a lane, if not what it was.
    fn state_after_first(head: Self::Head) -> Option<u64>;
}

/// All lanes expect the block's first value.
macro_rules! floats {
    ($code:ty, $bits:ty) => {
        impl Headed for $code {
            type Head = $bits;

            fn head_of(values: &[$bits], _: Division, _: usize) -> $bits {
                values.first().copied().unwrap_or_default()
            }

            fn write(first: $bits, out: &mut Vec<u8>) {
                out.extend_from_slice(&first.to_le_bytes());
            }

            fn read_head(bytes: &mut &[u8]) -> Result<$bits> {
                Ok(<$bits>::from_le_bytes(*take(bytes)?))
            }

            #[inline(always)]
            fn before_first(first: $bits, _: usize) -> Known {
                Known { value: first.into(), state: Self::BEGIN }
            }

            #[inline(always)]
            fn state_after_first(_: $bits) -> Option<u64> {
                None
            }
        }
    };
}

floats!(Floats64, u64);
floats!(Floats32, u32);

/// Times lie about on a line, and neighbours are about as far apart in all lanes.
#[derive(Clone, Copy)]
pub(in crate::classic) struct Line {
    first: u64,
    /// The mean delta, by which the first time of a lane is expected.
    slope: u64,
    /// The delta that is expected between the first time of a lane and the second.
    delta: u64,
}

impl Headed for Times {
    type Head = Line;

    fn head_of(times: &[i64], division: Division, lanes: usize) -> Line {
        let (&[first, ..], &[.., last]) = (times, times) else {
            return Line { first: 0, slope: 0, delta: 0 };
        };
        // Rounded to the nearest, and any number does if the span is beyond 64 bits.
        let span = i128::from(last) - i128::from(first);
        let steps = times.len().saturating_sub(1).max(1) as i128;
        let slope = (2 * span + steps).div_euclid(2 * steps) as u64;

        let mut deltas: Vec<i64> = (0..lanes)
            .filter_map(|lane| times.get(division.start(lane)..)?.first_chunk())
            .map(|&[first, second]| second.wrapping_sub(first))
            .collect();
        deltas.sort_unstable();
        let delta = deltas.get(deltas.len() / 2).copied().unwrap_or_default();
        Line { first: first.cast_unsigned(), slope, delta: delta.cast_unsigned() }
    }

    fn write(line: Line, out: &mut Vec<u8>) {
        for part in [line.first, line.slope, line.delta] {
            out.extend_from_slice(&part.to_le_bytes());
        }
    }

    fn read_head(bytes: &mut &[u8]) -> Result<Line> {
        let mut part = || Ok(u64::from_le_bytes(*take(bytes)?));
        Ok(Line { first: part()?, slope: part()?, delta: part()? })
    }

    /// The delta is zero, so that the first code is the difference from the line.
    #[inline(always)]
    fn before_first(line: Line, start: usize) -> Known {
        Known { value: line.first.wrapping_add(line.slope.wrapping_mul(start as u64)), state: 0 }
    }

    #[inline(always)]
    fn state_after_first(line: Line) -> Option<u64> {
        Some(line.delta)
    }
}

/// Appends how long each lane takes words.
pub(super) fn write_supply(supply: &[Supply], steps: usize, out: &mut Vec<u8>) {
    for supply in supply {
        let mut idle = supply.to_idle_steps(steps);
        while idle > 0x7f {
            out.push(idle as u8 | 0x80);
            idle >>= 7;
        }
        out.push(idle as u8);
    }
}

/// Reads how long each lane takes words.
pub(super) fn read_supply<const LANES: usize>(bytes: &mut &[u8], steps: usize) -> Result<[Supply; LANES]> {
    let mut supply = [Supply::None; LANES];
    for supply in &mut supply {
        *supply = Supply::from_idle_steps(read_number(bytes)?, steps)
            .ok_or(Damaged::new("a lane idles for longer than there are steps"))?;
    }
    Ok(supply)
}

/// A number in groups of seven bits, the lowest first, each but the last in a byte whose highest bit is set. There are no more
/// bytes than needed, and at most five.
fn read_number(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for group in 0..5 {
        let &[byte] = take(bytes)?;
        number |= u64::from(byte & 0x7f) << (7 * group);
        if byte < 0x80 {
            let shortest = byte != 0 || group == 0;
            return if shortest { Ok(number) } else { Err(Damaged::new("a number has needless bytes")) };
        }
    }
    Err(Damaged::new("a number is too long"))
}

fn take<'a, const BYTES: usize>(bytes: &mut &'a [u8]) -> Result<&'a [u8; BYTES]> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Damaged::new("it ends in its head"))?;
    *bytes = rest;
    Ok(taken)
}
