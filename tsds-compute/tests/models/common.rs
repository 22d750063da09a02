//! Rows as plain values, and every way in which Arrow can hold them: the ground that naive models stand on.

use std::sync::Arc;

use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::*;
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use tsds_traits::{Column, ColumnId, SchemaVersion, SortKey, TableId, TableSchema, Value, ValueClass};

/// One row, in schema order.
pub(crate) type Row = Vec<Option<Value>>;

pub(crate) const TIME: ColumnId = ColumnId(10);
pub(crate) const HOST: ColumnId = ColumnId(11);
pub(crate) const ZONE: ColumnId = ColumnId(12);
pub(crate) const LOAD: ColumnId = ColumnId(13);
pub(crate) const HEAT: ColumnId = ColumnId(14);
pub(crate) const COUNT: ColumnId = ColumnId(15);
pub(crate) const LEVEL: ColumnId = ColumnId(16);
pub(crate) const ALIVE: ColumnId = ColumnId(17);
pub(crate) const NOTE: ColumnId = ColumnId(18);
pub(crate) const TOTAL: ColumnId = ColumnId(19);
pub(crate) const MESSAGE: ColumnId = ColumnId(20);

pub(crate) fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Every class of column, with two series columns of different classes.
pub(crate) fn schema() -> Arc<TableSchema> {
    let column = |id, name: &str, data_type, nullable| Column { id, name: name.into(), data_type, nullable };
    let columns = vec![
        column(LOAD, "load", DataType::Float64, true),
        column(TIME, "time", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false),
        column(HOST, "host", DataType::Utf8, true),
        column(ZONE, "zone", DataType::Int16, true),
        column(HEAT, "heat", DataType::Float32, true),
        column(COUNT, "count", DataType::Int64, true),
        column(LEVEL, "level", DataType::UInt8, true),
        column(ALIVE, "alive", DataType::Boolean, true),
        column(NOTE, "note", dictionary(), true),
        column(TOTAL, "total", DataType::UInt64, false),
        column(MESSAGE, "message", DataType::Utf8, true),
    ];
    Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), columns, TIME, &[HOST, ZONE]).unwrap())
}

pub(crate) fn ids(schema: &TableSchema) -> Vec<ColumnId> {
    schema.columns().iter().map(|column| column.id).collect()
}

/// Values of a column, few enough to tie and to match, and awkward.
pub(crate) fn value_of(data_type: &DataType) -> BoxedStrategy<Value> {
    match (ValueClass::of(data_type).unwrap(), data_type) {
        (ValueClass::Bool, _) => any::<bool>().prop_map(Value::Bool).boxed(),
        (ValueClass::Text, _) => prop::sample::select(vec!["", "a", "ab", "b", "é", "\u{10ffff}"])
            .prop_map(|text| Value::Text(text.into()))
            .boxed(),
        (_, DataType::Timestamp(_, _)) => (-3i64..6).prop_map(|n| Value::Int(n * 500)).boxed(),
        (_, DataType::Int16) => {
            prop::sample::select(vec![i64::from(i16::MIN), -1, 0, 1, i64::from(i16::MAX)])
                .prop_map(Value::Int)
                .boxed()
        }
        (ValueClass::Int, _) => {
            prop::sample::select(vec![i64::MIN, -7, 0, 1, 1 << 40, i64::MAX]).prop_map(Value::Int).boxed()
        }
        (_, DataType::UInt8) => {
            prop::sample::select(vec![0u64, 1, 127, 128, 255]).prop_map(Value::UInt).boxed()
        }
        (ValueClass::UInt, _) => {
            prop::sample::select(vec![0, 1, 1 << 63, u64::MAX]).prop_map(Value::UInt).boxed()
        }
        (ValueClass::F32, _) => floats().prop_map(|value| Value::F32(value as f32)).boxed(),
        _ => floats().prop_map(Value::F64).boxed(),
    }
}

fn floats() -> impl Strategy<Value = f64> {
    let odd_nan = f64::from_bits(0xfff8_0000_2000_0000);
    prop::sample::select(vec![
        0.0,
        -0.0,
        1.5,
        -1.5,
        0.1,
        1e30,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        odd_nan,
        1e-40,
    ])
}

