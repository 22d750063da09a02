//! What is written to a segment file is what is read from it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use common::*;
use proptest::prelude::*;
use tsds_segment::{SegmentFile, SegmentWriteOptions, decode_column, write_segment};
use tsds_traits::{
    Column, ColumnId, DatabaseId, ErrorKind, SchemaVersion, SegmentId, SegmentMeta, SegmentSource, TableId,
    TableSchema, Value,
};

#[test]
fn every_row_reads_back_to_the_bit_with_every_codec() {
    for (series, per_series) in [(1, 1), (3, 40), (2, 300), (40, 1)] {
        let segment = Segment::new(SegmentId::new(9), &sample_rows(series, per_series));
        for options in [plain_options(), zstd_options()] {
            let disk = Disk::with(&segment, &options);
            assert!(same_rows(&disk.read().unwrap(), segment.rows()), "{series} series of {per_series}");
            disk.open().unwrap().verify_rows(&segment.pieces(&[7, 100])).unwrap();
        }
    }
}

#[test]
fn a_reopened_file_knows_its_metadata_and_schema() {
    let segment = Segment::new(SegmentId { id: 9, generation: 2 }, &sample_rows(3, 40));
    let disk = Disk::with(&segment, &plain_options());
    let opened = disk.open().unwrap();
    assert_eq!((opened.meta(), opened.schema()), (&segment.meta, &segment.schema));
    assert_eq!(**opened.series_starts(), [0, 40, 80]);
}

#[test]
fn the_bytes_of_a_file_do_not_depend_on_how_its_rows_are_batched() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let disk = Disk::with(&segment, &zstd_options());
    let world = disk.machine.world();
    for lengths in [&[1][..], &[0, 5, 3], &[64, 56]] {
        let path = Path::new("/segments/two.seg");
        let rows = segment.pieces(lengths);
        let starts = &segment.sorted.run_starts;
        let options = zstd_options();
        let written =
            write_segment(&*world.vfs, path, &options, &segment.schema, &segment.meta, &rows, starts)
                .unwrap();
        let bytes = disk.machine.read_file(path).unwrap();
        assert_eq!(bytes, disk.bytes(), "{lengths:?}");
        assert_eq!(written.bytes, bytes.len() as u64);
        assert_eq!(written.crc32c, crc_fast::crc32_iscsi(&bytes));
    }
}

#[test]
fn verifying_counts_rows_blocks_and_bytes() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let disk = Disk::new();
    let written = segment.write(&disk.machine.world(), &disk.path, &plain_options()).unwrap();
    let verified = disk.open().unwrap().verify().unwrap();
    // Nine columns of one block, and the dictionaries of host and kind; notes are too distinct for one.
    assert_eq!((verified.rows, verified.blocks), (120, 11));
    assert_eq!((verified.bytes, verified.crc32c), (written.bytes, written.crc32c));
}

#[test]
fn verifying_against_other_rows_fails() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let disk = Disk::with(&segment, &plain_options());
    let mut other = sample_rows(3, 40);
    // The other zero: equal as a number, not as a bit.
    let zero = other.iter_mut().find(|row| row.value.is_some_and(|value| value.to_bits() == 0)).unwrap();
    zero.value = Some(-0.0);
    let other = Segment::new(SegmentId::new(9), &other);
    let error = disk.open().unwrap().verify_rows(&[other.rows().clone()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let too_few = [segment.rows().slice(0, 119)];
    assert!(disk.open().unwrap().verify_rows(&too_few).is_err());
}

#[test]
fn a_long_series_has_blocks_of_its_own_and_short_ones_share() {
    let mut rows = sample_rows(1, 300);
    rows.extend(sample_rows(5, 100).into_iter().skip(100));
    let segment = Segment::new(SegmentId::new(9), &rows);
    let opened = Disk::with(&segment, &plain_options()).open().unwrap();
    let blocks: Vec<_> = (0..opened.block_count()).map(|block| opened.block_rows(block)).collect();
    assert_eq!(blocks, [0..300, 300..700]);
    assert_eq!((*opened.run_starts(0)).to_vec(), [0]);
    assert_eq!((*opened.run_starts(1)).to_vec(), [0, 100, 200, 300]);
    assert_eq!(opened.blocks_of(&(299..301)), 0..2);
    assert_eq!(opened.blocks_of(&(300..301)), 1..2);
    assert_eq!(opened.blocks_of(&(0..300)), 0..1);
    assert_eq!(opened.blocks_of(&(5..5)), 0..0);
    assert_eq!(opened.blocks_of(&(700..900)), 0..0);
}

#[test]
fn a_series_longer_than_a_block_continues_in_the_next() {
    let segment = numbers(40_000);
    let disk = Disk::with(&segment, &plain_options());
    let opened = disk.open().unwrap();
    let rows: Vec<_> = (0..opened.block_count()).map(|block| opened.block_rows(block).count()).collect();
    assert_eq!(rows, [16_384, 16_384, 7_232]);
    assert_eq!((*opened.run_starts(2)).to_vec(), [0]);
    let batches = disk.read().unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), rows);
    assert!(same_rows(&batches, segment.rows()));
}

