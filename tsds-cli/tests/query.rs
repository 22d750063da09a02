//! `tsds query`, `stats`, `tables` and `verify`, end to end.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, run_without_reader};

/// 100 trades of two symbols, one a minute.
fn trades() -> Place {
    let place = Place::new();
    let rows: String = (0..100)
        .map(|n| {
            format!(
                "2024-01-01T{:02}:{:02}:00,{},{},{}\n",
                n / 60,
                n % 60,
                if n % 3 == 0 { "A" } else { "B" },
                n,
                if n == 7 { "NaN".into() } else { format!("{}.5", n % 10) }
            )
        })
        .collect();
    let file = place.write("trades.csv", &format!("ts,symbol,n,PM2.5\n{rows}"));
    place.ok(&["import", "trades", &file, "--time", "ts", "--series", "symbol"]);
    place
}

fn csv(place: &Place, arguments: &[&str]) -> Vec<String> {
    let all = [&["query", "trades", "--format", "csv"], arguments].concat();
    place.ok(&all).lines().map(str::to_owned).collect()
}

#[test]
fn filters_of_every_kind_select_rows() {
    let place = trades();
    let count = |filter: &str| csv(&place, &["--where", filter, "--agg", "count"])[1].clone();
    for (filter, rows) in [
        ("symbol = 'A'", "34"),
        ("symbol <> 'A' AND n < 10", "6"),
        ("10 >= n", "11"),
        ("n BETWEEN 5 AND 9", "5"),
        ("n NOT BETWEEN 5 AND 9", "95"),
        ("n IN (1, 2, 3, 1000)", "3"),
        ("symbol NOT IN ('A')", "66"),
        ("is_nan(\"PM2.5\")", "1"),
        ("\"PM2.5\" > 8", "20"),
        ("symbol IS NULL", "0"),
        ("NOT (n < 90) OR n = 0", "11"),
        ("ts >= TIMESTAMP '2024-01-01T01:00:00Z'", "40"),
        ("ts < '2024-01-01 00:10:00'", "10"),
    ] {
        assert_eq!(count(filter), rows, "{filter}");
    }
}

#[test]
fn columns_order_and_limit_are_as_asked() {
    let place = trades();
    let rows = csv(&place, &["--columns", "n,symbol", "--sort", "symbol,n:desc", "--limit", "2"]);
    assert_eq!(rows, ["n,symbol", "99,A", "96,A"]);
    let rows = csv(&place, &["--columns", "\"PM2.5\"", "--where", "n = 3"]);
    assert_eq!(rows, ["PM2.5", "3.5"]);
}

#[test]
fn aggregates_come_by_bucket_and_column() {
    let place = trades();
    let rows = csv(&place, &["--every", "1h", "--by", "symbol", "--agg", "count, sum(n), min(n), last(n)"]);
    assert_eq!(
        rows,
        [
            "symbol,ts,count,sum(n),min(n),last(n)",
            "A,2024-01-01T00:00:00Z,20,570,0,57",
            "A,2024-01-01T01:00:00Z,14,1113,60,99",
            "B,2024-01-01T00:00:00Z,40,1200,1,59",
            "B,2024-01-01T01:00:00Z,26,2067,61,98",
        ]
    );
    let rows = csv(&place, &["--by", "symbol", "--agg", "count", "--sort", "count:desc", "--limit", "1"]);
    assert_eq!(rows, ["symbol,count", "B,66"]);
}

