//! A small array of integers with access to each: the smallest, and how much each is above it in as few bits as all need.

use super::{MAX_NARROW, Reader, bit_width, pack_into, packed_len, put_signed};
use crate::error::{Damaged, Result};

/// Appends an array that [`Packed::parse`] reads. Differences wrap.
pub(crate) fn write_packed(values: impl Iterator<Item = i64> + Clone, out: &mut Vec<u8>) {
    let min = values.clone().min().unwrap_or(0);
    let above: Vec<u64> = values.map(|value| value.wrapping_sub(min) as u64).collect();
    let width = bit_width(above.iter().fold(0, |all, value| all | value));
    out.push(width as u8);
    put_signed(min, out);
    pack_into(&above, width, out);
}

/// A packed array in untrusted bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    min: i64,
    width: u32,
    mask: u64,
    len: usize,
    /// Exactly the packed bits.
    bits: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Reads an array of `len` values.
    pub(crate) fn parse(reader: &mut Reader<'a>, len: usize) -> Result<Self> {
        let width = u32::from(reader.byte()?);
        if width > MAX_NARROW && width != 64 {
            return Err(Damaged::new("an array has a width that cannot be"));
        }
        let min = reader.signed()?;
        let bits = reader.bytes(packed_len(len, width))?;
        let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
        Ok(Self { min, width, mask, len, bits })
    }

    /// The value at `index`; the smallest for an index outside.
    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> i64 {
        if self.width == 0 || index >= self.len {
            return self.min;
        }
        let bit = index.wrapping_mul(self.width as usize);
        self.min.wrapping_add(((window(self.bits, bit / 8) >> (bit % 8)) & self.mask) as i64)
    }
}

/// Eight bytes from `at`, zeros beyond the end.
#[inline(always)]
fn window(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at.wrapping_add(8)).and_then(|eight| eight.try_into().ok()) {
        Some(eight) => u64::from_le_bytes(eight),
        None => {
            let mut eight = [0; 8];
            let rest = bytes.get(at..).unwrap_or_default();
            let len = rest.len().min(8);
            eight[..len].copy_from_slice(&rest[..len]);
            u64::from_le_bytes(eight)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arrays_come_back_at_any_width(
            values in prop::collection::vec(any::<i64>(), 0..70), shift in 0u32..64, offset: i64
        ) {
            let values: Vec<i64> = values.iter().map(|v| (v >> shift).wrapping_add(offset)).collect();
            let mut bytes = Vec::new();
            write_packed(values.iter().copied(), &mut bytes);
            let mut reader = Reader::new(&bytes);
            let packed = Packed::parse(&mut reader, values.len()).unwrap();
            reader.finish().unwrap();
            let back: Vec<i64> = (0..values.len()).map(|index| packed.get(index)).collect();
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn an_impossible_width_and_missing_bits_are_damage() {
        for bytes in [&[60, 0, 1, 2, 3][..], &[8, 0, 1], &[64, 0, 1], &[]] {
            assert!(Packed::parse(&mut Reader::new(bytes), 2).is_err(), "{bytes:?}");
        }
    }
}
