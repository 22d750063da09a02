//! Which rows match.

use std::sync::Arc;

use tsds_compute::CompiledPredicate;
use tsds_compute::predicate::Test;
use tsds_traits::{Error, Result};

use super::views::Blocks;
use super::{Rows, TablesAt, Wave, launch, words};
use crate::device::{Device, Step, Work};
use crate::kernel::{BlockEntry, Form, GROUP_THREADS, Kernel};
use crate::program;
use crate::tables::{Tables, blocks_of, bytes_of};

/// A bitmap over items, and how many ones each block of it has.
pub(super) struct Marked<B> {
    pub(super) mask: Arc<B>,
    pub(super) meta: Arc<B>,
    pub(super) at: TablesAt,
    pub(super) blocks: Vec<BlockEntry>,
    pub(super) counts: Vec<u32>,
}

impl<D: Device> Wave<D> {
    /// The rows that match, of each part in storage order.
    ///
    /// # Errors
    ///
    /// What the device says; as evaluating on the host does.
    pub(crate) async fn matching(&self, predicate: Option<&CompiledPredicate>) -> Result<Rows<D>> {
        let all = self.all_rows()?;
        let Some(predicate) = predicate.filter(|_| self.parts.iter().any(|part| !part.matches_all())) else {
            return Ok(all);
        };
        let marked = match program::fits(predicate.test()) {
            true => self.mark_matching(predicate.test()).await?,
            false => self.mark_on_host(predicate, &all).await?,
        };
        self.listed(marked, None).await
    }

    /// Runs the program of each part.
    async fn mark_matching(&self, test: &Test) -> Result<Marked<D::Buffer>> {
        let mut tables = Tables::default();
        let rows = self.parts.iter().map(|part| Ok((0, part.part()?.rows))).collect::<Result<Vec<_>>>()?;
        let mut entries = self.part_entries(&rows)?;
        for (entry, part) in entries.iter_mut().zip(&self.parts) {
            let always = Test::Constant(true);
            let test = if part.matches_all() { &always } else { test };
            entry.program = program::write(test, &part.segment, part.part()?, &self.slots, &mut tables)?;
        }
        let views = self.stored()?;
        let is_encoded =
            views.of_part.iter().flat_map(|view| &view.entries).any(|entry| entry.form == Form::Encoded);
        let (kernel, blocks) = match is_encoded {
            true => (Kernel::MaskEncoded, self.row_blocks(&views, &rows)?),
            false => (Kernel::Mask, views.blocks(&rows)),
        };
        let Blocks { table, runs } = blocks;
        let at = views.place(&mut tables, &table, &entries)?;
        let meta = self.upload(&tables.bytes()).await?;
        let mask = self.buffer(mask_bytes(table.len())).await?;
        let counts = self.buffer(table.len() as u64 * 4).await?;
        let launches = runs.iter().map(|run| {
            launch(kernel, &[&run.buffer, &meta, &mask, &counts], at.params(run.blocks, run.first, &[]))
        });
        let steps = launches.collect();
        self.marked(steps, mask, counts, meta, at, table).await
    }

    /// Runs what makes a bitmap, and reads its counts.
    pub(super) async fn marked(
        &self,
        steps: Vec<Step<D::Buffer>>,
        mask: Arc<D::Buffer>,
        counts: Arc<D::Buffer>,
        meta: Arc<D::Buffer>,
        at: TablesAt,
        blocks: Vec<BlockEntry>,
    ) -> Result<Marked<D::Buffer>> {
        let read = (Arc::clone(&counts), 0..blocks.len() as u64 * 4);
        let mut read = self.device.run(Work::new(steps, vec![read])).await?;
        let counts = words(&read.pop().unwrap_or_default()).collect();
        Ok(Marked { mask, meta, at, blocks, counts })
    }

    /// Evaluates a predicate that is too long for a program on the host, on a copy of the columns that it reads.
    async fn mark_on_host(&self, predicate: &CompiledPredicate, all: &Rows<D>) -> Result<Marked<D::Buffer>> {
        let columns = predicate.columns().to_vec();
        let found = self.gather(all.again(), &columns).await?;
        let (mut blocks, mut counts, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for (number, part) in (0u32..).zip(&found) {
            let matches = predicate.evaluate(&columns, &part.rows)?;
            let bits: Vec<u64> = matches.bit_chunks().iter_padded().collect();
            let rows = u32::try_from(matches.len()).map_err(|_| Error::internal("part has too many rows"))?;
            for block in blocks_of(number, 0, rows, crate::kernel::BLOCK_ITEMS) {
                let from = block.first as usize / 64;
                let own: Vec<u64> = (from..from + GROUP_THREADS as usize / 2)
                    .map(|word| bits.get(word).copied().unwrap_or_default())
                    .collect();
                counts.push(own.iter().map(|word| word.count_ones()).sum());
                mask.extend(own.into_iter().flat_map(program::words_of));
                blocks.push(block);
            }
        }
        let mut tables = Tables::default();
        let rows: Vec<(u32, u32)> = all.items.iter().map(|(_, rows)| (0, *rows)).collect();
        let at = TablesAt {
            blocks: tables.push_blocks(&blocks)?,
            parts: tables.push_parts(&self.part_entries(&rows)?)?,
            ..TablesAt::default()
        };
        let (meta, mask) = (self.upload(&tables.bytes()).await?, self.upload(&bytes_of(&mask)).await?);
        Ok(Marked { mask, meta, at, blocks, counts })
    }

    /// The items that a bitmap marks, as a list: of rows, if the bitmap is over rows or over a list of them, `of`.
    pub(super) async fn listed(&self, marked: Marked<D::Buffer>, of: Option<Rows<D>>) -> Result<Rows<D>> {
        let Marked { mask, meta, at, blocks, counts } = marked;
        let mut items = vec![(0u32, 0u32); self.parts.len()];
        let (mut offsets, mut total) = (Vec::with_capacity(counts.len()), 0u32);
        let mut part_before = None;
        for (block, count) in blocks.iter().zip(&counts) {
            offsets.push(total);
            let Some((start, count_of_part)) = items.get_mut(block.part as usize) else { continue };
            if part_before != Some(block.part) {
                *start = total;
                part_before = Some(block.part);
            }
            *count_of_part += count;
            total = total.checked_add(*count).ok_or_else(|| Error::internal("wave has too many rows"))?;
        }
        let list = self.buffer(u64::from(total) * 4).await?;
        let offsets = self.upload(&bytes_of(&offsets)).await?;
        let (source, kind, mut steps) = match of {
            None => (Arc::clone(&meta), 0, Vec::new()),
            Some(Rows { list: Some(list), steps, .. }) => (list, 1, steps),
            Some(Rows { list: None, steps, .. }) => (Arc::clone(&meta), 2, steps),
        };
        if total > 0 {
            let params = at.params(blocks.len() as u32, 0, &[kind, total]);
            steps.push(launch(Kernel::Compact, &[&meta, &mask, &offsets, &source, &list], params));
        }
        Ok(Rows { list: Some(list), items, steps })
    }
}

impl<D: Device> Rows<D> {
    /// The same rows, where nothing has to run first.
    fn again(&self) -> Self {
        Self { list: self.list.clone(), items: self.items.clone(), steps: Vec::new() }
    }
}

/// What a bitmap over the items of blocks takes.
pub(super) fn mask_bytes(blocks: usize) -> u64 {
    blocks as u64 * u64::from(GROUP_THREADS) * 4
}