#[test]
fn every_format_has_every_row() {
    let place = trades();
    let json = place.ok(&["query", "trades", "--where", "n < 3", "--sort", "n", "--format", "json"]);
    assert_eq!(json.lines().next(), Some(r#"{"ts":"2024-01-01T00:00:00Z","symbol":"A","n":0,"PM2.5":0.5}"#));
    assert_eq!(json.lines().count(), 3);
    let table = place.run(&["query", "trades", "--where", "n < 3", "--sort", "n", "--columns", "symbol,n"]);
    assert_eq!(table.stdout, " symbol  n\n───────────\n A       0\n B       1\n B       2\n");
    assert!(table.stderr.starts_with("3 rows in "), "{}", table.stderr);
    let arrow = place.run(&["query", "trades", "--format", "arrow"]);
    let reader = arrow_ipc::reader::StreamReader::try_new(arrow.bytes.as_slice(), None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 100);
}

#[test]
fn a_result_goes_to_a_file() {
    let place = trades();
    assert_eq!(place.ok(&["query", "trades", "--format", "csv", "-o", "out.csv", "--limit", "4"]), "");
    assert_eq!(String::from_utf8(place.read("out.csv")).unwrap().lines().count(), 5);
}

#[test]
fn timing_is_json_on_stderr_with_one_time_a_run() {
    let place = trades();
    let outcome = place.run(&["query", "trades", "--timing", "--repeat", "3", "--format", "csv"]);
    let timing: serde_json::Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(timing["rows"], 100);
    assert_eq!(timing["seconds"].as_array().unwrap().len(), 3);
    assert_eq!(timing["first_batch_seconds"].as_array().unwrap().len(), 3);
    assert_eq!(outcome.stdout.lines().count(), 101);
}

#[test]
fn a_query_can_be_explained() {
    let place = trades();
    let text =
        place.ok(&["query", "trades", "--where", "n > 3", "--sort", "n:desc", "--limit", "5", "--explain"]);
    for part in ["scan trades", "filter: n > 3", "sort:   n descending", "limit:  5"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = place.json(&["query", "trades", "--where", "n > 3", "--explain", "--format", "json"]);
    assert_eq!(json["table"], "trades");
}

#[test]
fn a_query_can_be_analyzed() {
    let place = Place::new();
    place.ok(&["demo", "20000", "--no-queries", "--json", "--set", "hot_tier.max_records=5000"]);
    let arguments = ["query", "demo_simple", "--agg", "count,sum(price)", "--explain=analyze"];
    let json = place.json(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!((json["plan"]["table"].as_str(), json["rows"].as_u64()), (Some("demo_simple"), Some(1)));
    let warm = &json["tiers"][0];
    assert_eq!(warm["tier"], "warm");
    for counted in ["segments_opened", "blocks_read", "rows"] {
        assert!(warm[counted].as_u64() > Some(0), "{counted}: {warm}");
    }
    let text = place.ok(&arguments);
    assert!(text.contains("measured: 1 rows in") && text.contains("blocks: "), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    place.ok(&["demo", "20000", "--no-queries", "--json"]);
    for format in ["csv", "json", "arrow", "table"] {
        let outcome = run_without_reader(place.command(&["query", "demo_simple", "--format", format]));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{format}");
    }
}

#[test]
fn what_there_is_can_be_seen() {
    let place = trades();
    let stats = place.json(&["stats", "--json"]);
    assert_eq!(stats["tables"][0]["rows"], 100);
    assert_eq!((&stats["warm"]["configured"], &stats["warm"]["losses"]), (&"auto".into(), &0.into()));
    let configured = ["stats", "--json", "--set", "warm_tier.backend=cpu", "--set"];
    let cpu = place.json(&[&configured[..], &["plugins.tsds.warm.cpu.max_memory_mb=3"]].concat());
    assert_eq!(cpu["resident"]["limit_bytes"], 3 << 20);
    assert_eq!(
        (&cpu["warm"]["backend"], &cpu["warm"]["passed_over"]),
        (&"tsds.warm.cpu".into(), &[(); 0][..].into())
    );
    let text = place.ok(&["stats"]);
    assert!(text.contains("trades") && text.contains("warm backend: tsds.warm."), "{text}");
    let text = place.ok(&["tables"]);
    assert!(text.starts_with("trades: 100 rows, chunk interval "), "{text}");
    assert!(text.contains(" symbol  dictionary(int32,utf8)  series  yes\n"), "{text}");
    let report = place.json(&["verify", "--json"]);
    assert_eq!(report["damage"], serde_json::json!([]));
}

#[test]
fn damage_is_found_and_named() {
    let place = Place::new();
    place.ok(&["demo", "20000", "--no-queries", "--json", "--set", "hot_tier.max_records=6000"]);
    let mut segments: Vec<_> = walk(&place.path("db/segments"))
        .into_iter()
        .filter(|path| path.metadata().unwrap().len() > 10_000)
        .collect();
    segments.sort();
    let path = segments.first().expect("there is a segment file");
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
    let outcome = place.run(&["verify", "--json"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["damage"].as_array().unwrap().len(), 1);
    assert!(
        // A warning may come first: the warm tier meets the damage too.
        outcome.stderr.contains("error: the database is damaged\n  places = 1\n"),
        "{}",
        outcome.stderr
    );
    assert!(place.run(&["verify"]).stdout.contains("problem"));

    let judged = place.run(&["repair"]);
    assert_eq!(judged.code, 1, "{}", judged.stdout);
    assert!(judged.stdout.contains("damaged: 1 segment, ") && judged.stderr.contains("--accept-loss"));
    assert_eq!(place.run(&["verify"]).code, 1, "nothing was changed");
    let report = place.json(&["repair", "--accept-loss", "--json"]);
    assert_eq!((report["accepted"].as_bool(), report["segments"].as_array().unwrap().len()), (Some(true), 1));
    let lost = report["segments"][0]["rows"].as_u64().unwrap();
    place.ok(&["verify"]);
    let left = place.ok(&["query", "demo_simple", "--agg", "count", "--format", "csv"]);
    assert_eq!(left.lines().nth(1).unwrap().parse::<u64>().unwrap(), 20_000 - lost);
    assert_eq!(place.ok(&["repair"]), "nothing is damaged\n");
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
