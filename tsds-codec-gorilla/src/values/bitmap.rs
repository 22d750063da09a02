//! One bit for every row, lowest first.

/// Whether the bit of a row is set; bits that are not there are.
#[inline]
pub(crate) fn is_set(bits: &[u64], row: usize) -> bool {
    bits.get(row / 64).is_none_or(|word| word >> (row % 64) & 1 == 1)
}
