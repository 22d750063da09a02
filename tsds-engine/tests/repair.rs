//! Giving up what is damaged: the rest is there again, and what is lost is named.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{PATH, Row, TABLE, batch, everything, registry, small, sorted_ids};
use tsds_engine::AcceptLoss::{self, Everything, Nothing, Parts};
use tsds_engine::traits::{ErrorKind, Result};
use tsds_engine::{Database, RepairReport};
use tsds_io::SimWorld;

fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    ids.map(|id| Row { time: id * 60_000, host: format!("h{}", id % 2), value: Some(id as f64), id })
        .collect()
}

async fn repair(machine: &SimWorld, accept: AcceptLoss) -> Result<RepairReport> {
    let builder = Database::builder(PATH).settings(small()).registry(registry()).world(machine.world());
    builder.repair(accept, |done, total| assert!(done <= total)).await
}

/// 400 rows in all tiers, written in tens; closed.
async fn filled(machine: &SimWorld) {
    let database = support::open(machine).await.unwrap();
    let table = database.create_table(support::spec()).await.unwrap();
    for start in (0..400).step_by(10) {
        table.ingest(batch(&rows(start..start + 10))).await.unwrap();
    }
    database.settle().await.unwrap();
    let counts = database.tier_counts();
    assert!(counts.hot > 0 && counts.warm > 0 && counts.cold > 0, "{counts:?}");
    database.close().await.unwrap();
}

fn files(machine: &SimWorld, part: &str) -> Vec<String> {
    let files = machine.list_files(PATH).unwrap().into_iter();
    files.filter(|name| name.contains(part)).map(|name| format!("{PATH}/{name}")).collect()
}

/// The ids that are there now, from a database that opens, works, and opens again.
async fn ids_after(machine: &SimWorld) -> Vec<i64> {
    let database = support::open(machine).await.unwrap();
    assert_eq!(database.recovery().missing_files, 0);
    let found = sorted_ids(&everything(&database).await.unwrap());
    assert_eq!(database.verify(|_, _| {}).await.unwrap().damage, []);
    database.table(TABLE).unwrap().ingest(batch(&rows(1_000..1_100))).await.unwrap();
    database.settle().await.unwrap();
    database.close().await.unwrap();
    let database = support::open(machine).await.unwrap();
    let again = sorted_ids(&everything(&database).await.unwrap());
    assert_eq!(again, found.iter().copied().chain(1_000..1_100).collect::<Vec<_>>());
    database.close().await.unwrap();
    found
}

#[test]
fn a_database_that_is_whole_is_left_as_it_is() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        filled(&machine).await;
        for accept in [Nothing, Parts, Everything] {
            let report = repair(&machine, accept).await.unwrap();
            assert!(report.is_whole() && report.set_aside.is_empty(), "{report:?}");
        }
        assert_eq!(files(&machine, "damaged"), Vec::<String>::new());
        assert_eq!(ids_after(&machine).await, (0..400).collect::<Vec<_>>());
    });
}

#[test]
fn damaged_and_missing_segments_are_given_up_and_the_others_stay() {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        filled(&machine).await;
        let (segments, cold) = (files(&machine, "segments/"), files(&machine, ".parquet"));
        machine.corrupt(&segments[0], 700, 0x40).unwrap();
        machine.corrupt(&cold[0], 100, 0x01).unwrap();
        machine.remove_file(&cold[1]).unwrap();

        let judged = repair(&machine, Nothing).await.unwrap();
        assert!(!judged.accepted && judged.segments.len() == 3 && judged.set_aside.is_empty(), "{judged:?}");
        assert_eq!(files(&machine, "segments/"), segments);
        assert_eq!(files(&machine, "damaged"), Vec::<String>::new());

        let report = repair(&machine, Parts).await.unwrap();
        assert_eq!(report.segments, judged.segments);
        assert_eq!(report.set_aside.len(), 1);
        assert!(machine.read_file(format!("{PATH}/{}", report.set_aside[0])).is_ok());
        assert!(machine.read_file(&cold[0]).is_ok(), "a damaged cold file stays");
        let written = files(&machine, "damaged/repair-");
        let written: serde_json::Value =
            serde_json::from_slice(&machine.read_file(&written[0]).unwrap()).unwrap();
        assert_eq!(written["segments"].as_array().unwrap().len(), 3);

        let found = ids_after(&machine).await;
        assert_eq!(found.len() as u64, 400 - report.lost_rows());
        for lost in &report.segments {
            assert!(lost.rows > 0 && lost.time_range.0 <= lost.time_range.1, "{lost:?}");
        }
    });
}

