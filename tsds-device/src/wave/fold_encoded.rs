//! Aggregates of columns as they lie: the kernel that folds decodes, too. Pieces are runs of rows of one block, so that nothing is
//! listed, copied or decoded beside the slabs.

use std::sync::Arc;

use tsds_compute::CompiledPredicate;
use tsds_compute::predicate::Test;
use tsds_traits::{ColumnId, Result};

use super::filter::{Marked, mask_bytes};
use super::fold::{FoldPlan, Folded};
use super::views::{Blocks, Views};
use super::{Rows, TablesAt, Wave, launch, words};
use crate::device::Device;
use crate::kernel::{Kernel, NONE, PartEntry, REDUCED_WORDS, reduce};
use crate::program::{self, Columns};
use crate::tables::{Tables, bytes_of};

/// What came of folding.
#[derive(Debug)]
pub(crate) enum Fold<D: Device> {
    /// Runs, folded.
    Done(Folded<D>),
    /// It has to be done another way: no column is encoded, or something is asked for that needs rows one by one.
    Unfit,
    /// There are so many pieces that folding them here saves nothing.
    TooMany,
}

/// Which rows count, as launches are given it.
struct Filter<B> {
    rows: Arc<B>,
    /// 1 if all rows count.
    none: u32,
}

impl<D: Device> Wave<D> {
    /// As [`Wave::fold`], of the rows that match.
    ///
    /// # Errors
    ///
    /// What the device says; as evaluating on the host does.
    pub(crate) async fn fold_encoded(
        &self,
        predicate: Option<&CompiledPredicate>,
        plan: &FoldPlan,
        starts: &[Vec<i64>],
    ) -> Result<Fold<D>> {
        let mut columns = columns_of(plan);
        if plan.columns.iter().any(|(_, wanted)| wanted & reduce::EDGES != 0)
            || !self.leaves_encoded(&columns)?
        {
            return Ok(Fold::Unfit);
        }
        let predicate = self.asked(predicate);
        let on_device = predicate.filter(|predicate| program::fits(predicate.test()));
        columns.extend(on_device.iter().flat_map(|predicate| predicate.columns()));
        let (views, mut steps) = self.decodable(&columns).await?;
        let rows = self.parts.iter().map(|part| Ok((0, part.part()?.rows))).collect::<Result<Vec<_>>>()?;
        let Blocks { table, runs } = self.row_blocks(&views)?;
        let mut tables = Tables::default();
        let mut entries = self.entries_with_buckets(&rows, starts, &mut tables)?;
        if let Some(predicate) = on_device {
            self.write_programs(predicate.test(), &views, &mut entries, &mut tables)?;
        }
        let slots = plan.groups.iter().map(|column| self.slot(*column)).collect::<Result<Vec<_>>>()?;
        let (groups_at, groups) = (tables.push(&slots)?, slots.len() as u32);
        let at = views.place(&mut tables, &table, &entries)?;
        let meta = self.upload(&tables.bytes()).await?;
        let counts = self.buffer(table.len() as u64 * 4).await?;

        let filter = match (on_device, predicate) {
            (Some(_), _) => {
                let mask = self.buffer(mask_bytes(table.len())).await?;
                for run in &runs {
                    let buffers = [&run.buffer, &meta, &mask, &counts];
                    steps.push(launch(Kernel::MaskEncoded, &buffers, at.params(run.blocks, run.first, &[])));
                }
                Filter { rows: mask, none: 0 }
            }
            (None, Some(predicate)) => {
                let (mask, _) = self.mask_on_host(predicate, &table).await?;
                Filter { rows: self.upload(&bytes_of(&mask)).await?, none: 0 }
            }
            (None, None) => Filter { rows: Arc::clone(&meta), none: 1 },
        };
        let begins = self.buffer(mask_bytes(table.len())).await?;
        let time = if plan.bucket.is_some() { self.slot(plan.time)? } else { NONE };
        for run in &runs {
            let buffers = [&run.buffer, &meta, &filter.rows, &begins, &counts];
            let params = at.params(run.blocks, run.first, &[time, groups_at, filter.none, groups]);
            steps.push(launch(Kernel::RunsEncoded, &buffers, params));
        }
        let marked = self.marked(steps, begins, counts, meta, at, table).await?;
        self.reduce_encoded(&views, rows, marked, &filter, plan, entries).await
    }

