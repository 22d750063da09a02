//! A string of floats.

use std::hint::select_unpredictable;

use super::string::{BitString, Serial, following, window};
use crate::classic::code::Known;
use crate::classic::floats::{Width, leading, length_less_one};

/// What begins with a new window is no less.
const NEW_WINDOWS: u64 = 0b11 << 62;
/// The control bits of a code in the last window.
const CONTROL: u32 = 2;
/// Bits that can be gone on by without a look at a ninth byte.
const SHORT: u32 = 57;

/// Windows are rarely new: from one to the next, codes are either one bit or so many as the window and two.
impl<W: Width> Serial for W {
    #[inline(always)]
    fn read_many(string: &mut BitString<'_>, known: &mut Known, out: &mut [W::Bits]) -> usize {
        let length = CONTROL + 1 + length_less_one::<W>(known.state);
        if length <= SHORT {
            short_codes::<W>(string, known, out)
        } else {
            long_codes::<W>(string, known, out)
        }
    }
}

/// On its own, so that everything is in registers.
#[inline(never)]
fn short_codes<W: Width>(string: &mut BitString<'_>, known: &mut Known, mut out: &mut [W::Bits]) -> usize {
    let (less, leading) = (length_less_one::<W>(known.state), leading::<W>(known.state));
    let mask = (i64::MIN >> less).cast_unsigned();
    let more_if_any = u64::from(CONTROL + less);
    let (bytes, mut position, mut value) = (string.bytes, string.position, known.value);
    let Some(mut ahead) = window(bytes, position) else { return 0 };
    let rows = out.len();
    while ahead < NEW_WINDOWS
        && let Some(after) = following(bytes, position)
    {
        if ahead >> 56 == 0
            && let Some(eight) = out.split_off_mut(..8)
        {
            eight.fill(W::narrow(value));
            ahead = ahead << 8 | after >> 56;
            position = position.wrapping_add(8);
            continue;
        }
        let Some(slot) = out.split_off_first_mut() else { break };
        // Whether a value repeats is foretold badly, and the next code waits for it.
        let changes = (ahead.cast_signed() >> 63).cast_unsigned();
        let more = changes & more_if_any;
        value ^= ((ahead << CONTROL) & mask & changes).wrapping_shr(leading);
        *slot = W::narrow(value);
        ahead = (ahead << 1).wrapping_shl(more as u32) | after.wrapping_shr(!more as u32);
        position = position.wrapping_add(more).wrapping_add(1);
    }
    string.position = position;
    known.value = value;
    rows - out.len()
}

#[inline(never)]
fn long_codes<W: Width>(string: &mut BitString<'_>, known: &mut Known, mut out: &mut [W::Bits]) -> usize {
    let (less, leading) = (length_less_one::<W>(known.state), leading::<W>(known.state));
    let mask = (i64::MIN >> less).cast_unsigned();
    let length = u64::from(CONTROL + less + 1);
    let (bytes, mut position, mut value) = (string.bytes, string.position, known.value);
    let Some(mut ahead) = window(bytes, position) else { return 0 };
    let rows = out.len();
    while ahead < NEW_WINDOWS
        // What comes after a code, before it is known which: then nothing waits for it.
        && let Some(after_long) = window(bytes, position.wrapping_add(length))
        && let Some(after) = following(bytes, position)
        && let Some(slot) = out.split_off_first_mut()
    {
        let changes = (ahead.cast_signed() >> 63).cast_unsigned();
        let payload = ahead << CONTROL | after >> (64 - CONTROL);
        value ^= (payload & mask & changes).wrapping_shr(leading);
        *slot = W::narrow(value);
        ahead = select_unpredictable(changes != 0, after_long, ahead << 1 | after >> 63);
        position = position.wrapping_add(select_unpredictable(changes != 0, length, 1));
    }
    string.position = position;
    known.value = value;
    rows - out.len()
}
