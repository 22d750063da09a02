//! The engine on the simulator: against the model, and when the device faults or goes while rows are written, moved and read.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_model;
// What the engine's own tests of devices look at.
#[path = "../../tsds-engine/tests/devices/whole.rs"]
mod whole;

use std::process::ExitCode;

use engine_model::model::support;
use engine_model::{absent, registry_with};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tsds_engine::Database;
use tsds_engine::config::Settings;
use tsds_io::SimWorld;
use tsds_traits::Registry;
use tsds_warm_cuda::NAME;
use tsds_warm_cuda::simulator::{Count, Setting, Simulator};
use whole::{assert_whole, assert_whole_while_writing, filled, open, pause, stats, write};

/// What `TSDS_REQUIRE` names.
const ID: &str = "tsds.warm.cuda+simulated";
/// An illegal address, a failed launch, memory that cannot be corrected, and an error that nobody knows.
const FAULTS: [i64; 4] = [700, 719, 214, 12_345];
const ROWS: i64 = 120;

type Check = fn(&'static Simulator);

const TRIALS: &[(&str, Check)] = &[
    (
        "a_query_whose_launch_faults_is_answered_and_the_device_is_opened_again_once_and_refilled",
        launches_fault,
    ),
    ("a_move_during_which_any_call_faults_costs_no_row", moves_fault),
    ("a_device_that_cannot_be_reset_is_off_until_it_can_and_stats_say_so", not_recoverable),
    ("a_device_that_is_gone_is_off_until_it_is_back", gone),
    ("faults_at_any_time_cost_no_row", at_any_time),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // There is one simulator.
    arguments.test_threads = Some(1);
    let simulator = Simulator::load();
    let mut trials: Vec<Trial> = TRIALS
        .iter()
        .map(|(name, check)| match &simulator {
            Ok(simulator) => {
                let (simulator, check) = (*simulator, *check);
                Trial::test(*name, move || {
                    check(simulator);
                    Ok(())
                })
            }
            Err(reason) => absent(name, ID, reason.clone()),
        })
        .collect();
    // Last, since its device stays open.
    trials.extend(engine_model::trials(ID, 24));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn settings() -> Settings {
    let mut settings = support::small();
    settings.warm_tier.backend = NAME.into();
    settings.warm_tier.evictor = "tsds.evict.lru".into();
    settings.warm_tier.max_memory_mb = 16;
    let staging = json!({ "upload_staging_mb": 2, "readback_staging_mb": 3 });
    settings.plugins.insert(NAME.into(), staging.as_object().unwrap().clone());
    settings
}

fn plugins() -> Registry {
    registry_with(tsds_warm_cuda::plugin())
}

/// A machine whose device holds all segments, after the minute in which a loss counts as that of an earlier one.
async fn with_device(machine: &SimWorld) -> Database {
    let database = filled(machine, &plugins(), settings(), 0..ROWS).await;
    database.settle().await.unwrap();
    pause(machine, 61).await;
    assert_holds_all(&database, 0).await;
    database
}

/// The device works, was lost so often and opened again as often, and holds every segment.
async fn assert_holds_all(database: &Database, losses: u64) {
    let now = stats(database).await;
    let warm = &now.warm;
    assert_eq!((warm.losses, warm.rebuilds, warm.lost), (losses, losses, false), "{warm:?}");
    assert_eq!((warm.backend, now.resident.backend), (NAME, NAME));
    assert!(now.resident.segments > 0);
    assert_eq!(now.resident.segments, now.tiers.warm.segments, "{:?}", now.resident);
}

/// The device is asked.
async fn assert_asked(simulator: &Simulator, database: &Database, rows: i64) {
    let launches = simulator.count(Count::Launches);
    assert_whole(database, 0..rows).await;
    assert!(simulator.count(Count::Launches) > launches, "the device was not asked");
}

async fn close(simulator: &Simulator, machine: &SimWorld, database: Database) {
    database.close().await.unwrap();
    drop(database);
    // A lost tier is closed by a task.
    pause(machine, 1).await;
    assert_eq!(simulator.violation(), "");
    assert_eq!(simulator.leaks(), "");
}

fn launches_fault(simulator: &'static Simulator) {
    for (seed, code) in (0..).zip(FAULTS) {
        for launch in 1.. {
            simulator.reset().set(Setting::Recoverable, 1).set(Setting::Seed, seed);
            let machine = SimWorld::new(launch as u64);
            let is_through = machine.block_on(async {
                let database = with_device(&machine).await;
                simulator.set(Setting::FailLaunchCode, code).set(Setting::FailLaunch, launch);
                assert_whole(&database, 0..ROWS).await;
                simulator.set(Setting::FailLaunch, 0);
                let losses = stats(&database).await.warm.losses;
                pause(&machine, 10).await;
                assert_holds_all(&database, losses).await;
                assert_asked(simulator, &database, ROWS).await;
                close(simulator, &machine, database).await;
                losses == 0
            });
            if is_through {
                // Fewer launches are none of a query.
                assert!(launch > 8, "{launch}");
                break;
            }
        }
    }
}

fn moves_fault(simulator: &'static Simulator) {
    let mut faults = 0;
    // How many calls a move makes depends on how often somebody asks whether it is through: those that it always makes come first.
    for (seed, call) in (0..).zip((1_i64..60).step_by(2).chain((60..400).step_by(17))) {
        let code = FAULTS[seed % FAULTS.len()];
        simulator.reset().set(Setting::Recoverable, 1).set(Setting::Seed, seed as i64);
        let machine = SimWorld::new(seed as u64);
        machine.block_on(async {
            let database = with_device(&machine).await;
            simulator.set(Setting::FailCallCode, code).set(Setting::FailCallSticky, 1);
            simulator.set(Setting::FailCall, call);
            write(&database, ROWS..ROWS + 60).await;
            database.flush().await.unwrap();
            database.settle().await.unwrap();
            simulator.set(Setting::FailCall, 0);
            assert_whole(&database, 0..ROWS + 60).await;
            pause(&machine, 130).await;
            let losses = stats(&database).await.warm.losses;
            faults += losses;
            assert_holds_all(&database, losses).await;
            assert_asked(simulator, &database, ROWS + 60).await;
            close(simulator, &machine, database).await;
        });
    }
    assert!(faults > 8, "{faults}");
}

/// Loses the device by a query.
async fn lose(simulator: &Simulator, database: &Database) {
    simulator.set(Setting::FailLaunch, 1);
    assert_whole(database, 0..ROWS).await;
    assert_eq!(stats(database).await.warm.losses, 1);
}

/// The device is off, the files are read, and statistics say which and why; rows are written and moved all the same.
async fn assert_off(machine: &SimWorld, database: &Database) {
    pause(machine, 5).await;
    let now = stats(database).await;
    assert!(now.warm.lost && now.warm.rebuilds == 0, "{:?}", now.warm);
    assert!(now.warm.last_loss.is_some() && now.warm.rebuild_failure.is_some(), "{:?}", now.warm);
    let resident = (now.resident.backend, now.resident.device, now.resident.segments);
    assert_eq!((now.warm.backend, resident), (NAME, ("tsds.warm.cpu", None, 0)));
    write(database, ROWS..ROWS + 60).await;
    database.flush().await.unwrap();
    assert_whole(database, 0..ROWS + 60).await;
}

fn not_recoverable(simulator: &'static Simulator) {
    simulator.reset().set(Setting::Recoverable, 0);
    let machine = SimWorld::new(3);
    machine.block_on(async {
        let database = with_device(&machine).await;
        lose(simulator, &database).await;
        assert_off(&machine, &database).await;
        simulator.set(Setting::Recoverable, 1);
        pause(&machine, 61).await;
        assert_holds_all(&database, 1).await;
        assert_asked(simulator, &database, ROWS + 60).await;
        close(simulator, &machine, database).await;
    });
}

fn gone(simulator: &'static Simulator) {
    simulator.reset().set(Setting::Recoverable, 1);
    let machine = SimWorld::new(4);
    machine.block_on(async {
        let database = with_device(&machine).await;
        simulator.set(Setting::Lost, 46);
        assert_whole(&database, 0..ROWS).await;
        assert_off(&machine, &database).await;
        simulator.set(Setting::Lost, 0);
        pause(&machine, 61).await;
        assert_holds_all(&database, 1).await;
        assert_asked(simulator, &database, ROWS + 60).await;
        close(simulator, &machine, database).await;
    });
}

#[derive(Clone, Debug)]
enum Step {
    Write(u8),
    Flush,
    Query,
    QueryWhileWriting(u8),
    /// The device faults at this many calls or launches from now, with one of the codes.
    FaultAtCall(u8, usize),
    FaultAtLaunch(u8, usize),
    /// Whether a reset ends a fault.
    Recoverable(bool),
    Pause(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let code = 0..FAULTS.len();
    prop_oneof![
        4 => (1..60_u8).prop_map(Step::Write),
        2 => Just(Step::Flush),
        3 => Just(Step::Query),
        2 => (1..60_u8).prop_map(Step::QueryWhileWriting),
        3 => (1..200_u8, code.clone()).prop_map(|(calls, code)| Step::FaultAtCall(calls, code)),
        2 => (1..30_u8, code).prop_map(|(launches, code)| Step::FaultAtLaunch(launches, code)),
        1 => any::<bool>().prop_map(Step::Recoverable),
        2 => (0..90_u8).prop_map(Step::Pause),
        1 => Just(Step::Reopen),
    ]
}

fn at_any_time(simulator: &'static Simulator) {
    let config = Config { cases: 24, max_shrink_iters: 50, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step(), 1..30);
    let outcome = TestRunner::new(config).run(&(any::<u64>(), steps), |(seed, steps)| {
        simulator.reset().set(Setting::Recoverable, 1).set(Setting::Seed, (seed % 1_000) as i64);
        let machine = SimWorld::new(seed);
        machine.block_on(run(simulator, &machine, steps));
        Ok(())
    });
    outcome.map_err(|error| Failed::from(error.to_string())).unwrap();
}

fn heal(simulator: &Simulator) {
    simulator.set(Setting::FailCall, 0).set(Setting::FailLaunch, 0).set(Setting::Recoverable, 1);
}

async fn run(simulator: &Simulator, machine: &SimWorld, steps: Vec<Step>) {
    let plugins = plugins();
    let mut database = open(machine, &plugins, settings()).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    let mut rows = 0;
    for step in steps {
        match step {
            Step::Write(more) => {
                write(&database, rows..rows + i64::from(more)).await;
                rows += i64::from(more);
            }
            Step::Flush => database.flush().await.unwrap(),
            Step::Query => assert_whole(&database, 0..rows).await,
            Step::QueryWhileWriting(more) => {
                let more = rows + i64::from(more);
                assert_whole_while_writing(&database, rows..more).await;
                rows = more;
            }
            Step::FaultAtCall(calls, code) => {
                simulator.set(Setting::FailCallCode, FAULTS[code]).set(Setting::FailCallSticky, 1);
                simulator.set(Setting::FailCall, calls.into());
            }
            Step::FaultAtLaunch(launches, code) => {
                simulator.set(Setting::FailLaunchCode, FAULTS[code]);
                simulator.set(Setting::FailLaunch, launches.into());
            }
            Step::Recoverable(is) => {
                simulator.set(Setting::Recoverable, is.into());
            }
            Step::Pause(seconds) => pause(machine, u64::from(seconds)).await,
            Step::Reopen => {
                database.close().await.unwrap();
                drop(database);
                // A tier that is asked for by name must be there to open.
                heal(simulator);
                database = open(machine, &plugins, settings()).await.unwrap();
            }
        }
    }
    assert_whole(&database, 0..rows).await;
    // Whatever happened, the device comes back and holds what it should.
    heal(simulator);
    pause(machine, 121).await;
    assert_whole(&database, 0..rows).await;
    let now = stats(&database).await;
    assert!(!now.warm.lost && now.warm.losses == now.warm.rebuilds, "{:?}", now.warm);
    assert_eq!((now.resident.backend, now.resident.segments), (NAME, now.tiers.warm.segments));
    close(simulator, machine, database).await;
}
