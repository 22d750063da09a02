//! Every type, every bit: what is put comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, PrimitiveArray, RecordBatch, StringArray,
};
use arrow_schema::{DataType, TimeUnit};
use common::*;
use proptest::prelude::*;
use tsds_cold_parquet::ParquetSettings;
use tsds_traits::{
    ChunkRange, ColumnId, SchemaVersion, SegmentBatch, TableId, TableSchema, units_per_second,
};

/// Columns of every type, each nullable, with extremes among their values.
fn any_column(rows: usize) -> impl Strategy<Value = ArrayRef> {
    fn numbers<T: ArrowPrimitiveType>(
        rows: usize,
        value: impl Strategy<Value = T::Native> + 'static,
        zone: Option<&'static str>,
    ) -> BoxedStrategy<ArrayRef>
    where
        T::Native: std::fmt::Debug,
        PrimitiveArray<T>: From<Vec<Option<T::Native>>> + Zoned,
    {
        let values = proptest::collection::vec(proptest::option::weighted(0.8, value), rows);
        values.prop_map(move |values| PrimitiveArray::<T>::from(values).zoned(zone)).boxed()
    }
    let float64 = || {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            prop_oneof![
                Just(-0.0),
                Just(0.0),
                Just(f64::NAN),
                Just(f64::from_bits(0xfff8_0000_dead_beef)),
                Just(f64::from_bits(0x7ff0_0000_0000_0001)),
                Just(f64::INFINITY),
                Just(f64::MIN_POSITIVE),
                Just(f64::MAX),
            ]
        ]
    };
    let edges = || {
        prop_oneof![
            any::<i64>(),
            Just(i64::MIN),
            Just(i64::MAX),
            Just(-1),
            0i64..5,
            Just(1_362_096_000_000_000)
        ]
    };
    let seconds = || edges().prop_map(|value| value / 1_000);
    let text =
        || proptest::option::weighted(0.8, prop_oneof!["[a-c]{0,2}", ".{0,20}", Just("é\u{1f600}\0".into())]);
    let plain = proptest::collection::vec(text(), rows)
        .prop_map(|values| Arc::new(StringArray::from(values)) as ArrayRef);
    let coded = (
        proptest::collection::vec(text(), 1..5),
        proptest::collection::vec(proptest::option::weighted(0.8, any::<prop::sample::Index>()), rows),
    )
        .prop_map(|(values, keys)| {
            let keys = keys.into_iter().map(|key| key.map(|key| key.index(values.len()) as i32));
            let keys: Int32Array = keys.collect();
            Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(values)))) as ArrayRef
        });
    let bools = proptest::collection::vec(any::<Option<bool>>(), rows)
        .prop_map(|values| Arc::new(BooleanArray::from(values)) as ArrayRef);
    prop_oneof![
        numbers::<Int8Type>(rows, any::<i8>(), None),
        numbers::<Int16Type>(rows, any::<i16>(), None),
        numbers::<Int32Type>(rows, prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)], None),
        numbers::<Int64Type>(rows, edges(), None),
        numbers::<UInt8Type>(rows, any::<u8>(), None),
        numbers::<UInt16Type>(rows, any::<u16>(), None),
        numbers::<UInt32Type>(rows, prop_oneof![any::<u32>(), Just(u32::MAX)], None),
        numbers::<UInt64Type>(rows, prop_oneof![any::<u64>(), Just(u64::MAX)], None),
        numbers::<Float32Type>(rows, any::<u32>().prop_map(f32::from_bits), None),
        numbers::<Float64Type>(rows, float64(), None),
        numbers::<TimestampSecondType>(rows, seconds(), None),
        numbers::<TimestampSecondType>(rows, seconds(), Some("Europe/Berlin")),
        numbers::<TimestampMillisecondType>(rows, edges(), Some("UTC")),
        numbers::<TimestampMicrosecondType>(rows, edges(), Some("+05:30")),
        numbers::<TimestampNanosecondType>(rows, edges(), None),
        numbers::<TimestampNanosecondType>(rows, edges(), Some("America/New_York")),
        bools,
        plain,
        coded,
    ]
}

