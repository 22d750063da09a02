//! The format is frozen: blocks of version 1 give their values forever.
//!
//! That encoding gives the same bytes is another promise, for today only: a better encoder may take others, which version 1
//! can read. `TSDS_REGENERATE_GOLDEN=1 cargo test -p tsds-codec-gorilla --test golden` writes files that are missing; files
//! that are there stay, for what they hold must be read for ever. Where the encoder has changed, a case gets a new name
//! beside the old one, and the old one's bytes are no longer compared ([`Case::retired`]).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that reads and writes its own files"
)]
#![allow(missing_docs)]

mod cases;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use cases::{Case, cases, is_set};
use tsds_codec_gorilla::{Block, GorillaDecoder, GorillaEncoder, Isa, Kind, ModeChoice};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

/// The checked-in bytes, or, if asked to and they are missing, those that are written today.
fn golden(name: &str, written_today: impl Fn() -> Vec<u8>) -> Vec<u8> {
    let path = folder().join(name);
    if std::env::var_os("TSDS_REGENERATE_GOLDEN").is_some() && !path.exists() {
        fs::write(&path, written_today()).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values of a range, nulls as `None`.
fn decode(bytes: &[u8], range: Range<usize>, isa: Isa) -> Vec<Option<i64>> {
    let block = Block::parse_with(bytes, isa).unwrap();
    let lanes = match block.kind() {
        Kind::Boolean => {
            let words = block.bits().unwrap();
            range.clone().map(|row| is_set(&words, row).into()).collect()
        }
        _ => {
            let mut lanes = vec![0; range.len()];
            block.read_lanes(range.clone(), &mut lanes).unwrap();
            lanes
        }
    };
    let validity = block.validity().unwrap();
    let is_valid = |row: usize| validity.as_ref().is_none_or(|words| is_set(words, row));
    range.zip(lanes).map(|(row, lane)| is_valid(row).then_some(lane)).collect()
}

#[test]
fn golden_blocks_give_their_values_forever() {
    for case in cases() {
        let bytes = golden(&case.file(), || case.encode());
        let block = Block::parse(&bytes).unwrap();
        let rows = case.lanes.len();
        assert_eq!((block.kind(), block.rows()), (case.kind, rows), "{}", case.name);
        assert_eq!(block.has_nulls(), case.validity.is_some(), "{}", case.name);
        let expected = case.values();
        for isa in Isa::available() {
            for range in [0..rows, 0..rows.min(1), rows / 3..rows / 2, rows.min(129)..rows] {
                let values = decode(&bytes, range.clone(), isa);
                assert!(values == expected[range.clone()], "{} {range:?} {isa}", case.name);
            }
        }
    }
}

#[test]
fn golden_blocks_are_what_their_names_say() {
    let mut others = Vec::new();
    for case in cases() {
        let bytes = golden(&case.file(), || case.encode());
        let block = Block::parse(&bytes).unwrap();
        let layout = block.layout().unwrap();
        if block.mode() != case.mode || !(case.shows)(&layout) {
            others.push(format!("{}: {layout:?}", case.name));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// May change with a better encoder: see above.
#[test]
fn encoding_today_gives_the_golden_bytes() {
    for case in cases().iter().filter(|case| !case.retired) {
        let golden = golden(&case.file(), || case.encode());
        assert!(case.encode() == golden, "{} is encoded otherwise: {:02x?}", case.name, case.encode());
    }
}

#[test]
fn every_golden_file_has_a_case() {
    let files =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let named = cases().iter().map(Case::file).chain(["frames.tsgp".to_owned()]).collect::<BTreeSet<_>>();
    assert_eq!(files.collect::<BTreeSet<_>>(), named);
}

/// Two frames and a third that is shorter: a clock that is late at times, and a sensor that once says nothing.
fn points() -> (Vec<i64>, Vec<f64>) {
    let times = (0..250).map(|i| 1_700_000_000_000 + i * 10_000 + i % 7 / 6);
    let values = (0..250).map(|i| if i == 77 { f64::NAN } else { f64::from(i * i % 97) / 10.0 - 3.0 });
    (times.collect(), values.collect())
}

fn frames() -> Vec<u8> {
    let (times, values) = points();
    let mut encoder = GorillaEncoder::new().with_frame_points(100).with_choice(ModeChoice::Shortest);
    encoder.append_all(&times, &values);
    encoder.finish()
}

#[test]
fn golden_frames_give_their_points_forever() {
    let bytes = golden("frames.tsgp", frames);
    let (times, values) = points();
    let expected: Vec<_> = times.into_iter().zip(values.iter().map(|value| value.to_bits())).collect();
    for isa in Isa::available() {
        let decoder = GorillaDecoder::new(&bytes).with_isa(isa);
        let points = decoder.map(|point| point.map(|(time, value)| (time, value.to_bits())).unwrap());
        assert_eq!(points.collect::<Vec<_>>(), expected, "{isa}");
    }
}

/// May change with a better encoder.
#[test]
fn encoding_points_today_gives_the_golden_frames() {
    assert!(frames() == golden("frames.tsgp", frames));
}
