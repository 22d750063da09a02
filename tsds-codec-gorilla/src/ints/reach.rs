//! Between what the values of a mini-block lie, as far as the directory says.

use super::minis::Mini;
use super::{Form, Stream};

/// The bits that numbers, steps and centres have at most where nothing here overflows.
const MAX_BITS: u32 = 54;

/// By how much the values of a mini-block, before they are scaled, differ from its base: not less and not more. `None` where the
/// directory does not say.
#[inline(always)]
pub(super) fn reach(stream: &Stream<'_>, mini: &Mini<'_>) -> Option<(i64, i64)> {
    let bits = mini.width + if mini.patches > 0 { mini.patch_width + 1 } else { 0 };
    let is_small = |value: i64| value.unsigned_abs() <= 1 << MAX_BITS;
    if bits > MAX_BITS || !is_small(stream.centre) || !is_small(mini.step) {
        return None;
    }
    // A number is less than this; with the zigzag undone it is half as far from zero at most.
    let (end, half) = (1i64 << bits, (1i64 << bits) / 2);
    let rows = mini.rows as i64;
    Some(match stream.form {
        Form::Flat => (0, end),
        Form::Centred => (stream.centre - half, stream.centre + half),
        // The first is its base in all that the encoder writes, but may be anything within reach.
        Form::Delta => {
            let (fall, rise) = ((stream.centre - half).min(0), (stream.centre + half).max(0));
            (fall.checked_mul(rows)?.checked_sub(half)?, rise.checked_mul(rows)?.checked_add(half)?)
        }
        Form::DeltaOfDelta => {
            // Of every row the step may differ by half from the one before.
            let change = half.checked_mul(rows)?;
            let (fall, rise) =
                ((mini.step.checked_sub(change)?).min(0), (mini.step.checked_add(change)?).max(0));
            (fall.checked_mul(rows)?.checked_sub(change)?, rise.checked_mul(rows)?.checked_add(change)?)
        }
    })
}

/// Between what the values of a mini-block lie; `None` where the directory does not say or values could wrap.
#[inline(always)]
pub(super) fn bounds(stream: &Stream<'_>, mini: &Mini<'_>) -> Option<(i64, i64)> {
    let (low, high) = reach(stream, mini)?;
    let (min, max) = (mini.base.checked_add(low)?, mini.base.checked_add(high)?);
    match stream.scale {
        None => Some((min, max)),
        Some(scale) => {
            let scaled = |value: i64| value.checked_mul(scale.factor)?.checked_add(scale.offset);
            let (one, other) = (scaled(min)?, scaled(max)?);
            Some((one.min(other), one.max(other)))
        }
    }
}

/// Between what all values of a stream lie, if they are centred; `None` where the directory does not say.
pub(crate) fn bounds_of_centred(stream: &Stream<'_>) -> Option<(i64, i64)> {
    let small = |most: i64| u32::try_from(most).ok().filter(|most| *most <= MAX_BITS);
    let patches = if stream.patches.max() == 0 { 0 } else { small(stream.patch_widths.max())? + 1 };
    let bits = small(stream.widths.max())? + patches;
    let is_small = bits <= MAX_BITS && stream.centre.unsigned_abs() <= 1 << MAX_BITS;
    if stream.form != Form::Centred || stream.scale.is_some() || !is_small {
        return None;
    }
    let half = (1i64 << bits) / 2;
    Some((stream.centre - half, stream.centre + half))
}
