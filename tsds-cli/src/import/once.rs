//! What a batch is called, so that it is written once: a hash of where it comes from and of what is in it.
//!
//! The hash is over values, not over memory: how an array lies there, and what stands under its nulls, does not count.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::DataType;
use arrow_select::filter::filter;
use tsds_engine::BatchId;
use tsds_traits::{Error, Result, type_name};
use twox_hash::XxHash3_128;

/// Changed whenever the same files would make other names: batches of earlier versions are then written anew.
const VERSION: &[u8] = b"tsds.import.1";

/// The id of the batch `number` of a file.
///
/// # Errors
///
/// `Unsupported` for a type that no table has.
pub(super) fn batch_id(file: &str, number: u64, batch: &RecordBatch) -> Result<BatchId> {
    let mut hasher = Hasher(XxHash3_128::new());
    hasher.bytes(VERSION);
    hasher.bytes(file.as_bytes());
    hasher.number(number);
    hasher.number(batch.num_rows() as u64);
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        hasher.bytes(field.name().as_bytes());
        hasher.bytes(type_name(field.data_type()).as_bytes());
        hasher.array(array)?;
    }
    Ok(BatchId::from(hasher.0.finish_128()))
}

struct Hasher(XxHash3_128);

impl Hasher {
    /// With their number, so that what follows is told apart.
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.write(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.write(&number.to_le_bytes());
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.bytes(text.as_bytes()),
            None => self.number(u64::MAX),
        }
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.number(u64::MAX),
        }
    }

    /// What is in each row of an array, with its number.
    fn items(&mut self, array: &ArrayRef, items: impl Fn(usize) -> ArrayRef) -> Result<()> {
        for row in 0..array.len() {
            if array.is_null(row) {
                self.number(u64::MAX);
                continue;
            }
            let items = items(row);
            self.number(items.len() as u64);
            self.array(&items)?;
        }
        Ok(())
    }

    fn array(&mut self, array: &ArrayRef) -> Result<()> {
        let unsupported =
            || Error::unsupported("column type cannot be hashed").with("type", array.data_type());
        match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().iter().for_each(|text| self.text(text)),
            DataType::Dictionary(..) => {
                let codes = array.as_dictionary_opt::<Int32Type>().ok_or_else(unsupported)?;
                let texts = codes.downcast_dict::<arrow_array::StringArray>().ok_or_else(unsupported)?;
                texts.into_iter().for_each(|text| self.text(text));
            }
            DataType::Boolean => {
                let values = array.as_boolean();
                let bytes = values.iter().map(|value| value.map_or(2, u8::from));
                self.0.write(&bytes.collect::<Vec<_>>());
            }
            DataType::Binary => array.as_binary::<i32>().iter().for_each(|bytes| self.optional(bytes)),
            DataType::FixedSizeBinary(_) => {
                array.as_fixed_size_binary().iter().for_each(|bytes| self.optional(bytes));
            }
            DataType::List(_) => self.items(array, |row| array.as_list::<i32>().value(row))?,
            DataType::FixedSizeList(_, _) => {
                self.items(array, |row| array.as_fixed_size_list().value(row))?
            }
            DataType::Map(_, _) => self.items(array, |row| Arc::new(array.as_map().value(row)))?,
            DataType::Struct(_) => {
                // What stands under the nulls of a struct does not count.
                let valid: BooleanArray = (0..array.len()).map(|row| Some(array.is_valid(row))).collect();
                self.0.write(&valid.values().iter().map(u8::from).collect::<Vec<_>>());
                for column in array.as_struct().columns() {
                    self.array(&filter(column, &valid)?)?;
                }
            }
            data_type => {
                let width = data_type.primitive_width().ok_or_else(unsupported)?;
                let data = array.to_data();
                let start = data.offset().saturating_mul(width);
                let end = start.saturating_add(array.len().saturating_mul(width));
                let values = data
                    .buffers()
                    .first()
                    .and_then(|buffer| buffer.get(start..end))
                    .ok_or_else(unsupported)?;
                match array.nulls().filter(|nulls| nulls.null_count() > 0) {
                    None => self.0.write(values),
                    Some(nulls) => {
                        for (value, valid) in values.chunks_exact(width).zip(nulls.iter()) {
                            self.0.write(&[u8::from(valid)]);
                            self.0.write(if valid { value } else { &[] });
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray};
    use arrow_buffer::{NullBuffer, ScalarBuffer};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
            .unwrap()
    }

    fn id(columns: Vec<(&str, ArrayRef)>) -> String {
        batch_id("a.csv", 0, &batch(columns)).unwrap().to_string()
    }

    fn sample() -> Vec<(&'static str, ArrayRef)> {
        let codes: DictionaryArray<Int32Type> = [Some("a"), None, Some("b")].into_iter().collect();
        vec![
            ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef),
            ("x", Arc::new(Float64Array::from(vec![1.5, f64::NAN, -0.0]))),
            ("ok", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
            ("text", Arc::new(StringArray::from(vec![Some(""), None, Some("é")]))),
            ("code", Arc::new(codes)),
        ]
    }

    #[test]
    fn the_names_of_batches_are_frozen() {
        // Whoever changes this makes what was imported before come in again: then the version changes, too.
        assert_eq!(id(sample()), "6c136980e682dbd81cc0d1714d5af295");
    }

    #[test]
    fn how_a_batch_lies_in_memory_does_not_matter() {
        let mut other = sample();
        let values = ScalarBuffer::from(vec![9, 1, 77, 3]);
        let nulls = NullBuffer::from(vec![true, true, false, true]);
        other[0].1 = Arc::new(Int64Array::new(values, Some(nulls)).slice(1, 3));
        let codes = arrow_array::Int32Array::from(vec![Some(2), None, Some(0)]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["b", "unused", "a"]));
        other[4].1 = Arc::new(DictionaryArray::new(codes, texts));
        assert_eq!(id(sample()), id(other));
    }

    #[test]
    fn every_value_name_type_file_and_number_matters() {
        let original = id(sample());
        let mut ids = vec![original];
        let changes: [(usize, ArrayRef); 6] = [
            (0, Arc::new(Int64Array::from(vec![Some(1), Some(0), Some(3)]))),
            (0, Arc::new(arrow_array::UInt64Array::from(vec![Some(1), None, Some(3)]))),
            (1, Arc::new(Float64Array::from(vec![1.5, f64::NAN, 0.0]))),
            (2, Arc::new(BooleanArray::from(vec![Some(true), Some(false), Some(false)]))),
            (3, Arc::new(StringArray::from(vec![None, Some(""), Some("é")]))),
            (3, Arc::new(StringArray::from(vec![Some(""), Some("é"), None]))),
        ];
        for (column, array) in changes {
            let mut changed = sample();
            changed[column].1 = array;
            ids.push(id(changed));
        }
        let mut renamed = sample();
        renamed[0].0 = "m";
        ids.push(id(renamed));
        ids.push(batch_id("b.csv", 0, &batch(sample())).unwrap().to_string());
        ids.push(batch_id("a.csv", 1, &batch(sample())).unwrap().to_string());
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
