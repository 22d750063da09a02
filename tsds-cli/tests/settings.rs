//! Plugins and settings, without a database.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;

#[test]
fn the_plugins_are_listed_and_no_database_is_made() {
    let place = Place::new();
    let json = place.json(&["plugins", "--json"]);
    let plugin =
        |id: &str| json.as_array().unwrap().iter().find(|plugin| plugin["id"] == id).unwrap().clone();
    let parquet = plugin("tsds.cold.parquet");
    assert_eq!((parquet["role"].as_str(), parquet["present"].as_bool()), (Some("tier"), Some(true)));
    assert_eq!(plugin("tsds.wal.arrow")["role"], "wal");
    for plugin in json.as_array().unwrap() {
        assert_eq!(plugin["present"].as_bool().unwrap(), plugin["absent_because"].is_null(), "{plugin}");
    }
    assert!(place.ok(&["plugins"]).contains("tsds.evict.lru"));
    assert!(!place.path("db").exists());
}

#[test]
fn settings_are_shown_as_a_file_that_gives_the_same_settings() {
    let place = Place::new();
    let shown = place.ok(&["config", "show", "--set", "wal.max_mb=7", "--set", "plugins.acme.x.deep=[1]"]);
    let file = place.write("shown.json", &shown);
    assert_eq!(place.ok(&["config", "show", "--config", &file]), shown);
    assert!(shown.contains("\"max_mb\": 7"), "{shown}");
}

#[test]
fn every_setting_can_be_shown_with_where_it_comes_from() {
    let place = Place::new();
    let file = place.write("tsds.json", r#"{"wal": {"max_mb": 7}}"#);
    let arguments = ["config", "show", "--origins", "--config", &file, "--set", "query.memory_limit_mb=9"];
    let json = place.json(&[&arguments[..], &["--json"]].concat());
    let origin = |key: &str| {
        let entry = json.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap();
        (entry["origin"].as_str().unwrap().to_owned(), entry["name"].as_str().map(str::to_owned))
    };
    assert_eq!(origin("wal.max_mb"), ("file".into(), Some(file.clone())));
    assert_eq!(origin("storage.base_path"), ("environment".into(), Some("TSDS_STORAGE_PATH".into())));
    assert_eq!(origin("query.memory_limit_mb"), ("command line".into(), None));
    assert_eq!(origin("ingest.timeout_ms"), ("default".into(), None));
    let text = place.ok(&arguments);
    let line = text.lines().find(|line| line.contains("wal.max_mb")).unwrap();
    assert!(line.contains('7') && line.ends_with(&format!("file {file}")), "{line}");
    assert!(!place.path("db").exists());
}

#[test]
fn settings_that_cannot_be_are_not_shown() {
    let place = Place::new();
    let complaint = place.refused(2, &["config", "show", "--set", "query.memory_limit_mb=0"]);
    assert!(complaint.contains("query.memory_limit_mb"), "{complaint}");
}

#[test]
fn the_schema_describes_the_file() {
    let schema = Place::new().json(&["config", "schema"]);
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    assert!(schema["properties"]["hot_tier"].is_object());
}
