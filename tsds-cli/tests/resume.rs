//! `tsds import`, again: after it was killed, and after it was done.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{Place, outcome};

const FILES: usize = 30;
const ROWS: usize = 400;

/// A directory `in` with files of rows that are all different.
fn many_files() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    for file in 0..FILES {
        let rows: String = (file * ROWS..(file + 1) * ROWS).map(|n| format!("{n},{n}\n")).collect();
        place.write(&format!("in/{file:02}.csv"), &format!("ts,n\n{rows}"));
    }
    place
}

const IMPORT: [&str; 9] = ["import", "t", "in", "--time", "ts", "--time-format", "s", "--batch-size", "25"];

fn import(place: &Place, more: &[&str]) -> serde_json::Value {
    place.json(&[&IMPORT, more, &["--json"]].concat())
}

fn assert_each_row_is_there(place: &Place, times: usize) {
    let all = FILES * ROWS;
    let rows = place.ok(&["query", "t", "--agg", "count, sum(n), max(n)", "--format", "csv"]);
    assert_eq!(
        rows,
        format!("count,sum(n),max(n)\n{},{},{}\n", all * times, all * (all - 1) / 2 * times, all - 1)
    );
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was() {
    let place = many_files();
    let mut delay = Duration::from_millis(60);
    // Killed later and later, until once nobody is in time to kill it.
    let last = loop {
        let mut command = place.command(&[&IMPORT[..], &["--json"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(delay);
        if child.try_wait().unwrap().is_some() {
            break outcome(child.wait_with_output().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        delay = delay.mul_f64(1.25);
    };
    assert_eq!(last.code, 0, "{}", last.stderr);
    let report: serde_json::Value = serde_json::from_str(&last.stdout).unwrap();
    assert!(report["already_there"].as_u64().unwrap() > 0, "no kill came in the middle: {report}");
    assert_eq!(
        report["rows"].as_u64().unwrap() + report["already_there"].as_u64().unwrap(),
        (FILES * ROWS) as u64
    );
    assert_each_row_is_there(&place, 1);
}

#[test]
fn an_import_that_is_run_twice_changes_nothing_unless_it_is_asked_to() {
    let place = many_files();
    let all = FILES * ROWS;
    let report = import(&place, &[]);
    assert_eq!((&report["rows"], &report["already_there"]), (&all.into(), &0.into()));
    let report = import(&place, &[]);
    assert_eq!((&report["rows"], &report["already_there"]), (&0.into(), &all.into()));
    assert_each_row_is_there(&place, 1);
    let said = place.ok(&IMPORT);
    assert!(
        said.starts_with("0 rows of 2 columns from 30 files") && said.contains(", 12,000 were there already"),
        "{said}"
    );
    let report = import(&place, &["--again"]);
    assert_eq!((&report["rows"], &report["already_there"]), (&all.into(), &0.into()));
    assert_each_row_is_there(&place, 2);
}

#[test]
fn further_files_are_added_and_equal_files_elsewhere_are_others() {
    let place = Place::new();
    std::fs::create_dir(place.path("in")).unwrap();
    place.write("in/a.csv", "ts,n\n2024-01-01,1\n");
    let import = || place.json(&["import", "t", "in", "--time", "ts", "--json"]);
    import();
    place.write("in/b.csv", "ts,n\n2024-01-01,1\n");
    let report = import();
    assert_eq!((&report["rows"], &report["already_there"]), (&1.into(), &1.into()));
}

#[test]
fn more_batches_than_a_table_remembers_are_warned_of() {
    let place = many_files();
    let outcome = place.run(&[&IMPORT[..], &["--set", "ingest.remembered_batches=100"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("warning: this import has 480 batches, and a table remembers the last 100")
            && outcome.stderr.contains("--set ingest.remembered_batches=480"),
        "{}",
        outcome.stderr
    );
    let outcome = place.run(&[&IMPORT[..], &["--again", "--set", "ingest.remembered_batches=100"]].concat());
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
}
