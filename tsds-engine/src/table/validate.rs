//! Checks a batch against its table before a byte of it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, TimeUnit};
use tsds_compute::chunk::valid_times;
use tsds_traits::{
    Column, Error, Result, SchemaVersion, TableSchema, is_payload_type, payload_type, type_name,
};

use super::unpacked::check_unpacked;
use super::widen::{is_widening, widen};

/// The batch in exactly the table's schema: columns by name in the table's order, dictionaries with the table's keys, no
/// metadata.
///
/// # Errors
///
/// `InvalidInput`, naming table and column, and the row where there is one: for a column that is missing or unknown or of
/// another type, for a null where none is allowed, for a time outside the years 0001 to 9999, and for text that unpacks to much
/// more than it comes in.
pub(crate) fn conform(
    batch: RecordBatch,
    table: &str,
    schema: &TableSchema,
    earlier: &BTreeMap<SchemaVersion, Arc<TableSchema>>,
) -> Result<RecordBatch> {
    let named = |error: Error| error.with("table", table);
    let given = batch.schema();
    for (index, field) in given.fields().iter().enumerate() {
        let known = schema.column_named(field.name()).is_some();
        let repeated = given.fields().iter().take(index).any(|earlier| earlier.name() == field.name());
        if !known || repeated {
            let what = if known {
                "batch has a column twice"
            } else {
                "batch has a column that the table does not have"
            };
            return Err(named(Error::invalid_input(what).with("column", field.name())));
        }
    }
    check_unpacked(&batch, schema).map_err(named)?;
    let columns = schema.columns().iter().enumerate().map(|(index, column)| {
        let Ok(position) = given.index_of(&column.name) else {
            if was_added(column, earlier) {
                return Ok(new_null_array(&column.data_type, batch.num_rows()));
            }
            return Err(
                Error::invalid_input("batch lacks a column of the table").with("column", &column.name)
            );
        };
        let array = batch.column(position);
        let array = match had_type(column, array.data_type(), earlier) {
            true => widen(array, &column.data_type)?,
            false => convert(array, column)?,
        };
        check_nulls(&array, column)?;
        check_digits(&array, column)?;
        if index == schema.time_index() {
            check_times(&array, column, schema.time_unit())?;
        }
        Ok(array)
    });
    let columns = columns.collect::<Result<Vec<_>>>().map_err(named)?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema.arrow()), columns, &options)
        .map_err(|error| named(Error::invalid_input("batch does not fit the table").with("cause", error)))
}

/// Whether the column came later than the table: writers may not know of it yet.
pub(super) fn was_added(column: &Column, earlier: &BTreeMap<SchemaVersion, Arc<TableSchema>>) -> bool {
    column.nullable && earlier.values().any(|schema| schema.column(column.id).is_none())
}

/// Whether this is a type that the column had before it got a wider one: writers may not know of that yet.
fn had_type(
    column: &Column,
    data_type: &DataType,
    earlier: &BTreeMap<SchemaVersion, Arc<TableSchema>>,
) -> bool {
    let had = |schema: &TableSchema| schema.column(column.id).is_some_and(|old| old.data_type == *data_type);
    *data_type != column.data_type
        && is_widening(data_type, &column.data_type)
        && earlier.values().any(|schema| had(schema))
}

/// Exactly the column's type; text may come plain or with any dictionary, payload in any layout that [`payload_type`] takes for it.
fn convert(array: &ArrayRef, column: &Column) -> Result<ArrayRef> {
    if *array.data_type() == column.data_type {
        return Ok(Arc::clone(array));
    }
    let mismatch = || {
        Error::invalid_input("batch has a column of another type than the table")
            .with("column", &column.name)
            .with("expected", type_name(&column.data_type))
            .with("given", type_name(array.data_type()))
    };
    let is_payload = payload_type(array.data_type()).as_ref() == Some(&column.data_type);
    if !(is_payload || is_text(array.data_type()) && is_text(&column.data_type)) {
        return Err(mismatch());
    }
    arrow_cast::cast(array, &column.data_type).map_err(|error| mismatch().with("cause", error))
}

/// Text in any of Arrow's layouts.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn check_nulls(array: &ArrayRef, column: &Column) -> Result<()> {
    if column.nullable || array.logical_null_count() == 0 {
        return Ok(());
    }
    let nulls = array.logical_nulls();
    let row = nulls.and_then(|nulls| nulls.iter().position(|valid| !valid)).unwrap_or_default();
    Err(Error::invalid_input("batch has a null where none is allowed")
        .with("column", &column.name)
        .with("row", row))
}

/// Arrow lets a decimal have more digits than its type says; what is computed and stored relies on it that none has.
fn check_digits(array: &ArrayRef, column: &Column) -> Result<()> {
    if is_payload_type(&column.data_type) {
        return check_digits_within(array).map_err(|error| error.with("column", &column.name));
    }
    let DataType::Decimal128(precision, _) = column.data_type else { return Ok(()) };
    let Some(decimals) = array.as_primitive_opt::<Decimal128Type>() else { return Ok(()) };
    let end = 10u128.checked_pow(precision.into()).unwrap_or(u128::MAX);
    let wrong = |(row, value): &(usize, &i128)| value.unsigned_abs() >= end && decimals.is_valid(*row);
    let Some((row, value)) = decimals.values().iter().enumerate().find(wrong) else { return Ok(()) };
    Err(Error::invalid_input("decimal has more digits than its column holds")
        .with("column", &column.name)
        .with("type", type_name(&column.data_type))
        .with("row", row)
        .with("units", value))
}

