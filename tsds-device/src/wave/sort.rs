//! Rows in an order: a stable radix sort, from the least significant digit of the last key on.

use std::sync::Arc;

use tsds_traits::{ColumnId, Error, Result, SortKey, Value, key_of_i64};

use super::views::{Blocks, Views};
use super::{Rows, TablesAt, Wave, launch};
use crate::device::{Device, Step};
use crate::kernel::{BLOCK_ITEMS, Class, Kernel};
use crate::tables::Tables;

/// What the passes of a sort work with.
struct Passes<D: Device> {
    meta: Arc<D::Buffer>,
    at: TablesAt,
    blocks: u32,
    /// Of a digit.
    bits: u32,
    keys: [Arc<D::Buffer>; 2],
    rows: [Arc<D::Buffer>; 2],
    histogram: Arc<D::Buffer>,
    /// Sums of the histogram, and sums of those, to the top.
    totals: Vec<(Arc<D::Buffer>, u32)>,
    /// The rows as they are so far; `None` before the first pass, if they are all rows.
    list: Option<Arc<D::Buffer>>,
    steps: Vec<Step<D::Buffer>>,
    /// How many rows the steps move, those of each pass.
    moved: u64,
}

/// Beyond so many moved rows passes are submitted: others get the device in between, and no driver takes a long one for hung.
const SUBMITTED_ROWS: u64 = 64 << 20;

impl<D: Device> Wave<D> {
    /// The rows of each part in the order of `order`, equal ones as they were; with a limit only the first ones of each part.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn sorted(
        &self,
        rows: Rows<D>,
        order: &[SortKey],
        limit: Option<u64>,
    ) -> Result<Rows<D>> {
        let mut rows = rows;
        let columns: Vec<ColumnId> = order.iter().map(|key| key.column).collect();
        let views = self.plain(&columns, &mut rows).await?;
        let Rows { list, mut items, steps, .. } = rows;
        let Blocks { mut table, runs } = views.blocks(&items);
        if table.is_empty() {
            return Ok(Rows::new(list, items, steps));
        }
        let mut entries = self.part_entries(&items)?;
        for block in &table {
            if let Some(entry) = entries.get_mut(block.part as usize) {
                entry.stride += 1;
            }
        }
        let digit_bits = self.device.info().radix_bits;
        let blocks = table.len() as u32;
        let counts = blocks
            .checked_mul(1 << digit_bits)
            .ok_or_else(|| Error::internal("wave has too many rows to sort"))?;
        // The counts of a part stand together, digit by digit: their running sum is where items go.
        let (mut base, mut number, mut part) = (0, 0, u32::MAX);
        for block in &mut table {
            if block.part != part {
                base += number << digit_bits;
                (number, part) = (0, block.part);
            }
            block.aux = base + number;
            number += 1;
        }
        let mut tables = Tables::default();
        let at = views.place(&mut tables, &table, &entries)?;
        let total = items.iter().map(|(start, items)| u64::from(start + items)).max().unwrap_or(0);
        let mut passes = Passes::<D> {
            meta: self.upload(&tables.bytes()).await?,
            at,
            blocks,
            bits: digit_bits,
            keys: [self.buffer(total * 8).await?, self.buffer(total * 8).await?],
            rows: [self.buffer(total * 4).await?, self.buffer(total * 4).await?],
            histogram: self.buffer(u64::from(counts) * 4).await?,
            totals: self.totals(counts).await?,
            list,
            steps,
            moved: 0,
        };
        for key in order.iter().rev() {
            let slot = self.slot(key.column)?;
            let bits = self.varying_bits(key.column)?;
            if bits > 0 {
                passes.keys_of(&runs, slot, key.descending.into());
                for shift in (0..bits).step_by(digit_bits as usize) {
                    passes.pass(shift);
                    passes.submit_some(self, total).await?;
                }
            }
            if self.has_nulls(&views, slot) {
                passes.keys_of(&runs, slot, if key.nulls_first { 3 } else { 2 });
                passes.pass(0);
                passes.submit_some(self, total).await?;
            }
        }
        if let Some(limit) = limit {
            let most = u32::try_from(limit).unwrap_or(u32::MAX);
            items.iter_mut().for_each(|(_, items)| *items = most.min(*items));
        }
        Ok(Rows::new(passes.list, items, passes.steps))
    }

    /// Buffers for the sums of so many words, and the sums of those.
    async fn totals(&self, mut words: u32) -> Result<Vec<(Arc<D::Buffer>, u32)>> {
        let mut totals = Vec::new();
        loop {
            words = words.div_ceil(BLOCK_ITEMS);
            totals.push((self.buffer(u64::from(words) * 4).await?, words));
            if words == 1 {
                return Ok(totals);
            }
        }
    }

    /// How many of the lowest bits of a column's keys differ, as far as statistics tell.
    fn varying_bits(&self, column: ColumnId) -> Result<u32> {
        let (mut least, mut most) = (u64::MAX, 0);
        let mut all = u64::BITS;
        for part in &self.parts {
            let own = part.segment.column(column)?;
            if let Some(codes) = own.meaning.codes() {
                let key = |code: u64| if own.class == Class::Signed { key_of_i64(code as i64) } else { code };
                (least, most) = (least.min(key(0)), most.max(key(codes.saturating_sub(1))));
                continue;
            }
            if own.class == Class::Float32 {
                all = u32::BITS;
            }
            let Some(stats) = part.part()?.stats(column) else { return Ok(all) };
            if stats.null_count == u64::from(part.part()?.rows) {
                continue;
            }
            let bound = |value: &Option<Value>| match value {
                Some(Value::Decimal(digits)) => i64::try_from(*digits).ok().map(key_of_i64),
                other => other.as_ref().and_then(Value::order_key),
            };
            match (bound(&stats.min), bound(&stats.max)) {
                (Some(min), Some(max)) if !stats.has_nan => (least, most) = (least.min(min), most.max(max)),
                _ => return Ok(all),
            }
        }
        Ok(if least < most { u64::BITS - (least ^ most).leading_zeros() } else { 0 })
    }

    fn has_nulls(&self, views: &Views<D>, slot: u32) -> bool {
        let entries = views.of_part.iter().filter_map(|view| view.entries.get(slot as usize));
        entries.into_iter().any(|entry| entry.validity != crate::kernel::NONE)
    }
}

