//! `tsds conformance`: the suite from the command line.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(feature = "conformance")]

mod common;

use common::Place;
use serde_json::Value;

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

#[test]
fn two_tiers_are_held_to_each_others_answers() {
    let place = Place::new();
    let arguments = ["conformance", "--backend", "tsds.cold.parquet", "--against", "tsds.warm.cpu"];
    let report = place.json(&[&arguments[..], &["--cases", "4", "--seed", "7", "--json"]].concat());
    assert_eq!(
        (&report["inputs"], &report["seed"], &report["difference"]),
        (&4.into(), &7.into(), &Value::Null)
    );
    assert_eq!(report["tiers"][0]["backend"], "tsds.warm.cpu");
    assert!(report["scans"].as_u64().unwrap() > 0, "{report}");
    let said = place.ok(&[&arguments[..], &["--seconds", "1"]].concat());
    assert!(said.contains("reference  tsds.warm.cpu") && said.contains("the same to the bit"), "{said}");
}

#[test]
fn only_two_different_tiers_are_compared() {
    let place = Place::new();
    place.refused(2, &["conformance", "--against", "tsds.warm.cpu"]);
    place.refused(2, &["conformance", "--seconds", "3"]);
    place.refused(2, &["conformance", "--backend", "tsds.warm.cpu", "--against", "tsds.warm.cpu"]);
    let said = place.refused(2, &["conformance", "--backend", "tsds.warm.cpu", "--against", "tsds.plain"]);
    assert!(said.contains("only tiers") && said.contains("codec"), "{said}");
}

#[cfg(feature = "warm-wgpu")]
mod a_gpu_tier_on_a_machine_without_vulkan {
    use super::*;
    use common::{Outcome, outcome};

    fn run(arguments: &[&str], required: Option<&str>) -> Outcome {
        let place = Place::new();
        let mut command =
            place.command(&[&["conformance", "--backend", "tsds.warm.wgpu"], arguments].concat());
        for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
            command.env(variable, "/nonexistent/driver.json");
        }
        outcome(command.envs(required.map(|ids| ("TSDS_REQUIRE", ids))).output().unwrap())
    }

    #[test]
    fn is_ignored_with_the_reason() {
        for arguments in [&[] as &[&str], &["--against", "tsds.warm.cpu"]] {
            let Outcome { code, stdout, stderr, .. } = run(arguments, None);
            assert_eq!(code, 0, "{stdout}{stderr}");
            assert!(stdout.contains("no Vulkan adapter was found"), "{stdout}");
        }
    }

    #[test]
    fn fails_where_it_is_required() {
        for arguments in [&[] as &[&str], &["--against", "tsds.warm.cpu"]] {
            assert_eq!(run(arguments, Some("tsds.plain, tsds.warm.wgpu")).code, 1);
            assert_eq!(run(arguments, Some("tsds.plain")).code, 0);
            assert_eq!(run(&[arguments, &["--require", "tsds.warm.wgpu"]].concat(), None).code, 1);
        }
    }
}
