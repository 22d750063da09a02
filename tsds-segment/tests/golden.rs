//! The formats are frozen: files that an earlier version wrote read back, and what is written now has the same bytes.
//!
//! `TSDS_REGENERATE_GOLDEN=1 cargo test -p tsds-segment --test golden` writes the files anew. That is right for a new format
//! version under a new name, and for nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{
    Float64Builder, Int64Builder, ListBuilder, MapBuilder, MapFieldNames, StringBuilder,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Float64Array,
    Int32Array, Int64Array, RecordBatch, StructArray, make_array,
};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use common::*;
use tsds_io::Runtime;
use tsds_segment::{PlainCodec, SegmentWriteOptions, ZstdCodec};
use tsds_traits::{Codec, Column, ColumnId, EncodeHints, SchemaVersion, SegmentId, TableId, TableSchema};

const PLAIN: &[u8] = include_bytes!("golden/segment-v1-plain.seg");
const TYPES: &[u8] = include_bytes!("golden/segment-v1-types.seg");
const PAYLOAD: &[u8] = include_bytes!("golden/segment-v1-payload.seg");
const ZSTD: &[u8] = include_bytes!("golden/segment-v1-zstd.seg");

/// Two series, one with blocks of its own. Not [`sample_rows`], so that other tests may change theirs.
fn golden_segment() -> Segment {
    let row = |host: Option<&str>, time: i64| {
        let pick = |of: i64| time.rem_euclid(of) as usize;
        let floats =
            [0.0, -0.0, f64::INFINITY, f64::from_bits(0x7ff8_0000_0000_1234), 1.5, f64::MIN_POSITIVE];
        Row {
            host: host.map(str::to_owned),
            time,
            value: (pick(7) != 3).then(|| floats[pick(6)]),
            flag: (pick(5) != 0).then_some(pick(2) == 0),
            note: (pick(11) != 0).then(|| format!("note {time}")),
            kind: (pick(4) != 0).then(|| ["", "ä", "z"][pick(3)].to_owned()),
            small: (pick(9) != 0).then_some(time as i8),
            count: if pick(13) == 0 { u64::MAX } else { time as u64 },
            ratio: (pick(8) != 0).then_some(time as f32 / 4.0),
        }
    };
    let mut rows: Vec<Row> = (-10..10).map(|time| row(None, time)).collect();
    rows.extend((0..256).map(|time| row(Some("häuser"), time)));
    Segment::new(SegmentId { id: 0x0102_0304, generation: 5 }, &rows)
}

/// Dates, times of day and durations, and decimals as integers and as themselves.
fn segment_of_types() -> Segment {
    let time = DataType::Timestamp(TimeUnit::Second, None);
    let temporals = [
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time32(TimeUnit::Millisecond),
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Duration(TimeUnit::Second),
        DataType::Duration(TimeUnit::Nanosecond),
    ];
    let decimals = [(DataType::Decimal128(9, 2), 1), (DataType::Decimal128(38, 10), 10_i128.pow(30))];
    let number = |row: i64| (row % 5 != 3).then_some(row * 37 % 101 - 50);
    let integers = |data_type: &DataType| -> ArrayRef {
        let values: ArrayRef = match data_type.primitive_width() {
            Some(4) => Arc::new((0..40).map(|row| number(row).map(|v| v as i32)).collect::<Int32Array>()),
            _ => Arc::new((0..40).map(number).collect::<Int64Array>()),
        };
        make_array(values.to_data().into_builder().data_type(data_type.clone()).build().unwrap())
    };
    let mut arrays = vec![relabelled_times(&time)];
    arrays.extend(temporals.iter().map(integers));
    for (data_type, unit) in &decimals {
        let values = (0..40).map(|row| number(row).map(|value| i128::from(value) * unit));
        let values = values.collect::<Decimal128Array>().with_data_type(data_type.clone());
        arrays.push(Arc::new(values));
    }
    let types = [time].into_iter().chain(temporals).chain(decimals.map(|(data_type, _)| data_type));
    let columns = types.zip(1..).map(|(data_type, id)| Column {
        id: ColumnId(id),
        name: data_type.to_string(),
        nullable: id > 1,
        data_type,
    });
    let schema = TableSchema::new(TableId(3), SchemaVersion(2), columns.collect(), ColumnId(1), &[]).unwrap();
    let schema = Arc::new(schema.with_name("sensörs"));
    let batch = RecordBatch::try_new(schema.arrow().clone(), arrays).unwrap();
    Segment::of_batches(SegmentId { id: 0x0102_0305, generation: 0 }, schema, &[batch])
}

