//! How the columns of a table lie in a file, and the way there and back.
//!
//! A file has the table's columns under the table's names in the table's order. Parquet knows no seconds: timestamps in
//! seconds are stored in milliseconds, and the note in the footer names the unit. Durations, dates in milliseconds and times of
//! day in seconds have no type of Parquet's: they are stored as the integers that they are, and the schema says what they mean.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMillisecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_compute::relabelled;
use tsds_traits::{Column, Error, Result, TableSchema};

/// The field metadata key that becomes the Parquet field id.
const FIELD_ID: &str = "PARQUET:field_id";
const MILLIS_PER_SECOND: i64 = 1_000;

/// Rows on their way into a file.
pub(crate) enum IntoFile {
    Batch(RecordBatch),
    /// The rows cannot be stored in this format; why.
    Declined(String),
}

/// The Arrow schema of a file: the table's, with field ids, and milliseconds in place of seconds.
pub(crate) fn file_schema(schema: &TableSchema) -> SchemaRef {
    let fields = schema.columns().iter().map(|column| {
        let id = HashMap::from([(FIELD_ID.to_owned(), column.id.to_string())]);
        Field::new(&column.name, file_type(&column.data_type), column.nullable).with_metadata(id)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type under which a column of `data_type` is stored.
pub(crate) fn file_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        other => other.clone(),
    }
}

/// The schema of a file with the types under which statistics of pages are read: as the decoder has it, but durations, whose
/// statistics it does not know, as integers.
pub(crate) fn statistics_schema(file: &Schema) -> Schema {
    let fields = file.fields().iter().map(|field| match field.data_type() {
        DataType::Duration(_) => Arc::new(field.as_ref().clone().with_data_type(DataType::Int64)),
        _ => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// Rows of the table as rows of the file.
///
/// # Errors
///
/// `InvalidInput` if the batch does not have the table's columns.
pub(crate) fn into_file(schema: &TableSchema, file: &SchemaRef, batch: &RecordBatch) -> Result<IntoFile> {
    if batch.num_columns() != schema.columns().len() {
        return Err(Error::invalid_input("batch of a segment has another number of columns than its table")
            .with("columns", batch.num_columns())
            .with("expected", schema.columns().len()));
    }
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, array) in schema.columns().iter().zip(batch.columns()) {
        if *array.data_type() != column.data_type {
            return Err(Error::invalid_input("column of a segment has another type than in its table")
                .with("column", &column.name)
                .with("type", array.data_type())
                .with("expected", &column.data_type));
        }
        let stored = match &column.data_type {
            DataType::Timestamp(TimeUnit::Second, zone) => {
                let Some(millis) = seconds_to_millis(array.as_primitive()) else {
                    return Ok(IntoFile::Declined(format!(
                        "column {} holds seconds that milliseconds cannot express, and parquet has no seconds",
                        column.name
                    )));
                };
                Arc::new(millis.with_timezone_opt(zone.clone()))
            }
            DataType::Dictionary(_, _) => without_null_values(array)?,
            _ => Arc::clone(array),
        };
        columns.push(stored);
    }
    Ok(IntoFile::Batch(RecordBatch::try_new(Arc::clone(file), columns)?))
}

/// A column of the file as the table's column. Text that was decoded as codes stays so.
///
/// # Errors
///
/// `Corrupt` if the file's values cannot come from the column.
pub(crate) fn from_file(column: &Column, stored: ArrayRef) -> Result<ArrayRef> {
    match &column.data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => {
            let millis = stored.as_primitive_opt::<TimestampMillisecondType>();
            let seconds = millis.and_then(millis_to_seconds);
            seconds
                .map(|seconds| Arc::new(seconds.with_timezone_opt(zone.clone())) as ArrayRef)
                .ok_or_else(|| wrong("column of seconds holds parts of seconds", column, &stored))
        }
        expected if expected == stored.data_type() => Ok(stored),
        // The bounds of pages come as what Parquet knows them to be.
        duration @ DataType::Duration(_) if *stored.data_type() == DataType::Int64 => {
            relabelled(&stored, duration)
        }
        DataType::Utf8 if matches!(stored.data_type(), DataType::Dictionary(_, _)) => Ok(stored),
        _ => Err(wrong("column of the file has another type than in its table", column, &stored)),
    }
}

fn wrong(what: &str, column: &Column, stored: &ArrayRef) -> Error {
    Error::corrupt(what)
        .with("column", &column.name)
        .with("type", stored.data_type())
        .with("expected", &column.data_type)
}

/// `None` if a value does not fit.
fn seconds_to_millis(
    seconds: &PrimitiveArray<TimestampSecondType>,
) -> Option<PrimitiveArray<TimestampMillisecondType>> {
    // What stands under a null is anything: it must neither overflow nor decide about the rows.
    let millis: Option<Vec<i64>> = match seconds.nulls() {
        None => seconds.values().iter().map(|value| value.checked_mul(MILLIS_PER_SECOND)).collect(),
        Some(nulls) => {
            let valid = seconds.values().iter().zip(nulls.iter());
            valid
                .map(|(value, valid)| if valid { value.checked_mul(MILLIS_PER_SECOND) } else { Some(0) })
                .collect()
        }
    };
    Some(PrimitiveArray::new(ScalarBuffer::from(millis?), seconds.nulls().cloned()))
}

/// `None` if a value is no whole second.
fn millis_to_seconds(
    millis: &PrimitiveArray<TimestampMillisecondType>,
) -> Option<PrimitiveArray<TimestampSecondType>> {
    let fractions = (0..millis.len()).any(|row| {
        millis.values().get(row).is_some_and(|value| value % MILLIS_PER_SECOND != 0) && millis.is_valid(row)
    });
    if fractions {
        return None;
    }
    let seconds: Vec<i64> = millis.values().iter().map(|value| value / MILLIS_PER_SECOND).collect();
    Some(PrimitiveArray::new(ScalarBuffer::from(seconds), millis.nulls().cloned()))
}

/// Moves nulls from a dictionary's values to its keys, where Parquet has its only nulls.
fn without_null_values(array: &ArrayRef) -> Result<ArrayRef> {
    let dictionary = array.as_dictionary::<Int32Type>();
    if dictionary.values().null_count() == 0 {
        return Ok(Arc::clone(array));
    }
    let nulls = dictionary.logical_nulls();
    let keys = PrimitiveArray::<Int32Type>::try_new(dictionary.keys().values().clone(), nulls)?;
    let values = dictionary.values().as_string::<i32>();
    let filled = values.iter().map(|value| Some(value.unwrap_or_default()));
    let filled = filled.collect::<arrow_array::StringArray>();
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(filled))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int32Array, StringArray, TimestampSecondArray};
    use tsds_traits::{ColumnId, SchemaVersion, TableId};

    fn schema(data_type: DataType) -> TableSchema {
        let time = Column {
            id: ColumnId(1),
            name: "time".into(),
            data_type: DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into())),
            nullable: false,
        };
        let other = Column { id: ColumnId(7), name: "other".into(), data_type, nullable: true };
        TableSchema::new(TableId(1), SchemaVersion(1), vec![time, other], ColumnId(1), &[]).unwrap()
    }

    fn there_and_back(schema: &TableSchema, batch: &RecordBatch) -> Vec<ArrayRef> {
        let file = file_schema(schema);
        let IntoFile::Batch(stored) = into_file(schema, &file, batch).unwrap() else { panic!("declined") };
        let columns = schema.columns().iter().zip(stored.columns());
        columns.map(|(column, array)| from_file(column, Arc::clone(array)).unwrap()).collect()
    }

    fn times(values: Vec<i64>) -> ArrayRef {
        Arc::new(TimestampSecondArray::from(values).with_timezone("Europe/Berlin"))
    }

    #[test]
    fn seconds_come_back_as_seconds_of_their_zone() {
        let schema = schema(DataType::Int32);
        let columns: Vec<ArrayRef> = vec![times(vec![-1, 0]), Arc::new(Int32Array::from(vec![1, 2]))];
        let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
        assert_eq!(there_and_back(&schema, &batch), batch.columns());
        let zone = Some("Europe/Berlin".into());
        let stored = file_schema(&schema);
        assert_eq!(stored.field(0).data_type(), &DataType::Timestamp(TimeUnit::Millisecond, zone));
        assert_eq!(stored.field(1).metadata().get(FIELD_ID).map(String::as_str), Some("7"));
    }

    #[test]
    fn seconds_beyond_milliseconds_are_declined_unless_they_are_null() {
        let schema = schema(DataType::Timestamp(TimeUnit::Second, None));
        let file = file_schema(&schema);
        let declined = |other: TimestampSecondArray| {
            let columns: Vec<ArrayRef> = vec![times(vec![0]), Arc::new(other)];
            let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
            matches!(into_file(&schema, &file, &batch).unwrap(), IntoFile::Declined(why) if why.contains("other"))
        };
        assert!(declined(TimestampSecondArray::from(vec![i64::MAX / 1_000 + 1])));
        assert!(!declined(TimestampSecondArray::from(vec![i64::MAX / 1_000])));
        assert!(!declined(TimestampSecondArray::from(vec![i64::MIN / 1_000])));
        let null = TimestampSecondArray::new(vec![i64::MAX].into(), Some(vec![false].into()));
        assert!(!declined(null));
    }

    #[test]
    fn parts_of_seconds_in_a_column_of_seconds_are_corrupt() {
        let column = Column {
            id: ColumnId(1),
            name: "time".into(),
            data_type: DataType::Timestamp(TimeUnit::Second, None),
            nullable: true,
        };
        let stored: ArrayRef = Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(vec![1_001]));
        assert_eq!(from_file(&column, stored).unwrap_err().kind(), tsds_traits::ErrorKind::Corrupt);
    }

    #[test]
    fn nulls_among_the_values_of_a_dictionary_become_nulls_of_rows() {
        let schema = schema(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
        let values = Arc::new(StringArray::from(vec![Some("a"), None]));
        let keys = Int32Array::from(vec![Some(0), Some(1), None]);
        let text = DictionaryArray::<Int32Type>::try_new(keys, values).unwrap();
        let columns: Vec<ArrayRef> = vec![times(vec![0, 1, 2]), Arc::new(text)];
        let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
        let read = there_and_back(&schema, &batch).pop().unwrap();
        let read = read.as_dictionary::<Int32Type>();
        let texts: Vec<_> = read.downcast_dict::<StringArray>().unwrap().into_iter().collect();
        assert_eq!(texts, [Some("a"), None, None]);
        assert_eq!(read.null_count(), 2);
    }
}
