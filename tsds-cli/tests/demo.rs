//! `tsds demo`, end to end.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;

#[test]
fn every_row_that_was_acknowledged_is_counted_by_a_query() {
    let place = Place::new();
    let report = place.json(&["demo", "20000", "--json"]);
    assert_eq!(report["exact_match"], true);
    for key in ["rows_requested", "rows_ingested", "rows_counted"] {
        assert_eq!(report[key], 20_000, "{key}");
    }
    assert_eq!(report["rows_before"], 0);
    let rows = |tier: &str| report["tiers"][tier]["rows"].as_u64().unwrap();
    assert_eq!(rows("hot") + rows("warm") + rows("cold"), 20_000);
    assert!(report["tiers"]["warm"]["backend"].as_str().unwrap().starts_with("tsds.warm."));
    assert!(report["ingest"]["seconds"].as_f64().unwrap() <= report["settled"]["seconds"].as_f64().unwrap());
    assert!(report["ingest"]["rows_per_s"].as_f64().unwrap() > 0.0);
    assert!(report["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    let queries = report["queries"].as_array().unwrap();
    assert!(queries.len() >= 8);
    assert!(
        queries.iter().all(|query| query["rows"].as_u64().unwrap() > 0 && query["seconds"].is_f64()),
        "{queries:?}"
    );
}

#[test]
fn a_second_run_adds_to_the_first() {
    let place = Place::new();
    place.json(&["demo", "3000", "--batch-size", "700", "--no-queries", "--json"]);
    let report = place.json(&["demo", "2000", "--no-queries", "--json"]);
    assert_eq!((&report["rows_before"], &report["rows_counted"]), (&3_000.into(), &5_000.into()));
    assert_eq!(report["exact_match"], true);
    assert_eq!(report["queries"], serde_json::json!([]));
}

#[test]
fn all_three_tiers_fill() {
    let place = Place::new();
    let report = place.json(&["demo", "300k", "--no-queries", "--json"]);
    assert_eq!(report["exact_match"], true);
    for tier in ["warm", "cold"] {
        assert!(report["tiers"][tier]["rows"].as_u64().unwrap() > 0, "{tier}: {}", report["tiers"]);
    }
    let stats = place.json(&["stats", "--json"]);
    assert_eq!(stats["tables"][0]["rows"], 300_000);
}

#[cfg(feature = "codec-gorilla")]
#[test]
fn stats_show_how_columns_are_stored() {
    let place = Place::new();
    place.json(&["demo", "50k", "--no-queries", "--json", "--set", "warm_tier.max_memory_mb=64"]);
    let stats = place.json(&["stats", "--json"]);
    let table = &stats["storage"][0];
    assert_eq!((&table["name"], &table["sampled_files"]), (&"demo_simple".into(), &table["files"]));
    let columns = table["columns"].as_array().unwrap();
    let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["timestamp", "symbol", "price", "volume"]);
    for column in columns {
        assert!(column["bytes"].as_u64() < column["raw_bytes"].as_u64(), "{column}");
        let modes = column["modes"].as_array().unwrap();
        let all: f64 = modes.iter().map(|mode| mode["share"].as_f64().unwrap()).sum();
        assert!((all - 1.0).abs() < 1e-9, "{column}");
        assert!(
            modes.iter().all(|mode| mode["codec"] == "tsds.gorilla" && mode["mode"].is_string()),
            "{column}"
        );
    }
    let text = place.ok(&["stats"]);
    assert!(text.contains("stored as") && text.contains("tsds.gorilla "), "{text}");
}

#[test]
fn trades_have_eight_columns() {
    let place = Place::new();
    let report = place.json(&["demo", "5000", "--mode", "trading", "--batch-size", "500", "--json"]);
    assert_eq!((&report["exact_match"], &report["mode"]), (&true.into(), &"trading".into()));
    let tables = place.json(&["tables", "--json"]);
    let names: Vec<_> = tables[0]["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["timestamp", "symbol", "exchange", "side", "price", "volume", "trade_id", "order_type"]
    );
    let ids = place.ok(&[
        "query",
        "demo_trading",
        "--columns",
        "trade_id",
        "--sort",
        "timestamp:desc",
        "--limit",
        "1",
        "--format",
        "csv",
    ]);
    assert_eq!(ids, "trade_id\n5000\n");
}

#[test]
fn people_read_tables_on_stdout_and_progress_on_stderr() {
    let place = Place::new();
    let outcome = place.run(&["demo", "2000"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for text in [
        " tier ",
        "2,000 counted by a query: exact",
        "durable: ",
        "settled: ",
        "last price per symbol",
        "peak memory: ",
    ] {
        assert!(outcome.stdout.contains(text), "{text}: {}", outcome.stdout);
    }
    assert!(
        !outcome.stdout.contains('\u{1b}') && !outcome.stderr.contains('\u{1b}'),
        "no colours where nobody sees them"
    );
}

#[test]
fn no_rows_are_a_demonstration_too() {
    let report = Place::new().json(&["demo", "0", "--json"]);
    assert_eq!((&report["exact_match"], &report["rows_counted"]), (&true.into(), &0.into()));
}

#[test]
fn configured_tiers_are_kept() {
    let place = Place::new();
    let config = place
        .write("tsds.json", r#"{"hot_tier": {"max_records": 1000000}, "warm_tier": {"max_memory_mb": 64}}"#);
    let report = place.json(&["demo", "20000", "--no-queries", "--json", "--config", &config]);
    assert_eq!(report["tiers"]["hot"]["rows"], 20_000, "{}", report["tiers"]);
}