pub(crate) fn cell(column: &Column) -> BoxedStrategy<Option<Value>> {
    let value = value_of(&column.data_type);
    if column.nullable {
        prop_oneof![1 => Just(None), 4 => value.prop_map(Some)].boxed()
    } else {
        value.prop_map(Some).boxed()
    }
}

pub(crate) fn rows(
    schema: &TableSchema,
    count: impl Into<prop::collection::SizeRange>,
) -> BoxedStrategy<Vec<Row>> {
    let row: Vec<_> = schema.columns().iter().map(cell).collect();
    prop::collection::vec(row, count).boxed()
}

/// How a batch holds its rows.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Rows before the first one, cut off as an offset.
    pub(crate) offset: usize,
    /// Form of text: plain, `Int32` or `UInt32` codes.
    pub(crate) text: u8,
    /// The dictionary is reversed, holds a text twice, and expresses nulls by null values.
    pub(crate) odd_dictionary: bool,
    /// What stands under nulls.
    pub(crate) garbage: bool,
}

pub(crate) fn layout() -> impl Strategy<Value = Layout> {
    (0usize..70, 0u8..3, any::<bool>(), any::<bool>()).prop_map(|(offset, text, odd_dictionary, garbage)| {
        Layout { offset: if (3..=60).contains(&offset) { 0 } else { offset }, text, odd_dictionary, garbage }
    })
}

pub(crate) const PLAIN: Layout = Layout { offset: 0, text: 0, odd_dictionary: false, garbage: false };

/// The rows as a batch in schema order. Text columns may have other types than the schema's.
pub(crate) fn batch(schema: &TableSchema, rows: &[Row], layout: &Layout) -> RecordBatch {
    let columns: Vec<ArrayRef> = schema
        .columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let mut values = vec![None; layout.offset];
            values.extend(rows.iter().map(|row| row[index].clone()));
            if !column.nullable {
                let filler = rows.first().map(|row| row[index].clone()).unwrap_or_default();
                values[..layout.offset].fill(filler.or_else(|| Some(zero(&column.data_type))));
            }
            array(&column.data_type, &values, layout).slice(layout.offset, rows.len())
        })
        .collect();
    let fields = schema.columns().iter().zip(&columns);
    let fields =
        fields.map(|(column, array)| Field::new(&column.name, array.data_type().clone(), column.nullable));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new_with_options(schema, columns, &options).unwrap()
}

fn zero(data_type: &DataType) -> Value {
    match ValueClass::of(data_type).unwrap() {
        ValueClass::Int => Value::Int(0),
        _ => Value::UInt(0),
    }
}

macro_rules! primitive {
    ($array:ty, $values:expr, $variant:ident, $native:ty, $garbage:expr) => {{
        let garbage: $native = if $garbage { (77u8).into() } else { Default::default() };
        let natives: Vec<$native> = $values
            .iter()
            .map(|value| match value {
                Some(Value::$variant(value)) => *value as $native,
                _ => garbage,
            })
            .collect();
        let nulls = NullBuffer::from_iter($values.iter().map(|value| value.is_some()));
        <$array>::new(natives.into(), Some(nulls))
    }};
}

/// The values as an array of this type, or of another form of text.
pub(crate) fn array(data_type: &DataType, values: &[Option<Value>], layout: &Layout) -> ArrayRef {
    let garbage = layout.garbage;
    match data_type {
        DataType::Boolean => Arc::new(BooleanArray::from_iter(values.iter().map(|value| match value {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }))),
        DataType::Int16 => Arc::new(primitive!(Int16Array, values, Int, i16, garbage)),
        DataType::Int64 => Arc::new(primitive!(Int64Array, values, Int, i64, garbage)),
        DataType::UInt8 => Arc::new(primitive!(UInt8Array, values, UInt, u8, garbage)),
        DataType::UInt64 => Arc::new(primitive!(UInt64Array, values, UInt, u64, garbage)),
        DataType::Float32 => Arc::new(primitive!(Float32Array, values, F32, f32, garbage)),
        DataType::Float64 => Arc::new(primitive!(Float64Array, values, F64, f64, garbage)),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => Arc::new(
            primitive!(TimestampMillisecondArray, values, Int, i64, garbage).with_timezone_opt(zone.clone()),
        ),
        DataType::Utf8 | DataType::Dictionary(_, _) => text_array(values, layout),
        other => panic!("no test values of type {other}"),
    }
}