/// As [`check_digits`], inside of payload: where files store decimals, they have no room for more digits.
fn check_digits_within(array: &ArrayRef) -> Result<()> {
    let precision = match array.data_type() {
        DataType::Decimal128(precision, _) => *precision,
        // Not what lies before and behind the rows, as in slices.
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            return check_digits_within(&shown(list.values(), list.value_offsets()));
        }
        DataType::FixedSizeList(_, _) => return check_digits_within(array.as_fixed_size_list().values()),
        DataType::Struct(_) => return array.as_struct().columns().iter().try_for_each(check_digits_within),
        DataType::Map(_, _) => {
            let map = array.as_map();
            let parts = [map.keys(), map.values()].map(|part| shown(part, map.value_offsets()));
            return parts.iter().try_for_each(check_digits_within);
        }
        _ => return Ok(()),
    };
    let decimals = array.as_primitive_opt::<Decimal128Type>();
    decimals.map_or(Ok(()), |decimals| decimals.validate_decimal_precision(precision)).map_err(|error| {
        Error::invalid_input("decimal inside of a payload column has more digits than its type holds")
            .with("type", type_name(array.data_type()))
            .with("cause", error)
    })
}

/// The items of lists from the first to the last.
fn shown(items: &ArrayRef, offsets: &[i32]) -> ArrayRef {
    let at =
        |offset: Option<&i32>| offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
    let (start, end) = (at(offsets.first()), at(offsets.last()).min(items.len()));
    items.slice(start.min(end), end.saturating_sub(start))
}

fn check_times(array: &ArrayRef, column: &Column, unit: TimeUnit) -> Result<()> {
    let allowed = valid_times(unit);
    let times: &[i64] = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
    };
    // Two folds without a branch are faster than a search, and almost every batch passes.
    let (least, greatest) =
        times.iter().fold((i64::MAX, i64::MIN), |(low, high), time| (low.min(*time), high.max(*time)));
    if times.is_empty() || (allowed.contains(&least) && allowed.contains(&greatest)) {
        return Ok(());
    }
    let row = times.iter().position(|time| !allowed.contains(time)).unwrap_or_default();
    Err(Error::invalid_input("time is outside the years 0001 to 9999")
        .with("column", &column.name)
        .with("row", row)
        .with("value", times.get(row).copied().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::Int8Type;
    use arrow_array::{DictionaryArray, Float64Array, StringArray, TimestampMillisecondArray};
    use arrow_schema::{Field, Schema};
    use tsds_traits::{ColumnId, TableId};

    fn schema() -> TableSchema {
        let column = |id, name: &str, data_type, nullable| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type,
            nullable,
        };
        let dictionary = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        let columns = vec![
            column(1, "time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            column(2, "host", dictionary, true),
            column(3, "load", DataType::Float64, true),
        ];
        TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[ColumnId(2)]).unwrap()
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, array)| array).collect(),
        )
        .unwrap()
    }

    fn times(values: Vec<Option<i64>>) -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from(values))
    }

    fn rows(time: ArrayRef) -> RecordBatch {
        let len = time.len();
        let host: ArrayRef = Arc::new(StringArray::from(vec!["a"; len]));
        let load: ArrayRef = Arc::new(Float64Array::from(vec![1.0; len]));
        batch(vec![("load", load), ("host", host), ("time", time)])
    }

    fn conformed(batch: RecordBatch) -> Result<RecordBatch> {
        let schema = schema();
        conform(batch, "t", &schema, &[(schema.version(), Arc::new(schema.clone()))].into())
    }

    fn refused(batch: RecordBatch) -> String {
        conformed(batch).unwrap_err().to_string()
    }

    #[test]
    fn columns_come_in_the_tables_order_and_types() {
        let given = rows(times(vec![Some(0), Some(1)]));
        let found = conformed(given).unwrap();
        assert_eq!(found.schema(), *schema().arrow());
        assert_eq!(found.num_rows(), 2);
        let keys: DictionaryArray<Int8Type> = ["x", "y"].into_iter().collect();
        let load: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        let small =
            batch(vec![("time", times(vec![Some(0), Some(1)])), ("host", Arc::new(keys)), ("load", load)]);
        assert!(conformed(small).is_ok());
    }

    #[test]
    fn a_null_time_names_table_column_and_row() {
        let text = refused(rows(times(vec![Some(0), None])));
        assert!(text.contains("column=time row=1 table=t"), "{text}");
    }

    #[test]
    fn a_time_beyond_the_year_9999_names_its_row() {
        let text = refused(rows(times(vec![Some(0), Some(253_402_300_800_000)])));
        assert!(text.contains("column=time row=1 value=253402300800000 table=t"), "{text}");
        assert!(conformed(rows(times(vec![Some(253_402_300_799_999), Some(-62_135_596_800_000)]))).is_ok());
    }

    #[test]
    fn missing_unknown_and_repeated_columns_are_named() {
        let host: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let load: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        let missing = batch(vec![("time", times(vec![Some(0)])), ("host", Arc::clone(&host))]);
        assert!(refused(missing).contains("lacks a column of the table column=load"));
        let extra = batch(vec![("time", times(vec![Some(0)])), ("hots", Arc::clone(&host))]);
        assert!(refused(extra).contains("does not have column=hots"));
        let twice = batch(vec![
            ("time", times(vec![Some(0)])),
            ("load", Arc::clone(&load)),
            ("load", load),
            ("host", host),
        ]);
        assert!(refused(twice).contains("twice column=load"));
    }

    #[test]
    fn another_type_names_both() {
        let host: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let wrong = batch(vec![("time", times(vec![Some(0)])), ("host", Arc::clone(&host)), ("load", host)]);
        let text = refused(wrong);
        assert!(text.contains("column=load expected=float64 given=utf8"), "{text}");
    }
}
