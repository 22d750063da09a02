//! Floating point numbers: each is XORed with the one before, and of that the bits between its outer zeros are written.

use std::hint::select_unpredictable;
use std::marker::PhantomData;

use super::code::{Code, Coded, Encoder, Known, Read};

/// Codes of 64-bit floats.
pub(super) struct Floats64;

/// Codes of 32-bit floats.
pub(super) struct Floats32;

/// Bits of the count of leading zeros.
const LEADING_BITS: u32 = 5;
/// More leading zeros than this are not counted.
const MOST_LEADING: u32 = (1 << LEADING_BITS) - 1;

/// Sizes of the codes of floats of some width.
pub(super) trait Width: 'static {
    type Bits: Copy + Into<u64>;
    const BITS: u32;
    /// Bits of the count of meaningful bits, less one.
    const LENGTH_BITS: u32;
    fn narrow(bits: u64) -> Self::Bits;
}

impl Width for Floats64 {
    type Bits = u64;
    const BITS: u32 = 64;
    const LENGTH_BITS: u32 = 6;

    #[inline(always)]
    fn narrow(bits: u64) -> u64 {
        bits
    }
}

impl Width for Floats32 {
    type Bits = u32;
    const BITS: u32 = 32;
    const LENGTH_BITS: u32 = 5;

    #[inline(always)]
    fn narrow(bits: u64) -> u32 {
        bits as u32
    }
}

/// Bits of the counts of leading zeros and of meaningful bits.
pub(super) const fn sizes_bits<W: Width>() -> u32 {
    LEADING_BITS + W::LENGTH_BITS
}

/// Bits of `11` and the counts.
pub(super) const fn control_bits<W: Width>() -> u32 {
    2 + sizes_bits::<W>()
}

impl<W: Width> Code for W {
    type Value = W::Bits;
    type Encoder = FloatEncoder<W>;

    const VALUE_BITS: u32 = W::BITS;
    const LONGEST: u32 = control_bits::<W>() + W::BITS;
    /// A decoder's state is what follows the last `11`. Before there is one, the window is the whole value.
    const BEGIN: u64 = W::BITS as u64 - 1;

    #[inline(always)]
    fn bits(value: W::Bits) -> u64 {
        value.into()
    }

    #[inline(always)]
    fn value(bits: u64) -> W::Bits {
        W::narrow(bits)
    }

    #[inline(always)]
    fn encoder(known: Known) -> FloatEncoder<W> {
        FloatEncoder { value: known.value, window: Window::NONE, width: PhantomData }
    }

    #[inline(always)]
    fn read(window: u64, known: Known) -> Read {
        let new_window = window >> 62 == 0b11;
        let new_state = (window << 2) >> (64 - sizes_bits::<W>());
        let state = select_unpredictable(new_window, new_state, known.state);
        let control_bits = select_unpredictable(new_window, control_bits::<W>(), 2);

        // The highest bit is set if there are meaningful bits at all.
        let changes = window & 1 << 63;
        let mask = (changes.cast_signed() >> length_less_one::<W>(state)).cast_unsigned();
        let meaningful = window.wrapping_shl(control_bits) & mask;
        let more = control_bits + length_less_one::<W>(state);
        Read {
            known: Known { value: known.value ^ meaningful.wrapping_shr(leading::<W>(state)), state },
            length: 1 + (more & (changes.cast_signed() >> 63) as u32),
        }
    }

    #[inline(always)]
    fn repeat(known: Known) -> Known {
        known
    }

    #[inline(always)]
    fn read_rest(rest: u64, known: Known) -> Known {
        let aligned = rest.wrapping_shl(63 - length_less_one::<W>(known.state));
        Known { value: known.value ^ aligned.wrapping_shr(leading::<W>(known.state)), state: known.state }
    }
}

/// Meaningful bits, less one, of a decoder's state.
#[inline(always)]
pub(super) fn length_less_one<W: Width>(state: u64) -> u32 {
    state as u32 & (W::BITS - 1)
}