impl<D: Device> Passes<D> {
    fn list(&self) -> (&Arc<D::Buffer>, u32) {
        match &self.list {
            Some(list) => (list, 0),
            None => (&self.meta, 1),
        }
    }

    /// Makes the keys of the rows as they stand now.
    fn keys_of(&mut self, runs: &[super::views::BufferBlocks<D::Buffer>], slot: u32, kind: u32) {
        let (list, none) = self.list();
        let [keys, _] = &self.keys;
        let launches = runs.iter().map(|run| {
            let params = self.at.params(run.blocks, run.first, &[slot, kind, none]);
            launch(Kernel::Keys, &[&run.buffer, &self.meta, list, keys], params)
        });
        let launches: Vec<_> = launches.collect();
        self.steps.extend(launches);
    }

    /// Runs what there is after a pass over so many rows, if it is much.
    async fn submit_some(&mut self, wave: &Wave<D>, rows: u64) -> Result<()> {
        self.moved += rows;
        if self.moved >= SUBMITTED_ROWS {
            self.moved = 0;
            wave.run(std::mem::take(&mut self.steps), Vec::new()).await?;
        }
        Ok(())
    }

    /// Sorts by one digit.
    fn pass(&mut self, shift: u32) {
        let [keys, keys_out] = &self.keys;
        let [_, rows_out] = &self.rows;
        let (list, none) = self.list();
        let params = self.at.params(self.blocks, 0, &[shift, 0, none, self.bits]);
        let mut steps = vec![launch(Kernel::Histogram, &[&self.meta, keys, &self.histogram], params)];
        let mut levels = vec![(&self.histogram, self.blocks << self.bits)];
        levels.extend(self.totals.iter().map(|(buffer, words)| (buffer, *words)));
        let pairs = || levels.iter().zip(levels.iter().skip(1));
        let over = |words: u32| TablesAt::default().params(words.div_ceil(BLOCK_ITEMS), 0, &[words]);
        for ((data, words), (totals, _)) in pairs() {
            steps.push(launch(Kernel::Scan, &[data, totals], over(*words)));
        }
        for ((data, words), (totals, _)) in pairs().rev().filter(|(_, (_, words))| *words > 1) {
            steps.push(launch(Kernel::ScanAdd, &[data, totals], over(*words)));
        }
        let buffers = [&self.meta, keys, list, &self.histogram, keys_out, rows_out];
        steps.push(launch(Kernel::Scatter, &buffers, params));
        self.list = Some(Arc::clone(rows_out));
        self.steps.extend(steps);
        self.keys.swap(0, 1);
        self.rows.swap(0, 1);
    }
}
