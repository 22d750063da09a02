//! The values of rows, on the host.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_data::ArrayData;
use arrow_schema::{Field, Schema};
use tsds_traits::{ColumnId, Error, Result};

use super::views::{Blocks, BufferBlocks, Views};
use super::{Rows, Wave, launch};
use crate::device::{Device, Step};
use crate::kernel::{Form, Kernel, NONE};
use crate::load::nulls_of;
use crate::meaning::Meaning;
use crate::segment::DeviceColumn;
use crate::tables::Tables;

/// Output rows of each part begin at a multiple of this: bits and bytes are written as whole words.
const OUTPUT_ROWS: u32 = 32;
/// Where columns begin in the output, in bytes.
const OUTPUT_ALIGNMENT: u64 = 64;

/// How many rows of an encoded column a kernel looks at to find one, roughly: half of 32, and for forms that add up half of
/// those before, too.
const ROW_STEPS: u64 = 48;

/// Rows of one part of a segment.
#[derive(Debug)]
pub(crate) struct PartRows {
    /// The position of the segment in the request.
    pub(crate) position: usize,
    /// Which part of the segment.
    pub(crate) index: usize,
    /// The rows; text is `Dictionary(UInt32, Utf8)`.
    pub(crate) rows: RecordBatch,
}

/// Where in the output a column is, in bytes.
struct Region {
    column: ColumnId,
    form: Form,
    data: u64,
    validity: Option<u64>,
}

