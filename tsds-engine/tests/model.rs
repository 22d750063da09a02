//! The engine against a naive model, on simulated machines whose power fails at any operation.
//!
//! A case is a seed and a list of steps. Every acknowledged row must be there once, every other batch wholly or not at all,
//! whatever moved, crashed and came back meanwhile.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod support;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use proptest::prelude::*;
use support::{Row, TABLE, everything, ids, rows_of, sorted_ids};
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, Direction, Expr, Snapshot, col};
use tsds_engine::{Database, Receipt, Table};
use tsds_io::SimWorld;
use tsds_traits::{Registry, Result, Sequence};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Rows at these (minute, host, value) places.
    Ingest(Vec<(i64, u8, Option<i8>)>),
    /// The same, under an id.
    IngestOnce(Vec<(i64, u8, Option<i8>)>),
    /// One of the batches with an id, once more: whatever became of it, it must be there once.
    WriteAgain(usize),
    Flush,
    Settle,
    Check(Check),
    HoldSnapshot,
    CheckSnapshot,
    /// Close and open again.
    Reopen,
    /// `kill -9`: what the file system was told stays.
    Kill,
    /// The power fails.
    PowerCut,
    /// The power fails at this many operations from now, in the middle of whatever happens then.
    PowerCutIn(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Check {
    at_least: Option<i8>,
    host: Option<u8>,
    by_value: bool,
    descending: bool,
    limit: Option<u64>,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (-200i64..200, 0u8..4, prop::option::weighted(0.9, -5i8..5));
    let rows = prop::collection::vec(row, 1..30);
    let ingest = rows.clone().prop_map(Step::Ingest);
    let ingest_once = rows.prop_map(Step::IngestOnce);
    let check = (
        prop::option::of(-4i8..4),
        prop::option::of(0u8..4),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0u64..40),
    )
        .prop_map(|(at_least, host, by_value, descending, limit)| {
            Step::Check(Check { at_least, host, by_value, descending, limit })
        });
    let step = prop_oneof![
        8 => ingest,
        3 => ingest_once,
        4 => any::<usize>().prop_map(Step::WriteAgain),
        2 => Just(Step::Flush),
        3 => Just(Step::Settle),
        4 => check,
        2 => Just(Step::HoldSnapshot),
        2 => Just(Step::CheckSnapshot),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
        2 => (1u64..120).prop_map(Step::PowerCutIn),
    ];
    prop::collection::vec(step, 1..25)
}

/// What the database should hold.
#[derive(Default)]
struct Model {
    /// Acknowledged rows, in the order of arrival.
    rows: Vec<Row>,
    /// Batches whose fate only a restart tells.
    unknown: Vec<Vec<Row>>,
    /// Batches with an id, and the sequence under which each was first acknowledged.
    named: Vec<(Vec<Row>, Option<Sequence>)>,
    next_id: i64,
}

impl Model {
    fn new_rows(&mut self, places: &[(i64, u8, Option<i8>)]) -> Vec<Row> {
        let row = |(minute, host, value): &(i64, u8, Option<i8>)| {
            self.next_id += 1;
            let value = value.map(|value| if value == 0 { -0.0 } else { f64::from(value) / 2.0 });
            Row { time: minute * 60_000, host: format!("host-{host}"), value, id: self.next_id }
        };
        places.iter().map(row).collect()
    }

    /// After a restart: acknowledged rows once, every other batch wholly or not at all.
    fn settle_with(&mut self, found: &[Row], context: &str) {
        let mut by_id: BTreeMap<i64, usize> = BTreeMap::new();
        for row in found {
            *by_id.entry(row.id).or_default() += 1;
        }
        assert!(by_id.values().all(|count| *count == 1), "{context}: a row is there twice");
        for row in &self.rows {
            assert!(by_id.remove(&row.id).is_some(), "{context}: acknowledged row {} is lost", row.id);
        }
        for batch in std::mem::take(&mut self.unknown) {
            let present = batch.iter().filter(|row| by_id.remove(&row.id).is_some()).count();
            assert!(present == 0 || present == batch.len(), "{context}: half a batch");
            if present > 0 {
                self.rows.extend(batch);
            }
        }
        assert!(by_id.is_empty(), "{context}: rows that nobody wrote: {by_id:?}");
    }

    fn has(&self, batch: &[Row]) -> bool {
        batch.first().is_some_and(|first| self.rows.iter().any(|row| row.id == first.id))
    }

