//! Little-endian fields, read without ever trusting a length.

/// Appends fields.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Length as `u16`, then the bytes; `None` if the text is longer than that.
    pub(super) fn text(&mut self, text: &str) -> Option<()> {
        self.u16(u16::try_from(text.len()).ok()?);
        self.raw(text.as_bytes());
        Some(())
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

type Field<T> = Result<T, &'static str>;

/// Takes fields from the front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Field<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Field<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or("ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Field<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Field<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Field<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Field<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Field<&'a str> {
        let len = self.u16()?;
        std::str::from_utf8(self.take(usize::from(len))?).map_err(|_| "text is not utf-8")
    }

    /// A count of items that take at least `item_bytes` each, so that no count promises more than is there.
    pub(super) fn count(&mut self, item_bytes: usize) -> Field<usize> {
        let count = usize::try_from(self.u32()?).map_err(|_| "count is too large")?;
        self.check(count, item_bytes)?;
        Ok(count)
    }

    fn check(&self, count: usize, item_bytes: usize) -> Field<()> {
        match count.checked_mul(item_bytes) {
            Some(needed) if needed <= self.0.len() => Ok(()),
            _ => Err("count is larger than what follows"),
        }
    }

    /// `count` items that take at least `item_bytes` each.
    pub(super) fn many<T>(
        &mut self,
        count: usize,
        item_bytes: usize,
        mut item: impl FnMut(&mut Self) -> Field<T>,
    ) -> Field<Vec<T>> {
        self.check(count, item_bytes)?;
        (0..count).map(|_| item(self)).collect()
    }
}