/// Timestamps get a zone, other numbers stay as they are.
trait Zoned {
    fn zoned(self, zone: Option<&'static str>) -> ArrayRef;
}

macro_rules! zoned {
    ($($with_zone:ty)*; $($without:ty)*) => {
        $(impl Zoned for PrimitiveArray<$with_zone> {
            fn zoned(self, zone: Option<&'static str>) -> ArrayRef {
                Arc::new(self.with_timezone_opt(zone))
            }
        })*
        $(impl Zoned for PrimitiveArray<$without> {
            fn zoned(self, _: Option<&'static str>) -> ArrayRef {
                Arc::new(self)
            }
        })*
    };
}
zoned!(TimestampSecondType TimestampMillisecondType TimestampMicrosecondType TimestampNanosecondType;
    Int8Type Int16Type Int32Type Int64Type UInt8Type UInt16Type UInt32Type UInt64Type Float32Type Float64Type);

fn any_time(rows: usize) -> impl Strategy<Value = ArrayRef> {
    let unit = prop_oneof![
        Just(TimeUnit::Second),
        Just(TimeUnit::Millisecond),
        Just(TimeUnit::Microsecond),
        Just(TimeUnit::Nanosecond)
    ];
    let zone = prop_oneof![Just(None), Just(Some("UTC")), Just(Some("Asia/Kathmandu"))];
    (unit, zone, proptest::collection::vec(0..DAY, rows), -3i64..3).prop_map(
        |(unit, zone, mut times, days)| {
            times.sort_unstable();
            let scale = units_per_second(unit);
            let times: Vec<i64> = times.into_iter().map(|time| (days * DAY + time) * scale).collect();
            match unit {
                TimeUnit::Second => PrimitiveArray::<TimestampSecondType>::from(times).zoned(zone),
                TimeUnit::Millisecond => PrimitiveArray::<TimestampMillisecondType>::from(times).zoned(zone),
                TimeUnit::Microsecond => PrimitiveArray::<TimestampMicrosecondType>::from(times).zoned(zone),
                TimeUnit::Nanosecond => PrimitiveArray::<TimestampNanosecondType>::from(times).zoned(zone),
            }
        },
    )
}

fn any_segment() -> impl Strategy<Value = (Arc<TableSchema>, RecordBatch)> {
    (1usize..300).prop_flat_map(|rows| {
        (any_time(rows), proptest::collection::vec(any_column(rows), 0..6)).prop_map(|(time, others)| {
            let arrays: Vec<ArrayRef> = std::iter::once(time).chain(others).collect();
            let columns = arrays.iter().enumerate().map(|(index, array)| {
                let id = ColumnId(index as u32 + 1);
                column(id, &format!("c.{index} ä"), array.data_type().clone(), index > 0)
            });
            let schema =
                TableSchema::new(TableId(7), SchemaVersion(3), columns.collect(), ColumnId(1), &[]).unwrap();
            let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), arrays).unwrap();
            (Arc::new(schema), batch)
        })
    })
}

fn read_back(source: &Arc<MemorySource>, settings: ParquetSettings) -> Vec<RecordBatch> {
    let (machine, world) = sim(1);
    let tier = tier_with(&world, settings);
    let batches: Vec<SegmentBatch> = machine.block_on(async {
        let stored = put(&tier, source).await.unwrap();
        scan(&tier, everything(&source.schema, vec![handle(source, &stored)])).await.unwrap()
    });
    batches.into_iter().map(|batch| batch.rows).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_type_comes_back_with_every_bit(
        (schema, batch) in any_segment(),
        compressed in any::<bool>(),
    ) {
        let compression = if compressed { "zstd(3)" } else { "none" }.to_owned();
        let chunk = ChunkRange { start: -10 * DAY, end: 10 * DAY };
        let source = MemorySource::new(1, &schema, chunk, vec![batch]);
        let read = read_back(&source, ParquetSettings { compression, ..settings() });
        for batch in &read {
            prop_assert_eq!(batch.schema(), Arc::clone(schema.arrow()));
        }
        prop_assert_eq!(rows_of(&read), rows_of(&source.batches));
    }
}

#[test]
fn text_that_is_too_distinct_for_a_dictionary_comes_back() {
    let rows = 40_000;
    let time = PrimitiveArray::<TimestampMicrosecondType>::from_iter_values(0..rows);
    let text = (0..rows).map(|row| format!("{row:08}-{}", "x".repeat(60)));
    let plain: ArrayRef = Arc::new(StringArray::from_iter_values(text.clone()));
    let coded: DictionaryArray<Int32Type> =
        text.collect::<Vec<_>>().iter().map(|text| text.as_str()).collect();
    let columns = vec![
        column(ColumnId(1), "time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
        column(ColumnId(2), "plain", DataType::Utf8, true),
        column(ColumnId(3), "coded", text_type(), true),
    ];
    let schema =
        TableSchema::new(TableId(7), SchemaVersion(1), columns, ColumnId(1), &[ColumnId(2)]).unwrap();
    let schema = Arc::new(schema);
    let arrays: Vec<ArrayRef> = vec![Arc::new(time), plain, Arc::new(coded)];
    let batch = RecordBatch::try_new(Arc::clone(schema.arrow()), arrays).unwrap();
    let chunk = ChunkRange { start: 0, end: DAY };
    let source = MemorySource::new(1, &schema, chunk, vec![batch]);
    let settings = ParquetSettings { row_group_rows: 30_000, ..ParquetSettings::default() };
    assert_eq!(rows_of(&read_back(&source, settings)), rows_of(&source.batches));
}

#[test]
fn every_compression_gives_the_rows_back() {
    for compression in ["none", "zstd", "zstd(9)", "snappy", "lz4"] {
        let (machine, world) = sim(1);
        let tier = tier_with(&world, ParquetSettings { compression: compression.into(), ..settings() });
        let source = MemorySource::sample(1, 5_000);
        machine.block_on(async {
            let stored = put(&tier, &source).await.unwrap();
            let found =
                scan(&tier, everything(&source.schema, vec![handle(&source, &stored)])).await.unwrap();
            let found: Vec<_> = found.into_iter().map(|batch| batch.rows).collect();
            assert_eq!(rows_of(&found), rows_of(&source.batches), "{compression}");
            assert_eq!(put(&tier, &source).await.unwrap(), stored, "{compression}: found by its note");
        });
    }
}