    /// Folds the pieces that `marked` begins.
    async fn reduce_encoded(
        &self,
        views: &Views<D>,
        rows: Vec<(u32, u32)>,
        marked: Marked<D::Buffer>,
        filter: &Filter<D::Buffer>,
        plan: &FoldPlan,
        entries: Vec<PartEntry>,
    ) -> Result<Fold<D>> {
        let count: u64 = marked.counts.iter().map(|count| u64::from(*count)).sum();
        let column_bytes = count * u64::from(REDUCED_WORDS) * 4;
        let bytes = column_bytes * plan.columns.len() as u64;
        if bytes > self.reduced_bytes() {
            return Ok(Fold::TooMany);
        }
        let Blocks { mut table, runs } = self.row_blocks(views)?;
        let mut first_piece = 0;
        for (block, pieces) in table.iter_mut().zip(&marked.counts) {
            block.aux = first_piece;
            first_piece += pieces;
        }
        let begins = Arc::clone(&marked.mask);
        let Rows { list: starts, items: of_part, mut steps, .. } = self.listed(marked, None).await?;
        let mut tables = Tables::default();
        let at: TablesAt = views.place(&mut tables, &table, &entries)?;
        let meta = self.upload(&tables.bytes()).await?;
        let out = self.buffer(bytes).await?;
        let words_of_column = count as u32 * REDUCED_WORDS;
        for (number, (column, wanted)) in (0u32..).zip(&plan.columns) {
            let slot = column.map(|column| self.slot(column)).transpose()?.unwrap_or(NONE);
            let further = [0, slot, filter.none, 0, *wanted, number * words_of_column];
            for run in &runs {
                let buffers = [&run.buffer, &meta, &filter.rows, &begins, &out];
                steps.push(launch(
                    Kernel::ReduceEncoded,
                    &buffers,
                    at.params(run.blocks, run.first, &further),
                ));
            }
        }
        let columns = 0..plan.columns.len() as u64;
        let mut reads: Vec<_> = columns
            .map(|column| (Arc::clone(&out), column * column_bytes..(column + 1) * column_bytes))
            .collect();
        reads.extend(starts.map(|starts| (starts, 0..count * 4)));
        let mut read = self.run(steps, reads).await?;
        let mut pieces: Vec<u32> = words(&read.pop().unwrap_or_default()).collect();
        pieces.push(u32::MAX);
        let found: Vec<Vec<u32>> = read.iter().map(|bytes| words(bytes).collect()).collect();
        // Which rows of a piece count is known here no more.
        if filter.none == 0 && found.iter().any(|found| has_wide(found)) {
            return Ok(Fold::Unfit);
        }
        let rows = Rows::new(None, rows, Vec::new());
        Ok(Fold::Done(Folded { pieces, of_part, found, rows }))
    }

    /// The predicate, if it says anything of these parts.
    pub(super) fn asked<'a>(
        &self,
        predicate: Option<&'a CompiledPredicate>,
    ) -> Option<&'a CompiledPredicate> {
        predicate.filter(|_| self.parts.iter().any(|part| !part.matches_all()))
    }

    /// Writes the program of each part.
    pub(super) fn write_programs(
        &self,
        test: &Test,
        views: &Views<D>,
        entries: &mut [PartEntry],
        tables: &mut Tables,
    ) -> Result<()> {
        let always = Test::Constant(true);
        for (entry, (part, view)) in entries.iter_mut().zip(self.parts.iter().zip(&views.of_part)) {
            let test = if part.matches_all() { &always } else { test };
            let columns = Columns { slots: &self.slots, entries: &view.entries };
            entry.program = program::write(test, &part.segment, part.part()?, columns, tables)?;
        }
        Ok(())
    }
}

/// What is folded, or tells runs apart.
fn columns_of(plan: &FoldPlan) -> Vec<ColumnId> {
    let mut columns = plan.groups.clone();
    columns.extend(plan.bucket.map(|_| plan.time));
    columns.extend(plan.columns.iter().filter_map(|(column, _)| *column));
    columns
}

/// Whether the sum of a piece was too wide.
fn has_wide(found: &[u32]) -> bool {
    let mut pieces = found.chunks_exact(REDUCED_WORDS as usize);
    pieces.any(|piece| piece.get(reduce::SUM_FLAGS).is_some_and(|flags| flags & reduce::TOO_WIDE != 0))
}
