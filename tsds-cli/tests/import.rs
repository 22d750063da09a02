//! `tsds import`, end to end.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;

const AIR: &str = "\"No\",\"year\",\"month\",\"day\",\"hour\",\"PM2.5\",\"wd\",\"station\"\n\
                   1,2013,3,1,0,3,\"E\",\"Changping\"\n\
                   2,2013,3,1,1,NA,\"NNE\",\"Changping\"\n\
                   3,2013,3,1,2,8.5,NA,\"Changping\"\n";

#[test]
fn several_columns_make_the_time_and_na_is_null() {
    let place = Place::new();
    let file = place.write("air.csv", AIR);
    let report = place.json(&[
        "import",
        "air",
        &file,
        "--time",
        "year,month,day,hour",
        "--series",
        "station",
        "--null",
        "NA",
        "--json",
    ]);
    assert_eq!(
        (&report["rows"], &report["created"], &report["skipped"]),
        (&3.into(), &true.into(), &0.into())
    );
    let columns: Vec<_> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| ["name", "type", "role"].map(|key| column[key].as_str().unwrap()).join(" "))
        .collect();
    assert_eq!(
        columns,
        [
            "time timestamp(us) time",
            "No int64 value",
            "PM2.5 float64 value",
            "wd utf8 value",
            "station dictionary(int32,utf8) series"
        ]
    );
    let rows = place.ok(&["query", "air", "--sort", "time", "--format", "csv"]);
    assert_eq!(
        rows,
        "time,No,PM2.5,wd,station\n\
         2013-03-01T00:00:00Z,1,3.0,E,Changping\n\
         2013-03-01T01:00:00Z,2,,NNE,Changping\n\
         2013-03-01T02:00:00Z,3,8.5,,Changping\n"
    );
}

#[test]
fn what_was_exported_can_be_imported() {
    let place = Place::new();
    let file = place.write(
        "a.csv",
        "ts,who,x,ok\n2024-01-01T00:00:00.000000001Z,\"a, \"\"b\"\"\",1e300,true\n2024-01-02,,-0.5,\n",
    );
    place.ok(&["import", "one", &file, "--time", "ts", "--series", "who"]);
    place.ok(&["query", "one", "--sort", "ts", "--format", "csv", "--output", "out.csv"]);
    let out = place.path("out.csv").display().to_string();
    place.ok(&["import", "two", &out, "--time", "ts", "--series", "who"]);
    let rows = |table: &str| place.ok(&["query", table, "--sort", "ts", "--format", "json"]);
    assert_eq!(rows("one"), rows("two"));
    assert_eq!(rows("one").lines().count(), 2);
}

#[test]
fn one_file_is_one_series() {
    let place = Place::new();
    let files = [
        ("cpu.csv", "timestamp,value\n2024-01-01 00:00:00,1\n"),
        ("disk.csv", "timestamp,value\n2024-01-01 00:00:00,2.5\n"),
    ]
    .map(|(name, text)| place.write(name, text));
    place.ok(&["import", "metrics", &files[0], &files[1], "--time", "timestamp", "--series", "file"]);
    let rows = place.ok(&["query", "metrics", "--where", "file = 'disk'", "--format", "csv"]);
    assert_eq!(rows, "timestamp,file,value\n2024-01-01T00:00:00Z,disk,2.5\n");
}

#[test]
fn more_files_are_added_to_a_table_that_exists() {
    let place = Place::new();
    let first = place.write("1.csv", "ts,x,host\n2024-01-01,1.5,a\n");
    let second = place.write("2.csv", "host,ts,x\nb,2024-01-02,2\n");
    place.ok(&["import", "t", &first, "--time", "ts", "--series", "host"]);
    let report = place.json(&["import", "t", &second, "--time", "ts", "--json"]);
    assert_eq!((&report["created"], &report["rows"]), (&false.into(), &1.into()));
    let rows = place.ok(&["query", "t", "--sort", "ts", "--format", "csv"]);
    assert_eq!(rows, "ts,x,host\n2024-01-01T00:00:00Z,1.5,a\n2024-01-02T00:00:00Z,2.0,b\n");
}

#[test]
fn a_table_that_exists_must_match() {
    let place = Place::new();
    let first = place.write("1.csv", "ts,x\n2024-01-01,1\n");
    place.ok(&["import", "t", &first, "--time", "ts"]);
    let other = place.write("2.csv", "ts,y\n2024-01-02,2\n");
    let said = place.refused(1, &["import", "t", &other, "--time", "ts"]);
    assert!(said.starts_with("error: the table exists with other columns than the files\n"), "{said}");
    let float = place.write("3.csv", "ts,x\n2024-01-02,2.5\n");
    let said = place.refused(1, &["import", "t", &float, "--time", "ts"]);
    assert!(said.contains("3.csv:2: column x: '2.5' is no integer; nothing was imported"), "{said}");
    assert_eq!(place.ok(&["query", "t", "--agg", "count", "--format", "csv"]), "count\n1\n");
}

#[test]
fn a_bad_row_stops_the_import_before_anything_is_written() {
    let place = Place::new();
    let good = place.write("good.csv", "ts,x\n2024-01-01,1\n");
    let bad = place.write("bad.csv", "ts,x\n2024-01-02,2\n2024-01-03\n");
    let said = place.refused(1, &["import", "t", &good, &bad, "--time", "ts"]);
    assert!(said.contains("bad.csv:3: expected 2 fields, found 1; nothing was imported"), "{said}");
    assert!(said.contains("hint: mend the row, or leave such rows out with --on-error skip"), "{said}");
    assert!(!place.path("db").exists(), "not even a database was made");
}