#[test]
fn small_blocks_come_together_in_one_batch() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(4, 300));
    let disk = Disk::with(&segment, &plain_options());
    assert_eq!(disk.open().unwrap().block_count(), 4);
    assert_eq!(disk.read().unwrap().len(), 1);
}

#[test]
fn block_statistics_are_those_of_the_block() {
    let segment = numbers(20_000);
    let opened = Disk::with(&segment, &plain_options()).open().unwrap();
    let stats = opened.block_stats(TIME, 1).unwrap();
    assert_eq!((&stats.min, &stats.max), (&Some(Value::Int(16_384)), &Some(Value::Int(19_999))));
    let values = opened.block_stats(VALUE, 0).unwrap();
    assert_eq!(values.min, Some(Value::F64(0.0)));
    assert!(values.exact && !values.has_nan && values.null_count == 0);
    assert_eq!(opened.block_stats(VALUE, 2).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(opened.block_stats(ColumnId(99), 0).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn text_blocks_share_one_dictionary() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 300));
    let opened = Disk::with(&segment, &plain_options()).open().unwrap();
    let blocks: Vec<ArrayRef> = (0..3).map(|block| opened.decode_block(KIND, block).unwrap()).collect();
    let values: Vec<_> = blocks.iter().map(|block| block.as_dictionary::<UInt32Type>().values()).collect();
    assert!(values.iter().all(|other| Arc::ptr_eq(values[0], other)));
    assert_eq!(**values[0], StringArray::from(vec!["", "a", "ü"]));
    // Notes have more than one distinct value for two rows.
    assert_eq!(opened.decode_block(NOTE, 0).unwrap().data_type(), &DataType::Utf8);
}

#[test]
fn encoded_columns_decode_without_the_file() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 300));
    let disk = Disk::with(&segment, &zstd_options());
    let source: Arc<dyn SegmentSource> = Arc::new(disk.open().unwrap());
    for (position, column) in segment.schema.columns().iter().enumerate() {
        for (rows, expected) in [(0..900, 0..900), (350..360, 300..600), (299..601, 0..900), (5..5, 0..0)] {
            let encoded = disk.machine.block_on(source.blocks(column.id, rows)).unwrap().unwrap();
            let layout = source.layout(column.id).unwrap().unwrap();
            let blocks = decode_column(codecs(), column, &encoded).unwrap();
            let mut at = expected.start;
            for (encoded, decoded) in encoded.blocks.iter().zip(&blocks) {
                assert_eq!(encoded.layout.first_row, at as u64);
                assert!(layout.iter().any(|layout| layout.first_row == at as u64));
                assert_eq!(decoded, &segment.rows().column(position).slice(at, decoded.len()));
                at += decoded.len();
            }
            assert_eq!(at, expected.end);
        }
    }
}

