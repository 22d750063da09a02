//! What single rows take, so that rows can be cut and counted by bytes.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::stats::array_bytes;

/// How large a batch is at most: so many rows, and so many bytes unless it is a single row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// Rows; at least one.
    pub rows: usize,
    /// Bytes, as [`RowBytes`] counts them.
    pub bytes: u64,
}

impl BatchSize {
    /// A size in rows and bytes; a batch always has room for one row.
    pub fn new(rows: usize, bytes: u64) -> Self {
        Self { rows: rows.max(1), bytes }
    }

    /// The rows of a batch as parts of this size, in order.
    pub fn cut(self, batch: &RecordBatch) -> Vec<RecordBatch> {
        let (rows, sizes) = (batch.num_rows(), RowBytes::of_batch(batch));
        let (mut parts, mut start) = (Vec::new(), 0);
        while start < rows {
            let end = sizes.end(start..rows, self);
            parts.push(batch.slice(start, end - start));
            start = end;
        }
        parts
    }
}

/// What each row of some columns takes as plain Arrow data: of text, bytes and nested values what the row itself holds, whatever
/// buffers it shares with others, and of a dictionary the code and the text.
///
/// Made in time that does not depend on the rows, but for dictionaries with long values.
#[derive(Clone, Debug)]
pub struct RowBytes {
    columns: Vec<ColumnBytes>,
}

#[derive(Clone, Debug)]
enum ColumnBytes {
    /// So many bits in every row.
    Fixed(u64),
    /// What the items of a row take, and its offset.
    Offsets(OffsetBuffer<i32>, Box<ColumnBytes>),
    /// Always so many items.
    Items(usize, Box<ColumnBytes>),
    Fields(Vec<ColumnBytes>),
    /// The bytes of all rows before each, and of all.
    Sums(Vec<u64>),
}

/// Where no row of a dictionary can be longer, rows are not looked at one by one.
const SHORT_TEXT: u64 = 64;

impl RowBytes {
    /// Of these columns, which are equally long.
    pub fn new(columns: &[ArrayRef]) -> Self {
        Self { columns: columns.iter().map(|column| ColumnBytes::new(column.as_ref())).collect() }
    }

    /// Of the rows of a batch.
    pub fn of_batch(batch: &RecordBatch) -> Self {
        Self::new(batch.columns())
    }

    /// The bytes of some rows.
    pub fn of(&self, rows: Range<usize>) -> u64 {
        self.columns.iter().map(|column| column.of(rows.clone())).sum()
    }

    /// The column, by position, that takes most of some rows, and what it takes.
    pub fn largest(&self, rows: Range<usize>) -> Option<(usize, u64)> {
        let bytes = self.columns.iter().map(|column| column.of(rows.clone()));
        bytes.enumerate().max_by_key(|(_, bytes)| *bytes)
    }

    /// Where a batch ends that begins with the first of `rows`: after at least one of them, if there is one.
    pub fn end(&self, rows: Range<usize>, size: BatchSize) -> usize {
        let most = rows.end.min(rows.start.saturating_add(size.rows));
        if most <= rows.start + 1 || self.of(rows.start..most) <= size.bytes {
            return most.max(rows.start);
        }
        // The rows up to `low` fit, or are one; those up to `high` do not.
        let (mut low, mut high) = (rows.start + 1, most);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            match self.of(rows.start..middle) <= size.bytes {
                true => low = middle,
                false => high = middle,
            }
        }
        low
    }
}