#[test]
fn bad_rows_are_left_out_and_named_on_request() {
    let place = Place::new();
    let rows: String = (0..15).map(|n| format!("noon,{n}\n")).collect();
    let file = place.write("a.csv", &format!("ts,x\n2024-01-01,1\n{rows}2024-01-02,2\n"));
    let outcome = place.run(&["import", "t", &file, "--time", "ts", "--on-error", "skip", "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&report["rows"], &report["skipped"]), (&2.into(), &15.into()));
    assert!(outcome.stderr.contains("a.csv:3: 'noon' is no time"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("left out: 5 rows more"), "{}", outcome.stderr);
}

#[test]
fn small_batches_and_other_delimiters_give_the_same_rows() {
    let place = Place::new();
    let rows: String = (0..1_000).map(|n| format!("{n};{}\n", n * 2)).collect();
    let file = place.write("a.csv", &format!("ts;x\n{rows}"));
    place.ok(&[
        "import",
        "t",
        &file,
        "--time",
        "ts",
        "--time-format",
        "s",
        "--delimiter",
        ";",
        "--batch-size",
        "7",
    ]);
    assert_eq!(
        place.ok(&["query", "t", "--agg", "count, sum(x)", "--format", "csv"]),
        "count,sum(x)\n1000,999000\n"
    );
}

#[test]
fn a_file_that_is_not_there_or_has_no_rows_is_named() {
    let place = Place::new();
    let said = place.refused(1, &["import", "t", "nowhere.csv", "--time", "ts"]);
    assert!(said.starts_with("error: cannot read the file\n  file  = nowhere.csv\n"), "{said}");
    let empty = place.write("empty.csv", "");
    assert!(place.refused(1, &["import", "t", &empty, "--time", "ts"]).contains("file is empty"));
    let header = place.write("header.csv", "ts,x\n");
    assert!(place.refused(1, &["import", "t", &header, "--time", "ts"]).contains("the files hold no rows"));
}

#[test]
fn rows_survive_the_process() {
    let place = Place::new();
    let file = place.write("a.csv", "ts,x\n2024-01-01,1\n2024-01-02,2\n");
    place.ok(&["import", "t", &file, "--time", "ts"]);
    for _ in 0..3 {
        assert_eq!(
            place.ok(&["query", "t", "--agg", "count,sum(x)", "--format", "csv"]),
            "count,sum(x)\n2,3\n"
        );
    }
    assert!(place.ok(&["verify"]).contains("every checksum is right"));
}

#[test]
fn a_directory_is_imported_with_a_note_of_what_is_left_out() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("in/2024")).unwrap();
    place.write("in/2024/b.csv", "ts,x\n2024-01-02,2\n");
    place.write("in/a.csv", "ts,x\n2024-01-01,1\n");
    place.write("in/readme.md", "no data");
    place.write("in/.hidden.csv", "no data");
    let outcome = place.run(&["import", "t", "in", "in/a.csv", "--time", "ts", "--series", "file"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stdout.starts_with("2 rows of 3 columns from 2 files"), "{}", outcome.stdout);
    for note in [
        "left out: in/.hidden.csv (hidden)\n",
        "left out: in/readme.md (whose ending is unknown)\n",
        "left out: in/a.csv (named twice, taken once)\n",
    ] {
        assert!(outcome.stderr.contains(note), "{note}: {}", outcome.stderr);
    }
    let rows = place.ok(&["query", "t", "--sort", "ts", "--format", "csv", "--columns", "file,x"]);
    assert_eq!(rows, "file,x\na,1\nb,2\n");
}

#[test]
fn only_the_columns_that_are_asked_for_are_taken() {
    let place = Place::new();
    let files =
        [("1.csv", "ts,host,x,junk\n2024-01-01,a,1,?\n"), ("2.csv", "other,x,ts,host\n!,2,2024-01-02,b\n")]
            .map(|(name, text)| place.write(name, text));
    let import = |columns: &'static str| {
        ["import", "t", &files[0], &files[1], "--time", "ts", "--series", "host", "--columns", columns]
            .map(str::to_owned)
    };
    let run = |arguments: &[String]| place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = run(&import("y")).stderr;
    assert!(said.contains("the files have no such column\n  option  = --columns\n  column  = y\n"), "{said}");
    assert_eq!(run(&import("x")).code, 0);
    let rows = place.ok(&["query", "t", "--sort", "ts", "--format", "csv"]);
    assert_eq!(rows, "ts,host,x\n2024-01-01T00:00:00Z,a,1\n2024-01-02T00:00:00Z,b,2\n");
}

#[test]
fn a_damaged_file_and_files_of_two_kinds_are_named_and_nothing_is_imported() {
    let place = Place::new();
    let file = place.write("a.csv", "ts,x\n2024-01-01,1\n2024-01-02,2\n");
    place.ok(&["import", "t", &file, "--time", "ts"]);
    place.ok(&["export", "t", "good.parquet"]);
    let said = place.refused(1, &["import", "u", &file, "good.parquet", "--time", "ts"]);
    assert!(said.starts_with("error: files of one import must be of one kind\n  CSV     = "), "{said}");
    assert!(said.contains("\n  Parquet = good.parquet\n"), "{said}");
    let mut bytes = place.read("good.parquet");
    let footer = bytes.len() - 12;
    bytes[footer..footer + 4].fill(0xff);
    std::fs::write(place.path("bad.parquet"), bytes).unwrap();
    let said = place.refused(1, &["import", "u", "good.parquet", "bad.parquet", "--time", "ts"]);
    assert!(
        said.starts_with("error: the file is damaged, or uses what cannot be read\n  file  = bad.parquet\n"),
        "{said}"
    );
    assert!(place.refused(1, &["query", "u"]).contains("table"));
}