#[test]
fn plain_blocks_are_decoded_in_place() {
    let segment = numbers(20_000);
    let disk = Disk::with(&segment, &plain_options());
    let source = disk.open().unwrap();
    let encoded = source.read_column(VALUE, &(0..20_000)).unwrap();
    let column = segment.schema.column(VALUE).unwrap();
    for (block, decoded) in encoded.blocks.iter().zip(decode_column(codecs(), column, &encoded).unwrap()) {
        let values = decoded.as_primitive::<arrow_array::types::Float64Type>().values().inner().as_ptr();
        assert!(block.bytes.as_ptr_range().contains(&values));
        assert_eq!(block.bytes.as_ptr().align_offset(64), 0);
    }
}

#[test]
fn much_text_in_few_rows_is_cut_into_more_blocks() {
    let schema = text_schema();
    let text: Vec<String> = (0..24).map(|row| format!("{row:02}").repeat(1 << 20)).collect();
    let segment = text_segment(&schema, text.iter().map(|text| Some(text.as_str())).collect());
    let disk = Disk::with(&segment, &plain_options());
    assert_eq!(disk.open().unwrap().block_count(), 4);
    assert!(same_rows(&disk.read().unwrap(), segment.rows()));
    // A dictionary that nobody could keep in memory is not built, however often its values repeat.
    let repeated: Vec<_> = (0..68).map(|row| Some(text[row / 4].as_str())).collect();
    let segment = text_segment(&schema, repeated);
    let disk = Disk::with(&segment, &zstd_options());
    assert!(disk.open().unwrap().read_dictionary(NOTE).unwrap().is_none());
    assert!(same_rows(&disk.read().unwrap(), segment.rows()));
}

#[test]
fn a_column_of_nulls_has_an_empty_dictionary() {
    let segment = text_segment(&text_schema(), vec![None; 300]);
    let disk = Disk::with(&segment, &plain_options());
    let dictionary = disk.open().unwrap().read_dictionary(NOTE).unwrap().unwrap();
    assert_eq!(dictionary.layout.rows, 0);
    assert!(same_rows(&disk.read().unwrap(), segment.rows()));
}

