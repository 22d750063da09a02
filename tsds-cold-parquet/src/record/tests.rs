use super::*;
use proptest::prelude::*;

fn stats(column: u32, min: Option<Value>, max: Option<Value>) -> ColumnStats {
    ColumnStats { column: ColumnId(column), null_count: 1, has_nan: min.is_none(), min, max, exact: true }
}

fn sample() -> FileRecord {
    FileRecord {
        path: Path::from("7/year=2013/month=03/day=01/000000000000001f-00000003.parquet"),
        checksums: FileChecksums {
            size: RANGE_BYTES + 1,
            sha256: std::array::from_fn(|i| i as u8),
            ranges: vec![0x0102_0304, 0xfefd_fcfb],
        },
        footer_len: 300,
        row_groups: vec![RowGroup {
            rows: 1_000,
            columns: vec![
                stats(1, Some(Value::Int(-5)), Some(Value::Int(i64::MAX))),
                stats(2, Some(Value::Text("a".into())), Some(Value::Text("é".into()))),
                stats(3, Some(Value::F64(-0.0)), Some(Value::F64(f64::INFINITY))),
                stats(4, Some(Value::F32(1.5)), Some(Value::F32(2.5))),
                stats(5, Some(Value::UInt(0)), Some(Value::UInt(u64::MAX))),
                stats(6, Some(Value::Bool(false)), Some(Value::Bool(true))),
                stats(9, None, None),
            ],
        }],
    }
}

/// Version 1 as it was frozen: if this fails, the format changed and needs a new version.
const GOLDEN: &str = include_str!("golden_v1.hex");

fn hex(bytes: &[u8]) -> String {
    let lines =
        bytes.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn version_1_is_written_as_it_was_frozen() {
    assert_eq!(hex(&sample().encode().unwrap()), GOLDEN.trim_end());
}

#[test]
fn version_1_reads_back_as_it_was_frozen() {
    assert_eq!(FileRecord::decode(&unhex(GOLDEN)).unwrap(), sample());
}

#[test]
fn bounds_of_decimals_are_of_kind_7_and_16_bytes() {
    let mut record = sample();
    let (min, max) = (Value::Decimal(-2), Value::Decimal(1 << 100));
    record.row_groups[0].columns = vec![stats(1, Some(min), Some(max))];
    let bytes = record.encode().unwrap();
    let stored = format!("07fe{}07{}10{}", "ff".repeat(15), "00".repeat(12), "00".repeat(3));
    assert!(hex(&bytes).replace('\n', "").contains(&stored));
    assert_eq!(FileRecord::decode(&bytes).unwrap(), record);
}

#[test]
fn every_flipped_bit_is_corrupt() {
    let bytes = sample().encode().unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = FileRecord::decode(&damaged).unwrap_err();
        assert_eq!(error.kind(), tsds_traits::ErrorKind::Corrupt);
    }
}

#[test]
fn a_record_of_a_later_version_is_unsupported_and_named() {
    let mut later = MAGIC.to_vec();
    later.extend_from_slice(&2u16.to_le_bytes());
    later.extend_from_slice(b"whatever version 2 has");
    let error = FileRecord::decode(&sealed(later.clone())).unwrap_err();
    assert_eq!(error.kind(), tsds_traits::ErrorKind::Unsupported);
    assert!(error.to_string().contains("version=2 supported=1"), "{error}");
    later.extend_from_slice(&[0; 4]);
    assert_eq!(FileRecord::decode(&later).unwrap_err().kind(), tsds_traits::ErrorKind::Corrupt);
}

#[test]
fn every_cut_record_is_corrupt() {
    let bytes = sample().encode().unwrap();
    for len in 0..bytes.len() {
        assert!(FileRecord::decode(&bytes[..len]).is_err(), "{len}");
    }
}

#[test]
fn statistics_are_left_out_before_a_record_is_too_long() {
    let mut record = sample();
    let group = record.row_groups[0].clone();
    record.row_groups = vec![group; 8_000];
    let read = FileRecord::decode(&record.encode().unwrap()).unwrap();
    assert_eq!((read.rows(), read.row_groups.len()), (8_000_000, 8_000));
    assert!(read.row_groups.iter().all(|group| group.columns.is_empty()));
}

#[test]
fn a_text_bound_that_is_too_long_is_left_out_and_everything_else_kept() {
    let mut record = sample();
    let longest = "\u{10ffff}".repeat(usize::from(u16::MAX) / 4) + "abc";
    assert_eq!(longest.len(), usize::from(u16::MAX));
    let text = |max: &str| stats(2, Some(Value::Text("a".into())), Some(Value::Text(max.into())));
    record.row_groups[0].columns[1] = text(&longest);
    assert_eq!(FileRecord::decode(&record.encode().unwrap()).unwrap(), record, "the longest that is stored");
    record.row_groups[0].columns[1] = text(&format!("{longest}x"));
    let read = FileRecord::decode(&record.encode().unwrap()).unwrap();
    record.row_groups[0].columns[1].max = None;
    record.row_groups[0].columns[1].exact = false;
    assert_eq!(read, record);
}

#[test]
fn a_file_too_large_for_any_record_has_none() {
    let mut record = sample();
    record.checksums.ranges = vec![0; MAX_RECORD_BYTES / 4];
    record.checksums.size = record.checksums.ranges.len() as u64 * RANGE_BYTES;
    assert_eq!(record.encode(), None);
}

/// With a right checksum, so that the fields themselves are put to the test.
fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&body);
    body.extend_from_slice(&crc.to_le_bytes());
    body
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(FileRecord::decode(&bytes).is_err());
    }

    #[test]
    fn forged_fields_never_panic(at in 0usize..260, forged in any::<[u8; 4]>()) {
        let bytes = sample().encode().unwrap();
        let mut body = bytes[..bytes.len() - 4].to_vec();
        let at = at.min(body.len() - 4);
        body[at..at + 4].copy_from_slice(&forged);
        if let Ok(read) = FileRecord::decode(&sealed(body.clone())) {
            prop_assert_eq!(read.encode().map(|bytes| bytes.len()), Some(body.len() + 4));
        }
    }
}