/// How far below the highest bit of a word the meaningful bits begin. An encoder writes no window that ends beyond the value; a
/// decoder would drop the bits beyond.
#[inline(always)]
pub(super) fn leading<W: Width>(state: u64) -> u32 {
    (64 - W::BITS).wrapping_add((state >> W::LENGTH_BITS) as u32)
}

/// Turns floats into codes.
pub(super) struct FloatEncoder<W> {
    value: u64,
    window: Window,
    width: PhantomData<W>,
}

/// Zeros on both sides of the meaningful bits.
#[derive(Clone, Copy)]
struct Window {
    leading: u32,
    trailing: u32,
}

impl Window {
    /// What no meaningful bits fit in.
    const NONE: Self = Self { leading: u32::MAX, trailing: u32::MAX };

    /// The narrowest that `bits` fit in. If they are all zero, any.
    #[inline(always)]
    fn around<W: Width>(bits: u64) -> Self {
        let leading = bits.leading_zeros().wrapping_sub(64 - W::BITS);
        Self { leading: leading.min(MOST_LEADING), trailing: bits.trailing_zeros() }
    }

    #[inline(always)]
    fn fits_in(self, other: Self) -> bool {
        self.leading >= other.leading && self.trailing >= other.trailing
    }

    #[inline(always)]
    fn length<W: Width>(self) -> u32 {
        W::BITS.wrapping_sub(self.leading).wrapping_sub(self.trailing)
    }
}

impl<W: Width> FloatEncoder<W> {
    /// Goes to the next value. Returns in which bits it differs from the last, and whether they fit in the last window; if not,
    /// then there is a new window.
    #[inline(always)]
    fn advance(&mut self, value: u64) -> (u64, bool) {
        let bits = value ^ self.value;
        self.value = value;
        let around = Window::around::<W>(bits);
        let fits = (bits == 0) | around.fits_in(self.window);
        self.window.leading = select_unpredictable(fits, self.window.leading, around.leading);
        self.window.trailing = select_unpredictable(fits, self.window.trailing, around.trailing);
        (bits, fits)
    }

    /// Bits of the next value's code.
    #[inline(always)]
    fn length(&mut self, value: u64) -> u32 {
        let (bits, fits) = self.advance(value);
        let control_bits = select_unpredictable(fits, 2, control_bits::<W>());
        select_unpredictable(bits == 0, 1, control_bits.wrapping_add(self.window.length::<W>()))
    }
}

impl<W: Width> Encoder for FloatEncoder<W> {
    #[inline(always)]
    fn code(&mut self, value: u64) -> Coded {
        // Without branches: how often values repeat is nothing to bet on.
        let (bits, fits) = self.advance(value);
        let length = self.window.length::<W>();
        let sizes = (0b11 << LEADING_BITS | self.window.leading) << W::LENGTH_BITS | length.wrapping_sub(1);
        let control = select_unpredictable(fits, 0b10, u64::from(sizes));
        let control_bits = select_unpredictable(fits, 2, control_bits::<W>());
        let repeats = bits == 0;
        Coded {
            control: select_unpredictable(repeats, 0, control),
            control_bits: select_unpredictable(repeats, 1, control_bits),
            payload: bits.wrapping_shr(self.window.trailing),
            payload_bits: select_unpredictable(repeats, 0, length),
        }
    }
}

/// Bits of the codes of all values but the first.
#[inline(always)]
pub(super) fn length_of_all<C: Code<Encoder = FloatEncoder<W>>, W: Width>(values: &[C::Value]) -> u64 {
    let Some((&first, others)) = values.split_first() else { return 0 };
    let mut encoder = C::encoder(Known { value: C::bits(first), state: C::BEGIN });
    others.iter().fold(0, |length: u64, &value| length.wrapping_add(encoder.length(C::bits(value)).into()))
}
