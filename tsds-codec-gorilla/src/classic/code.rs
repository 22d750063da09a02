//! What all codes have in common, so that a layout need not know which of them it lays out.

/// One of the paper's codes, for values of one type.
pub(super) trait Code: 'static {
    type Value: Copy;
    type Encoder: Encoder;

    /// Bits of a value as it is.
    const VALUE_BITS: u32;
    /// Bits of the longest code.
    const LONGEST: u32;
    /// What is known besides the value when a stream begins.
    const BEGIN: u64;

    fn bits(value: Self::Value) -> u64;
    fn value(bits: u64) -> Self::Value;

    /// Encodes what comes after what is known.
    fn encoder(known: Known) -> Self::Encoder;

    /// Decodes what the 64 bits of `window` begin with. Of a longer code, the bits beyond are taken to be zero.
    fn read(window: u64, known: Known) -> Read;

    /// What the shortest code, a zero bit, leads to.
    fn repeat(known: Known) -> Known;

    /// Adds to what was read the bits of a longer code that were beyond the window.
    fn read_rest(rest: u64, known: Known) -> Known;
}

/// What encoder and decoder know between two codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The last value.
    pub(super) value: u64,
    /// Of times the last delta, of floats the last window of meaningful bits.
    pub(super) state: u64,
}

/// What a window began with.
#[derive(Clone, Copy)]
pub(super) struct Read {
    pub(super) known: Known,
    /// Bits of the code, with those beyond the window.
    pub(super) length: u32,
}

/// Turns one value after another into codes.
pub(super) trait Encoder {
    fn code(&mut self, value: u64) -> Coded;
}

/// A code in two pieces, each in the low bits of its word and all other bits zero. The payload may be empty.
#[derive(Clone, Copy)]
pub(super) struct Coded {
    pub(super) control: u64,
    pub(super) control_bits: u32,
    pub(super) payload: u64,
    pub(super) payload_bits: u32,
}
