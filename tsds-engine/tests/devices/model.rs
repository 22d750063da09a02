//! Devices that shrink, grow, get lost and come back in any order, while rows are written and read: every row, exactly once.

use proptest::prelude::*;
use tsds_engine::Database;
use tsds_engine::config::Settings;
use tsds_io::SimWorld;

use super::fake::{Build, CUDA, Loss, device, registry};
use super::{assert_whole, assert_whole_while_writing, open, pause, settings, stats, write};

#[derive(Clone, Debug)]
enum Step {
    Write(u8),
    Flush,
    Lose(Loss),
    Build(Build),
    Room(u16),
    Pause(u8),
    Query,
    QueryWhileWriting(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    use Loss::{AtAggregate, AtPut, AtRemove, AtScan, InScan};
    let loss = prop::sample::select(vec![AtScan, InScan, AtAggregate, AtPut, AtRemove]);
    let build = prop::sample::select(vec![Build::Works, Build::Works, Build::Fails, Build::Panics]);
    prop_oneof![
        4 => (1..60_u8).prop_map(Step::Write),
        2 => Just(Step::Flush),
        3 => loss.prop_map(Step::Lose),
        1 => build.prop_map(Step::Build),
        1 => any::<u16>().prop_map(Step::Room),
        2 => (0..90_u8).prop_map(Step::Pause),
        3 => Just(Step::Query),
        2 => (1..60_u8).prop_map(Step::QueryWhileWriting),
        1 => Just(Step::Reopen),
    ]
}

fn tight() -> Settings {
    let mut settings = settings("auto");
    settings.warm_tier.evictor = "test.evict.tight".into();
    settings
}

async fn run(machine: &SimWorld, steps: Vec<Step>) {
    let plugins = registry(&[CUDA]);
    let mut database: Database = open(machine, &plugins, tight()).await.unwrap();
    database.create_table(super::support::spec()).await.unwrap();
    let mut rows = 0;
    for step in steps {
        match step {
            Step::Write(more) => {
                write(&database, rows..rows + i64::from(more)).await;
                rows += i64::from(more);
            }
            Step::Flush => database.flush().await.unwrap(),
            Step::Lose(loss) => device(CUDA, |device| device.loss = Some(loss)),
            Step::Build(build) => device(CUDA, |device| device.build = build),
            Step::Room(bytes) => device(CUDA, |device| device.room = u64::from(bytes)),
            Step::Pause(seconds) => pause(machine, u64::from(seconds)).await,
            Step::Query => assert_whole(&database, 0..rows).await,
            Step::QueryWhileWriting(more) => {
                let more = rows + i64::from(more);
                assert_whole_while_writing(&database, rows..more).await;
                rows = more;
            }
            Step::Reopen => {
                database.close().await.unwrap();
                database = open(machine, &plugins, tight()).await.unwrap();
            }
        }
    }
    assert_whole(&database, 0..rows).await;
    // Whatever happened, the device comes back and holds what it should.
    device(CUDA, |device| (device.loss, device.build, device.room) = (None, Build::Works, u64::MAX));
    pause(machine, 121).await;
    assert_whole(&database, 0..rows).await;
    let now = stats(&database).await;
    assert!(!now.warm.lost, "{now:?}");
    // Opened while the device was away, the database is on the CPU.
    if now.warm.backend == CUDA {
        let held = device(CUDA, |device| device.held.len() as u64);
        assert_eq!((now.resident.backend, now.resident.segments), (CUDA, held), "both count alike");
    }
    database.close().await.unwrap();
    drop(database);
    pause(machine, 1).await;
    assert_eq!(device(CUDA, |device| device.alive), 0, "no tier is left");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn devices_that_come_and_go_cost_no_row(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..40)) {
        let machine = SimWorld::new(seed);
        machine.block_on(run(&machine, steps));
    }
}
