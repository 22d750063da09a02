//! Exit codes and words of what goes wrong.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Stdio;

use common::Place;

fn small() -> Place {
    let place = Place::new();
    let file = place.write("a.csv", "ts,Price,PM2.5\n2024-01-01,1.5,3\n");
    place.ok(&["import", "t", &file, "--time", "ts"]);
    place
}

#[test]
fn a_wrong_command_line_gives_2() {
    let place = Place::new();
    for arguments in [
        &["nonsense"] as &[&str],
        &[],
        &["demo", "many"],
        &["demo", "10", "--mode", "complex"],
        &["query", "t", "--limit", "-1"],
        &["query", "t", "--where", "a >"],
        &["query", "t", "--agg", "median(x)"],
        &["query", "t", "--sort", "a:down"],
        &["query", "t", "--every", "soon", "--agg", "count"],
        &["import", "t", "a.csv", "--time", "ts", "--time-format", "unix"],
        &["stats", "--set", "hot_tier.max_record=1"],
        &["stats", "--set", "hot_tier.max_records=many"],
        &["stats", "--config", "nowhere.json"],
    ] {
        let said = place.refused(2, arguments);
        assert!(said.starts_with("error: ") || said.starts_with("Time series"), "{arguments:?}: {said}");
    }
}

#[test]
fn help_and_version_are_data() {
    let place = Place::new();
    assert!(place.ok(&["--help"]).contains("Exit codes: 0 done, 1 failed, 2 wrong command line."));
    assert!(place.ok(&["query", "--help"]).contains("--where <EXPR>"));
    assert_eq!(place.ok(&["--version"]), format!("tsds {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_expression_is_shown_with_its_place() {
    let place = small();
    assert_eq!(
        place
            .refused(2, &["query", "t", "--where", "Price > 3 AND foo(x)"])
            .lines()
            .take(3)
            .collect::<Vec<_>>(),
        [
            "error: --where: there is no function foo in filters",
            "    Price > 3 AND foo(x)",
            "                  ^^^"
        ]
    );
    assert_eq!(
        place.refused(1, &["query", "t", "--where", "Price > 1 OR price > 3"]),
        "error: --where: the table has no column price\n    Price > 1 OR price > 3\n                 ^^^^^\n  \
         hint: it has Price: names are taken exactly as typed\n"
    );
    assert_eq!(
        place.refused(1, &["query", "t", "--agg", "count, sum(volume)"]),
        "error: --agg: the table has no column volume\n    count, sum(volume)\n               ^^^^^^\n  \
         hint: its columns are ts, Price, PM2.5\n"
    );
    let said = place.refused(1, &["query", "t", "--where", "Price = 'cheap'"]);
    assert!(said.contains("another type\n    Price = 'cheap'\n    ^^^^^\n  column    = Price\n"), "{said}");
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::new();
    for arguments in [&["query", "t"] as &[&str], &["stats"], &["tables"], &["verify"]] {
        let said = place.refused(1, arguments);
        assert!(said.starts_with("error: there is no database here\n  path = db\n  hint: "), "{said}");
        assert!(!place.path("db").exists(), "looking makes nothing");
    }
    let place = small();
    let said = place.refused(1, &["query", "trades"]);
    assert_eq!(said, "error: no such table\n  table  = trades\n  tables = t\n");
    let said = place.refused(1, &["query", "t", "--columns", "ts,nope"]);
    assert!(said.starts_with("error: ") && said.contains("nope"), "{said}");
}

#[test]
fn an_unknown_setting_names_the_nearest() {
    let said = Place::new().refused(2, &["stats", "--set", "hot_tier.max_record=1"]);
    assert!(said.contains("did_you_mean = hot_tier.max_records"), "{said}");
    let place = Place::new();
    let config = place.write("c.json", "{\"hot_tier\": {\"max_records\": 0}}");
    let said = place.refused(2, &["demo", "10", "--config", &config]);
    assert!(said.contains("key   = hot_tier.max_records") || said.contains("hot_tier.max_records"), "{said}");
}

#[test]
fn the_command_line_beats_the_environment_beats_the_file() {
    let place = Place::new();
    let config = place.write("c.json", r#"{"storage": {"base_path": "from_file"}}"#);
    place.ok(&["demo", "10", "--json", "--config", &config]);
    assert!(place.path("db").exists() && !place.path("from_file").exists());
    place.ok(&["demo", "10", "--json", "--config", &config, "--set", "storage.base_path=from_set"]);
    assert!(place.path("from_set").exists());
    place.ok(&["--path", "from_path", "demo", "10", "--json", "--set", "storage.base_path=other"]);
    assert!(place.path("from_path").exists() && !place.path("other").exists());
}

#[test]
fn a_database_that_is_open_elsewhere_is_locked() {
    let place = Place::new();
    place.ok(&["demo", "10", "--no-queries", "--json"]);
    // A query whose output nobody reads holds the database open.
    place.ok(&["demo", "200000", "--no-queries", "--json"]);
    let mut holder =
        place.command(&["query", "demo_simple", "--format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut first).unwrap();
    let said = place.refused(1, &["stats"]);
    drop(holder.stdout.take());
    assert!(holder.wait().unwrap().success());
    assert!(said.contains("hint: another process has this database open"), "{said}");
    place.ok(&["stats"]);
}

#[test]
fn text_from_data_cannot_command_the_terminal() {
    let place = Place::new();
    let file = place.write("a.csv", "ts,x\n2024-01-01,\u{1b}[31mred\n");
    place.ok(&["import", "t", &file, "--time", "ts"]);
    assert!(place.ok(&["query", "t"]).contains("\\u{1b}[31mred"));
}
