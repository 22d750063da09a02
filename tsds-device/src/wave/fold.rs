//! Aggregates of runs of rows.

use std::sync::Arc;

use tsds_traits::{ColumnId, Error, Result, TimeBucket};

use super::filter::mask_bytes;
use super::gather::PartRows;
use super::views::{Blocks, Views};
use super::{Rows, Wave, launch, words};
use crate::device::Device;
use crate::kernel::{GROUP_THREADS, Kernel, NONE, PartEntry, REDUCED_WORDS};
use crate::program::words_of;
use crate::tables::{Tables, blocks_of, bytes_of};

/// Rows that one thread folds at most.
pub(crate) const PIECE_ROWS: u32 = 256;

/// Items of a workgroup that folds pieces, roughly.
const GROUP_ITEMS: u64 = 8192;

/// The most that folded pieces take together.
const MAX_REDUCED_BYTES: u64 = 64 << 20;

/// What is folded.
#[derive(Clone, Debug)]
pub(crate) struct FoldPlan {
    /// Rows of one run agree in these.
    pub(crate) groups: Vec<ColumnId>,
    /// And in the bucket of their time.
    pub(crate) bucket: Option<TimeBucket>,
    pub(crate) time: ColumnId,
    /// Each with what is wanted of it, a sum of [`crate::kernel::reduce`] flags.
    pub(crate) columns: Vec<(Option<ColumnId>, u32)>,
}

/// Runs of one part, folded.
#[derive(Debug)]
pub(crate) struct Folded<D: Device> {
    /// The first item of each piece of all parts, and the end of the last one.
    pub(crate) pieces: Vec<u32>,
    /// The pieces of each part: the first one, and how many there are.
    pub(crate) of_part: Vec<(u32, u32)>,
    /// For each column what the device found: [`REDUCED_WORDS`] for every piece.
    pub(crate) found: Vec<Vec<u32>>,
    /// The rows that the items are.
    pub(crate) rows: Rows<D>,
}

impl<D: Device> Folded<D> {
    /// Of no rows.
    pub(crate) fn nothing(rows: Rows<D>) -> Self {
        Self { pieces: Vec::new(), of_part: Vec::new(), found: Vec::new(), rows }
    }

    /// Whether there is no piece.
    pub(crate) fn is_empty(&self) -> bool {
        self.of_part.iter().all(|(_, pieces)| *pieces == 0)
    }
}