impl<D: Device> Wave<D> {
    /// The values of `columns` at rows: one batch for each part, in the order of parts.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn gather(&self, rows: Rows<D>, columns: &[ColumnId]) -> Result<Vec<PartRows>> {
        self.looked_up(rows, columns, Meaning::clone).await
    }

    /// As [`Wave::gather`], to be compared and counted on the host: of payload, which nobody compares, numbers that are null where it is.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn compared(&self, rows: Rows<D>, columns: &[ColumnId]) -> Result<Vec<PartRows>> {
        let compared = |meaning: &Meaning| match meaning {
            Meaning::Rows(_) => Meaning::Values,
            other => other.clone(),
        };
        self.looked_up(rows, columns, compared).await
    }

    async fn looked_up(
        &self,
        rows: Rows<D>,
        columns: &[ColumnId],
        taken_for: impl Fn(&Meaning) -> Meaning,
    ) -> Result<Vec<PartRows>> {
        let found = self.numbers(rows, columns).await?;
        let mut meanings = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let of_part = columns.iter().map(|column| Ok(taken_for(&part.segment.column(*column)?.meaning)));
            meanings.push(of_part.collect::<Result<Vec<_>>>()?);
        }
        let is_work = meanings.iter().flatten().any(Meaning::is_work);
        let job = move || {
            let parts = found.into_iter().zip(meanings);
            parts.map(|(part, meanings)| part.meant(&meanings)).collect()
        };
        match is_work {
            true => (*self.world.executor).blocking(job).await,
            false => job(),
        }
    }

    /// The numbers of columns on the device, at rows.
    async fn numbers(&self, rows: Rows<D>, columns: &[ColumnId]) -> Result<Vec<PartRows>> {
        if self.is_stored(&rows)? {
            return self.copied(rows, columns).await;
        }
        let (starts, out_rows) = output_starts(&rows.items)?;
        let (regions, bytes) = self.regions(columns, u64::from(out_rows))?;
        let mut rows = rows;
        let views = match self.are_few(&rows)? {
            true => self.stored()?,
            false => self.plain(columns, &mut rows).await?,
        };
        let Rows { list, items, mut steps, .. } = rows;
        let output = match regions.is_empty() || out_rows == 0 {
            true => Vec::new(),
            false => {
                let out = self.buffer(bytes).await?;
                steps.extend(self.gathering(&views, list.as_ref(), &items, &starts, &regions, &out).await?);
                let mut read = self.run(steps, vec![(out, 0..bytes)]).await?;
                read.pop().unwrap_or_default()
            }
        };
        let output = Buffer::from_vec(output);
        let mut found = Vec::with_capacity(self.parts.len());
        for (part, ((_, count), start)) in self.parts.iter().zip(items.iter().zip(&starts)) {
            let (start, count) = (*start as usize, *count as usize);
            let arrays = regions
                .iter()
                .map(|region| region.array(part.segment.column(region.column)?, &output, start, count));
            let rows = batch(arrays.collect::<Result<Vec<_>>>()?, count)?;
            found.push(PartRows { position: part.position, index: part.index, rows });
        }
        Ok(found)
    }

    /// Whether the rows of every part are its first ones, as they are stored.
    fn is_stored(&self, rows: &Rows<D>) -> Result<bool> {
        let all = self.all_rows()?;
        let starts = rows.items.iter().zip(&all.items);
        let is_stored =
            starts.into_iter().all(|((start, items), (first, rows))| start == first && items <= rows);
        Ok(rows.list.is_none() && is_stored)
    }

    /// As [`Wave::numbers`], of the first rows of each part: they are read from where they are.
    async fn copied(&self, mut rows: Rows<D>, columns: &[ColumnId]) -> Result<Vec<PartRows>> {
        let views = self.plain(columns, &mut rows).await?;
        let Rows { items, steps, .. } = rows;
        let mut reads = Vec::new();
        for (view, (_, count)) in views.of_part.iter().zip(&items) {
            for column in columns {
                let entry = view.entries.get(self.slot(*column)? as usize);
                let entry = entry.ok_or_else(|| Error::internal("column has no slot"))?;
                let mut read = |form: Form, word: u32| {
                    let at = u64::from(word) * 4;
                    let bytes = form.bytes((*count).into()).next_multiple_of(4);
                    reads.push((Arc::clone(&view.buffer), at..at + bytes));
                };
                read(entry.form, entry.data);
                if entry.validity != NONE {
                    read(Form::Bits, entry.validity);
                }
            }
        }
        let mut read = match reads.is_empty() {
            true => Vec::new(),
            false => self.run(steps, reads).await?,
        }
        .into_iter();
        let mut next = || {
            let bytes = read.next().ok_or_else(|| Error::internal("device returned less than was asked for"));
            bytes.map(Buffer::from_vec)
        };
        let mut found = Vec::with_capacity(self.parts.len());
        for (part, (view, (_, count))) in self.parts.iter().zip(views.of_part.iter().zip(&items)) {
            let count = *count as usize;
            let mut arrays = Vec::with_capacity(columns.len());
            for column in columns {
                let entry = view.entries.get(self.slot(*column)? as usize);
                let has_nulls = entry.is_some_and(|entry| entry.validity != NONE);
                let data = next()?;
                let validity = if has_nulls { Some(next()?) } else { None };
                arrays.push(array(part.segment.column(*column)?, data, validity, count)?);
            }
            let rows = batch(arrays, count)?;
            found.push(PartRows { position: part.position, index: part.index, rows });
        }
        Ok(found)
    }

    /// Whether looking rows up one by one in encoded columns takes less than decoding all rows of the parts.
    fn are_few(&self, rows: &Rows<D>) -> Result<bool> {
        Ok(rows.count().saturating_mul(ROW_STEPS) <= self.all_rows()?.count())
    }

    /// Where each column goes.
    fn regions(&self, columns: &[ColumnId], rows: u64) -> Result<(Vec<Region>, u64)> {
        let (mut regions, mut bytes) = (Vec::with_capacity(columns.len()), 0u64);
        let mut take = |more: u64| {
            let at = bytes;
            bytes = (bytes + more).next_multiple_of(OUTPUT_ALIGNMENT);
            at
        };
        for column in columns {
            let mut form = Form::Bits;
            let mut has_nulls = false;
            for part in &self.parts {
                let index = part.segment.index_of(*column)?;
                form = part.segment.column(*column)?.form;
                has_nulls |= part.part()?.places.get(index).is_some_and(|place| place.validity.is_some());
            }
            let data = take(form.bytes(rows));
            let validity = has_nulls.then(|| take(Form::Bits.bytes(rows)));
            regions.push(Region { column: *column, form, data, validity });
        }
        Ok((regions, bytes))
    }

    /// The launches that fill the regions.
    async fn gathering(
        &self,
        views: &Views<D>,
        list: Option<&Arc<D::Buffer>>,
        items: &[(u32, u32)],
        starts: &[u32],
        regions: &[Region],
        out: &Arc<D::Buffer>,
    ) -> Result<Vec<Step<D::Buffer>>> {
        let mut tables = Tables::default();
        let Blocks { mut table, runs } = views.blocks(items);
        for block in &mut table {
            let part = block.part as usize;
            if let (Some((first, _)), Some(start)) = (items.get(part), starts.get(part)) {
                block.aux = start + (block.first - first);
            }
        }
        let at = views.place(&mut tables, &table, &self.part_entries(items)?)?;
        let mut copies = Vec::new();
        let is_encoded = |slot: u32| {
            let entries = views.of_part.iter().filter_map(|view| view.entries.get(slot as usize));
            entries.into_iter().any(|entry| entry.form == Form::Encoded)
        };
        for (kernel, width, forms) in [
            (Kernel::GatherEncoded, 0, &[Form::Plain64, Form::Plain32][..]),
            (Kernel::Gather64, 0, &[Form::Plain64]),
            (Kernel::Gather32, 0, &[Form::Plain32]),
            (Kernel::GatherSmall, 2, &[Form::Plain16]),
            (Kernel::GatherSmall, 1, &[Form::Plain8]),
            (Kernel::GatherBits, 0, &[Form::Bits]),
        ] {
            let is_own = |region: &Region, slot: u32| {
                forms.contains(&region.form) && is_encoded(slot) == (kernel == Kernel::GatherEncoded)
            };
            let (copied, entries) = self.gather_table(kernel, is_own, regions)?;
            if entries > 0 {
                copies.push((kernel, width, tables.push(&copied)?, entries));
            }
        }
        let meta = self.upload(&tables.bytes()).await?;
        let from = list.unwrap_or(&meta);
        let mut steps = Vec::new();
        for BufferBlocks { buffer, first, blocks } in &runs {
            for (kernel, width, table, entries) in &copies {
                let mut params =
                    at.params(*blocks, *first, &[*table, *blocks, list.is_none().into(), *width]);
                if let Some(groups) = params.first_mut() {
                    *groups =
                        blocks.checked_mul(*entries).ok_or_else(|| Error::internal("wave is too large"))?;
                }
                steps.push(launch(*kernel, &[buffer, &meta, from, out], params));
            }
        }
        Ok(steps)
    }

    /// The table of a kernel that gathers, and how many entries it has. `is_own` says whether the values of a region, from a slot,
    /// are what it copies.
    fn gather_table(
        &self,
        kernel: Kernel,
        is_own: impl Fn(&Region, u32) -> bool,
        regions: &[Region],
    ) -> Result<(Vec<u32>, u32)> {
        let word = |at: u64| u32::try_from(at / 4).map_err(|_| Error::internal("output is too large"));
        let (mut table, mut entries) = (Vec::new(), 0);
        for region in regions {
            let slot = self.slot(region.column)?;
            let is_bits = kernel == Kernel::GatherBits;
            if is_own(region, slot) {
                table.extend([slot, word(region.data)?]);
                table.extend(is_bits.then_some(0));
                entries += 1;
            }
            if let Some(validity) = region.validity.filter(|_| is_bits) {
                table.extend([slot, word(validity)?, 1]);
                entries += 1;
            }
        }
        Ok((table, entries))
    }
}

