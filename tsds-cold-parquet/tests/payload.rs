//! Payload in files of many pages: what is stored as several columns of a file moves those behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, Float64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray, StructArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Fields};
use common::*;
use tsds_cold_parquet::ParquetSettings;
use tsds_traits::{
    ChunkRange, ColumnId, Comparison, Predicate, ReadMeter, ScanRequest, SchemaVersion, TableId, TableSchema,
    Value, payload_type,
};

const ROWS: usize = 40_000;
const HOSTS: usize = 20;

/// Numbers that do not compress.
fn mixed(number: usize) -> u64 {
    (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}

/// Payload first, then the columns of [`common::batch`], whose loads ascend here.
fn source() -> Arc<MemorySource> {
    let (mut waves, mut hashes) = (ListBuilder::new(Float64Builder::new()), FixedSizeBinaryBuilder::new(8));
    let mut tags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in 0..ROWS {
        for item in 0..row % 5 * 8 {
            waves.values().append_option((item != 2).then_some(mixed(row * 40 + item) as f64));
        }
        waves.append(row % 7 != 0);
        hashes.append_value(mixed(row).to_le_bytes()).unwrap();
        for item in 0..row % 3 {
            tags.keys().append_value(format!("key{item}"));
            tags.values().append_option((row % 4 != 0).then(|| format!("value of {}", mixed(row))));
        }
        tags.append(row % 11 != 0).unwrap();
    }
    let hashes: ArrayRef = Arc::new(hashes.finish());
    let names: ArrayRef = Arc::new(
        (0..ROWS).map(|row| (row % 9 != 0).then(|| format!("n{}", mixed(row + 1)))).collect::<StringArray>(),
    );
    let fields: Fields = [("hash", &hashes), ("name", &names)]
        .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
        .to_vec()
        .into();
    let events = StructArray::new(fields, vec![hashes, names], None);
    let frames = (0..ROWS)
        .map(|row| (row % 13 != 0).then(|| mixed(row + 2).to_le_bytes()[..row % 9].to_vec()))
        .collect::<BinaryArray>();
    let payload: [(&str, ArrayRef); 4] = [
        ("wave", Arc::new(waves.finish())),
        ("tags", Arc::new(tags.finish())),
        ("event", Arc::new(events)),
        ("frame", Arc::new(frames)),
    ];
    let mut columns = Vec::new();
    let mut arrays = Vec::new();
    for (number, (name, array)) in payload.into_iter().enumerate() {
        let stored = payload_type(array.data_type()).unwrap();
        columns.push(column(ColumnId(10 + number as u32), name, stored.clone(), true));
        arrays.push(arrow_cast::cast(&array, &stored).unwrap());
    }
    columns.extend(schema().columns().iter().cloned());
    arrays.extend(batch(ROWS, HOSTS).columns().iter().cloned());
    arrays[6] = Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64)));
    let schema = TableSchema::new(TableId(7), SchemaVersion(1), columns, TIME, &[HOST]).unwrap();
    let schema = Arc::new(schema);
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), arrays).unwrap();
    MemorySource::new(1, &schema, ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY }, vec![rows])
}

/// Rows as text.
fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::new().with_null("null");
    // Arrow shows no times of named zones.
    let plain = |array: &ArrayRef| match array.data_type() {
        DataType::Timestamp(_, _) => arrow_cast::cast(array, &DataType::Int64).unwrap(),
        _ => Arc::clone(array),
    };
    let plain: Vec<_> = batch.columns().iter().map(plain).collect();
    let columns: Vec<_> =
        plain.iter().map(|array| ArrayFormatter::try_new(array.as_ref(), &options).unwrap()).collect();
    let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

#[test]
fn behind_payload_pages_are_skipped_and_rows_are_found_in_every_column() {
    let (machine, world) = sim(1);
    machine.block_on(async {
        // Large row groups: what is skipped is pages.
        let tier = tier_with(&world, ParquetSettings::default());
        let source = source();
        let stored = put(&tier, &source).await.unwrap();
        let expected = texts(&source.rows());
        let of = |column: ColumnId, comparison, value| Predicate::Compare { column, comparison, value };
        let host = |name: &str| of(HOST, Comparison::Equal, Value::Text(name.into()));
        let per_host = ROWS / HOSTS;
        let load = |comparison, load| of(LOAD, comparison, Value::F64(load));
        let asked: [(Predicate, std::ops::Range<usize>); 4] = [
            (load(Comparison::GreaterOrEqual, 39_970.0), 39_970..ROWS),
            (load(Comparison::Less, 30.0), 0..30),
            (host("host-007"), 7 * per_host..8 * per_host),
            (
                Predicate::And(vec![
                    load(Comparison::GreaterOrEqual, 20_001.0),
                    load(Comparison::Less, 20_003.0),
                    Predicate::IsNull(ColumnId(12)),
                ]),
                0..0,
            ),
        ];
        for (predicate, rows) in asked {
            let all = everything(&source.schema, vec![handle(&source, &stored)]);
            let meter = ReadMeter::counting();
            let request =
                ScanRequest { predicate: Some(predicate.clone()), meter: meter.clone(), ..all.clone() };
            let found = scan(&tier, request).await.unwrap();
            let found: Vec<_> = found.iter().flat_map(|batch| texts(&batch.rows)).collect();
            assert_eq!(found, expected[rows], "{predicate:?}");
            let counts = meter.counts();
            // Most of the file are the pages of waves, of which one or two in five are needed; small columns are read whole.
            assert!(
                counts.bytes_read * 3 < stored.bytes * 2,
                "{predicate:?}: {counts:?} of {}",
                stored.bytes
            );
        }
        let all = scan(&tier, everything(&source.schema, vec![handle(&source, &stored)])).await.unwrap();
        let all: Vec<_> = all.iter().flat_map(|batch| texts(&batch.rows)).collect();
        assert_eq!(all, expected);
    });
}

#[test]
fn payload_alone_is_read_without_the_rest() {
    let (machine, world) = sim(2);
    machine.block_on(async {
        let tier = tier(&world);
        let source = source();
        let stored = put(&tier, &source).await.unwrap();
        for (position, column) in [10, 11, 12, 13].map(ColumnId).into_iter().enumerate() {
            let request =
                ScanRequest::new(Arc::clone(&source.schema), vec![handle(&source, &stored)], vec![column]);
            let found = scan(&tier, request).await.unwrap();
            let found: Vec<_> = found.iter().flat_map(|batch| texts(&batch.rows)).collect();
            assert_eq!(found, texts(&source.rows().project(&[position]).unwrap()), "{column}");
        }
        assert!(matches!(source.schema.columns()[0].data_type, DataType::List(_)));
    });
}
