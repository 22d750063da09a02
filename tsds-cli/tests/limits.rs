//! Values that no calendar has, and processes that may open few files.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;
use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Date64Type, DurationMillisecondType, Time32SecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampSecondType,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch, TimestampMillisecondArray};
use common::{Place, outcome};

fn values<T: ArrowPrimitiveType>(least: T::Native, greatest: T::Native) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values([least, T::Native::default(), greatest]))
}

#[test]
fn values_that_no_calendar_has_are_kept_and_shown_in_every_format() {
    let place = Place::new();
    let (least, greatest) = (i64::MIN, i64::MAX);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]))),
        ("date", values::<Date32Type>(i32::MIN, i32::MAX)),
        ("instant", values::<Date64Type>(least, greatest)),
        ("clock", values::<Time32SecondType>(i32::MIN, i32::MAX)),
        ("fine", values::<Time64NanosecondType>(least, greatest)),
        ("seconds", values::<TimestampSecondType>(least, greatest)),
        ("micros", values::<TimestampMicrosecondType>(least, greatest)),
        ("took", values::<DurationMillisecondType>(least, greatest)),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut file, rows.schema_ref()).unwrap();
    writer.write(&rows).unwrap();
    writer.finish().unwrap();
    std::fs::write(place.path("odd.arrow"), file).unwrap();
    place.ok(&["import", "t", "odd.arrow", "--time", "ts"]);
    for format in ["table", "csv", "json"] {
        let shown = place.ok(&["query", "t", "--sort", "ts", "--format", format]);
        assert!(shown.contains("9223372036854775807"), "{format}: {shown}");
    }
    for sort in ["date", "instant", "clock", "fine", "seconds", "micros", "took"] {
        place.ok(&[
            "query",
            "t",
            "--sort",
            sort,
            "--agg",
            &format!("count, min({sort}), max({sort})"),
            "--by",
            sort,
        ]);
    }
    place.ok(&["export", "t", "out.arrow"]);
    place.ok(&["import", "again", "out.arrow", "--time", "ts"]);
    let all = |table: &str| place.ok(&["query", table, "--sort", "ts", "--format", "json"]);
    assert_eq!(all("t"), all("again"));
    assert!(place.ok(&["verify"]).contains("every checksum is right"));
}

#[test]
fn a_process_that_may_open_few_files_says_so_and_loses_nothing() {
    let place = Place::new();
    place.ok(&["demo", "20000", "--no-queries", "--json"]);
    let count = ["query", "demo_simple", "--agg", "count", "--format", "csv"];
    let expected = place.ok(&count);
    let mut refused = 0;
    for files in [9, 10, 11, 12, 13, 14, 24] {
        let program = place.command(&count);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("ulimit -n {files}; exec \"$@\"")).arg("sh").arg(program.get_program());
        shell.args(program.get_args()).current_dir(place.path("."));
        shell.env_clear().env("TSDS_STORAGE_PATH", "db");
        let outcome = outcome(shell.output().unwrap());
        match outcome.code {
            0 => assert_eq!(outcome.stdout, expected, "{files} files"),
            _ => {
                // A warning may come first: what the warm tier cannot open either.
                assert!(outcome.stderr.contains("error: "), "{files} files: {}", outcome.stderr);
                assert!(
                    outcome.stderr.contains("hint: let the process have more files open at once")
                        || outcome.stderr.contains("threads of the runtime"),
                    "{files} files: {}",
                    outcome.stderr
                );
                refused += 1;
            }
        }
        assert_eq!(place.ok(&count), expected, "after {files} files");
    }
    assert!(refused > 0, "some limit is too low");
}