impl PartRows {
    /// What numbers of columns stand for.
    fn meant(self, meanings: &[Meaning]) -> Result<Self> {
        let columns = self.rows.columns().iter().zip(meanings);
        let columns = columns.map(|(numbers, meaning)| meaning.values(Arc::clone(numbers)));
        Ok(Self { rows: batch(columns.collect::<Result<_>>()?, self.rows.num_rows())?, ..self })
    }
}

impl Region {
    /// Some output rows as an array.
    fn array(&self, column: &DeviceColumn, output: &Buffer, start: usize, count: usize) -> Result<ArrayRef> {
        let slice = |at: u64, bytes: usize| {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            match at.checked_add(bytes) {
                Some(end) if end <= output.len() => Ok(output.slice_with_length(at, bytes)),
                _ if count == 0 => Ok(Buffer::default()),
                _ => Err(Error::internal("device returned less than was asked for")),
            }
        };
        let validity = self.validity.map(|at| slice(at + start as u64 / 8, count.div_ceil(8))).transpose()?;
        let data = match self.form {
            Form::Bits => slice(self.data + start as u64 / 8, count.div_ceil(8))?,
            form => slice(self.data + form.bytes(start as u64), form.bytes(count as u64) as usize)?,
        };
        array(column, data, validity, count)
    }
}

/// An array of numbers as a device has them.
fn array(column: &DeviceColumn, data: Buffer, validity: Option<Buffer>, count: usize) -> Result<ArrayRef> {
    let is_whole = |buffer: &Buffer, form: Form| buffer.len() as u64 >= form.bytes(count as u64);
    if !is_whole(&data, column.form) || !validity.iter().all(|bits| is_whole(bits, Form::Bits)) {
        return Err(Error::internal("device returned less than was asked for"));
    }
    let nulls = validity.and_then(|bits| nulls_of(BooleanBuffer::new(bits, 0, count)));
    let array = ArrayData::builder(column.data_type.clone()).len(count).add_buffer(data).nulls(nulls);
    Ok(make_array(array.align_buffers(true).build()?))
}

/// Where the rows of each part begin in the output, and how many rows it has.
fn output_starts(items: &[(u32, u32)]) -> Result<(Vec<u32>, u32)> {
    let mut starts = Vec::with_capacity(items.len());
    let mut next = 0u32;
    for (_, count) in items {
        starts.push(next);
        next = next
            .checked_add(*count)
            .and_then(|end| end.checked_next_multiple_of(OUTPUT_ROWS))
            .ok_or_else(|| Error::internal("wave has too many rows"))?;
    }
    Ok((starts, next))
}

/// A batch whose columns are known by their place.
fn batch(arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> = arrays
        .iter()
        .enumerate()
        .map(|(index, array)| Field::new(index.to_string(), array.data_type().clone(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}