fn text_array(values: &[Option<Value>], layout: &Layout) -> ArrayRef {
    let texts: Vec<Option<&str>> = values
        .iter()
        .map(|value| match value {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if layout.text == 0 {
        return Arc::new(StringArray::from(texts));
    }
    let mut distinct: Vec<Option<&str>> = texts.iter().copied().filter(Option::is_some).collect();
    distinct.sort();
    distinct.dedup();
    if layout.odd_dictionary {
        distinct.reverse();
        distinct.push(None);
        distinct.extend(distinct.clone());
    }
    let code = |(row, text): (usize, &Option<&str>)| -> Option<usize> {
        let places: Vec<usize> = (0..distinct.len()).filter(|place| distinct[*place] == *text).collect();
        (!places.is_empty()).then(|| places[row % places.len()])
    };
    let codes: Vec<Option<usize>> = texts.iter().enumerate().map(code).collect();
    let dictionary = Arc::new(StringArray::from(distinct.clone()));
    if layout.text == 1 {
        let keys: Int32Array = codes.iter().map(|code| code.map(|code| code as i32)).collect();
        Arc::new(DictionaryArray::<Int32Type>::new(keys, dictionary))
    } else {
        let keys: UInt32Array = codes.iter().map(|code| code.map(|code| code as u32)).collect();
        Arc::new(DictionaryArray::<UInt32Type>::new(keys, dictionary))
    }
}

/// One cell of an array, by Arrow's own accessors.
pub(crate) fn value_at(array: &dyn Array, row: usize) -> Option<Value> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::*;
    if array.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Value::UInt(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt64 => Value::UInt(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => Value::F32(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Value::F64(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Value::Int(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).into()),
        DataType::Dictionary(keys, _) if **keys == DataType::Int32 => {
            let dictionary = array.as_dictionary::<Int32Type>();
            return value_at(dictionary.values(), dictionary.keys().value(row) as usize);
        }
        other => panic!("no test values of type {other}"),
    })
}

/// The rows of a batch.
pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let cell = |row| batch.columns().iter().map(move |array| value_at(array.as_ref(), row)).collect();
    (0..batch.num_rows()).map(cell).collect()
}

/// Cuts rows into pieces at these places.
pub(crate) fn cut<T: Clone>(rows: &[T], places: &[prop::sample::Index]) -> Vec<Vec<T>> {
    let mut cuts: Vec<usize> = places.iter().map(|place| place.index(rows.len() + 1)).collect();
    cuts.extend([0, rows.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| rows[pair[0]..pair[1]].to_vec()).collect()
}

pub(crate) fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..4)
}

pub(crate) fn sort_keys(
    schema: &TableSchema,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<SortKey>> {
    let key = (prop::sample::select(ids(schema)), any::<bool>(), any::<bool>());
    let key = key.prop_map(|(column, descending, nulls_first)| SortKey { column, descending, nulls_first });
    prop::collection::vec(key, count)
}

/// Some predicates over the schema.
pub(crate) fn predicate(schema: &TableSchema) -> BoxedStrategy<tsds_traits::Predicate> {
    use tsds_traits::{Comparison, Predicate};
    let comparisons = vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    let leaves: Vec<BoxedStrategy<Predicate>> = schema
        .columns()
        .iter()
        .map(|column| {
            let (id, comparisons) = (column.id, comparisons.clone());
            let value = value_of(&column.data_type);
            let values = prop::collection::vec(value.clone(), 0..7);
            prop_oneof![
                4 => (prop::sample::select(comparisons), value).prop_map(move |(comparison, value)| {
                    Predicate::Compare { column: id, comparison, value }
                }),
                2 => (values, any::<bool>()).prop_map(move |(values, has_null)| {
                    Predicate::In { column: id, values, has_null }
                }),
                1 => Just(Predicate::IsNull(id)),
                1 => Just(Predicate::IsNan(id)),
            ]
            .boxed()
        })
        .collect();
    let constant = prop::sample::select(vec![None, Some(true), Some(false)]).prop_map(Predicate::Constant);
    let leaf = prop_oneof![12 => prop::strategy::Union::new(leaves), 1 => constant];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let parts = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            parts.clone().prop_map(Predicate::And),
            parts.prop_map(Predicate::Or),
            inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
    .boxed()
}

/// Runs a future that waits for nothing outside itself.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..1_000_000 {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("future never ends");
}
