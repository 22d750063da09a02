//! `tsds export`, end to end.
#![allow(missing_docs, clippy::disallowed_methods, clippy::disallowed_types, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::{ArrayRef, BinaryArray, RecordBatch, TimestampMillisecondArray};
use common::Place;

/// 1,000 rows of two series.
fn place() -> Place {
    let place = Place::new();
    let rows: String = (0..1_000)
        .map(|n| {
            format!(
                "{},{},{n},{}\n",
                1_700_000_000 + n,
                ["a", "b"][n % 2],
                if n % 7 == 0 { String::new() } else { format!("{n}.5") }
            )
        })
        .collect();
    let file = place.write("rows.csv", &format!("ts,host,n,x\n{rows}"));
    place.ok(&["import", "t", &file, "--time", "ts", "--time-format", "s", "--series", "host"]);
    place
}

fn rows(place: &Place, table: &str) -> String {
    place.ok(&["query", table, "--sort", "ts", "--format", "json"])
}

#[test]
fn what_is_exported_in_any_format_is_imported_the_same() {
    let place = place();
    let original = rows(&place, "t");
    for (number, name) in ["t.parquet", "t.feather", "t.csv"].iter().enumerate() {
        let report = place.json(&["export", "t", name, "--json"]);
        assert_eq!((&report["rows"], &report["files"]), (&1_000.into(), &1.into()), "{name}");
        assert_eq!(report["bytes"], place.read(name).len() as u64, "{name}");
        let copy = format!("copy{number}");
        place.ok(&["import", &copy, name, "--time", "ts", "--series", "host"]);
        assert_eq!(rows(&place, &copy), original, "{name}");
    }
}

/// A file of rows with bytes, lists and maps; some are null, some empty, some hold nulls.
fn payload(place: &Place) {
    let mut lists = ListBuilder::new(Float64Builder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Float64Builder::new());
    for row in 0..100 {
        for item in 0..row % 4 {
            lists.values().append_option((item != 1).then_some(row as f64 + 0.5));
        }
        lists.append(row % 5 != 0);
        maps.keys().append_value(format!("key{row}"));
        maps.values().append_option((row % 3 != 0).then_some(row as f64));
        maps.append(row % 7 != 0).unwrap();
    }
    let bytes = (0..100u8).map(|row| (row % 6 != 0).then(|| vec![row; usize::from(row % 3)]));
    let columns: [(&str, ArrayRef); 4] = [
        ("ts", Arc::new(TimestampMillisecondArray::from_iter_values(0..100))),
        ("frame", Arc::new(bytes.collect::<BinaryArray>())),
        ("wave", Arc::new(lists.finish())),
        ("tags", Arc::new(maps.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(place.path("payload.feather")).unwrap();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(file, batch.schema_ref()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
}

#[test]
fn payload_is_exported_and_imported_the_same() {
    let place = Place::new();
    payload(&place);
    place.ok(&["import", "t", "payload.feather", "--time", "ts"]);
    let original = rows(&place, "t");
    assert!(
        original.contains("\"wave\":[7.5,null,7.5]") && original.contains("[[\"key8\",8.0]]"),
        "{original}"
    );
    for (number, name) in ["t.parquet", "t.arrow"].iter().enumerate() {
        place.ok(&["export", "t", name]);
        let copy = format!("copy{number}");
        place.ok(&["import", &copy, name, "--time", "ts"]);
        assert_eq!(rows(&place, &copy), original, "{name}");
    }
}

#[test]
fn a_part_of_a_table_is_exported_in_order() {
    let place = place();
    place.ok(&[
        "export",
        "t",
        "part.csv",
        "--where",
        "n >= 997 AND host = 'b'",
        "--columns",
        "n,host",
        "--sort",
        "n:desc",
    ]);
    assert_eq!(place.read("part.csv"), b"n,host\n999,b\n997,b\n");
    let report = place.json(&["export", "t", "none.parquet", "--where", "n < 0", "--json"]);
    assert_eq!((&report["rows"], &report["files"]), (&0.into(), &1.into()));
}

#[test]
fn an_export_is_split_into_files_of_so_many_rows() {
    let place = place();
    let report = place.json(&["export", "t", "parts", "--split-rows", "300", "--sort", "ts", "--json"]);
    assert_eq!((&report["files"], &report["format"]), (&4.into(), &"parquet".into()));
    let mut names: Vec<_> = std::fs::read_dir(place.path("parts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [0, 1, 2, 3].map(|part| format!("part-0000{part}.parquet")));
    place.ok(&["import", "copy", "parts", "--time", "ts", "--series", "host"]);
    assert_eq!(rows(&place, "copy"), rows(&place, "t"));
    place.ok(&["export", "t", "empty", "--split-rows", "10", "--where", "n < 0", "--format", "csv"]);
    assert_eq!(place.read("empty/part-00000.csv"), b"ts,host,n,x\n");
}

#[test]
fn what_is_there_is_replaced_only_with_force() {
    let place = place();
    place.write("t.csv", "mine");
    let said = place.refused(1, &["export", "t", "t.csv"]);
    assert!(
        said.starts_with("error: the target exists; write elsewhere, or replace it with --force\n"),
        "{said}"
    );
    assert_eq!(place.read("t.csv"), b"mine");
    place.ok(&["export", "t", "t.csv", "--force"]);
    assert_ne!(place.read("t.csv"), b"mine");

    place.ok(&["export", "t", "parts", "--split-rows", "100"]);
    assert!(place.refused(1, &["export", "t", "parts", "--split-rows", "500"]).contains("the target exists"));
    place.ok(&["export", "t", "parts", "--split-rows", "500", "--force"]);
    assert_eq!(std::fs::read_dir(place.path("parts")).unwrap().count(), 2);
    place.write("parts/precious.txt", "mine");
    let said = place.refused(1, &["export", "t", "parts", "--split-rows", "500", "--force"]);
    assert!(said.contains("the target holds other files than those of an export"), "{said}");
    assert!(
        place
            .refused(1, &["export", "t", "parts", "--format", "csv", "--force"])
            .contains("the target is a directory")
    );
    assert!(
        place
            .refused(1, &["export", "t", "t.csv", "--split-rows", "5", "--force"])
            .contains("the target is a file")
    );
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let place = place();
    for arguments in [
        &["export", "t", "new.parquet", "--where", "nothing = 1"][..],
        &["export", "t", "new.parquet", "--columns", "nothing"],
        &["export", "nothing", "new.parquet"],
        &["export", "t", "nowhere/new.parquet"],
    ] {
        place.refused(1, arguments);
    }
    let left: Vec<_> = std::fs::read_dir(place.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("new"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_format_comes_from_the_option_or_the_ending() {
    let place = place();
    let said = place.refused(2, &["export", "t", "rows.xyz"]);
    assert!(said.contains("hint: give --format, or an ending such as .parquet"), "{said}");
    assert!(place.refused(2, &["export", "t", "rows.csv", "--format", "table"]).contains("for people"));
    place.ok(&["export", "t", "rows.xyz", "--format", "parquet"]);
    assert!(place.read("rows.xyz").starts_with(b"PAR1"));
    for (name, start) in [("q.feather", &b"ARROW1"[..]), ("q.jsonl", b"{\"ts\"")] {
        place.ok(&["query", "t", "--limit", "3", "-o", name]);
        assert!(place.read(name).starts_with(start), "{name}");
    }
    assert!(place.run(&["query", "t", "--format", "parquet"]).bytes.ends_with(b"PAR1"));
}
