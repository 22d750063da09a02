//! A small array of integers with access to each: the smallest, and how much each is above it in as few bits as all need.

use super::{MAX_NARROW, Reader, bit_width, pack_into, packed_len, put_signed};
use crate::error::{Damaged, Result};
use crate::simd::{GROUP, Simd, WINDOW};

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
    /// The packed bits, and what follows them in the block: a load that looks beyond them need not be avoided.
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
        let bits = reader.rest();
        reader.bytes(packed_len(len, width))?;
        let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
        Ok(Self { min, width, mask, bits })
    }

    /// The value that no value is above.
    pub(crate) fn max(&self) -> i64 {
        self.min.wrapping_add(self.mask as i64)
    }

    /// The eight values from `index` on, which is a multiple of eight; anything for those that are not there.
    #[inline(always)]
    pub(crate) fn eight<S: Simd>(&self, simd: S, index: usize) -> S::V {
        let min = simd.splat(self.min);
        if self.width == 0 {
            return min;
        }
        let rest = self.bits.get((index / GROUP).wrapping_mul(self.width as usize)..).unwrap_or_default();
        let mut padded = [0; WINDOW];
        let window = match rest.first_chunk::<WINDOW>() {
            Some(window) => window,
            None => {
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            }
        };
        simd.add(min, simd.unpack(simd.unpacker(self.width), window))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::Portable;

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
            let eights = (0..values.len()).step_by(GROUP).map(|index| {
                let mut eight = [0; GROUP];
                Portable.store(packed.eight(Portable, index), &mut eight);
                eight
            });
            let mut back: Vec<i64> = eights.flatten().collect();
            back.truncate(values.len());
            prop_assert!(back.iter().all(|value| value.wrapping_sub(packed.min) as u64 <= packed.mask));
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
