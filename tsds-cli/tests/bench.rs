//! `tsds bench device`, on a tier that needs no device.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use serde_json::Value;

#[test]
fn every_operation_is_measured_on_every_number_of_rows() {
    let place = Place::new();
    let report = place.json(&["bench", "device", "--backend", "tsds.warm.cpu", "--rows", "2k,500", "--json"]);
    let measured = report["measured"].as_array().unwrap();
    let of = |rows: u64| measured.iter().filter(|one| one["rows"] == rows).collect::<Vec<&Value>>();
    assert_eq!((of(500).len(), of(2_000).len(), measured.len()), (9, 9, 18));
    for one in measured {
        assert!(one["device"]["seconds"].as_f64().unwrap() > 0.0, "{one}");
        assert!(one["device"]["runs"].as_u64().unwrap() >= 3, "{one}");
        assert!(one["bytes"].as_u64().unwrap() >= 4 * one["rows"].as_u64().unwrap(), "{one}");
    }
    let scan = of(2_000).into_iter().find(|one| one["operation"] == "scan of one column").unwrap();
    assert_eq!((&scan["returned"], &scan["bytes"]), (&2_000.into(), &16_000.into()));
    assert_eq!(report["faster_from"].as_array().unwrap().len(), 9);
    assert_eq!(report["copy_bytes_per_s"], Value::Null);
}

#[test]
fn what_the_tier_has_no_room_for_is_said_and_not_measured() {
    let place = Place::new();
    let arguments =
        ["bench", "device", "--backend", "tsds.warm.cpu", "--settings", r#"{"max_memory_mb": 1}"#];
    let report = place.json(&[&arguments[..], &["--rows", "1k,100k", "--json"]].concat());
    assert_eq!(report["measured"].as_array().unwrap().len(), 9);
    assert_eq!(report["skipped"][0]["rows"], 100_000);
    let said = place.ok(&[&arguments[..], &["--rows", "1k,100k"]].concat());
    assert!(said.contains("not measured: 100,000 rows"), "{said}");
    assert!(said.contains("times cpu") && said.contains("faster than the CPU"), "{said}");
}

#[test]
fn what_is_no_tier_or_no_setting_is_refused() {
    let place = Place::new();
    place.refused(2, &["bench", "device"]);
    place.refused(2, &["bench", "device", "--backend", "tsds.warm.cpu", "--rows", "0"]);
    place.refused(2, &["bench", "device", "--backend", "tsds.warm.cpu", "--settings", "7"]);
    place.refused(2, &["bench", "device", "--backend", "tsds.warm.cpu", "--settings", r#"{"speed": 1}"#]);
    place.refused(2, &["bench", "device", "--backend", "tsds.plain"]);
    let said = place.refused(1, &["bench", "device", "--backend", "acme.none"]);
    assert!(said.contains("tsds.warm.cpu"), "{said}");
}
