//! `tsds conformance`: the suite from the command line.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "conformance")]

mod common;

use common::Place;

#[test]
fn one_backend_is_checked_and_reported_as_json() {
    let place = Place::new();
    let said =
        place.ok(&["conformance", "--backend", "tsds.evict.lru", "--cases", "3", "--seed", "0x2a", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["seed"], &report["inputs"]), (&42.into(), &3.into()));
    let backends = report["backends"].as_array().unwrap();
    assert_eq!(backends.len(), 1, "{report}");
    assert_eq!(backends[0]["backend"], "tsds.evict.lru");
    assert!(backends[0]["executed"].as_u64().unwrap() > 3, "{report}");
    assert_eq!(backends[0]["failed"], 0);
}

#[test]
fn every_variant_of_a_plugin_is_checked() {
    let place = Place::new();
    let said = place.ok(&["conformance", "--backend", "tsds.plain", "--cases", "1"]);
    assert!(said.contains("tsds.plain"), "{said}");
    let said = place.ok(&["conformance", "--backend", "tsds.warm.cpu", "--cases", "1"]);
    assert!(said.contains("tsds.warm.cpu+little-room"), "{said}");
}

#[test]
fn an_unknown_backend_is_refused_with_those_there_are() {
    let said = Place::new().refused(1, &["conformance", "--backend", "acme.none"]);
    assert!(said.contains("acme.none") && said.contains("tsds.plain"), "{said}");
}

#[test]
fn what_is_no_seed_or_number_of_cases_is_a_wrong_command_line() {
    for arguments in [["--seed", "seven"], ["--cases", "0"], ["--cases", "many"]] {
        Place::new().refused(2, &[&["conformance"], &arguments[..]].concat());
    }
}

#[test]
fn the_suite_does_not_look_at_the_database() {
    let place = Place::new();
    place.ok(&["conformance", "--backend", "tsds.evict.lru", "--set", "hot_tier.max_records=0"]);
}