#[test]
fn codes_are_packed_by_a_codec_of_integers_and_those_under_nulls_cost_nothing() {
    const ROWS: usize = 8_192;
    let schema = text_schema();
    let words = ["alpha", "beta", "gamma", "delta"];
    let scattered = |row: usize| (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let word = |row: usize| words[(scattered(row) % 4) as usize];
    let bytes = |is_null: &dyn Fn(usize) -> bool| {
        let rows = (0..ROWS).map(|row| (!is_null(row)).then(|| word(row))).collect();
        let segment = text_segment(&schema, rows);
        let disk = Disk::with(&segment, &gorilla_options());
        assert!(same_rows(&disk.read().unwrap(), segment.rows()));
        let opened = disk.open().unwrap();
        assert!(opened.layout(NOTE).unwrap().iter().all(|block| *block.codec == *"tsds.gorilla"));
        assert_eq!(&*opened.read_dictionary(NOTE).unwrap().unwrap().layout.codec, "tsds.plain");
        opened.column_bytes(NOTE).unwrap() as usize
    };
    let none = bytes(&|_| false);
    // Two bits a code, and as much again for headers and the dictionary.
    assert!(none < ROWS / 2, "{none}");
    let third = bytes(&|row| row % 3 == 0);
    assert!(third <= none + ROWS / 8 + 64, "{third} bytes with nulls, {none} without");
}

#[test]
fn a_block_is_described_by_its_codec() {
    let segment = numbers(1_000);
    let options = gorilla_options().with_column_codec(VALUE, Arc::new(tsds_segment::ZstdCodec::new()));
    let opened = Disk::with(&segment, &options).open().unwrap();
    let time = opened.describe_block(TIME, 0).unwrap();
    assert_eq!((&*time.codec, time.mode.as_deref(), time.rows), ("tsds.gorilla", Some("progression"), 1_000));
    let value = opened.describe_block(VALUE, 0).unwrap();
    assert_eq!((&*value.codec, value.mode, value.rows), ("tsds.zstd", None, 1_000));
    let sum: u64 = segment.schema.columns().iter().map(|c| opened.column_bytes(c.id).unwrap()).sum();
    assert!(sum < opened.file_bytes());
}

#[test]
fn a_column_may_have_a_codec_of_its_own() {
    let segment = numbers(1_000);
    let options = plain_options().with_column_codec(TIME, Arc::new(tsds_segment::ZstdCodec::new()));
    let opened = Disk::with(&segment, &options).open().unwrap();
    let codec = |column| opened.layout(column).unwrap()[0].codec.to_string();
    assert_eq!((codec(TIME).as_str(), codec(VALUE).as_str()), ("tsds.zstd", "tsds.plain"));
    opened.verify_rows(&[segment.rows().clone()]).unwrap();
}

#[test]
fn a_file_of_another_database_is_corrupt() {
    let segment = numbers(10);
    let disk = Disk::with(&segment, &plain_options());
    let other = DatabaseId([8; 16]);
    let error = SegmentFile::open(&disk.machine.world(), &disk.path, codecs(), other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("another database"), "{error}");
}

#[test]
fn a_missing_codec_is_named() {
    let segment = numbers(10);
    let disk = Disk::with(&segment, &zstd_options());
    let none = Arc::new(tsds_traits::CodecSet::default());
    let opened = SegmentFile::open(&disk.machine.world(), &disk.path, none, DATABASE).unwrap();
    let error = opened.decode_block(VALUE, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("id=tsds.zstd"), "{error}");
}

#[test]
fn metadata_that_do_not_describe_the_rows_are_refused_and_leave_no_file() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let good = &*segment.meta;
    let column = |column: ColumnId, change: &dyn Fn(&mut tsds_traits::ColumnStats)| {
        let mut meta = good.clone();
        change(meta.columns.iter_mut().find(|stats| stats.column == column).unwrap());
        meta
    };
    let wrong = [
        ("rows", SegmentMeta { rows: 121, ..good.clone() }),
        ("series", SegmentMeta { series: 4, ..good.clone() }),
        ("times", SegmentMeta { time_range: (good.time_range.0 - 1, good.time_range.1), ..good.clone() }),
        ("table", SegmentMeta { table: TableId(99), ..good.clone() }),
        ("version", SegmentMeta { schema_version: SchemaVersion(99), ..good.clone() }),
        ("nulls", column(VALUE, &|stats| stats.null_count -= 1)),
        ("nan", column(VALUE, &|stats| stats.has_nan = false)),
        ("minimum", column(COUNT, &|stats| stats.min = Some(Value::UInt(0)))),
        ("maximum", column(HOST, &|stats| stats.max = Some(Value::Text("a".into())))),
        ("class", column(FLAG, &|stats| stats.max = Some(Value::Int(1)))),
        ("unknown column", column(VALUE, &|stats| stats.column = ColumnId(99))),
        ("order", {
            let mut meta = good.clone();
            meta.columns.reverse();
            meta
        }),
    ];
    for (what, meta) in wrong {
        let disk = Disk::new();
        let segment =
            Segment { meta: Arc::new(meta), schema: segment.schema.clone(), sorted: segment.sorted.clone() };
        let error = segment.write(&disk.machine.world(), &disk.path, &plain_options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {error}");
        assert!(disk.machine.list_files("/segments").unwrap().is_empty(), "{what}");
    }
}

#[test]
fn metadata_may_leave_out_columns_and_bounds() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let mut meta = (*segment.meta).clone();
    meta.columns.retain(|stats| stats.column != TIME && stats.column != NOTE);
    for stats in &mut meta.columns {
        (stats.min, stats.max, stats.exact) = (None, None, false);
    }
    let segment = Segment { meta: Arc::new(meta), ..segment };
    let disk = Disk::with(&segment, &plain_options());
    disk.open().unwrap().verify().unwrap();
}

#[test]
fn rows_that_are_not_sorted_by_time_are_refused() {
    let segment = numbers(10);
    let disk = Disk::new();
    let world = disk.machine.world();
    let rows = [segment.rows().slice(5, 5), segment.rows().slice(0, 5)];
    let options = plain_options();
    let error = write_segment(&*world.vfs, &disk.path, &options, &segment.schema, &segment.meta, &rows, &[0])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("row=5"), "{error}");
}

