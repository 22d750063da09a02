//! `tsds alter`: what it changes, what it prints, and what it refuses.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use serde_json::json;

fn small() -> Place {
    let place = Place::new();
    let file = place.write("a.csv", "ts,Price,room\n2024-01-01,1.5,a\n2024-01-02,2.5,\n");
    place.ok(&["import", "t", &file, "--time", "ts"]);
    place
}

#[test]
fn changed_columns_are_printed_and_stay_changed() {
    let place = small();
    let said =
        place.ok(&["alter", "t", "--rename", "Price=cost", "--add", "Price=int64", "--add", "note=utf8"]);
    assert!(said.starts_with("Price is called cost now\nadded Price, int64\nadded note, utf8\n"), "{said}");
    assert!(said.contains("note") && said.contains("value"), "{said}");
    let found = place.json(&["tables", "--json"]);
    let names: Vec<_> =
        found[0]["columns"].as_array().unwrap().iter().map(|column| column["name"].clone()).collect();
    assert_eq!(names, ["ts", "cost", "room", "Price", "note"]);
    assert_eq!(
        place.ok(&["query", "t", "--columns", "cost,note", "--where", "note IS NULL", "--format", "csv"]),
        "cost,note\n1.5,\n2.5,\n"
    );
    assert!(place.ok(&["verify"]).contains("every checksum is right"));
}

#[test]
fn the_change_is_also_one_json_document() {
    let place = small();
    let done = place.json(&["alter", "t", "--add", "n=int8", "--json"]);
    assert_eq!((&done["table"], &done["schema_version"]), (&json!("t"), &json!(2)));
    assert_eq!(done["changes"], json!(["added n, int8"]));
    assert_eq!(done["columns"][3], json!({ "name": "n", "type": "int8", "role": "value", "nullable": true }));
    let done = place.json(&["alter", "t", "--widen", "n=int32", "--rename", "n=count", "--json"]);
    assert_eq!(done["schema_version"], json!(3));
    assert_eq!(
        done["columns"][3],
        json!({ "name": "count", "type": "int32", "role": "value", "nullable": true })
    );
}

#[test]
fn what_cannot_be_changed_is_refused_and_nothing_is() {
    let place = small();
    let said = place.refused(1, &["alter", "t", "--add", "x=int8", "--rename", "cost=y"]);
    assert!(said.starts_with("error: table has no such column\n"), "{said}");
    assert!(said.contains("column    = cost") && said.contains("ts,Price,room"), "{said}");
    let said = place.refused(1, &["alter", "t", "--widen", "Price=float32"]);
    assert!(said.contains("float64") && said.contains("possible"), "{said}");
    assert!(place.refused(2, &["alter", "t"]).contains("nothing to change"));
    assert!(place.refused(2, &["alter", "t", "--add", "x=double"]).contains("no type double"));
    assert!(place.refused(1, &["alter", "trades", "--add", "x=int8"]).contains("no such table"));
    assert_eq!(place.json(&["tables", "--json"])[0]["columns"].as_array().unwrap().len(), 3);
}

#[test]
fn files_from_before_a_change_are_imported_after_it() {
    let place = Place::new();
    let first = place.write("1.csv", "ts,n,x\n2024-01-01,1,a\n");
    place.ok(&["import", "t", &first, "--time", "ts"]);
    place.ok(&["alter", "t", "--add", "small=int8", "--add", "note=utf8"]);
    place.ok(&["export", "t", "old.parquet"]);
    place.ok(&["alter", "t", "--widen", "small=int32", "--add", "more=float64"]);
    let second = place.write("2.csv", "ts,x,n\n2024-01-02,b,2\n");
    assert_eq!(place.json(&["import", "t", &second, "--time", "ts", "--json"])["rows"], json!(1));
    // The narrower type of `small`, and nothing of `more`.
    place.ok(&["import", "t", "old.parquet", "--time", "ts"]);
    assert_eq!(
        place.ok(&["query", "t", "--sort", "ts", "--format", "csv"]),
        "ts,n,x,small,note,more\n2024-01-01T00:00:00Z,1,a,,,\n2024-01-01T00:00:00Z,1,a,,,\n2024-01-02T00:00:00Z,2,b,,,\n"
    );
    let report = place.json(&["import", "t", &first, "--time", "ts", "--json"]);
    assert_eq!(report["rows"], json!(0), "what was imported before the change is known after it: {report}");
    let lacking = place.write("3.csv", "ts,n\n2024-01-03,3\n");
    let said = place.refused(1, &["import", "t", &lacking, "--time", "ts"]);
    assert!(said.contains("only_in_table = x\n"), "{said}");
}
