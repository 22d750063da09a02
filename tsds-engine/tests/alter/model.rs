//! The engine against the model: rows, changes, moves between tiers and crashes in any order, and whatever is asked in between.

#[path = "answers.rs"]
mod answers;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow_schema::DataType;
use proptest::prelude::*;
use tsds_engine::config::Settings;
use tsds_engine::query::{Aggregation, Direction, Query, Snapshot};
use tsds_engine::traits::{ErrorKind, Registry};
use tsds_engine::{Database, SchemaChange, Table};
use tsds_io::SimWorld;

use super::support::{self, TABLE};
use super::table::{Cell, ID, ModelRow, ModelSchema, Place, text_rows};
use answers::{Condition, aggregate, condition, filter, functions, sorted_cmp, truth};

#[derive(Clone, Debug)]
pub enum Step {
    /// Rows, of the current shape or of the first one.
    Ingest(Vec<Place>, bool),
    Alter(Vec<Change>),
    Flush,
    Settle,
    Check(Check),
    HoldSnapshot,
    CheckSnapshot,
    Reopen,
    Kill,
    PowerCut,
    /// The power fails at this many operations from now.
    PowerCutIn(u64),
}

/// A change; of a column at some place, to the type or name that comes next.
#[derive(Clone, Debug)]
pub enum Change {
    Add(u8),
    Widen(u8, u8),
    Rename(u8),
}

#[derive(Clone, Debug)]
pub struct Check {
    filter: Option<Condition>,
    sort: Vec<(u8, bool, bool)>,
    limit: Option<u64>,
    group: Option<u8>,
    of: u8,
    project: u8,
}

fn check() -> impl Strategy<Value = Check> {
    (
        prop::option::weighted(0.7, condition()),
        prop::collection::vec((any::<u8>(), any::<bool>(), any::<bool>()), 0..3),
        prop::option::of(0u64..40),
        prop::option::of(any::<u8>()),
        any::<u8>(),
        any::<u8>(),
    )
        .prop_map(|(filter, sort, limit, group, of, project)| Check {
            filter,
            sort,
            limit,
            group,
            of,
            project,
        })
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = (-200i64..200, 0u8..3, prop::option::of(0u8..3), any::<u8>());
    let ingest = (prop::collection::vec(place, 1..30), any::<bool>());
    let change = prop_oneof![
        any::<u8>().prop_map(Change::Add),
        (any::<u8>(), any::<u8>()).prop_map(|(column, to)| Change::Widen(column, to)),
        any::<u8>().prop_map(Change::Rename),
    ];
    let step = prop_oneof![
        9 => ingest.prop_map(|(places, old)| Step::Ingest(places, old)),
        4 => prop::collection::vec(change, 1..4).prop_map(Step::Alter),
        2 => Just(Step::Flush),
        3 => Just(Step::Settle),
        6 => check().prop_map(Step::Check),
        1 => Just(Step::HoldSnapshot),
        1 => Just(Step::CheckSnapshot),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
        2 => (1u64..120).prop_map(Step::PowerCutIn),
    ];
    prop::collection::vec(step, 1..25)
}

/// What the database should hold.
struct Model {
    schema: ModelSchema,
    /// Schemas that it may have instead: only a restart tells.
    other_schemas: Vec<ModelSchema>,
    rows: Vec<ModelRow>,
    /// Batches whose fate only a restart tells.
    unknown: Vec<Vec<ModelRow>>,
    next_id: i64,
    next_name: u32,
}

impl Model {
    fn new() -> Self {
        Self {
            schema: ModelSchema::new(),
            other_schemas: Vec::new(),
            rows: Vec::new(),
            unknown: Vec::new(),
            next_id: 0,
            next_name: 0,
        }
    }