#[test]
fn a_damaged_log_keeps_every_whole_write_and_names_the_others() {
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let table = database.create_table(support::spec()).await.unwrap();
        for id in 0..10 {
            table.ingest(batch(&rows(id..id + 1))).await.unwrap();
        }
        database.close().await.unwrap();
        let log = files(&machine, "wal/");
        damage_log(&machine, &log[0]);
        assert_eq!(support::open(&machine).await.err().unwrap().kind(), ErrorKind::Corrupt);

        let judged = repair(&machine, Nothing).await.unwrap();
        assert!(judged.log_damage.is_some() && judged.lost_sequences.is_empty(), "{judged:?}");
        assert_eq!(support::open(&machine).await.err().unwrap().kind(), ErrorKind::Corrupt);

        let report = repair(&machine, Parts).await.unwrap();
        let lost: u64 = report.lost_sequences.iter().map(|lost| lost.upto - lost.after).sum();
        assert!(lost > 0 && report.kept_log_rows > 0 && !report.set_aside.is_empty(), "{report:?}");
        assert_eq!(report.kept_log_rows + lost, 10, "{report:?}");
        assert_eq!(ids_after(&machine).await.len() as u64, report.kept_log_rows);
    });
}

#[test]
fn a_log_that_is_gone_is_given_up_with_what_it_held() {
    let machine = SimWorld::new(4);
    machine.block_on(async {
        filled(&machine).await;
        for file in files(&machine, "wal/") {
            machine.remove_file(file).unwrap();
        }
        assert_eq!(support::open(&machine).await.err().unwrap().kind(), ErrorKind::Corrupt);
        let report = repair(&machine, Parts).await.unwrap();
        assert!(!report.lost_sequences.is_empty(), "{report:?}");
        let found = ids_after(&machine).await;
        assert!(!found.is_empty() && found.len() < 400);
    });
}

#[test]
fn a_repair_that_is_cut_short_can_be_repeated() {
    let whole = {
        let machine = SimWorld::new(5);
        machine.block_on(filled(&machine));
        damage(&machine);
        let before = machine.operations();
        machine.block_on(repair(&machine, Parts)).unwrap();
        (before, machine.operations())
    };
    for at in (whole.0..whole.1).step_by(3) {
        let machine = SimWorld::new(5);
        machine.block_on(filled(&machine));
        damage(&machine);
        machine.faults().crash_at_operation(at);
        let _ = machine.run_until_power_cut(repair(&machine, Parts));
        let machine = machine.crash();
        let report = machine.block_on(repair(&machine, Parts)).unwrap();
        assert!(report.accepted);
        let found = machine.block_on(ids_after(&machine));
        assert!(!found.is_empty() && found.len() < 400, "cut at operation {at}");
    }
}

/// Of a segment and of the log.
fn damage(machine: &SimWorld) {
    machine.corrupt(&files(machine, "segments/")[0], 700, 0x40).unwrap();
    damage_log(machine, &files(machine, "wal/")[0]);
}

/// In the middle of what was written.
fn damage_log(machine: &SimWorld, file: &str) {
    let contents = machine.read_file(file).unwrap();
    let written: Vec<usize> = (4_096..contents.len()).filter(|at| contents[*at] != 0).collect();
    machine.corrupt(file, written[written.len() / 2] as u64, 0x10).unwrap();
}

#[test]
fn a_tier_of_which_nothing_can_be_read_is_given_up_only_with_everything() {
    let machine = SimWorld::new(6);
    machine.block_on(async {
        filled(&machine).await;
        let cold = files(&machine, ".parquet");
        let away: Vec<_> = cold.iter().map(|file| (file, machine.read_file(file).unwrap())).collect();
        cold.iter().for_each(|file| machine.remove_file(file).unwrap());
        for accept in [Parts, Parts] {
            let error = repair(&machine, accept).await.unwrap_err();
            assert!(
                error.kind() == ErrorKind::Conflict && error.to_string().contains("tier=cold"),
                "{error}"
            );
        }
        away.iter().for_each(|(file, contents)| machine.write_file(file, contents).unwrap());
        assert!(repair(&machine, Parts).await.unwrap().is_whole());
        cold.iter().for_each(|file| machine.remove_file(file).unwrap());
        let report = repair(&machine, Everything).await.unwrap();
        assert_eq!(report.segments.len(), cold.len());
        assert_eq!(ids_after(&machine).await.len() as u64, 400 - report.lost_rows());
    });
}

#[test]
fn where_there_is_no_database_none_is_made() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let error = repair(&machine, Parts).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(machine.list_files(PATH).unwrap_or_default().is_empty());
    });
}
