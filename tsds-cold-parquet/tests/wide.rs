//! Tables of many columns: their files say whose they are as well as others.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, TimestampMicrosecondArray, UInt8Array};
use arrow_schema::{DataType, TimeUnit};
use common::*;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tsds_cold_parquet::{ParquetTier, VfsObjectStore};
use tsds_io::{Fault, Operation};
use tsds_traits::{ChunkRange, ColumnId, SchemaVersion, TableId, TableSchema, Tier};

/// A segment of three rows in `count` columns with long names.
fn wide(count: u32) -> Arc<MemorySource> {
    let times = TimestampMicrosecondArray::from_iter_values(0..3).with_timezone("Europe/Berlin");
    let coded: DictionaryArray<arrow_array::types::Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    let mut columns = vec![
        column(
            ColumnId(1),
            "time",
            DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
            false,
        ),
        column(ColumnId(2), "coded", text_type(), true),
    ];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(coded)];
    for id in 3..=count {
        columns.push(column(ColumnId(id), &format!("sensor {id:>040}"), DataType::UInt8, true));
        arrays.push(Arc::new(UInt8Array::from(vec![Some(1), None, Some(3)])));
    }
    let schema = TableSchema::new(TableId(7), SchemaVersion(1), columns, ColumnId(1), &[]).unwrap();
    let schema = Arc::new(schema);
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), arrays).unwrap();
    MemorySource::new(1, &schema, ChunkRange { start: 0, end: DAY }, vec![rows])
}

#[test]
fn a_completed_put_of_a_thousand_columns_is_found_and_counted() {
    let (machine, world) = sim(1);
    let source = wide(1_000);
    let stored = machine.block_on(async { put(&tier(&world), &source).await.unwrap() });
    let machine = machine.kill();
    let world = machine.world();
    machine.faults().inject(Fault::on(Operation::Write, std::io::ErrorKind::Other).sticky());
    machine.block_on(async {
        let store = Arc::new(VfsObjectStore::new(world.clone(), COLD));
        let tier = ParquetTier::open(store, settings(), context(&world)).await.unwrap();
        assert_eq!(tier.usage().rows, 3);
        assert_eq!(put(&tier, &source).await.unwrap(), stored, "nothing is written again");
    });
}

#[test]
fn readers_elsewhere_see_the_types_of_the_table() {
    let (machine, world) = sim(2);
    let source = wide(100);
    machine.block_on(async { put(&tier(&world), &source).await.unwrap() });
    let file = machine.read_file(format!("{COLD}/{}", segment_files(&machine)[0])).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    let types = |schema: &arrow_schema::Schema| -> Vec<_> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    assert_eq!(types(reader.schema()), types(source.schema.arrow()));
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let keys: Vec<_> = pairs.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(keys, ["ARROW:schema", "tsds.schema", "tsds.meta", "tsds.segment"]);
    let rows: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(rows_of(&rows), rows_of(&source.batches));
}
