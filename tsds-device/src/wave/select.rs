//! The rows that can be among the first ones in an order.

use tsds_traits::{Result, SortKey};

use super::filter::mask_bytes;
use super::views::Blocks;
use super::{Rows, Wave, launch};
use crate::device::{Device, Step};
use crate::kernel::{Kernel, SELECTION_WORDS};
use crate::tables::Tables;

/// Digits of a selection's step.
const DIGIT_BITS: u32 = 8;
const DIGITS: u64 = 1 << DIGIT_BITS;
/// Selecting reads every key several times: not worth it where it would leave more than a share of the rows.
const WORTHWHILE_SHARE: u64 = 4;

impl<D: Device> Wave<D> {
    /// The rows of each part that can be among its first `limit` ones in an order that begins with `key`, and perhaps others:
    /// those whose key is not beyond the `limit`-th smallest key of the part. They stay in storage order.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn first_by(&self, rows: Rows<D>, key: SortKey, limit: u64) -> Result<Rows<D>> {
        let worthwhile = rows.items.iter().any(|(_, items)| u64::from(*items) / WORTHWHILE_SHARE > limit);
        if !worthwhile || limit == 0 {
            return Ok(rows);
        }
        let mut rows = rows;
        let views = self.plain(&[key.column], &mut rows).await?;
        let Rows { list, items, mut steps, .. } = rows;
        let total = items.iter().map(|(start, items)| u64::from(start + items)).max().unwrap_or(0);
        let mut tables = Tables::default();
        let mut entries = self.part_entries(&items)?;
        let wanted = u32::try_from(limit).unwrap_or(u32::MAX);
        entries.iter_mut().for_each(|entry| entry.wanted = wanted);
        let Blocks { table, runs } = views.blocks(&items);
        let at = views.place(&mut tables, &table, &entries)?;
        let (block_count, part_count) = (table.len() as u32, self.parts.len() as u32);
        let meta = self.upload(&tables.bytes()).await?;
        let keys = self.buffer(total * 8).await?;
        let state = self.buffer(u64::from(part_count * SELECTION_WORDS) * 4).await?;
        let histogram = self.buffer(u64::from(part_count) * DIGITS * 4).await?;
        let mask = self.buffer(mask_bytes(table.len())).await?;
        let counts = self.buffer(u64::from(block_count) * 4).await?;

        let slot = self.slot(key.column)?;
        // Nulls take the place of the smallest or largest key.
        let kind = 4 + u32::from(key.descending) + if key.nulls_first { 0 } else { 2 };
        let from = list.as_ref().unwrap_or(&meta);
        for run in &runs {
            let params = at.params(run.blocks, run.first, &[slot, kind, list.is_none().into()]);
            steps.push(launch(Kernel::Keys, &[&run.buffer, &meta, from, &keys], params));
        }
        let over_parts = |shift, kind| at.params(part_count, 0, &[shift, kind]);
        let pick = |shift, kind| -> Step<D::Buffer> {
            launch(Kernel::SelectPick, &[&meta, &state, &histogram], over_parts(shift, kind))
        };
        steps.push(pick(0, 2));
        for shift in (0..u64::BITS).step_by(DIGIT_BITS as usize).rev() {
            let params = at.params(block_count, 0, &[shift]);
            steps.push(launch(Kernel::SelectHistogram, &[&meta, &keys, &state, &histogram], params));
            steps.push(pick(shift, 0));
        }
        let params = at.params(block_count, 0, &[]);
        steps.push(launch(Kernel::SelectMark, &[&meta, &keys, &state, &mask, &counts], params));
        let marked = self.marked(steps, mask, counts, meta, at, table).await?;
        self.listed(marked, Some(Rows::new(list, items, Vec::new()))).await
    }
}