/// Bytes and nested values, with nulls on every level, empty lists, and a list of a null.
fn segment_of_payload() -> Segment {
    let time = DataType::Timestamp(TimeUnit::Second, None);
    let bytes: BinaryArray = (0..40).map(|row| (row % 5 != 3).then(|| vec![row as u8; row % 4])).collect();
    let fixed = (0..40u16).map(|row| (row % 7 != 2).then(|| row.to_be_bytes()));
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed, 2).unwrap();
    let mut lists = ListBuilder::new(Float64Builder::new());
    let mut maps = MapBuilder::new(
        Some(MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() }),
        StringBuilder::new(),
        Int64Builder::new(),
    );
    for row in 0..40 {
        for item in 0..row % 4 {
            let nan = f64::from_bits(0x7ff8_0000_0000_0000 | row as u64);
            lists.values().append_option([Some(nan), None, Some(-0.0)].get(item).copied().flatten());
            maps.keys().append_value(["a", "ä", ""][item]);
            maps.values().append_option((row % 3 != 1).then_some(row as i64));
        }
        lists.append(row % 6 != 5);
        maps.append(row % 9 != 8).unwrap();
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    let fields = Fields::from(vec![
        Field::new("list", lists.data_type().clone(), true),
        Field::new("a \"b\"", DataType::FixedSizeBinary(2), true),
    ]);
    let valid = (0..40).map(|row| row % 8 != 1).collect();
    let records =
        StructArray::new(fields, vec![Arc::clone(&lists), Arc::new(fixed.clone()) as ArrayRef], Some(valid));
    let arrays: Vec<ArrayRef> = vec![
        relabelled_times(&time),
        Arc::new(bytes),
        Arc::new(fixed),
        lists,
        Arc::new(maps.finish()),
        Arc::new(records),
    ];
    let columns = arrays.iter().zip(1..).map(|(array, id)| Column {
        id: ColumnId(id),
        name: format!("column {id}"),
        data_type: array.data_type().clone(),
        nullable: id > 1,
    });
    let schema = TableSchema::new(TableId(3), SchemaVersion(2), columns.collect(), ColumnId(1), &[]).unwrap();
    let schema = Arc::new(schema.with_name("sensörs"));
    let batch = RecordBatch::try_new(schema.arrow().clone(), arrays).unwrap();
    Segment::of_batches(SegmentId { id: 0x0102_0306, generation: 0 }, schema, &[batch])
}

fn relabelled_times(data_type: &DataType) -> ArrayRef {
    let times = Int64Array::from_iter_values(0..40);
    make_array(times.to_data().into_builder().data_type(data_type.clone()).build().unwrap())
}

fn check(golden: &[u8], name: &str, segment: &Segment, options: &SegmentWriteOptions) {
    let written = Disk::with(segment, options).bytes();
    if std::env::var_os("TSDS_REGENERATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        Runtime::new(None).unwrap().world().replace_file(&path, &written).unwrap();
        return;
    }
    let disk = Disk::new();
    disk.machine.write_file(&disk.path, golden).unwrap();
    let file = disk.open().unwrap();
    assert_eq!((file.meta(), file.schema()), (&segment.meta, &segment.schema));
    assert_eq!(file.schema().name(), Some("sensörs"));
    assert!(same_rows(&disk.read().unwrap(), segment.rows()));
    file.verify_rows(&[segment.rows().clone()]).unwrap();
    // Zstandard promises the same contents, not the same bytes, from one release to the next.
    let (golden, written) = (unpacked(golden), unpacked(&written));
    assert_eq!(golden.json, written.json);
    if !name.contains("zstd") {
        assert!(golden.before_footer == written.before_footer, "header or blocks changed");
        assert!(golden.footer == written.footer, "footer changed");
    }
}

struct Unpacked {
    before_footer: Vec<u8>,
    footer: Vec<u8>,
    json: String,
}

/// The parts of a file, by `docs/formats/segment-file.md` and by nothing of this crate.
fn unpacked(file: &[u8]) -> Unpacked {
    let trailer = &file[file.len() - 64..];
    assert_eq!(&trailer[56..], b"TSDS-END");
    let u32_at = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let offset = u64::from_le_bytes(trailer[..8].try_into().unwrap()) as usize;
    let stored = &file[offset..offset + u32_at(trailer, 8)];
    let footer = match trailer[16] {
        0 => stored.to_vec(),
        _ => zstd::bulk::decompress(stored, u32_at(trailer, 12)).unwrap(),
    };
    let json = String::from_utf8(footer[4..4 + u32_at(&footer, 0)].to_vec()).unwrap();
    Unpacked { before_footer: file[..offset].to_vec(), footer, json }
}

#[test]
fn the_plain_file_of_version_1_is_frozen() {
    check(PLAIN, "segment-v1-plain.seg", &golden_segment(), &plain_options());
}

#[test]
fn the_zstd_file_of_version_1_is_frozen() {
    check(ZSTD, "segment-v1-zstd.seg", &golden_segment(), &zstd_options());
}

#[test]
fn the_file_of_dates_times_and_decimals_of_version_1_is_frozen() {
    check(TYPES, "segment-v1-types.seg", &segment_of_types(), &plain_options());
}

#[test]
fn the_file_of_payload_of_version_1_is_frozen() {
    check(PAYLOAD, "segment-v1-payload.seg", &segment_of_payload(), &plain_options());
}

