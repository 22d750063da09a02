//! Writing codes as bits into words, the first bit in a word's highest.

use super::code::Coded;

/// Words that one code can complete, and one that is written to but not kept.
pub(super) const MOST_WORDS: usize = 3;

/// The word that is being filled.
#[derive(Default)]
pub(super) struct BitWriter {
    /// Its bits so far, below them zeros.
    word: u64,
    /// How many: 0 to 63.
    filled: u32,
}

impl BitWriter {
    /// Writes a code; the words it completes go to `words` from `*at` on, which needs room for [`MOST_WORDS`].
    #[inline(always)]
    pub(super) fn put_code(&mut self, code: Coded, words: &mut [u64], at: &mut usize) {
        let Coded { control, control_bits, payload, payload_bits } = code;
        let bits = control_bits.wrapping_add(payload_bits);
        if bits <= 64 {
            // An empty control is not to be had, hence no payload of 64 bits here.
            self.put(control.wrapping_shl(payload_bits) | payload, bits, words, at);
        } else {
            self.put(control, control_bits, words, at);
            self.put(payload, payload_bits, words, at);
        }
    }

    /// Writes the low `bits` bits, 1 to 64, of `value`, in which no others are set.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u64, bits: u32, words: &mut [u64], at: &mut usize) {
        let aligned = value.wrapping_shl(64u32.wrapping_sub(bits));
        let word = self.word | aligned >> self.filled;
        // Two shifts, since all of it may fit.
        let rest = aligned.wrapping_shl(63 - self.filled) << 1;
        let filled = self.filled.wrapping_add(bits);
        if let Some(slot) = words.get_mut(*at) {
            *slot = word;
        }
        let complete = filled >= 64;
        *at = at.wrapping_add(usize::from(complete));
        self.word = if complete { rest } else { word };
        self.filled = filled % 64;
    }

    /// The word that is not complete, and how many bits it has.
    pub(super) fn unfinished(&self) -> (u64, u32) {
        (self.word, self.filled)
    }
}
