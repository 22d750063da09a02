//! Rows cut at places that depend on the rows alone.
//!
//! Where the Parquet writer ends a page depends on the batches that it is given. A segment that is written again, from
//! another source with other batches, must become the same bytes; so rows are handed over in blocks of a fixed size.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use tsds_traits::{Result, is_payload_type};

use super::payload_bytes::payload_bytes;

/// Rows per block at most.
const BLOCK_ROWS: usize = 16_384;
/// A block ends with the row at which its text and payload reach this.
const BLOCK_TEXT_BYTES: u64 = 64 << 20;

/// Gathers rows until a block is complete.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pieces: Vec<RecordBatch>,
    rows: usize,
    text: u64,
}

/// A complete block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) rows: RecordBatch,
    /// The bytes of text and payload in it.
    pub(super) text: u64,
}

impl Blocks {
    /// Takes rows from the front of `batch`, of which `done` are taken already, until a block is complete or the batch
    /// is empty. A block never has more than `most` rows, which is positive.
    pub(super) fn take(
        &mut self,
        batch: &RecordBatch,
        done: &mut usize,
        most: usize,
    ) -> Result<Option<Block>> {
        let most = most.min(BLOCK_ROWS);
        let wanted = most.saturating_sub(self.rows).min(batch.num_rows().saturating_sub(*done));
        let mut piece = batch.slice(*done, wanted);
        let mut text = text_bytes(&piece);
        let mut complete = self.rows + wanted >= most;
        if self.text.saturating_add(text) >= BLOCK_TEXT_BYTES {
            complete = true;
            let rows = rows_until(&piece, BLOCK_TEXT_BYTES - self.text);
            piece = piece.slice(0, rows);
            text = text_bytes(&piece);
        }
        *done += piece.num_rows();
        self.rows += piece.num_rows();
        self.text += text;
        self.pieces.push(piece);
        if complete { self.finish() } else { Ok(None) }
    }

    /// The block so far; `None` if it has no rows.
    pub(super) fn finish(&mut self) -> Result<Option<Block>> {
        let Self { pieces, rows, text } = std::mem::take(self);
        let block = match pieces.as_slice() {
            _ if rows == 0 => return Ok(None),
            [single] => single.clone(),
            [first, ..] => concat_batches(&first.schema(), &pieces)?,
            [] => return Ok(None),
        };
        Ok(Some(Block { rows: block, text }))
    }
}

/// How many rows, at least one, until their text reaches `bytes`; all if it does not.
fn rows_until(batch: &RecordBatch, bytes: u64) -> usize {
    let mut text = 0;
    for row in 0..batch.num_rows() {
        text += text_bytes(&batch.slice(row, 1));
        if text >= bytes {
            return row + 1;
        }
    }
    batch.num_rows()
}

/// The bytes of text and payload in the rows of a batch, counted once per row.
fn text_bytes(batch: &RecordBatch) -> u64 {
    let columns = batch.columns().iter();
    columns
        .map(|array| match array.data_type() {
            DataType::Utf8 => {
                let offsets = array.as_string::<i32>().value_offsets();
                offsets
                    .last()
                    .zip(offsets.first())
                    .map_or(0, |(last, first)| (last - first).unsigned_abs().into())
            }
            DataType::Dictionary(_, _) => dictionary_bytes(array.as_ref()),
            other if is_payload_type(other) => payload_bytes(array.as_ref(), 0..array.len()),
            _ => 0,
        })
        .sum()
}

fn dictionary_bytes(array: &dyn Array) -> u64 {
    let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() else { return 0 };
    let Some(values) = dictionary.values().as_string_opt::<i32>() else { return 0 };
    let offsets = values.value_offsets();
    let len = |key: i32| {
        let at = usize::try_from(key).ok()?;
        Some(u64::from((offsets.get(at + 1)? - offsets.get(at)?).unsigned_abs()))
    };
    let keys = dictionary.keys();
    match keys.nulls() {
        None => keys.values().iter().filter_map(|key| len(*key)).sum(),
        Some(nulls) => {
            let valid = keys.values().iter().zip(nulls.iter()).filter(|(_, valid)| *valid);
            valid.filter_map(|(key, _)| len(*key)).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int32Array, StringArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn cut(batches: &[RecordBatch], most: usize) -> Vec<(usize, u64)> {
        let mut blocks = Blocks::default();
        let mut cut = Vec::new();
        for batch in batches {
            let mut done = 0;
            while done < batch.num_rows() {
                cut.extend(blocks.take(batch, &mut done, most).unwrap());
            }
        }
        cut.extend(blocks.finish().unwrap());
        cut.into_iter().map(|block| (block.rows.num_rows(), block.text)).collect()
    }

    fn rows(count: usize, text: &str) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..count as i32));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..count).map(|_| text)));
        RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap()
    }

    #[test]
    fn long_text_ends_a_block_early() {
        let long = "x".repeat(40 << 20);
        assert_eq!(cut(&[rows(3, &long)], 100), [(2, 80 << 20), (1, 40 << 20)]);
    }

    #[test]
    fn text_behind_a_dictionary_counts_once_per_row() {
        let values = StringArray::from(vec!["four", "sevenly"]);
        let keys = Int32Array::from(vec![Some(0), None, Some(1), Some(1)]);
        let text = arrow_array::DictionaryArray::<Int32Type>::new(keys, Arc::new(values));
        assert_eq!(dictionary_bytes(&text), 4 + 7 + 7);
    }

    proptest! {
        #[test]
        fn blocks_do_not_depend_on_batches(
            borders in proptest::collection::vec(0usize..40_000, 0..5),
            most in 1usize..30_000,
        ) {
            let all = rows(40_000, "ab");
            let mut borders: Vec<_> = borders.into_iter().chain([0, 40_000]).collect();
            borders.sort_unstable();
            let batches: Vec<_> = borders.windows(2).map(|pair| all.slice(pair[0], pair[1] - pair[0])).collect();
            prop_assert_eq!(cut(&batches, most), cut(&[all], most));
        }
    }
}