#[test]
fn the_metadata_of_payload_are_frozen() {
    let json = unpacked(PAYLOAD).json;
    for part in [
        r#"{"column":4,"null_count":6,"has_nan":false,"min":null,"max":null,"exact":true}"#,
        r#""type":"struct(list:list(float64),\"a \"\"b\"\"\":fixed_size_binary(2))""#,
        r#""type":"map(utf8,int64)""#,
    ] {
        assert!(json.contains(part), "{part} in {json}");
    }
}

#[test]
fn the_metadata_of_dates_times_and_decimals_are_frozen() {
    let json = unpacked(TYPES).json;
    for part in [
        r#""min":{"Decimal":"-50"},"max":{"Decimal":"50"},"exact":true"#,
        r#""max":{"Decimal":"50000000000000000000000000000000"}"#,
        r#""type":"decimal128(38,10)""#,
        r#""type":"duration(ns)""#,
    ] {
        assert!(json.contains(part), "{part} in {json}");
    }
}

#[test]
fn the_metadata_of_version_1_are_frozen() {
    let json = unpacked(PLAIN).json;
    let begin = concat!(
        r#"{"database":"07070707070707070707070707070707","meta":{"id":{"id":16909060,"generation":5},"#,
        r#""table":3,"schema_version":2,"chunk":{"start":-1000000000,"end":1000000000},"key_domain":0,"#,
        r#""interval":{"after":4,"upto":9},"rows":276,"time_range":[-10,255],"series":2,"#,
    );
    assert!(json.starts_with(begin), "{json}");
    for part in [
        r#"{"column":2,"null_count":20,"has_nan":false,"min":{"Text":"häuser"},"max":{"Text":"häuser"},"exact":true}"#,
        r#"{"column":1,"null_count":0,"has_nan":false,"min":{"Int":-10},"max":{"Int":255},"exact":true}"#,
        r#""has_nan":true,"min":{"F64":9223372036854775808},"max":{"F64":9218868437227405312},"exact":true}"#,
        r#""min":{"Bool":false},"max":{"Bool":true}"#,
        r#""max":{"UInt":18446744073709551615}"#,
        r#""schema":{"table":3,"name":"sensörs","version":2,"columns":[{"id":2,"name":"host","type":"utf8","nullable":true},"#,
    ] {
        assert!(json.contains(part), "{part} in {json}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoded(codec: &dyn Codec, array: &dyn Array) -> String {
    let mut out = Vec::new();
    codec.encode(array, &EncodeHints::default(), &mut out).unwrap();
    let decoded = codec.decode(1, &Buffer::from_slice_ref(&out), array.len(), array.data_type()).unwrap();
    assert_eq!(&*decoded, array);
    hex(&out)
}

#[test]
fn plain_blocks_of_version_1_are_frozen() {
    let zeros = |bytes: usize| "00".repeat(bytes);
    let numbers = Int64Array::from(vec![Some(1), None, Some(-2)]);
    let header = format!("5453504c0208010003000000010000001800000000000000{}", zeros(40));
    let values = "01000000000000000000000000000000feffffffffffffff";
    assert_eq!(encoded(&PlainCodec::new(), &numbers), format!("{header}05{}{values}", zeros(63)));

    let decimals = Decimal128Array::from(vec![Some(1), None, Some(-2)]);
    let header = format!("5453504c0210010003000000010000003000000000000000{}", zeros(40));
    let values = format!("01{}fe{}", zeros(31), "ff".repeat(15));
    assert_eq!(encoded(&PlainCodec::new(), &decimals), format!("{header}05{}{values}", zeros(63)));

    let floats = Float64Array::from(vec![-0.0]);
    let header = format!("5453504c0208000001000000000000000800000000000000{}", zeros(40));
    assert_eq!(encoded(&PlainCodec::new(), &floats), format!("{header}0000000000000080"));

    let bits = BooleanArray::from(vec![true, false, true, true, true, true, true, true, false, true]);
    let header = format!("5453504c010000000a000000000000000200000000000000{}", zeros(40));
    assert_eq!(encoded(&PlainCodec::new(), &bits), format!("{header}fd02"));

    let bytes = BinaryArray::from(vec![Some(&b"ab"[..]), None, Some(b"c")]);
    let header = format!("5453504c0300010003000000010000000300000000000000{}", zeros(40));
    let offsets = format!("00000000020000000200000003000000{}", zeros(48));
    assert_eq!(encoded(&PlainCodec::new(), &bytes), format!("{header}05{}{offsets}616263", zeros(63)));
}

#[test]
fn zstd_blocks_of_version_1_are_frozen() {
    // The header of a plain block is mostly zeros: even one number gets shorter.
    let number = Int64Array::from(vec![7]);
    assert!(encoded(&ZstdCodec::new(), &number).starts_with("54535a53010000004800000000000000"));

    // Zeros compress beyond what a reader believes, and are stored as they are.
    let zeros = BinaryArray::from(vec![&[0; 100_000][..]]);
    let plain = encoded(&PlainCodec::new(), &zeros);
    let header = format!("54535a5300000000{}", hex(&(plain.len() as u64 / 2).to_le_bytes()));
    assert!(encoded(&ZstdCodec::new(), &zeros) == header + &plain);
}