impl<D: Device> Wave<D> {
    /// Cuts rows into runs, and these into pieces, and folds each piece; `None` if there are so many pieces that folding them here
    /// saves nothing. `starts` are the bucket starts of each part.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn fold(
        &self,
        rows: Rows<D>,
        plan: &FoldPlan,
        starts: &[Vec<i64>],
    ) -> Result<Option<Folded<D>>> {
        let mut rows = rows;
        let mut columns = plan.groups.clone();
        columns.push(plan.time);
        columns.extend(plan.columns.iter().filter_map(|(column, _)| *column));
        columns.sort_unstable();
        columns.dedup();
        let views = self.plain(&columns, &mut rows).await?;
        let Rows { list, items, mut steps, .. } = rows;
        let mut tables = Tables::default();
        let entries = self.entries_with_buckets(&items, starts, &mut tables)?;
        let Blocks { table, runs } = views.blocks(&items);
        let slots = plan.groups.iter().map(|column| self.slot(*column)).collect::<Result<Vec<_>>>()?;
        let (groups_at, groups) = (tables.push(&slots)?, slots.len() as u32);
        let at = views.place(&mut tables, &table, &entries)?;
        let meta = self.upload(&tables.bytes()).await?;
        let from = list.as_ref().unwrap_or(&meta);
        let (identity, time) = (u32::from(list.is_none()), self.slot(plan.time)?);
        let mask = self.buffer(mask_bytes(table.len())).await?;
        let counts = self.buffer(table.len() as u64 * 4).await?;
        let total = items.iter().map(|(start, items)| u64::from(start + items)).max().unwrap_or(0);
        let buckets = match plan.bucket {
            Some(_) => self.buffer(total * 4).await?,
            None => Arc::clone(&meta),
        };
        for run in runs.iter().filter(|_| plan.bucket.is_some()) {
            let params = at.params(run.blocks, run.first, &[time, 0, identity]);
            steps.push(launch(Kernel::Buckets, &[&run.buffer, &meta, from, &buckets], params));
        }
        for run in &runs {
            let further = [PIECE_ROWS, groups_at, identity, groups, plan.bucket.is_some().into()];
            let buffers = [&run.buffer, &meta, from, &buckets, &mask, &counts];
            steps.push(launch(Kernel::Runs, &buffers, at.params(run.blocks, run.first, &further)));
        }
        let marked = self.marked(steps, mask, counts, Arc::clone(&meta), at, table).await?;
        let pieces = self.listed(marked, None).await?;
        let rows = Rows::new(list, items, Vec::new());
        self.reduce(&views, rows, pieces, plan, entries).await
    }

    /// The most that folded pieces may take: they are on the device and on their way to the host.
    pub(super) fn reduced_bytes(&self) -> u64 {
        MAX_REDUCED_BYTES.min(self.bytes / 4).min(self.device.info().max_buffer_bytes)
    }

    /// Folds pieces.
    async fn reduce(
        &self,
        views: &Views<D>,
        rows: Rows<D>,
        pieces: Rows<D>,
        plan: &FoldPlan,
        entries: Vec<PartEntry>,
    ) -> Result<Option<Folded<D>>> {
        let Rows { list: Some(starts), items: of_part, mut steps, .. } = pieces else {
            return Err(Error::internal("runs were not listed"));
        };
        let count = of_part.iter().map(|(_, pieces)| *pieces).sum::<u32>();
        let bytes = u64::from(count) * u64::from(REDUCED_WORDS) * 4 * plan.columns.len() as u64;
        if bytes > self.reduced_bytes() {
            return Ok(None);
        }
        let mut tables = Tables::default();
        // A workgroup takes so many pieces that it has something to do, and fewer of long ones.
        let items: u64 = rows.items.iter().map(|(_, items)| u64::from(*items)).sum();
        let length = (items / u64::from(count.max(1))).max(1);
        let at_once = (GROUP_ITEMS / length).clamp(1, u64::from(GROUP_THREADS)) as u32;
        let Blocks { table, runs } =
            views.cut(&of_part, |part, first, pieces| blocks_of(part, first, pieces, at_once).collect());
        let at = views.place(&mut tables, &table, &entries)?;
        let meta = self.upload(&tables.bytes()).await?;
        let from = rows.list.as_ref().unwrap_or(&meta);
        let time = self.slot(plan.time)?;
        let words_of_column = count * REDUCED_WORDS;
        let out = self.buffer(u64::from(words_of_column) * 4 * plan.columns.len() as u64).await?;
        for (number, (column, wanted)) in (0u32..).zip(&plan.columns) {
            let slot = column.map(|column| self.slot(column)).transpose()?.unwrap_or(NONE);
            let into = number * words_of_column;
            let further = [count, slot, rows.list.is_none().into(), time, *wanted, into];
            for run in &runs {
                let buffers = [&run.buffer, &meta, from, &starts, &out];
                steps.push(launch(Kernel::Reduce, &buffers, at.params(run.blocks, run.first, &further)));
            }
        }
        let column_bytes = u64::from(words_of_column) * 4;
        let reads = (0..plan.columns.len() as u64)
            .map(|column| (Arc::clone(&out), column * column_bytes..(column + 1) * column_bytes))
            .chain([(Arc::clone(&starts), 0..u64::from(count) * 4)])
            .collect();
        let mut read = self.run(steps, reads).await?;
        let mut pieces: Vec<u32> = words(&read.pop().unwrap_or_default()).collect();
        pieces.push(u32::MAX);
        let found = read.iter().map(|bytes| words(bytes).collect()).collect();
        Ok(Some(Folded { pieces, of_part, found, rows }))
    }

    /// Entries of the part table with bucket starts.
    pub(super) fn entries_with_buckets(
        &self,
        items: &[(u32, u32)],
        starts: &[Vec<i64>],
        tables: &mut Tables,
    ) -> Result<Vec<PartEntry>> {
        let mut entries = self.part_entries(items)?;
        for (entry, starts) in entries.iter_mut().zip(starts) {
            let words: Vec<u32> = starts.iter().flat_map(|start| words_of(*start as u64)).collect();
            entry.buckets = tables.push(&words)?;
            entry.bucket_count = starts.len() as u32;
        }
        Ok(entries)
    }

    /// The values of `columns` at some items of each part of `rows`.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn at_items(
        &self,
        rows: &Rows<D>,
        items: &[Vec<u32>],
        columns: &[ColumnId],
    ) -> Result<Vec<PartRows>> {
        self.at_rows(self.rows_at(rows, items).await?, columns).await
    }

    /// The values of `columns` at some rows of each part, by their numbers within the parts.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn at_rows(
        &self,
        numbers: Vec<Vec<u32>>,
        columns: &[ColumnId],
    ) -> Result<Vec<PartRows>> {
        let (mut list, mut ranges) = (Vec::new(), Vec::with_capacity(numbers.len()));
        for numbers in numbers {
            ranges.push((list.len() as u32, numbers.len() as u32));
            list.extend(numbers);
        }
        let list = self.upload(&bytes_of(&list)).await?;
        self.gather(Rows::new(Some(list), ranges, Vec::new()), columns).await
    }

    /// The row numbers, within their parts, of items.
    pub(crate) async fn rows_at(&self, rows: &Rows<D>, items: &[Vec<u32>]) -> Result<Vec<Vec<u32>>> {
        let Some(list) = &rows.list else {
            let starts = rows.items.iter().map(|(start, _)| *start);
            let numbers =
                items.iter().zip(starts).map(|(items, start)| items.iter().map(move |item| item - start));
            return Ok(numbers.map(Iterator::collect).collect());
        };
        let list = rows.on_host.get_or_try_init(|| self.read_list(rows, list)).await?;
        let row = |item: &u32| {
            list.get(*item as usize)
                .copied()
                .ok_or_else(|| Error::internal("device named an item that is not there"))
        };
        items.iter().map(|items| items.iter().map(row).collect()).collect()
    }

    /// All rows that are listed.
    async fn read_list(&self, rows: &Rows<D>, list: &Arc<D::Buffer>) -> Result<Vec<u32>> {
        let total = rows.items.iter().map(|(start, items)| u64::from(start + items)).max().unwrap_or(0);
        let mut read = self.run(Vec::new(), vec![(Arc::clone(list), 0..total * 4)]).await?;
        Ok(words(&read.pop().unwrap_or_default()).collect())
    }
}
