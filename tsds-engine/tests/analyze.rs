//! What is said of a query that has run.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Row, batch, open, spec};
use tsds_engine::query::{Analysis, Direction, MeasuredTier, Query, col};
use tsds_engine::{Database, Table};
use tsds_io::SimWorld;

/// Rows in all three tiers, in many segments.
async fn filled(machine: &SimWorld) -> (Database, Table) {
    let database = open(machine).await.unwrap();
    let table = database.create_table(spec()).await.unwrap();
    let row = |id: i64| Row { time: id * 60_000, host: format!("h{}", id % 3), value: Some(id as f64), id };
    for rows in (0..400).map(row).collect::<Vec<_>>().chunks(20) {
        table.ingest(batch(rows)).await.unwrap();
    }
    database.settle().await.unwrap();
    (database, table)
}

fn analyze(query: impl Fn(Query) -> Query) -> Analysis {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let (database, table) = filled(&machine).await;
        let found = query(table.query()).analyze().await.unwrap();
        database.close().await.unwrap();
        found
    })
}

fn tier<'a>(found: &'a Analysis, name: &str) -> &'a MeasuredTier {
    found.tiers.iter().find(|tier| tier.tier == name).unwrap_or_else(|| panic!("{name}: {found:?}"))
}

#[test]
fn every_row_is_counted_where_it_came_from() {
    let found = analyze(|query| query);
    assert_eq!(found.rows, 400);
    let (warm, cold) = (tier(&found, "warm"), tier(&found, "cold"));
    assert_eq!(found.plan.hot_rows + warm.rows + cold.rows, 400, "{found:?}");
    let planned = found.plan.tiers.iter().find(|tier| tier.tier == "warm").unwrap();
    assert_eq!(warm.segments_opened as usize, planned.segments);
    assert!(warm.blocks_read > 0 && warm.blocks_skipped == 0, "{warm:?}");
}

#[test]
fn what_cannot_match_is_not_read() {
    let found = analyze(|query| query.filter(col("id").gt_eq(395)));
    assert_eq!(found.rows, 5);
    // The newest rows are in memory: nothing of the tiers is asked.
    assert!(found.tiers.iter().all(|tier| tier.blocks_read == 0), "{found:?}");
}

#[test]
fn a_limit_stops_reading_early() {
    let all = analyze(|query| query);
    let some = analyze(|query| query.limit(1));
    let opened = |found: &Analysis| found.tiers.iter().map(|tier| tier.segments_opened).sum::<u64>();
    assert_eq!(some.rows, 1);
    assert!(opened(&some) < opened(&all), "{some:?}");
}

#[test]
fn what_is_said_of_a_query_is_readable() {
    let found = analyze(|query| query.sort_by("value", Direction::Descending).limit(3));
    let text = found.to_string();
    assert!(text.contains("limit:  3") && text.contains("measured: 3 rows"), "{text}");
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["plan"]["limit"], 3);
}
