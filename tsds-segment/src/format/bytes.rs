//! Little-endian numbers out of untrusted bytes.

use tsds_traits::{Error, Result};

/// Reads bytes front to back; whatever is missing is `Corrupt`.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// `what` names the bytes in errors.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    fn short(&self) -> Error {
        Error::corrupt("segment file ends inside a structure").with("structure", self.what)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.short())?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A `u32` count of items that take at least `item_bytes` each, so that no count makes anybody allocate more than the
    /// bytes that are there can hold.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Result<usize> {
        let count = self.u32()? as usize;
        match count.checked_mul(item_bytes) {
            Some(needed) if needed <= self.rest.len() => Ok(count),
            _ => Err(self.short()),
        }
    }

    /// `count` numbers.
    pub(crate) fn u32s(&mut self, count: usize) -> Result<Vec<u32>> {
        let bytes = self.take(count.checked_mul(4).ok_or_else(|| self.short())?)?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
    }

    /// Text of a known length.
    pub(crate) fn text(&mut self, len: usize) -> Result<&'a str> {
        std::str::from_utf8(self.take(len)?).map_err(|_| {
            Error::corrupt("segment file has text that is not utf-8").with("structure", self.what)
        })
    }

    /// Refuses bytes other than zero.
    pub(crate) fn zeros(&mut self, len: usize) -> Result<()> {
        if self.take(len)?.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(Error::corrupt("segment file has reserved bytes that are not zero").with("structure", self.what))
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Refuses bytes that are left.
    pub(crate) fn end(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt("segment file has bytes after the end of a structure")
            .with("structure", self.what))
    }
}
