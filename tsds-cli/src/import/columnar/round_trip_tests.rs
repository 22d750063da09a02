//! What was written in any format comes back the same.

use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Date64Array, Decimal128Array, DurationNanosecondArray,
    DurationSecondArray, Float32Array, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray,
    Time32SecondArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt16Array, UInt64Array,
};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::collection::vec;
use proptest::prelude::*;
use tsds_traits::{Column, ColumnId, SchemaVersion, TableId, TableSchema};

use super::number::{instants, relabelled};
use super::tests::Folder;
use crate::result::{Format, writer};

/// Seconds since 1970 of the first and the last second that every unit can hold.
const SECONDS: std::ops::RangeInclusive<i64> = -9_223_372_036..=9_223_372_035;

#[derive(Clone, Debug)]
struct Row {
    time: i64,
    series: Option<String>,
    int: Option<i64>,
    small: Option<i8>,
    unsigned: Option<u64>,
    short: Option<u16>,
    double: Option<f64>,
    single: Option<f32>,
    ok: Option<bool>,
    text: Option<String>,
    seconds: Option<i64>,
    nanos: Option<i64>,
    day: Option<i32>,
    second: Option<i32>,
    took: Option<i64>,
    decimal: Option<i128>,
}

fn double() -> impl Strategy<Value = f64> {
    let special =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324];
    prop_oneof![3 => any::<f64>(), 2 => proptest::sample::select(special.to_vec())]
}

fn row() -> impl Strategy<Value = Row> {
    let text =
        || prop_oneof!["[a-c]", "\\PC{1,12}", Just("say \"hi\", é\n".to_owned()), Just("NaN".to_owned())];
    let first = (
        SECONDS,
        proptest::option::of(text()),
        any::<Option<i64>>(),
        any::<Option<i8>>(),
        any::<Option<u64>>(),
    );
    let second = (
        any::<Option<u16>>(),
        proptest::option::of(double()),
        proptest::option::of(double()),
        any::<Option<bool>>(),
    );
    let third =
        (proptest::option::of(text()), proptest::option::of(SECONDS), any::<Option<i64>>(), 0_i64..1_000_000);
    // Days of years that have names, and seconds of a day: text says no others.
    let end = 10_i128.pow(38);
    let decimal = proptest::option::of(prop_oneof![1 - end..end, -999_999_999..=999_999_999_i128]);
    let fourth = (
        proptest::option::of(-719_162..2_932_896_i32),
        proptest::option::of(0..86_400_i32),
        any::<Option<i64>>(),
        decimal,
    );
    (first, second, third, fourth).prop_map(|(first, second, third, (day, second_of_day, took, decimal))| {
        let ((time, series, int, small, unsigned), (short, double, single, ok)) = (first, second);
        let (text, seconds, nanos, micros) = third;
        Row {
            time: time.saturating_mul(1_000_000).saturating_add(micros),
            series,
            int,
            small,
            unsigned,
            short,
            double,
            single: single.map(|value| value as f32),
            ok,
            text,
            seconds,
            nanos,
            day,
            second: second_of_day,
            took,
            decimal,
        }
    })
}

fn batch(rows: &[Row], schema: &Arc<Schema>) -> RecordBatch {
    fn column<T, A: FromIterator<Option<T>> + Array + 'static>(
        rows: &[Row],
        of: impl Fn(&Row) -> Option<T>,
    ) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<A>())
    }
    let mut series = StringDictionaryBuilder::<Int32Type>::new();
    rows.iter().for_each(|row| series.append_option(row.series.as_deref()));
    let seconds = rows.iter().map(|row| row.seconds).collect::<TimestampSecondArray>();
    let nanos = rows.iter().map(|row| row.nanos).collect::<TimestampNanosecondArray>();
    let columns: Vec<ArrayRef> = vec![
        column::<_, TimestampMicrosecondArray>(rows, |row| Some(row.time)),
        Arc::new(series.finish()),
        column::<_, Int64Array>(rows, |row| row.int),
        column::<_, Int8Array>(rows, |row| row.small),
        column::<_, UInt64Array>(rows, |row| row.unsigned),
        column::<_, UInt16Array>(rows, |row| row.short),
        column::<_, Float64Array>(rows, |row| row.double),
        column::<_, Float32Array>(rows, |row| row.single),
        column::<_, BooleanArray>(rows, |row| row.ok),
        column::<_, StringArray>(rows, |row| row.text.clone()),
        Arc::new(seconds.with_timezone("UTC")),
        Arc::new(nanos),
        column::<_, Date32Array>(rows, |row| row.day),
        column::<_, Date64Array>(rows, |row| row.day.map(|day| i64::from(day) * 86_400_000 + 1)),
        column::<_, Time32SecondArray>(rows, |row| row.second),
        column::<_, Time64NanosecondArray>(rows, |row| {
            row.second.map(|second| i64::from(second) * 1_000_000_001)
        }),
        column::<_, DurationSecondArray>(rows, |row| row.took),
        column::<_, DurationNanosecondArray>(rows, |row| row.took),
        decimals(rows, 38, 10, |value| value),
        decimals(rows, 9, 9, |value| value % 1_000_000_000),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

fn decimals(rows: &[Row], precision: u8, scale: i8, of: fn(i128) -> i128) -> ArrayRef {
    let values = rows.iter().map(|row| row.decimal.map(of)).collect::<Decimal128Array>();
    Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
}

fn columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("ts", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("series", DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into())),
        ("int", DataType::Int64),
        ("small", DataType::Int8),
        ("unsigned", DataType::UInt64),
        ("short", DataType::UInt16),
        ("double", DataType::Float64),
        ("single", DataType::Float32),
        ("ok", DataType::Boolean),
        ("text", DataType::Utf8),
        ("seconds", DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))),
        ("nanos", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ("day", DataType::Date32),
        ("millis of days", DataType::Date64),
        ("second", DataType::Time32(TimeUnit::Second)),
        ("nano", DataType::Time64(TimeUnit::Nanosecond)),
        ("took", DataType::Duration(TimeUnit::Second)),
        ("took nanos", DataType::Duration(TimeUnit::Nanosecond)),
        ("decimal", DataType::Decimal128(38, 10)),
        ("fraction", DataType::Decimal128(9, 9)),
    ]
}

