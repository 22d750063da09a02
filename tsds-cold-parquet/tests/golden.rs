//! A cold file of format version 1 with its record, as bytes that never change.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, RecordBatch, StringArray, TimestampSecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use common::*;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tsds_io::{Runtime, SimWorld};
use tsds_traits::{ChunkRange, ColumnId, SchemaVersion, SegmentHandle, TableId, TableSchema, Tier};

const FILE: &[u8] = include_bytes!("golden/cold-v1.parquet");
const RECORD: &[u8] = include_bytes!("golden/cold-v1.record");
const ROOT: &[u8] = include_bytes!("golden/_tsds.json");
const PATH: &str = "7/year=2013/month=03/day=01/0000000000000102-00000000.parquet";

/// Two series; seconds of a zone; text behind a dictionary and plain; floats with every kind of zero and NaN; nulls.
fn golden() -> Arc<MemorySource> {
    let seconds = || DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into()));
    let columns = vec![
        column(ColumnId(1), "time", seconds(), false),
        column(ColumnId(2), "höst", text_type(), true),
        column(ColumnId(4), "load", DataType::Float64, true),
        column(ColumnId(5), "up", DataType::Boolean, true),
        column(ColumnId(6), "count", DataType::UInt64, false),
        column(ColumnId(9), "note", DataType::Utf8, true),
    ];
    let schema = TableSchema::new(TableId(7), SchemaVersion(2), columns, ColumnId(1), &[ColumnId(2)]);
    let schema = Arc::new(schema.unwrap().with_name("air"));
    let time = [0, 1, 0, 86_399].map(|second| MARCH_2013 + second);
    let hosts: DictionaryArray<Int32Type> = [None, None, Some("b"), Some("b")].into_iter().collect();
    let nan = f64::from_bits(0xfff8_0000_0000_beef);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(time.to_vec()).with_timezone("Europe/Berlin")),
        Arc::new(hosts),
        Arc::new(Float64Array::from(vec![Some(-0.0), Some(nan), None, Some(1.5)])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        Arc::new(UInt64Array::from(vec![0, 1, u64::MAX, 2])),
        Arc::new(StringArray::from(vec![Some("ä\0"), None, Some(""), Some("z")])),
    ];
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), arrays).unwrap();
    let chunk = ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY };
    MemorySource::new(0x102, &schema, chunk, vec![rows])
}

fn pairs(file: &[u8]) -> Vec<(String, String)> {
    let file = bytes::Bytes::copy_from_slice(file);
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
    pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone().unwrap())).collect()
}

/// What is written today.
fn written() -> (SimWorld, tsds_traits::Stored) {
    let (machine, world) = sim(1);
    let stored = machine.block_on(async { put(&tier(&world), &golden()).await.unwrap() });
    (machine, stored)
}

#[test]
fn the_frozen_file_reads_back() {
    let (machine, world) = sim(1);
    machine.write_file(format!("{COLD}/{PATH}"), FILE).unwrap();
    machine.write_file(format!("{COLD}/{ROOT_OBJECT}"), ROOT).unwrap();
    let (tier, golden) = (tier(&world), golden());
    machine.block_on(async {
        assert_eq!(tier.list().await.unwrap().len(), 1);
        let handle = SegmentHandle { meta: Arc::clone(&golden.meta), record: RECORD.into() };
        let found = scan(&tier, everything(&golden.schema, vec![handle])).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|batch| batch.rows).collect();
        assert_eq!(rows_of(&found), rows_of(&golden.batches));
    });
}

#[test]
fn the_metadata_of_the_frozen_file_are_frozen() {
    let pairs = pairs(FILE);
    let value = |key: &str| pairs.iter().find(|(found, _)| found == key).unwrap().1.as_str();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["ARROW:schema", "tsds.schema", "tsds.meta", "tsds.segment"]);
    assert_eq!(
        value("tsds.schema"),
        concat!(
            r#"{"table":7,"name":"air","version":2,"columns":["#,
            r#"{"id":1,"name":"time","type":"timestamp(s,Europe/Berlin)","nullable":false},"#,
            r#"{"id":2,"name":"höst","type":"dictionary(int32,utf8)","nullable":true},"#,
            r#"{"id":4,"name":"load","type":"float64","nullable":true},"#,
            r#"{"id":5,"name":"up","type":"bool","nullable":true},"#,
            r#"{"id":6,"name":"count","type":"uint64","nullable":false},"#,
            r#"{"id":9,"name":"note","type":"utf8","nullable":true}],"time":1,"series":[2]}"#
        )
    );
    assert_eq!(
        value("tsds.meta"),
        concat!(
            r#"{"id":{"id":258,"generation":0},"table":7,"schema_version":2,"#,
            r#""chunk":{"start":1362096000,"end":1362182400},"key_domain":0,"interval":{"after":2580,"upto":2590},"#,
            r#""rows":4,"time_range":[1362096000,1362182399],"series":2,"plain_bytes":150,"columns":["#,
            r#"{"column":1,"null_count":0,"has_nan":false,"min":{"Int":1362096000},"max":{"Int":1362182399},"exact":true},"#,
            r#"{"column":2,"null_count":2,"has_nan":false,"min":{"Text":"b"},"max":{"Text":"b"},"exact":true},"#,
            r#"{"column":4,"null_count":1,"has_nan":true,"min":{"F64":9223372036854775808},"max":{"F64":4609434218613702656},"exact":true},"#,
            r#"{"column":5,"null_count":1,"has_nan":false,"min":{"Bool":false},"max":{"Bool":true},"exact":true},"#,
            r#"{"column":6,"null_count":0,"has_nan":false,"min":{"UInt":0},"max":{"UInt":18446744073709551615},"exact":true},"#,
            r#"{"column":9,"null_count":1,"has_nan":false,"min":{"Text":""},"max":{"Text":"ä\u0000"},"exact":true}]}"#
        )
    );
    assert_eq!(
        value("tsds.segment"),
        concat!(
            r#"{"format":1,"database":"07070707070707070707070707070707","segment":{"id":258,"generation":0},"#,
            r#""rows":4,"compression":"zstd","row_group_rows":1024}"#
        )
    );
}

/// The bytes of pages may change with the library that writes them; what describes them may not.
#[test]
fn what_is_written_today_says_the_same_of_itself() {
    let (machine, _) = written();
    let file = machine.read_file(format!("{COLD}/{PATH}")).unwrap();
    assert_eq!(pairs(&file), pairs(FILE));
    assert_eq!(machine.read_file(format!("{COLD}/{ROOT_OBJECT}")).unwrap(), ROOT);
}

#[test]
#[ignore = "writes the frozen files: only for a new format version"]
fn freeze() {
    let (machine, stored) = written();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let runtime = Runtime::new(Some(1)).unwrap();
    for (name, bytes) in [
        ("cold-v1.parquet", machine.read_file(format!("{COLD}/{PATH}")).unwrap()),
        ("cold-v1.record", stored.record.to_vec()),
        (ROOT_OBJECT, machine.read_file(format!("{COLD}/{ROOT_OBJECT}")).unwrap()),
    ] {
        runtime.world().replace_file(&directory.join(name), &bytes).unwrap();
    }
}