    /// The changes that can be made, one after the other, and the schema after them.
    fn changes(&mut self, changes: &[Change]) -> (Vec<SchemaChange>, ModelSchema) {
        let mut schema = self.schema.clone();
        let mut made = Vec::new();
        for change in changes {
            self.next_name += 1;
            let change = match change {
                Change::Add(which) => {
                    let types = [
                        DataType::Int8,
                        DataType::UInt16,
                        DataType::UInt32,
                        DataType::Float32,
                        DataType::Float64,
                        DataType::Utf8,
                        DataType::Boolean,
                    ];
                    let data_type = types[usize::from(*which) % types.len()].clone();
                    SchemaChange::add_column(format!("added{}", self.next_name), data_type)
                }
                Change::Widen(place, to) => {
                    let wider = wider(&schema.at(*place).data_type);
                    if wider.is_empty() {
                        continue;
                    }
                    let to = wider[usize::from(*to) % wider.len()].clone();
                    SchemaChange::widen(&schema.at(*place).name, to)
                }
                Change::Rename(place) => {
                    SchemaChange::rename(&schema.at(*place).name, format!("renamed{}", self.next_name))
                }
            };
            schema.apply(&change);
            made.push(change);
        }
        (made, schema)
    }

    /// After a restart: acknowledged rows once, every other batch wholly or not at all, and one of the schemas.
    fn settle_with(&mut self, found: &[i64], schema: &tsds_engine::traits::TableSchema, context: &str) {
        let mut schemas = std::mem::take(&mut self.other_schemas);
        schemas.push(self.schema.clone());
        let is = schemas.into_iter().find(|candidate| candidate.is(schema));
        self.schema = is.unwrap_or_else(|| panic!("{context}: a schema that nobody made: {schema:?}"));
        let mut left: BTreeMap<i64, usize> = BTreeMap::new();
        for id in found {
            *left.entry(*id).or_default() += 1;
        }
        assert!(left.values().all(|count| *count == 1), "{context}: a row is there twice");
        for row in &self.rows {
            assert!(left.remove(&row.id()).is_some(), "{context}: acknowledged row {} is lost", row.id());
        }
        for batch in std::mem::take(&mut self.unknown) {
            let present = batch.iter().filter(|row| left.remove(&row.id()).is_some()).count();
            assert!(present == 0 || present == batch.len(), "{context}: half a batch");
            if present > 0 {
                self.rows.extend(batch);
            }
        }
        assert!(left.is_empty(), "{context}: rows that nobody wrote: {left:?}");
    }

    fn matching(&self, check: &Check) -> Vec<&ModelRow> {
        let fits = |row: &&ModelRow| match &check.filter {
            Some(condition) => truth(condition, &self.schema, row) == Some(true),
            None => true,
        };
        self.rows.iter().filter(fits).collect()
    }

    fn sorted(&self, check: &Check) -> Vec<&ModelRow> {
        let mut rows = self.matching(check);
        rows.sort_by(|a, b| {
            let asked = check.sort.iter().map(|(place, descending, nulls_first)| {
                let column = self.schema.at(*place).id;
                sorted_cmp(a.cell(column), b.cell(column), *descending, *nulls_first)
            });
            asked.fold(Ordering::Equal, Ordering::then).then_with(|| a.tie_cmp(b))
        });
        rows.truncate(check.limit.map_or(usize::MAX, |limit| limit as usize));
        rows
    }

    fn groups(&self, check: &Check) -> Vec<Vec<String>> {
        let group = check.group.map(|place| self.schema.at(place).id);
        let mut groups: Vec<(Cell, Vec<&ModelRow>)> = Vec::new();
        for row in self.matching(check) {
            let key = group.map_or(Cell::Null, |column| row.cell(column).clone());
            match groups.iter_mut().find(|(other, _)| other.total_cmp(&key).is_eq()) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((key, vec![row])),
            }
        }
        if group.is_none() && groups.is_empty() {
            groups.push((Cell::Null, Vec::new()));
        }
        groups.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let column = self.schema.at(check.of);
        let line = |(key, rows): (Cell, Vec<&ModelRow>)| {
            let mut line: Vec<String> = group.iter().map(|_| key.text()).collect();
            line.push(rows.len().to_string());
            line.extend(
                functions(column).into_iter().map(|function| aggregate(function, column, &rows).text()),
            );
            line
        };
        groups.into_iter().map(line).collect()
    }
}

fn wider(data_type: &DataType) -> Vec<DataType> {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    match data_type {
        Int8 => vec![Int16, Int32, Int64],
        Int16 => vec![Int32, Int64],
        Int32 => vec![Int64],
        UInt8 => vec![UInt16, Int16, UInt32, Int32, UInt64, Int64],
        UInt16 => vec![UInt32, Int32, UInt64, Int64],
        UInt32 => vec![UInt64, Int64],
        Float32 => vec![Float64],
        _ => vec![],
    }
}