#[test]
fn wrong_run_starts_are_refused() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 40));
    let disk = Disk::new();
    let world = disk.machine.world();
    for starts in [&[][..], &[0, 40], &[1, 40, 80], &[0, 80, 40], &[0, 40, 40], &[0, 40, 120]] {
        let (rows, options) = ([segment.rows().clone()], plain_options());
        let written =
            write_segment(&*world.vfs, &disk.path, &options, &segment.schema, &segment.meta, &rows, starts);
        assert_eq!(written.unwrap_err().kind(), ErrorKind::InvalidInput, "{starts:?}");
    }
}

/// Rows of one series: time and a number.
fn numbers(rows: usize) -> Segment {
    let column = |id, name: &str, data_type| Column { id, name: name.into(), data_type, nullable: false };
    let columns = vec![
        column(TIME, "time", DataType::Timestamp(TimeUnit::Microsecond, None)),
        column(VALUE, "value", DataType::Float64),
    ];
    let schema = Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), columns, TIME, &[]).unwrap());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(0..rows as i64)),
        Arc::new(Float64Array::from_iter_values((0..rows).map(|row| (row % 1_000) as f64 * 0.25))),
    ];
    let batch = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();
    Segment::of_batches(SegmentId::new(1), schema, &[batch])
}

fn text_schema() -> Arc<TableSchema> {
    let columns = vec![
        Column {
            id: TIME,
            name: "time".into(),
            data_type: DataType::Timestamp(TimeUnit::Microsecond, None),
            nullable: false,
        },
        Column { id: NOTE, name: "note".into(), data_type: DataType::Utf8, nullable: true },
    ];
    Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), columns, TIME, &[]).unwrap())
}

fn text_segment(schema: &Arc<TableSchema>, text: Vec<Option<&str>>) -> Segment {
    let times = TimestampMicrosecondArray::from_iter_values(0..text.len() as i64);
    let columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(StringArray::from(text))];
    let batch = RecordBatch::try_new(schema.arrow().clone(), columns).unwrap();
    Segment::of_batches(SegmentId::new(1), schema.clone(), &[batch])
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some(String::new())),
        "[a-c]".prop_map(Some),
        "\\PC{0,6}\0?".prop_map(Some),
        Just(Some("ü".repeat(50))),
        Just(Some("\u{10ffff}".repeat(20))),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let numbers = (
        prop::option::of(any::<u64>().prop_map(f64::from_bits)),
        any::<Option<bool>>(),
        any::<Option<i8>>(),
        prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
        prop::option::of(any::<u32>().prop_map(f32::from_bits)),
    );
    (text(), -1_000_000i64..1_000_000, text(), text(), numbers).prop_map(
        |(host, time, note, kind, (value, flag, small, count, ratio))| Row {
            host,
            time,
            value,
            flag,
            note,
            kind,
            small,
            count,
            ratio,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_rows_read_back_to_the_bit(
        rows in prop::collection::vec(row(), 1..200),
        copies in 1usize..4,
        lengths in prop::collection::vec(1usize..90, 1..4),
        compressed: bool,
    ) {
        let rows: Vec<Row> = rows.iter().flat_map(|row| std::iter::repeat_n(row.clone(), copies)).collect();
        let segment = Segment::new(SegmentId::new(9), &rows);
        let options: SegmentWriteOptions = if compressed { zstd_options() } else { plain_options() };
        let disk = Disk::new();
        let world = disk.machine.world();
        let pieces = segment.pieces(&lengths);
        let starts = &segment.sorted.run_starts;
        write_segment(&*world.vfs, &disk.path, &options, &segment.schema, &segment.meta, &pieces, starts).unwrap();
        prop_assert!(same_rows(&disk.read().unwrap(), segment.rows()));
        disk.open().unwrap().verify_rows(&pieces).unwrap();
    }
}
