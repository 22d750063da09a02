//! The rows of a segment, cut into blocks, and the codecs that encode them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use tsds_compute::array_bytes;
use tsds_traits::{Codec, Error, Result, TableSchema, is_payload_type};

use super::cuts::{MAX_BLOCK_TEXT, cut};
use crate::codec::PlainCodec;
use crate::format::CodecRef;

/// The rows of a segment.
pub(super) struct Rows<'a> {
    batches: &'a [RecordBatch],
    /// The first row of every batch.
    batch_starts: Vec<usize>,
    series_starts: &'a [u32],
    /// The blocks, in row order.
    pub(super) blocks: Vec<Range<u32>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(schema: &TableSchema, batches: &'a [RecordBatch], series_starts: &'a [u32]) -> Self {
        let mut rows = 0;
        let mut batch_starts = Vec::with_capacity(batches.len());
        for batch in batches {
            batch_starts.push(rows);
            rows += batch.num_rows();
        }
        let text = TextBytes::new(schema, batches);
        // The caller checked that the rows fit 32 bits.
        let blocks = cut(rows as u32, series_starts, MAX_BLOCK_TEXT, |rows| text.in_rows(rows));
        Self { batches, batch_starts, series_starts, blocks }
    }

    pub(super) fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    pub(super) fn block_rows(&self) -> Vec<u32> {
        self.blocks.iter().map(|block| block.end - block.start).collect()
    }

    /// Column `index` of every batch.
    pub(super) fn column(&self, index: usize) -> impl Iterator<Item = &'a ArrayRef> {
        self.batches.iter().map(move |batch| batch.column(index))
    }

    /// The parts of column `index` that make up a block, one per batch that it touches.
    pub(super) fn slices(&self, index: usize, block: &Range<u32>) -> Vec<ArrayRef> {
        let (mut start, end) = (block.start as usize, block.end as usize);
        let mut slices = Vec::new();
        let mut batch = self.batch_starts.partition_point(|first| *first <= start).saturating_sub(1);
        while let (true, Some(rows), Some(first)) =
            (start < end, self.batches.get(batch), self.batch_starts.get(batch))
        {
            let upto = end.min(first + rows.num_rows());
            if start < upto {
                slices.push(rows.column(index).slice(start - first, upto - start));
                start = upto;
            }
            batch += 1;
        }
        slices
    }

    /// Where series begin in a block, relative to it, starting with 0.
    pub(super) fn run_starts(&self, block: &Range<u32>) -> Vec<u32> {
        crate::layout::run_starts(self.series_starts, block)
    }
}

/// How many bytes of text and payload rows have, over all columns.
struct TextBytes {
    /// `sums[row]`: the bytes before `row`; empty where the whole segment has too few to matter.
    sums: Vec<u64>,
}

impl TextBytes {
    fn new(schema: &TableSchema, batches: &[RecordBatch]) -> Self {
        let text = |data_type: &DataType| {
            matches!(data_type, DataType::Utf8 | DataType::Dictionary(_, _)) || is_payload_type(data_type)
        };
        let columns = schema.columns().iter().enumerate().filter(|(_, column)| text(&column.data_type));
        let columns: Vec<_> = columns.map(|(index, _)| index).collect();
        let of_batch =
            |batch: &RecordBatch| columns.iter().map(|index| most_bytes(batch.column(*index))).sum::<u64>();
        if batches.iter().map(of_batch).sum::<u64>() <= MAX_BLOCK_TEXT {
            return Self { sums: Vec::new() };
        }
        let mut sums = vec![0];
        for batch in batches {
            let mut lengths = vec![0; batch.num_rows()];
            columns.iter().for_each(|index| add_lengths(batch.column(*index), &mut lengths));
            for length in lengths {
                sums.push(sums.last().copied().unwrap_or_default() + length);
            }
        }
        Self { sums }
    }

    fn in_rows(&self, rows: Range<u32>) -> u64 {
        let at = |row: u32| self.sums.get(row as usize).copied().unwrap_or_default();
        at(rows.end) - at(rows.start)
    }
}

/// No fewer bytes than the text or payload in a column has.
fn most_bytes(array: &ArrayRef) -> u64 {
    if is_payload_type(array.data_type()) {
        return array_bytes(array.as_ref());
    }
    let longest = |text: &ArrayRef| {
        let offsets = text.as_string::<i32>().value_offsets();
        offsets.windows(2).map(|pair| (pair[1] - pair[0]) as u64).max().unwrap_or_default()
    };
    match array.as_dictionary_opt::<Int32Type>() {
        Some(dictionary) => array.len() as u64 * longest(dictionary.values()),
        None => {
            let offsets = array.as_string::<i32>().value_offsets();
            offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last - first) as u64)
        }
    }
}

fn add_lengths(array: &ArrayRef, lengths: &mut [u64]) {
    if is_payload_type(array.data_type()) {
        let of = |row: usize| array_bytes(array.slice(row, 1).as_ref());
        return lengths.iter_mut().enumerate().for_each(|(row, length)| *length += of(row));
    }
    let add = |length: &mut u64, text: &arrow_array::StringArray, row: usize| {
        *length += text.value_length(row) as u64;
    };
    match array.as_dictionary_opt::<Int32Type>() {
        Some(dictionary) => {
            let text = dictionary.values().as_string::<i32>();
            for (row, length) in lengths.iter_mut().enumerate() {
                if let Some(key) = dictionary.key(row) {
                    add(length, text, key);
                }
            }
        }
        None => {
            let text = array.as_string::<i32>();
            lengths.iter_mut().enumerate().for_each(|(row, length)| add(length, text, row));
        }
    }
}

/// The codecs that a file uses, numbered.
#[derive(Default)]
pub(super) struct CodecTable(Vec<CodecRef>);

impl CodecTable {
    /// The codec for blocks of a type: the wanted one, or the plain one where that does not take the type.
    pub(super) fn choose(
        &mut self,
        wanted: &Arc<dyn Codec>,
        data_type: &DataType,
    ) -> Result<(Arc<dyn Codec>, u16)> {
        let takes = wanted.capabilities().types.contains(data_type);
        let codec = if takes { wanted.clone() } else { Arc::new(PlainCodec::new()) };
        let same = |entry: &CodecRef| *entry.id == *codec.id() && entry.version == codec.version();
        let number = self.0.iter().position(same).unwrap_or_else(|| {
            self.0.push(CodecRef { id: codec.id().into(), version: codec.version() });
            self.0.len() - 1
        });
        let number =
            u16::try_from(number).map_err(|_| Error::invalid_input("segment uses too many codecs"))?;
        Ok((codec, number))
    }

    pub(super) fn into_refs(self) -> Vec<CodecRef> {
        self.0
    }
}
