//! Imports of published data sets: of the folder `TSDS_TEST_DATA`, else of `../shared/data` beside the workspace.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use common::Place;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trials = [
        trial("hourly_air_quality", "beijing_air", ".csv", hourly_air_quality),
        trial(
            "room_sensors_whose_header_is_one_short",
            "occupancy",
            ".txt",
            room_sensors_whose_header_is_one_short,
        ),
        trial("trades_in_milliseconds", "lean_ticks", ".csv", trades_in_milliseconds),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// A test over the files of a folder, ignored where there is no such folder.
fn trial(name: &str, folder: &str, ending: &str, body: fn(&[String])) -> Trial {
    match files(folder, ending) {
        Some(files) => Trial::test(name, move || {
            body(&files);
            Ok(())
        }),
        None => Trial::test(name, || Err("set TSDS_TEST_DATA".into()))
            .with_kind("absent:TSDS_TEST_DATA")
            .with_ignored_flag(true),
    }
}

/// The files in a folder of the data with this ending, or nothing where there is no such folder.
fn files(folder: &str, ending: &str) -> Option<Vec<String>> {
    let data = match std::env::var_os("TSDS_TEST_DATA") {
        Some(data) => PathBuf::from(data),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
    };
    let root = data.join(folder);
    let mut files: Vec<_> = std::fs::read_dir(root)
        .ok()?
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(ending))
        .collect();
    files.sort();
    Some(files)
}

fn import(place: &Place, table: &str, files: &[String], options: &[&str]) -> serde_json::Value {
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    place.json(&[&["import", table], files.as_slice(), options, &["--json"]].concat())
}

fn hourly_air_quality(files: &[String]) {
    let place = Place::new();
    let options = ["--time", "year,month,day,hour", "--series", "station", "--null", "NA"];
    let report = import(&place, "air", files, &options);
    assert_eq!((&report["rows"], &report["skipped"]), (&105_192.into(), &0.into()));
    let rows =
        place.ok(&["query", "air", "--by", "station", "--agg", "count, count(\"PM2.5\")", "--format", "csv"]);
    assert_eq!(
        rows,
        "station,count,count(PM2.5)\nChangping,35064,34290\nDongsi,35064,34314\nWanliu,35064,34682\n"
    );
}

fn room_sensors_whose_header_is_one_short(files: &[String]) {
    let place = Place::new();
    let report = import(&place, "rooms", files, &["--time", "date", "--series", "file"]);
    assert_eq!(report["rows"], 20_560);
    assert_eq!(report["columns"][0]["name"], "row");
}

fn trades_in_milliseconds(files: &[String]) {
    let place = Place::new();
    let report =
        import(&place, "ticks", files, &["--time", "ts_ms", "--time-format", "ms", "--time-as", "ts"]);
    assert_eq!(report["rows"], 125_872);
    let rows = place.ok(&["query", "ticks", "--agg", "count, sum(size), first(price)", "--format", "csv"]);
    assert_eq!(rows.lines().count(), 2);
}