fn scan(table: &Table, schema: &ModelSchema, check: &Check) -> Query {
    let query = table.query().batch_rows(7);
    match &check.filter {
        Some(condition) => query.filter(filter(condition, schema)),
        None => query,
    }
}

async fn check_query(table: &Table, model: &Model, check: &Check) {
    let schema = &model.schema;
    let query = scan(table, schema, check);
    // Everything, or one column that a segment may lack.
    let columns: Vec<u32> = match check.project % 3 {
        0 => vec![schema.at(check.project / 3).id],
        _ => schema.columns.iter().map(|column| column.id).collect(),
    };
    let names: Vec<&str> = columns.iter().map(|column| schema.name(*column)).collect();
    let mut ordered = query.clone().project(names);
    for (place, descending, nulls_first) in &check.sort {
        let direction = if *descending { Direction::Descending } else { Direction::Ascending };
        ordered = ordered.sort_by_nulls(&schema.at(*place).name, direction, *nulls_first);
    }
    if let Some(limit) = check.limit {
        ordered = ordered.limit(limit);
    }
    let batches = ordered.collect().await.unwrap();
    for batch in &batches {
        let types: Vec<_> = batch.columns().iter().map(|array| array.data_type().clone()).collect();
        assert_eq!(types, columns.iter().map(|id| schema.column(*id).data_type.clone()).collect::<Vec<_>>());
    }
    let mut found = text_rows(&batches);
    let line = |row: &&ModelRow| columns.iter().map(|id| row.cell(*id).text()).collect::<Vec<_>>();
    if check.sort.is_empty() {
        // Any rows that match, but not more than the limit.
        let mut all: Vec<_> = model.matching(check).iter().map(line).collect();
        let limit = check.limit.unwrap_or(u64::MAX) as usize;
        assert_eq!(found.len(), all.len().min(limit), "{check:?}");
        all.sort();
        found.sort();
        assert!(limit < all.len() || found == all, "{check:?}\nfound    {found:?}\nexpected {all:?}");
        assert!(found.iter().all(|row| all.contains(row)), "{check:?}");
    } else {
        let expected: Vec<_> = model.sorted(check).iter().map(line).collect();
        assert_eq!(found, expected, "{check:?}");
    }
    let column = schema.at(check.of);
    let mut aggregation = Aggregation::new().count();
    if let Some(group) = check.group {
        aggregation = aggregation.by([schema.at(group).name.as_str()]);
    }
    for function in functions(column) {
        aggregation = aggregation.function(function, Some(column.name.clone()));
    }
    let found = text_rows(&query.aggregate(aggregation).collect().await.unwrap());
    assert_eq!(found, model.groups(check), "{check:?}");
    let explained = ordered.explain().await.unwrap().to_string();
    assert!(explained.starts_with("scan metrics"), "{explained}");
}

