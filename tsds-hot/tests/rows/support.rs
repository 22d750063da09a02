//! A table with a column of every kind, and batches for it.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use tsds_traits::{Column, ColumnId, SchemaVersion, TableId, TableSchema};

pub(crate) fn schema() -> Arc<TableSchema> {
    let column = |id: u32, name: &str, data_type, nullable| Column {
        id: ColumnId(id),
        name: name.into(),
        data_type,
        nullable,
    };
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let columns = vec![
        column(1, "time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        column(2, "host", dictionary(), true),
        column(3, "rack", dictionary(), true),
        column(4, "load", DataType::Float64, true),
        column(5, "count", DataType::Int64, false),
        column(6, "up", DataType::Boolean, true),
        column(7, "note", DataType::Utf8, true),
    ];
    Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[ColumnId(2)]).unwrap())
}

/// One row, so that batches can be compared by value however they are laid out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) host: Option<String>,
    pub(crate) rack: Option<String>,
    pub(crate) load: Option<u64>,
    pub(crate) count: i64,
    pub(crate) up: Option<bool>,
    pub(crate) note: Option<String>,
}

pub(crate) fn any_row() -> impl Strategy<Value = Row> {
    let word = || proptest::option::of("[a-d]{0,2}");
    (
        -200_000_000i64..200_000_000,
        word(),
        word(),
        proptest::option::of(any::<u64>()),
        any::<i64>(),
        any::<Option<bool>>(),
        proptest::option::of(".{0,12}"),
    )
        .prop_map(|(time, host, rack, load, count, up, note)| Row {
            time,
            host,
            rack,
            load,
            count,
            up,
            note,
        })
}

pub(crate) fn row(n: i64) -> Row {
    Row {
        time: n * 1_000,
        host: (n % 7 != 3).then(|| format!("host-{}", n % 5)),
        rack: Some("r".into()),
        load: (n % 3 != 0).then(|| (n as f64 / 7.0).to_bits()),
        count: n,
        up: (n % 4 != 0).then_some(n % 2 == 0),
        note: (n % 5 != 0).then(|| format!("note {n}")),
    }
}

pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let dictionary = |of: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<DictionaryArray<Int32Type>>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.time))),
        dictionary(|row| row.host.as_deref()),
        dictionary(|row| row.rack.as_deref()),
        Arc::new(rows.iter().map(|row| row.load.map(f64::from_bits)).collect::<Float64Array>()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.count))),
        Arc::new(rows.iter().map(|row| row.up).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.note.as_deref()).collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()
}

pub(crate) fn rows(batch: &RecordBatch) -> Vec<Row> {
    let text = |index: usize| {
        let column = batch.column(index).as_any().downcast_ref::<DictionaryArray<Int32Type>>().unwrap();
        let values = column.downcast_dict::<StringArray>().unwrap();
        values.into_iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>()
    };
    fn typed<T: Clone + 'static>(batch: &RecordBatch, index: usize) -> T {
        batch.column(index).as_any().downcast_ref::<T>().unwrap().clone()
    }
    let times: TimestampMicrosecondArray = typed(batch, 0);
    let (hosts, racks) = (text(1), text(2));
    let loads: Float64Array = typed(batch, 3);
    let counts: Int64Array = typed(batch, 4);
    let ups: BooleanArray = typed(batch, 5);
    let notes: StringArray = typed(batch, 6);
    (0..batch.num_rows())
        .map(|i| Row {
            time: times.value(i),
            host: hosts[i].clone(),
            rack: racks[i].clone(),
            load: loads.is_valid(i).then(|| loads.value(i).to_bits()),
            count: counts.value(i),
            up: ups.is_valid(i).then(|| ups.value(i)),
            note: notes.is_valid(i).then(|| notes.value(i).to_owned()),
        })
        .collect()
}
