//! Waves: parts of segments on which one request works at once.

mod filter;
mod fold;
mod fold_encoded;
mod gather;
mod select;
mod sort;
mod views;

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tsds_compute::Verdict;
use tsds_traits::{ColumnId, Error, ReadMeter, Result, World};

use crate::busy::Busy;
use crate::device::{Device, Hold, Launch, PARAMS, Step, Work};
use crate::kernel::{Kernel, PartEntry};
use crate::segment::{DevicePart, DeviceSegment};

pub(crate) use fold::{FoldPlan, Folded};
pub(crate) use fold_encoded::Fold;
pub(crate) use gather::PartRows;

/// Memory for what waves compute, beside what segments take: so many bytes in all waves together.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    kibibytes: Arc<Semaphore>,
    total: u32,
}

impl Scratch {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, u32::MAX / 8);
        Self { kibibytes: Arc::new(Semaphore::new(total as usize)), total }
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.total) * 1024
    }

    /// How much memory nobody has.
    #[cfg(feature = "conformance")]
    pub(crate) fn free_bytes(&self) -> u64 {
        self.kibibytes.available_permits() as u64 * 1024
    }

    /// Waits until so much memory is free; more than there is at all counts as all of it.
    ///
    /// # Errors
    ///
    /// `Internal`, which does not happen: nobody closes it.
    pub(crate) async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.total);
        let permit = Arc::clone(&self.kibibytes).acquire_many_owned(wanted).await;
        permit.map_err(|_| Error::internal("scratch memory was closed"))
    }
}

/// A part of a segment, in a request.
#[derive(Debug)]
pub(crate) struct WavePart<D: Device> {
    /// The position of the segment in the request.
    pub(crate) position: usize,
    pub(crate) segment: Arc<DeviceSegment<D>>,
    /// Which part of the segment.
    pub(crate) index: usize,
    /// What statistics say; never that no row matches.
    pub(crate) verdict: Verdict,
}

impl<D: Device> WavePart<D> {
    pub(crate) fn matches_all(&self) -> bool {
        self.verdict == Verdict::All
    }

    /// # Errors
    ///
    /// `Internal` for a part that the segment lacks.
    pub(crate) fn part(&self) -> Result<&DevicePart<D>> {
        self.segment.parts.get(self.index).ok_or_else(|| Error::internal("segment lacks a part"))
    }
}

/// Parts on which a request works at once.
#[derive(Debug)]
pub(crate) struct Wave<D: Device> {
    pub(crate) world: World,
    pub(crate) device: Arc<D>,
    /// Measures the time in which the device has work.
    pub(crate) busy: Arc<Busy>,
    /// Every column that the request reads.
    pub(crate) slots: Vec<ColumnId>,
    /// Those in the same slab stand together.
    pub(crate) parts: Vec<WavePart<D>>,
    /// How many bytes of scratch memory it has.
    pub(crate) bytes: u64,
    /// What the wave may allocate counts against, until its last work has ended.
    pub(crate) permit: Arc<OwnedSemaphorePermit>,
    /// Counts what comes from the device.
    pub(crate) meter: ReadMeter,
}

/// Which rows of each part of a wave, and in which order.
#[derive(Debug)]
pub(crate) struct Rows<D: Device> {
    /// The rows within their parts; `None`: all rows, as they are stored.
    list: Option<Arc<D::Buffer>>,
    /// The items of each part: the first one, and how many there are.
    pub(crate) items: Vec<(u32, u32)>,
    /// What has to run first.
    steps: Vec<Step<D::Buffer>>,
    /// The list, once somebody asked for it.
    on_host: OnceCell<Vec<u32>>,
}

impl<D: Device> Rows<D> {
    fn new(list: Option<Arc<D::Buffer>>, items: Vec<(u32, u32)>, steps: Vec<Step<D::Buffer>>) -> Self {
        Self { list, items, steps, on_host: OnceCell::new() }
    }

    /// How many rows.
    pub(crate) fn count(&self) -> u64 {
        self.items.iter().map(|(_, items)| u64::from(*items)).sum()
    }
}

impl<D: Device> Wave<D> {
    /// All rows of all parts.
    ///
    /// # Errors
    ///
    /// `Internal` for more rows than 32 bits can number.
    pub(crate) fn all_rows(&self) -> Result<Rows<D>> {
        let mut items = Vec::with_capacity(self.parts.len());
        let mut start = 0u32;
        for part in &self.parts {
            let rows = part.part()?.rows;
            items.push((start, rows));
            start = start.checked_add(rows).ok_or_else(|| Error::internal("wave has too many rows"))?;
        }
        Ok(Rows::new(None, items, Vec::new()))
    }

    /// Runs steps and returns what is read. Until they have ended they take memory, whoever waits for them.
    async fn run(
        &self,
        steps: Vec<Step<D::Buffer>>,
        reads: Vec<(Arc<D::Buffer>, Range<u64>)>,
    ) -> Result<Vec<Vec<u8>>> {
        let hold: Hold = Arc::new((Arc::clone(&self.permit), self.busy.begin()));
        self.meter.bytes_read(reads.iter().map(|(_, range)| range.end - range.start).sum());
        Ok(self.device.run(Work::new(steps, reads).holding(hold)).await?)
    }

    /// Memory on the device.
    async fn buffer(&self, bytes: u64) -> Result<Arc<D::Buffer>> {
        Ok(Arc::new(self.device.allocate(bytes.max(4).next_multiple_of(4)).await?))
    }

    /// Memory on the device with these bytes.
    async fn upload(&self, bytes: &[u8]) -> Result<Arc<D::Buffer>> {
        let buffer = self.buffer(bytes.len() as u64).await?;
        self.device.write(&buffer, 0, bytes)?;
        Ok(buffer)
    }

    /// Entries of the part table, with the items of each part.
    fn part_entries(&self, items: &[(u32, u32)]) -> Result<Vec<PartEntry>> {
        let entry = |(part, (start, items)): (&WavePart<D>, &(u32, u32))| {
            Ok(PartEntry {
                rows: part.part()?.rows,
                list_start: *start,
                list_items: *items,
                ..PartEntry::default()
            })
        };
        self.parts.iter().zip(items).map(entry).collect()
    }

    fn slot(&self, column: ColumnId) -> Result<u32> {
        crate::program::slot_of(&self.slots, column)
    }
}

/// Where the tables of a launch begin in `meta`.
#[derive(Clone, Copy, Debug, Default)]
struct TablesAt {
    blocks: u32,
    parts: u32,
    columns: u32,
    slots: u32,
}

impl TablesAt {
    /// The parameters of a launch over `blocks` blocks from `first` on, with further ones from `p6` on.
    fn params(self, blocks: u32, first: u32, further: &[u32]) -> [u32; PARAMS] {
        let mut params = [0; PARAMS];
        for (slot, value) in params
            .iter_mut()
            .zip([blocks, self.blocks, self.parts, self.columns, self.slots, first].iter().chain(further))
        {
            *slot = *value;
        }
        params
    }
}

fn launch<B>(kernel: Kernel, buffers: &[&Arc<B>], params: [u32; PARAMS]) -> Step<B> {
    Step::Launch(Launch {
        kernel,
        buffers: buffers.iter().map(|buffer| Arc::clone(buffer)).collect(),
        params,
    })
}

/// The words that a device wrote.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).map(|word| word.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
}
