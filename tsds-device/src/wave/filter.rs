//! Which rows match.

use std::sync::Arc;

use tsds_compute::CompiledPredicate;
use tsds_traits::{Error, Result};

use super::views::Blocks;
use super::{Rows, TablesAt, Wave, launch, words};
use crate::device::{Device, Step};
use crate::kernel::{BlockEntry, Form, GROUP_THREADS, Kernel};
use crate::program;
use crate::tables::{Tables, bytes_of};

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
        let Some(predicate) = self.asked(predicate) else { return Ok(all) };
        let marked = match program::fits(predicate.test()) {
            true => self.mark_matching(predicate).await?,
            false => self.mark_on_host(predicate).await?,
        };
        self.listed(marked, None).await
    }

    /// Runs the program of each part.
    async fn mark_matching(&self, predicate: &CompiledPredicate) -> Result<Marked<D::Buffer>> {
        let mut tables = Tables::default();
        let rows = self.parts.iter().map(|part| Ok((0, part.part()?.rows))).collect::<Result<Vec<_>>>()?;
        let mut entries = self.part_entries(&rows)?;
        let (views, mut steps) = self.decodable(predicate.columns()).await?;
        self.write_programs(predicate.test(), &views, &mut entries, &mut tables)?;
        let is_encoded =
            views.of_part.iter().flat_map(|view| &view.entries).any(|entry| entry.form == Form::Encoded);
        let (kernel, blocks) = match is_encoded {
            true => (Kernel::MaskEncoded, self.row_blocks(&views)?),
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
        steps.extend(launches);
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
        let mut read = self.run(steps, vec![read]).await?;
        let counts = words(&read.pop().unwrap_or_default()).collect();
        Ok(Marked { mask, meta, at, blocks, counts })
    }

    /// Evaluates a predicate that is too long for a program on the host.
    async fn mark_on_host(&self, predicate: &CompiledPredicate) -> Result<Marked<D::Buffer>> {
        let rows = self.parts.iter().map(|part| Ok((0, part.part()?.rows))).collect::<Result<Vec<_>>>()?;
        let Blocks { table: blocks, .. } = self.stored()?.blocks(&rows);
        let (mask, counts) = self.mask_on_host(predicate, &blocks).await?;
        let mut tables = Tables::default();
        let at = TablesAt {
            blocks: tables.push_blocks(&blocks)?,
            parts: tables.push_parts(&self.part_entries(&rows)?)?,
            ..TablesAt::default()
        };
        let (meta, mask) = (self.upload(&tables.bytes()).await?, self.upload(&bytes_of(&mask)).await?);
        Ok(Marked { mask, meta, at, blocks, counts })
    }

    /// The bitmap over blocks of rows of the rows that match, and its counts: evaluated on a copy of the columns that the
    /// predicate reads.
    pub(super) async fn mask_on_host(
        &self,
        predicate: &CompiledPredicate,
        blocks: &[BlockEntry],
    ) -> Result<(Vec<u32>, Vec<u32>)> {
        let columns = predicate.columns().to_vec();
        let found = self.compared(self.all_rows()?, &columns).await?;
        let (predicate, blocks) = (predicate.clone(), blocks.to_vec());
        let job = move || {
            let matches = found.iter().map(|part| predicate.evaluate(&columns, &part.rows));
            let matches = matches.collect::<Result<Vec<_>>>()?;
            let (mut mask, mut counts) =
                (Vec::with_capacity(blocks.len() * GROUP_THREADS as usize), Vec::new());
            for block in blocks {
                let (first, items) = (block.first as usize, block.items as usize);
                let bits = matches
                    .get(block.part as usize)
                    .filter(|bits| first + items <= bits.len())
                    .ok_or_else(|| Error::internal("part has fewer rows than its blocks"))?
                    .slice(first, items);
                counts.push(bits.count_set_bits() as u32);
                let words = bits.bit_chunks().iter_padded().flat_map(program::words_of).collect::<Vec<_>>();
                let own = words.into_iter().chain(std::iter::repeat(0)).take(GROUP_THREADS as usize);
                mask.extend(own);
            }
            Ok((mask, counts))
        };
        (*self.world.executor).blocking(job).await
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
        Ok(Rows::new(Some(list), items, steps))
    }
}

/// What a bitmap over the items of blocks takes.
pub(super) fn mask_bytes(blocks: usize) -> u64 {
    blocks as u64 * u64::from(GROUP_THREADS) * 4
}
