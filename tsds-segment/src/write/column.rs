//! Writes the blocks of one column.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, StringArray};
use tsds_compute::column_stats;
use tsds_traits::{Codec, Column, ColumnStats, EncodeHints, Error, Result, ValueClass, is_payload_type};

use super::blocks::{CodecTable, Rows};
use super::sink::FileSink;
use super::text::{self, Dictionary};
use crate::format::{BlockEntry, Checksum, ColumnIndex, Storage};
use crate::{decimals, payload};

pub(super) struct ColumnWriter<'a> {
    pub(super) column: &'a Column,
    /// Whether this is the time column, the only one that surely ascends in each run.
    pub(super) is_time: bool,
    pub(super) codec: &'a Arc<dyn Codec>,
    pub(super) rows: &'a Rows<'a>,
    pub(super) codecs: &'a mut CodecTable,
}

impl ColumnWriter<'_> {
    /// Writes column `index` and returns its part of the index.
    pub(super) fn write(
        &mut self,
        index: usize,
        checksum: &Checksum,
        sink: &mut FileSink,
    ) -> Result<ColumnIndex> {
        if decimals::fit_64_bits(self.column, self.rows.column(index)) {
            let blocks = self.blocks(checksum, sink, |writer, block| {
                let values = concat(writer.rows.slices(index, block))?;
                let stats = column_stats(writer.column.id, &values)?;
                Ok((decimals::units(&values)?, stats))
            })?;
            return Ok(ColumnIndex { storage: Storage::Units, dictionary: None, blocks });
        }
        if is_payload_type(&self.column.data_type) {
            let blocks = self.blocks(checksum, sink, |writer, block| {
                let values = concat(writer.rows.slices(index, block))?;
                let stats = column_stats(writer.column.id, &values)?;
                Ok((payload::to_block(&values)?, stats))
            })?;
            return Ok(ColumnIndex { storage: Storage::Payload, dictionary: None, blocks });
        }
        if ValueClass::of(&self.column.data_type) != Some(ValueClass::Text) {
            let blocks = self.blocks(checksum, sink, |writer, block| {
                let values = concat(writer.rows.slices(index, block))?;
                let stats = column_stats(writer.column.id, &values)?;
                Ok((values, stats))
            })?;
            return Ok(ColumnIndex { storage: Storage::Values, dictionary: None, blocks });
        }
        match Dictionary::build(self.rows.column(index), self.rows.count())? {
            Some(dictionary) => self.write_codes(&dictionary, checksum, sink),
            None => self.write_text(index, checksum, sink),
        }
    }

    fn write_text(&mut self, index: usize, checksum: &Checksum, sink: &mut FileSink) -> Result<ColumnIndex> {
        let blocks = self.blocks(checksum, sink, |writer, block| {
            let slices = writer.rows.slices(index, block);
            let parts = slices.iter().map(text::plain).collect::<Result<Vec<StringArray>>>()?;
            let text = concat(parts.into_iter().map(|part| Arc::new(part) as ArrayRef).collect())?;
            let stats = column_stats(writer.column.id, &text)?;
            Ok((text::bytes(&text)?, stats))
        })?;
        Ok(ColumnIndex { storage: Storage::Text, dictionary: None, blocks })
    }

    fn write_codes(
        &mut self,
        dictionary: &Dictionary<'_>,
        checksum: &Checksum,
        sink: &mut FileSink,
    ) -> Result<ColumnIndex> {
        let id = self.column.id;
        let values: BinaryArray = dictionary.values();
        let rows = u32::try_from(values.len())
            .map_err(|_| Error::internal("dictionary has more values than rows"))?;
        let entry = self.block(&values, rows, dictionary.stats(id)?, &[], checksum, sink)?;
        let blocks = self.blocks(checksum, sink, |_, block| {
            let (codes, stats) = dictionary.block(id, block)?;
            Ok((Arc::new(codes) as ArrayRef, stats))
        })?;
        Ok(ColumnIndex { storage: Storage::Codes, dictionary: Some(entry), blocks })
    }

    /// Encodes what `values` gives for every block of the segment.
    fn blocks(
        &mut self,
        checksum: &Checksum,
        sink: &mut FileSink,
        values: impl Fn(&Self, &std::ops::Range<u32>) -> Result<(ArrayRef, ColumnStats)>,
    ) -> Result<Vec<BlockEntry>> {
        let rows = self.rows;
        let entries = rows.blocks.iter().map(|block| {
            let (values, stats) = values(self, block)?;
            self.block(&values, block.end - block.start, stats, &rows.run_starts(block), checksum, sink)
        });
        entries.collect()
    }

    fn block(
        &mut self,
        values: &dyn Array,
        rows: u32,
        stats: ColumnStats,
        run_starts: &[u32],
        checksum: &Checksum,
        sink: &mut FileSink,
    ) -> Result<BlockEntry> {
        let (codec, number) = self.codecs.choose(self.codec, values.data_type())?;
        sink.align()?;
        let offset = sink.position();
        let hints = EncodeHints::runs(run_starts, self.is_time);
        let encode = |out: &mut Vec<u8>| {
            codec.encode(values, &hints, out).map_err(|error| error.in_plugin(codec.id()))
        };
        let (len, crc) = sink.append(encode, |bytes| {
            let len = u32::try_from(bytes.len())
                .map_err(|_| Error::invalid_input("encoded block has more than 4 GiB"))?;
            Ok((len, checksum.of(offset, bytes)))
        })?;
        Ok(BlockEntry { offset, len, crc, codec: number, rows, stats })
    }
}

/// One array of the slices of a block, which is most often one.
fn concat(mut slices: Vec<ArrayRef>) -> Result<ArrayRef> {
    if slices.len() == 1
        && let Some(only) = slices.pop()
    {
        return Ok(only);
    }
    let slices: Vec<&dyn Array> = slices.iter().map(|slice| &**slice).collect();
    Ok(arrow_select::concat::concat(&slices)?)
}