async fn ids(table: &Table, name: &str) -> Vec<i64> {
    let rows = text_rows(&table.query().project([name]).collect().await.unwrap());
    let mut ids: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// What a database is opened with.
pub type Setup = fn() -> (Registry, Settings);

/// One simulated machine and its database, through crashes and restarts.
struct Machine {
    setup: Setup,
    world: SimWorld,
    database: Option<Database>,
    held: Option<(Snapshot, String, Vec<i64>)>,
}

impl Machine {
    fn open(&mut self) {
        self.database = Some(self.world.block_on(async {
            let (registry, settings) = (self.setup)();
            let opened = support::open_on(&self.world, registry, settings).await;
            let database = opened.expect("the database opens");
            if database.table(TABLE).is_err() {
                database.create_table(ModelSchema::new().spec()).await.expect("the table is created");
            }
            database
        }));
    }

    fn table(&self) -> Table {
        self.database.as_ref().unwrap().table(TABLE).unwrap()
    }

    fn restart(&mut self, model: &mut Model, context: &str) {
        self.open();
        let table = self.table();
        let schema = table.schema().unwrap();
        let id = schema.columns().iter().find(|column| column.id.0 == ID).unwrap().name.clone();
        let found = self.world.block_on(ids(&table, &id));
        model.settle_with(&found, &schema, context);
    }

    fn die(&mut self, model: &mut Model, power_cut: bool, context: &str) {
        self.held = None;
        self.database = None;
        let dying = std::mem::replace(&mut self.world, SimWorld::new(0));
        self.world = if power_cut { dying.crash() } else { dying.kill() };
        self.restart(model, context);
    }

    fn run(&mut self, step: &Step, model: &mut Model, failing: bool) {
        let database = self.database.clone().unwrap();
        let table = self.table();
        match step {
            Step::Ingest(places, old) => {
                let rows = model.schema.rows(places, *old, &mut model.next_id);
                match self.world.block_on(table.ingest(model.schema.batch(&rows, *old))) {
                    Ok(receipt) => {
                        assert_eq!(receipt.rows, rows.len() as u64);
                        model.rows.extend(rows);
                    }
                    // A snapshot may hold all the memory there is.
                    Err(error) if error.kind() == ErrorKind::Exhausted && self.held.is_some() => {}
                    Err(error) => {
                        assert!(failing, "{error}");
                        model.unknown.push(rows);
                    }
                }
            }
            Step::Alter(changes) => {
                let (changes, schema) = model.changes(changes);
                if changes.is_empty() {
                    return;
                }
                match self.world.block_on(table.alter(&changes)) {
                    Ok(altered) => {
                        assert!(schema.is(&altered), "{schema:?}\n{altered:?}");
                        model.schema = schema;
                    }
                    Err(error) => {
                        assert!(failing, "{error}");
                        model.other_schemas.push(schema);
                    }
                }
                assert!(model.schema.is(&table.schema().unwrap()));
            }
            Step::Flush => {
                let _ = self.world.block_on(database.flush());
            }
            Step::Settle => {
                let _ = self.world.block_on(database.settle());
            }
            Step::Check(check) => self.world.block_on(check_query(&table, model, check)),
            Step::HoldSnapshot => {
                let mut ids: Vec<i64> = model.rows.iter().map(ModelRow::id).collect();
                ids.sort_unstable();
                self.held = Some((database.snapshot(), model.schema.name(ID).into(), ids));
            }
            Step::CheckSnapshot => {
                if let Some((snapshot, name, expected)) = &self.held {
                    let query = table.query().in_snapshot(snapshot).project([name.as_str()]);
                    let rows = text_rows(&self.world.block_on(query.collect()).unwrap());
                    let mut found: Vec<i64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
                    found.sort_unstable();
                    assert_eq!(found, *expected, "a held snapshot changed");
                }
            }
            Step::Reopen => {
                self.held = None;
                let report = self.world.block_on(database.verify(|_, _| ())).unwrap();
                assert!(report.damage.is_empty(), "{report:?}");
                self.world.block_on(database.storage_stats()).unwrap();
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

pub fn run(seed: u64, steps: &[Step], setup: Setup) {
    let mut model = Model::new();
    let mut machine = Machine { setup, world: SimWorld::new(seed), database: None, held: None };
    machine.open();
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
                if matches!(step, Step::Ingest(_, _) | Step::Alter(_) | Step::Flush | Step::Settle) {
                    machine.run(step, &mut model, true);
                }
                continue;
            }
            None => {}
        }
        machine.run(step, &mut model, false);
    }
    machine.die(&mut model, true, "at the end");
    let everything =
        Check { filter: None, sort: vec![(0, false, false)], limit: None, group: Some(2), of: 4, project: 1 };
    machine.world.block_on(check_query(&machine.table(), &model, &everything));
}

fn small() -> (Registry, Settings) {
    (support::registry(), support::small())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_the_model_through_changes_and_crashes(seed in any::<u64>(), steps in steps()) {
        run(seed, &steps, small);
    }
}

/// The same cases in every run, from the first steps of fixed seeds.
#[test]
fn frozen_cases_agree_with_the_model() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    for seed in 0..16u8 {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let steps = prop::collection::vec(steps(), 2).new_tree(&mut runner).unwrap().current().concat();
        run(u64::from(seed), &steps, small);
    }
}
