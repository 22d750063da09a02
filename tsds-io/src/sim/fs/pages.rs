//! The bytes of a file in pages that copies share until one of them is written to.

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const PAGE: u64 = 4096;
pub(crate) const SECTOR: u64 = 512;
pub(crate) const SECTORS_PER_PAGE: u64 = PAGE / SECTOR;

pub(crate) type Page = [u8; PAGE as usize];

/// Pages by number; a page that is not there reads as zeros. A clone costs one reference count.
#[derive(Clone, Default)]
pub(crate) struct Pages(Arc<BTreeMap<u64, Arc<Page>>>);

impl Pages {
    pub(crate) fn get(&self, number: u64) -> Option<&Arc<Page>> {
        self.0.get(&number)
    }

    pub(crate) fn put(&mut self, number: u64, page: Arc<Page>) {
        Arc::make_mut(&mut self.0).insert(number, page);
    }

    /// Makes page `number` what it is in `other`.
    pub(crate) fn copy_from(&mut self, other: &Pages, number: u64) {
        match other.get(number) {
            Some(page) => self.put(number, Arc::clone(page)),
            None => {
                if self.0.contains_key(&number) {
                    Arc::make_mut(&mut self.0).remove(&number);
                }
            }
        }
    }

    /// The page to write to, zeros if it was not there.
    pub(crate) fn edit(&mut self, number: u64) -> &mut Page {
        let page = Arc::make_mut(&mut self.0).entry(number).or_insert_with(|| Arc::new([0; PAGE as usize]));
        Arc::make_mut(page)
    }

    /// Fills `buffer` from `offset`, whatever the length of the file.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) {
        for (number, within, piece) in pieces(offset, buffer.len() as u64) {
            let target = &mut buffer[piece];
            match self.get(number) {
                Some(page) => target.copy_from_slice(&page[within]),
                None => target.fill(0),
            }
        }
    }

    /// Everything at and beyond `len` becomes zeros.
    pub(crate) fn cut(&mut self, len: u64) {
        let kept = len.div_ceil(PAGE);
        if self.0.range(kept..).next().is_some() {
            Arc::make_mut(&mut self.0).split_off(&kept);
        }
        let within = (len % PAGE) as usize;
        let last = len / PAGE;
        let is_tail = |page: &Arc<Page>| page[within..].iter().any(|byte| *byte != 0);
        if within > 0 && self.get(last).is_some_and(is_tail) {
            self.edit(last)[within..].fill(0);
        }
    }

    pub(crate) fn count_from(&self, first: u64) -> u64 {
        self.0.range(first..).count() as u64
    }

    pub(crate) fn count_between(&self, first: u64, end: u64) -> u64 {
        self.0.range(first..end).count() as u64
    }

    /// One page of these, chosen by `pick`.
    pub(crate) fn any(&self, pick: impl FnOnce(usize) -> usize) -> Option<&Arc<Page>> {
        if self.0.is_empty() { None } else { self.0.values().nth(pick(self.0.len())) }
    }
}

/// Splits `len` bytes at `offset` at page borders: page number, range within the page, range within the bytes.
pub(crate) fn pieces(
    offset: u64,
    len: u64,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let end = offset + len;
    let mut at = offset;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let number = at / PAGE;
            let stop = ((number + 1) * PAGE).min(end);
            let start_of_page = number * PAGE;
            let within = (at - start_of_page) as usize..(stop - start_of_page) as usize;
            let piece = (at - offset) as usize..(stop - offset) as usize;
            at = stop;
            (number, within, piece)
        })
    })
}