impl ColumnBytes {
    fn new(array: &dyn Array) -> Self {
        let validity = u64::from(array.null_count() > 0);
        let items = |array: &ArrayRef| Box::new(Self::new(array.as_ref()));
        match array.data_type() {
            DataType::Boolean => Self::Fixed(1 + validity),
            DataType::Utf8 => Self::Offsets(array.as_string::<i32>().offsets().clone(), Self::bytes()),
            DataType::Binary => Self::Offsets(array.as_binary::<i32>().offsets().clone(), Self::bytes()),
            DataType::FixedSizeBinary(width) => Self::Fixed(8 * u64::from(width.unsigned_abs()) + validity),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::Offsets(list.offsets().clone(), items(list.values()))
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let fields = map.entries().columns().iter().map(|column| *items(column)).collect();
                Self::Offsets(map.offsets().clone(), Box::new(Self::Fields(fields)))
            }
            DataType::FixedSizeList(_, count) => {
                let list = array.as_fixed_size_list();
                Self::Items(usize::try_from(*count).unwrap_or(0), items(list.values()))
            }
            DataType::Struct(_) => {
                Self::Fields(array.as_struct().columns().iter().map(|column| *items(column)).collect())
            }
            DataType::Dictionary(_, _) => Self::of_dictionary(array),
            other => match other.primitive_width() {
                Some(width) => Self::Fixed(8 * width as u64 + validity),
                // No column has such a type: what all rows take, in equal parts.
                None => Self::Fixed((8 * array_bytes(array)).div_ceil(array.len().max(1) as u64)),
            },
        }
    }

    fn bytes() -> Box<Self> {
        Box::new(Self::Fixed(8))
    }

    fn of_dictionary(array: &dyn Array) -> Self {
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
            return Self::of_codes(dictionary.values(), dictionary.keys().values(), |code| *code as usize);
        }
        match array.as_dictionary_opt::<UInt32Type>() {
            Some(dictionary) => {
                Self::of_codes(dictionary.values(), dictionary.keys().values(), |code| *code as usize)
            }
            None => Self::Fixed(32),
        }
    }

    fn of_codes<C: Copy + arrow_buffer::ArrowNativeType>(
        values: &ArrayRef,
        codes: &ScalarBuffer<C>,
        slot: impl Fn(&C) -> usize,
    ) -> Self {
        let Some(texts) = values.as_string_opt::<i32>() else { return Self::Fixed(32) };
        // To look at all texts pays only where there are fewer of them than codes.
        if texts.len() <= codes.len() {
            let longest = (0..texts.len()).map(|value| text_len(texts, value)).max().unwrap_or(0);
            if longest <= SHORT_TEXT {
                return Self::Fixed(32 + 8 * longest);
            }
        }
        let mut sum = 0;
        let mut sums = Vec::with_capacity(codes.len() + 1);
        sums.push(sum);
        for code in codes {
            // What stands under a null may be no code.
            sum += 4 + text_len(texts, slot(code));
            sums.push(sum);
        }
        Self::Sums(sums)
    }

    fn of(&self, rows: Range<usize>) -> u64 {
        let count = rows.len() as u64;
        match self {
            Self::Fixed(bits) => (count * bits).div_ceil(8),
            Self::Offsets(offsets, items) => {
                let at = |row: usize| offsets.get(row).map_or(0, |offset| *offset as usize);
                4 * count + items.of(at(rows.start)..at(rows.end))
            }
            Self::Items(each, items) => items.of(rows.start * each..rows.end * each),
            Self::Fields(fields) => fields.iter().map(|field| field.of(rows.clone())).sum(),
            Self::Sums(sums) => {
                let at = |row: usize| sums.get(row).copied().unwrap_or(0);
                at(rows.end).saturating_sub(at(rows.start))
            }
        }
    }
}

/// What the rows of some columns take together.
pub(crate) fn plain_row_bytes(columns: &[ArrayRef], rows: usize) -> u64 {
    RowBytes::new(columns).of(0..rows)
}

fn text_len(texts: &StringArray, value: usize) -> u64 {
    let offsets = texts.value_offsets();
    let ends = value.checked_add(1).and_then(|next| offsets.get(value).zip(offsets.get(next)));
    ends.map_or(0, |(start, end)| u64::from(end.wrapping_sub(*start).unsigned_abs()))
}

#[cfg(test)]
#[path = "row_bytes_tests.rs"]
mod tests;
