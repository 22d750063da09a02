//! Text to the schema's exact type.

use std::sync::Arc;

use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_array::{builder::StringBuilder, cast::AsArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, SchemaRef};
use tsds_traits::{Error, Result};

use super::interner::Interner;
use super::view::{Column, Text, Values};

/// Gives `array` exactly the type `data_type`, which is a type of a table's schema. Text may come plain or behind a
/// dictionary with `Int32` or `UInt32` keys; everything else must already have the type.
///
/// # Errors
///
/// `InvalidInput` where the types do not fit together; `Unsupported` for a type that TSDS does not store.
pub fn conform(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    let column = Column::new(array.as_ref())?;
    match (&column.values, data_type) {
        (Values::Text(text), DataType::Utf8) => Ok(Arc::new(plain(&column, text))),
        (Values::Text(text), DataType::Dictionary(keys, values))
            if **keys == DataType::Int32 && **values == DataType::Utf8 =>
        {
            match array.data_type() {
                DataType::Dictionary(_, _) => recode(array),
                _ => encode(&column, text),
            }
        }
        _ => Err(Error::invalid_input("column does not have its schema's type")
            .with("type", array.data_type())
            .with("schema_type", data_type)),
    }
}

/// Gives every column of a batch the type of its field in `schema`; see [`conform`].
///
/// # Errors
///
/// As [`conform`]; `InvalidInput` for another number of columns, and for a null where the schema forbids it.
pub fn conform_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        return Err(Error::invalid_input("batch does not have the columns of its schema")
            .with("columns", batch.num_columns())
            .with("schema_columns", schema.fields().len()));
    }
    let columns = batch.columns().iter().zip(schema.fields());
    let columns =
        columns.map(|(array, field)| conform(array, field.data_type())).collect::<Result<Vec<_>>>()?;
    record_batch(schema, columns, batch.num_rows())
}

/// A batch of `rows` rows, also where there is no column.
///
/// # Errors
///
/// `InvalidInput` where arrays and schema do not fit together.
pub(crate) fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::invalid_input("batch does not fit its schema").with("cause", &error))
}

fn plain(column: &Column<'_>, text: &Text<'_>) -> StringArray {
    let mut builder = StringBuilder::with_capacity(column.len, 0);
    for row in 0..column.len {
        builder.append_option((!column.is_null(row)).then(|| text.value(row)));
    }
    builder.finish()
}

/// A dictionary with other keys.
fn recode(array: &ArrayRef) -> Result<ArrayRef> {
    let Some(dictionary) = array.as_dictionary_opt::<UInt32Type>() else {
        return Err(Error::unsupported("dictionary keys are not supported").with("type", array.data_type()));
    };
    let too_many = || Error::invalid_input("dictionary has more values than 32-bit signed codes can name");
    i32::try_from(dictionary.values().len()).map_err(|_| too_many())?;
    // Codes of valid rows are below the number of values; what stands under a null only has to stay within bounds.
    let codes: Vec<i32> =
        dictionary.keys().values().iter().map(|code| (*code & 0x7fff_ffff) as i32).collect();
    let keys = Int32Array::try_new(ScalarBuffer::from(codes), dictionary.keys().nulls().cloned())?;
    let recoded = DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(dictionary.values()))?;
    Ok(Arc::new(recoded))
}

fn encode(column: &Column<'_>, text: &Text<'_>) -> Result<ArrayRef> {
    let mut interner = Interner::new();
    let mut codes = Vec::with_capacity(column.len);
    for row in 0..column.len {
        codes.push(if column.is_null(row) { 0 } else { interner.intern(text.value(row))? as i32 });
    }
    let mut values = StringBuilder::with_capacity(interner.len(), 0);
    for id in 0..interner.len() {
        values.append_value(interner.text(id as u32));
    }
    let keys = Int32Array::try_new(ScalarBuffer::from(codes), column.nulls.clone())?;
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(values.finish()))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::UInt32Array;
    use tsds_traits::{ErrorKind, Value};

    fn texts(array: &dyn Array) -> Vec<Option<Value>> {
        let column = Column::new(array).unwrap();
        (0..array.len()).map(|row| column.value(row)).collect()
    }

    #[test]
    fn text_keeps_its_values_in_every_form() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        let values = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]));
        let codes = UInt32Array::from(vec![1, 2, 0, 1]);
        let unsigned: ArrayRef = Arc::new(DictionaryArray::<UInt32Type>::new(codes, values));
        let signed = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for from in [&plain, &unsigned] {
            for to in [&DataType::Utf8, &signed] {
                let conformed = conform(from, to).unwrap();
                assert_eq!(conformed.data_type(), to);
                assert_eq!(texts(&conformed), texts(&plain));
            }
        }
    }

    #[test]
    fn a_type_that_does_not_fit_is_refused() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let error = conform(&numbers, &DataType::Int64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