    /// What writing the batch `number` under its id gave.
    fn written_once(&mut self, number: usize, outcome: Result<Receipt>) {
        let (rows, acknowledged) = self.named[number].clone();
        let known = self.has(&rows);
        match outcome {
            Ok(receipt) => {
                assert_eq!(receipt.rows, rows.len() as u64);
                assert!(acknowledged.is_none_or(|first| first == receipt.sequence), "not the first receipt");
                self.named[number].1 = Some(receipt.sequence);
                self.unknown.retain(|unknown| *unknown != rows);
                if !known {
                    self.rows.extend(rows);
                }
            }
            Err(_) if known || self.unknown.contains(&rows) => {}
            Err(_) => self.unknown.push(rows),
        }
    }

    fn matching(&self, check: &Check) -> Vec<Row> {
        let fits = |row: &&Row| {
            check.at_least.is_none_or(|least| row.value.is_some_and(|value| value >= f64::from(least) / 2.0))
                && check.host.is_none_or(|host| row.host == format!("host-{host}"))
        };
        self.rows.iter().filter(fits).cloned().collect()
    }

    /// By the order asked for, then series, time and arrival.
    fn answer(&self, check: &Check) -> Vec<Row> {
        let mut rows = self.matching(check);
        rows.sort_by(|a, b| {
            let asked = if check.by_value {
                match (a.value, b.value) {
                    (None, None) => Ordering::Equal,
                    (None, _) => Ordering::Greater,
                    (_, None) => Ordering::Less,
                    (Some(a), Some(b)) => directed(a.total_cmp(&b), check.descending),
                }
            } else {
                directed(a.time.cmp(&b.time), check.descending)
            };
            asked.then_with(|| a.host.cmp(&b.host)).then_with(|| a.time.cmp(&b.time))
        });
        rows.truncate(check.limit.map_or(usize::MAX, |limit| limit as usize));
        rows
    }
}

fn directed(ordering: Ordering, descending: bool) -> Ordering {
    if descending { ordering.reverse() } else { ordering }
}

fn filter(check: &Check) -> Option<Expr> {
    let value = check.at_least.map(|least| col("value").gt_eq(f64::from(least) / 2.0));
    let host = check.host.map(|host| col("host").eq(format!("host-{host}")));
    match (value, host) {
        (Some(a), Some(b)) => Some(a.and(b)),
        (a, b) => a.or(b),
    }
}

async fn check_query(table: &Table, model: &Model, check: &Check) {
    let mut query = table.query().batch_rows(7);
    if let Some(filter) = filter(check) {
        query = query.filter(filter);
    }
    let direction = if check.descending { Direction::Descending } else { Direction::Ascending };
    let mut ordered = query.clone().sort_by(if check.by_value { "value" } else { "time" }, direction);
    if let Some(limit) = check.limit {
        ordered = ordered.limit(limit);
    }
    let found = rows_of(&ordered.collect().await.unwrap());
    let expected = model.answer(check);
    assert_eq!(ids(&found), ids(&expected), "{check:?}\nfound    {found:?}\nexpected {expected:?}");
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(a, b)| a.value.map(f64::to_bits) == b.value.map(f64::to_bits)));

    let limit = check.limit.unwrap_or(u64::MAX);
    let some = rows_of(&query.clone().limit(limit).collect().await.unwrap());
    assert_eq!(some.len() as u64, limit.min(model.matching(check).len() as u64));

    let aggregation = Aggregation::new().by(["host"]).count().sum("value");
    check_aggregate(&query.aggregate(aggregation).collect().await.unwrap(), &model.matching(check));
}

fn check_aggregate(batches: &[arrow_array::RecordBatch], rows: &[Row]) {
    let mut expected: BTreeMap<&str, (u64, Option<f64>)> = BTreeMap::new();
    for row in rows {
        let group = expected.entry(&row.host).or_default();
        group.0 += 1;
        if let Some(value) = row.value {
            // Halves of small integers add up exactly in any order; an exact sum of zeros is +0.0.
            group.1 = Some(group.1.unwrap_or(0.0) + value);
        }
    }
    let mut found = Vec::new();
    for batch in batches {
        let hosts = arrow_cast::cast(batch.column(0), &arrow_schema::DataType::Utf8).unwrap();
        let counts = batch.column(1).as_primitive::<UInt64Type>();
        let sums = batch.column(2).as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let sum = arrow_array::Array::is_valid(sums, row).then(|| sums.value(row));
            found.push((hosts.as_string::<i32>().value(row).to_owned(), (counts.value(row), sum)));
        }
    }
    let expected: Vec<_> = expected.into_iter().map(|(host, group)| (host.to_owned(), group)).collect();
    assert_eq!(found, expected);
}

/// What a database is opened with.
type Setup = fn() -> (Registry, Settings);

/// One simulated machine and its database, through crashes and restarts.
struct Machine {
    setup: Setup,
    world: SimWorld,
    database: Option<Database>,
    held: Option<(Snapshot, Vec<i64>)>,
}

