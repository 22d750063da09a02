//! A cursor over untrusted bytes.

use super::unzigzag;
use crate::error::{Damaged, Result};

/// Reads fields from the front of a slice.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Damaged::new("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Damaged::new("it ends too early"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// A LEB128 number of at most ten bytes, in its shortest form.
    pub(crate) fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (shift == 63 && bits > 1) || (shift > 0 && byte == 0) {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damaged::new("a number is not in its shortest form"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64> {
        self.varint().map(unzigzag)
    }

    /// Fails unless everything has been read.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damaged::new("bytes follow its end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{put_signed, put_varint};
    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64, signed: i64, small in 0u64..300) {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            put_signed(signed, &mut bytes);
            put_varint(small, &mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.varint(), Ok(small));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_number_that_is_cut_too_long_or_padded_is_damage() {
        for bytes in [&[0x80][..], &[0x80, 0x00], &[0xff; 10], &[0x80; 11], &[]] {
            assert!(Reader::new(bytes).varint().is_err(), "{bytes:?}");
        }
        let mut longest = [0xff; 10];
        longest[9] = 1;
        assert_eq!(Reader::new(&longest).varint(), Ok(u64::MAX));
    }
}