fn table() -> TableSchema {
    let columns = columns().into_iter().enumerate().map(|(index, (name, data_type))| Column {
        id: ColumnId(index as u32 + 1),
        name: name.into(),
        data_type,
        nullable: index > 0,
    });
    TableSchema::new(TableId(1), SchemaVersion(1), columns.collect(), ColumnId(1), &[ColumnId(2)]).unwrap()
}

fn written(format: Format, schema: &Arc<Schema>, batches: &[RecordBatch]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let target: Box<dyn std::io::Write + Send> = Box::new(file.reopen().unwrap());
    let mut writer = writer(format, schema, target).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    std::io::Read::bytes(file).collect::<Result<_, _>>().unwrap()
}

/// The values of a column as text that tells all of them apart, NaN by its kind.
fn values(batches: &[RecordBatch], column: usize) -> Vec<Option<String>> {
    let mut values = Vec::new();
    for batch in batches {
        let array = batch.column(column);
        values.extend((0..array.len()).map(|row| {
            let float = match array.data_type() {
                DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
                DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
                DataType::Timestamp(..) => {
                    return array.is_valid(row).then(|| instants(array).unwrap().0[row].to_string());
                }
                DataType::Duration(_) => {
                    let numbers = relabelled(array, &DataType::Int64).unwrap();
                    return array.is_valid(row).then(|| array_value_to_string(&numbers, row).unwrap());
                }
                _ => return array.is_valid(row).then(|| array_value_to_string(array, row).unwrap()),
            };
            array
                .is_valid(row)
                .then(|| if float.is_nan() { "NaN".into() } else { format!("{:x}", float.to_bits()) })
        }));
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_in_any_format_comes_back_the_same(
        first in vec(row(), 1..30),
        second in vec(row(), 1..30),
        batch_rows in 1_usize..40,
    ) {
        let schema = Arc::new(Schema::new(
            columns().into_iter().map(|(name, data_type)| Field::new(name, data_type, name != "ts")).collect::<Vec<_>>(),
        ));
        let original = [batch(&first, &schema), batch(&second, &schema)];
        let folder = Folder { batch_rows, ..Folder::new("ts", "series") };
        for (name, format, into_new) in [
            ("a.parquet", Format::Parquet, true),
            ("a.feather", Format::ArrowFile, true),
            ("a.arrows", Format::Arrow, true),
            // Text does not say its types: those of a table do.
            ("a.csv", Format::Csv, false),
        ] {
            let bytes = written(format, &schema, &original);
            let table = table();
            let read = folder.import(&[(name, bytes)], (!into_new).then_some(&table));
            let (read, skipped) = read.map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
            prop_assert_eq!(skipped, 0);
            for (index, field) in schema.fields().iter().enumerate() {
                prop_assert_eq!(read[0].column(index).data_type(), field.data_type(), "{}", name);
                prop_assert_eq!(values(&read, index), values(&original, index), "{} {}", name, field.name());
            }
        }
    }
}

#[test]
fn seconds_beyond_what_milliseconds_can_hold_are_refused_and_named() {
    let schema =
        Arc::new(Schema::new(vec![Field::new("since", DataType::Timestamp(TimeUnit::Second, None), true)]));
    let rows = |value: i64| {
        RecordBatch::try_new(
            Arc::clone(&schema),
            vec![Arc::new(TimestampSecondArray::from(vec![None, Some(value)]))],
        )
        .unwrap()
    };
    let mut writer = writer(Format::Parquet, &schema, Box::new(std::io::sink())).unwrap();
    writer.write(&rows(-1)).unwrap();
    let error = writer.write(&rows(i64::MAX / 1_000 + 1)).unwrap_err();
    assert!(
        error.to_string().contains("column since: 9223372036854776 s cannot be written in milliseconds"),
        "{error}"
    );
}