impl Machine {
    fn start(seed: u64, setup: Setup) -> Self {
        let mut machine = Self { setup, world: SimWorld::new(seed), database: None, held: None };
        machine.open();
        machine
    }

    /// Opens, creating the table if it is not there yet.
    fn open(&mut self) {
        self.database = Some(self.world.block_on(async {
            let (registry, settings) = (self.setup)();
            let opened = support::open_on(&self.world, registry, settings).await;
            let database = opened.expect("the database opens");
            if database.table(TABLE).is_err() {
                database.create_table(support::spec()).await.expect("the table is created");
            }
            database
        }));
    }

    fn restart(&mut self, model: &mut Model, context: &str) {
        self.open();
        let found = self.world.block_on(everything(self.database.as_ref().unwrap())).unwrap();
        model.settle_with(&found, context);
    }

    /// The machine dies and starts again.
    fn die(&mut self, model: &mut Model, power_cut: bool, context: &str) {
        self.held = None;
        self.database = None;
        let dying = std::mem::replace(&mut self.world, SimWorld::new(0));
        self.world = if power_cut { dying.crash() } else { dying.kill() };
        self.restart(model, context);
    }

    fn write_once(&self, table: &Table, model: &mut Model, number: usize) {
        let batch = support::batch(&model.named[number].0);
        let outcome = self.world.block_on(table.ingest_once((number as u128).into(), batch));
        model.written_once(number, outcome);
    }

    fn run(&mut self, step: &Step, model: &mut Model) {
        let database = self.database.clone().unwrap();
        let table = database.table(TABLE).unwrap();
        match step {
            Step::Ingest(places) => {
                let rows = model.new_rows(places);
                match self.world.block_on(table.ingest(support::batch(&rows))) {
                    Ok(receipt) => {
                        assert_eq!(receipt.rows, rows.len() as u64);
                        model.rows.extend(rows);
                    }
                    Err(_) => model.unknown.push(rows),
                }
            }
            Step::IngestOnce(places) => {
                let rows = model.new_rows(places);
                model.named.push((rows, None));
                self.write_once(&table, model, model.named.len() - 1);
            }
            Step::WriteAgain(which) if !model.named.is_empty() => {
                self.write_once(&table, model, which % model.named.len());
            }
            Step::WriteAgain(_) => {}
            Step::Flush => {
                let _ = self.world.block_on(database.flush());
            }
            Step::Settle => {
                let _ = self.world.block_on(database.settle());
            }
            Step::Check(check) => self.world.block_on(check_query(&table, model, check)),
            Step::HoldSnapshot => self.held = Some((database.snapshot(), sorted_ids(&model.rows))),
            Step::CheckSnapshot => {
                if let Some((snapshot, expected)) = &self.held {
                    let query = table.query().in_snapshot(snapshot);
                    let found = rows_of(&self.world.block_on(query.collect()).unwrap());
                    assert_eq!(sorted_ids(&found), *expected, "a held snapshot changed");
                }
            }
            Step::Reopen => {
                self.held = None;
                self.world.block_on(database.close()).unwrap();
                self.restart(model, "after a clean close");
                assert!(!self.database.as_ref().unwrap().recovery().unclean);
            }
            Step::Kill => self.die(model, false, "after kill -9"),
            Step::PowerCut => self.die(model, true, "after a power cut"),
            Step::PowerCutIn(_) => unreachable!("handled by the caller"),
        }
    }
}

pub(crate) fn run(seed: u64, steps: &[Step], setup: Setup) {
    let mut model = Model::default();
    let mut machine = Machine::start(seed, setup);
    let mut countdown = None;
    for step in steps {
        if let Step::PowerCutIn(operations) = step {
            machine.world.faults().crash_at_operation(machine.world.operations() + operations);
            countdown = Some(4);
            continue;
        }
        // While the power is failing only writes are tried; then the machine starts again.
        match countdown {
            Some(0) => {
                countdown = None;
                machine.die(&mut model, true, "after the power failed in the middle of something");
            }
            Some(left) => {
                countdown = Some(left - 1);
                let writes = matches!(step, Step::Ingest(_) | Step::IngestOnce(_) | Step::WriteAgain(_));
                if writes || matches!(step, Step::Flush | Step::Settle) {
                    machine.run(step, &mut model);
                }
                continue;
            }
            None => {}
        }
        machine.run(step, &mut model);
    }
    machine.die(&mut model, true, "at the end");
    let table = machine.database.as_ref().unwrap().table(TABLE).unwrap();
    let all = Check { at_least: None, host: None, by_value: false, descending: false, limit: None };
    machine.world.block_on(check_query(&table, &model, &all));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_the_model_through_crashes(seed in any::<u64>(), steps in steps()) {
        run(seed, &steps, || (support::registry(), support::small()));
    }
}
