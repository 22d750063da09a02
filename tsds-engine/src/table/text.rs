//! How much text a batch unpacks to: a few bytes can stand for any number, in dictionaries and in views of shared text.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use tsds_traits::{Error, Result, TableSchema};

/// What all text of a batch together may unpack to. Text that comes as the table stores it is not unpacked.
const MAX_UNPACKED: u64 = 1 << 30;

/// Refuses a batch whose text would take much more memory as the table stores it.
///
/// # Errors
///
/// `InvalidInput`, naming the column with which it became too much.
pub(super) fn check_unpacked(batch: &RecordBatch, schema: &TableSchema) -> Result<()> {
    let mut all = 0_u64;
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if !matches!(field.data_type(), DataType::Utf8View | DataType::Dictionary(..)) {
            continue;
        }
        let column = schema.column_named(field.name());
        let Some(column) = column.filter(|column| column.data_type != *field.data_type()) else { continue };
        all = all.saturating_add(unpacked_bytes(array, &column.data_type)?);
        if all > MAX_UNPACKED {
            return Err(Error::invalid_input(
                "the text of a batch unpacks to too much; ingest fewer rows at once",
            )
            .with("column", &column.name)
            .with("bytes", all)
            .with("limit_bytes", MAX_UNPACKED));
        }
    }
    Ok(())
}

/// The bytes of text that are copied when an array becomes `to`, where that can be more than it holds.
fn unpacked_bytes(array: &dyn Array, to: &DataType) -> Result<u64> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let values = unpacked_bytes(dictionary.values(), &DataType::Utf8)?;
        return match to {
            DataType::Dictionary(..) => Ok(values),
            _ => Ok(values.saturating_add(total(&lengths(array)?))),
        };
    }
    match array.data_type() {
        DataType::Utf8View => Ok(total(&lengths(array)?)),
        _ => Ok(0),
    }
}

fn total(lengths: &[u64]) -> u64 {
    lengths.iter().fold(0, |total, length| total.saturating_add(*length))
}

/// How long the text of each row is; 0 for what is no text.
fn lengths(array: &dyn Array) -> Result<Vec<u64>> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let values = lengths(dictionary.values())?;
        let keys = arrow_cast::cast(dictionary.keys(), &DataType::Int64)?;
        let length = |key: Option<i64>| {
            key.and_then(|key| values.get(usize::try_from(key).ok()?)).copied().unwrap_or_default()
        };
        return Ok(keys.as_primitive::<Int64Type>().iter().map(length).collect());
    }
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().offsets().lengths().map(|length| length as u64).collect(),
        DataType::LargeUtf8 => {
            array.as_string::<i64>().offsets().lengths().map(|length| length as u64).collect()
        }
        DataType::Utf8View => array.as_string_view().lengths().map(u64::from).collect(),
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow_array::builder::StringViewBuilder;
    use arrow_array::{DictionaryArray, Int8Array, StringArray};

    #[test]
    fn plain_text_is_as_long_as_it_is() {
        let plain = StringArray::from(vec!["ab", "", "c"]);
        assert_eq!(unpacked_bytes(&plain, &DataType::Utf8).unwrap(), 0);
        assert_eq!(lengths(&plain.slice(1, 2)).unwrap(), [0, 1]);
    }

    #[test]
    fn text_of_dictionaries_counts_once_a_row_and_nothing_under_nulls() {
        let keys = Int8Array::new(vec![0, 99, 1, 0].into(), Some(vec![true, false, true, true].into()));
        let packed = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["four", "two"])));
        assert_eq!(lengths(&packed).unwrap(), [4, 0, 3, 4]);
        assert_eq!(unpacked_bytes(&packed, &DataType::Utf8).unwrap(), 11);
        let packed_again = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        assert_eq!(unpacked_bytes(&packed, &packed_again).unwrap(), 0);
    }

    #[test]
    fn views_of_shared_text_count_each() {
        let mut builder = StringViewBuilder::new();
        let block = builder.append_block("x".repeat(100).into_bytes().into());
        for offset in 0..5 {
            builder.try_append_view(block, offset, 90).unwrap();
        }
        assert_eq!(unpacked_bytes(&builder.finish(), &DataType::Utf8).unwrap(), 450);
    }
}
