//! What a tier counts while it answers a request, for whoever wants to know why a query takes its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what was read for a request. Copies count together; the default one counts nothing and costs nothing.
///
/// Tiers count as they see fit and when they like, also on other threads: no answer depends on it. What a tier does not count
/// stays zero.
///
/// ```
/// use tsds_traits::ReadMeter;
///
/// let meter = ReadMeter::counting();
/// let of_tier = meter.clone();
/// of_tier.segments_opened(2);
/// of_tier.bytes_read(4096);
/// assert_eq!(meter.counts().segments_opened, 2);
///
/// ReadMeter::default().bytes_read(1); // nobody asked
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReadMeter(Option<Arc<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    segments_opened: AtomicU64,
    segments_skipped: AtomicU64,
    blocks_read: AtomicU64,
    blocks_skipped: AtomicU64,
    bytes_read: AtomicU64,
    requests: AtomicU64,
}

/// What a [`ReadMeter`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadCounts {
    /// Segments of which more was read than what says where the rest is.
    pub segments_opened: u64,
    /// Segments of which no row can match: by their bounds, an index or a bloom filter.
    pub segments_skipped: u64,
    /// Blocks or pages that were decoded or computed on.
    pub blocks_read: u64,
    /// Blocks, pages or larger parts with no row that can match.
    pub blocks_skipped: u64,
    /// Bytes that were fetched from where segments are kept: a disk, an object store, memory of a device.
    pub bytes_read: u64,
    /// How often something was fetched: reads of a file, requests to an object store, submissions to a device.
    pub requests: u64,
}

impl ReadMeter {
    /// A meter that counts.
    pub fn counting() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether somebody wants to know.
    pub fn is_counting(&self) -> bool {
        self.0.is_some()
    }

    /// What has been counted so far; zeros if nothing is.
    pub fn counts(&self) -> ReadCounts {
        let Some(counters) = &self.0 else { return ReadCounts::default() };
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReadCounts {
            segments_opened: of(&counters.segments_opened),
            segments_skipped: of(&counters.segments_skipped),
            blocks_read: of(&counters.blocks_read),
            blocks_skipped: of(&counters.blocks_skipped),
            bytes_read: of(&counters.bytes_read),
            requests: of(&counters.requests),
        }
    }

    /// So many segments more were opened.
    pub fn segments_opened(&self, count: u64) {
        self.add(count, |counters| &counters.segments_opened);
    }

    /// So many segments more have no row that can match.
    pub fn segments_skipped(&self, count: u64) {
        self.add(count, |counters| &counters.segments_skipped);
    }

    /// So many blocks more were decoded.
    pub fn blocks_read(&self, count: u64) {
        self.add(count, |counters| &counters.blocks_read);
    }

    /// So many blocks more have no row that can match.
    pub fn blocks_skipped(&self, count: u64) {
        self.add(count, |counters| &counters.blocks_skipped);
    }

    /// So many bytes more were fetched, at once.
    pub fn bytes_read(&self, bytes: u64) {
        self.add(bytes, |counters| &counters.bytes_read);
        self.add(1, |counters| &counters.requests);
    }

    fn add(&self, count: u64, of: impl Fn(&Counters) -> &AtomicU64) {
        if let Some(counters) = &self.0 {
            of(counters).fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_count_together() {
        let meter = ReadMeter::counting();
        let copy = meter.clone();
        meter.blocks_read(2);
        copy.blocks_read(3);
        copy.blocks_skipped(4);
        copy.segments_skipped(1);
        copy.bytes_read(10);
        meter.bytes_read(20);
        let counts = meter.counts();
        assert_eq!((counts.blocks_read, counts.blocks_skipped, counts.segments_skipped), (5, 4, 1));
        assert_eq!((counts.bytes_read, counts.requests), (30, 2));
    }

    #[test]
    fn a_meter_that_nobody_asked_for_counts_nothing() {
        let meter = ReadMeter::default();
        meter.bytes_read(1);
        assert!(!meter.is_counting());
        assert_eq!(meter.counts(), ReadCounts::default());
    }
}
