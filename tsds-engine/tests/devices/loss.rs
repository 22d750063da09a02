//! A device that is lost: nothing fails, nothing hangs, and the tier is built anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use tsds_engine::Database;
use tsds_engine::config::Settings;
use tsds_engine::traits::{Executor, SegmentId, World};
use tsds_io::SimWorld;

use super::fake::{Build, CUDA, Device, Loss, device, registry};
use super::{PATH, TABLE, assert_whole, filled, found, open, pause, settings, stats, write};

const ROWS: i64 = 240;

fn with_cuda() -> Settings {
    settings("cuda")
}

async fn with_device(machine: &SimWorld) -> Database {
    let database = filled(machine, &registry(&[CUDA]), with_cuda(), 0..ROWS).await;
    assert!(stats(&database).await.resident.segments >= 4);
    database
}

fn cuda<T>(look: impl FnOnce(&mut Device) -> T) -> T {
    device(CUDA, look)
}

/// How many segments the device holds.
fn held() -> u64 {
    cuda(|device| device.held.len() as u64)
}

/// Loses the device by a query.
async fn lose(database: &Database) {
    cuda(|device| device.loss = Some(Loss::AtScan));
    assert_eq!(found(database).await, (0..ROWS).collect::<Vec<_>>());
    assert_eq!(cuda(|device| device.loss), None, "the device was not asked");
}

/// The time on the machine that something takes.
async fn seconds<T>(machine: &SimWorld, work: impl Future<Output = T>) -> (T, f64) {
    let before = machine.now();
    let done = work.await;
    (done, (machine.now() - before).as_secs_f64())
}

#[test]
fn a_loss_at_any_call_costs_no_row_and_the_tier_is_built_anew_and_refilled() {
    for loss in [Loss::AtScan, Loss::InScan, Loss::AtAggregate, Loss::AtPut, Loss::AtRemove] {
        let machine = SimWorld::new(7);
        machine.block_on(async {
            let database = with_device(&machine).await;
            cuda(|device| device.loss = Some(loss));
            if loss == Loss::AtRemove {
                // What comes needs room that others have.
                cuda(|device| device.room = device.held.values().map(|(bytes, _)| bytes).sum());
            }
            write(&database, ROWS..ROWS + 60).await;
            database.flush().await.unwrap();
            assert_whole(&database, 0..ROWS + 60).await;
            assert_eq!(cuda(|device| device.loss), None, "{loss:?} did not happen");
            pause(&machine, 10).await;
            let now = stats(&database).await;
            assert_eq!((now.warm.losses, now.warm.rebuilds, now.warm.lost), (1, 1, false), "{loss:?}");
            assert!(now.warm.last_loss.unwrap().contains("the bus fell off"), "{loss:?}");
            let filled = if loss == Loss::AtRemove { held() } else { now.tiers.warm.segments };
            assert_eq!((now.resident.backend, now.resident.segments), (CUDA, filled), "{loss:?}");
            cuda(|device| device.queries = 0);
            assert_whole(&database, 0..ROWS + 60).await;
            assert!(cuda(|device| device.queries) >= 3, "{loss:?}: the new tier is asked");
            database.close().await.unwrap();
        });
    }
}

#[test]
fn metrics_say_which_device_really_ran_what() {
    let mut bytes = 0;
    let counted = super::support::counted(async |machine| {
        let database = with_device(machine).await;
        found(&database).await;
        lose(&database).await;
        pause(machine, 10).await;
        write(&database, ROWS..ROWS + 60).await;
        database.flush().await.unwrap();
        bytes = stats(&database).await.resident.bytes;
        database.close().await.unwrap();
    });
    let of = |name: &str| counted.get(name).copied().unwrap_or_default();
    // The scan that was lost, too.
    assert_eq!(of("tsds_query_duration_seconds tier=warm device=GPU"), 2.0, "{counted:#?}");
    assert_eq!(of("tsds_query_rows_total tier=warm device=GPU"), ROWS as f64);
    assert_eq!(of("tsds_query_duration_seconds tier=warm device=host"), 1.0);
    assert_eq!(of("tsds_query_rows_total tier=warm device=host"), ROWS as f64);
    assert_eq!(of("tsds_gpu_fallback_total reason=device_lost"), 1.0);
    assert!(of("tsds_gpu_mem_bytes") > 0.0 && bytes > 0);
}

#[test]
fn a_new_tier_is_refilled_newest_first() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        let times = cuda(|device| device.held.clone());
        cuda(|device| device.puts.clear());
        lose(&database).await;
        pause(&machine, 1).await;
        let puts: Vec<SegmentId> = cuda(|device| device.puts.clone());
        let puts: Vec<i64> = puts.iter().map(|id| times[id].1).collect();
        let mut newest_first = puts.clone();
        newest_first.sort_by_key(|time| std::cmp::Reverse(*time));
        assert_eq!((puts.len(), &puts), (times.len(), &newest_first));
    });
}

#[test]
fn a_lost_tier_is_not_asked_again_and_everybody_is_told_who_answers() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        cuda(|device| device.build = Build::Fails);
        lose(&database).await;
        let puts = cuda(|device| {
            device.queries = 0;
            device.puts.len()
        });
        assert_whole(&database, 0..ROWS).await;
        write(&database, ROWS..ROWS + 60).await;
        database.flush().await.unwrap();
        assert_whole(&database, 0..ROWS + 60).await;
        assert_eq!(cuda(|device| (device.queries, device.puts.len())), (0, puts));
        pause(&machine, 1).await;
        let now = stats(&database).await;
        assert_eq!(
            (now.resident.backend, now.resident.device, now.resident.segments),
            ("tsds.warm.cpu", None, 0)
        );
        assert_eq!((now.warm.backend, now.warm.lost, now.warm.rebuilds), (CUDA, true, 0));
        assert!(now.warm.rebuild_failure.unwrap().contains("the driver refuses"));
        let explain = database.table(TABLE).unwrap().query().explain().await.unwrap();
        assert_eq!(explain.tiers[0].backend, Some("tsds.warm.cpu"));
        assert_eq!(explain.tiers[0].reason.as_deref(), Some("the device of tsds.warm.cuda is lost: GPU"));
    });
}

#[test]
fn a_device_that_does_not_come_back_is_tried_more_and_more_rarely() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        cuda(|device| {
            device.build = Build::Fails;
            device.builds.clear();
        });
        lose(&database).await;
        let mut attempts = Vec::new();
        for _ in 0..4 {
            pause(&machine, 150).await;
            attempts.push(cuda(|device| device.builds.len()));
        }
        // At 0, 1, 3, 7, 15, 31 and 63 s, then each minute.
        assert_eq!(attempts, [8, 10, 13, 15]);
        cuda(|device| device.build = Build::Works);
        pause(&machine, 61).await;
        let now = stats(&database).await;
        assert_eq!((now.warm.lost, now.warm.rebuilds, now.warm.rebuild_failure), (false, 1, None));
        assert_eq!(now.resident.segments, now.tiers.warm.segments);
    });
}

#[test]
fn a_query_that_hangs_on_a_lost_device_goes_on_when_another_one_learns_of_the_loss() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        cuda(|device| device.scans_hang = true);
        // In a task of its own, which nothing else wakes.
        let (answer, answered) = futures::channel::oneshot::channel();
        let asked = database.clone();
        machine.world().executor.spawn(Box::pin(async move {
            answer.send(found(&asked).await).unwrap();
        }));
        pause(&machine, 5).await;
        cuda(|device| {
            device.scans_hang = false;
            device.loss = Some(Loss::AtAggregate);
        });
        assert_whole(&database, 0..ROWS).await;
        let (ids, took) = seconds(&machine, answered).await;
        assert_eq!(ids.unwrap(), (0..ROWS).collect::<Vec<_>>());
        assert!(took < 1.0, "{took} s: nobody waits for the deadline");
        let plugin = stats(&database).await.plugins.into_iter().find(|plugin| plugin.id == CUDA).unwrap();
        assert_eq!((plugin.timeouts, plugin.disabled), (0, None), "losing a device is no misbehaviour");
    });
}

#[test]
fn a_query_that_reads_a_lost_tier_while_another_one_serves_is_answered() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        let table = database.table(TABLE).unwrap();
        // Planned on the first tier, read when there is a second one.
        let planned = table.query().stream().await.unwrap();
        lose(&database).await;
        pause(&machine, 5).await;
        assert_eq!(stats(&database).await.warm.rebuilds, 1);
        let batches: Vec<_> = futures::TryStreamExt::try_collect(planned).await.unwrap();
        assert_eq!(super::sorted_ids(&super::rows_of(&batches)), (0..ROWS).collect::<Vec<_>>());
    });
}

#[test]
fn closing_does_not_wait_for_a_lost_tier_nor_for_one_that_is_being_built() {
    for build in [Build::Hangs, Build::Fails, Build::Works] {
        let machine = SimWorld::new(7);
        machine.block_on(async {
            let database = with_device(&machine).await;
            cuda(|device| {
                device.build = build;
                device.close_hangs = build != Build::Works;
            });
            lose(&database).await;
            if build == Build::Hangs {
                cuda(|device| device.close_hangs = false);
            }
            // Into the middle of the attempt, or of the pause before the next one.
            pause(&machine, 2).await;
            cuda(|device| device.close_hangs = device.build != Build::Works);
            let (closed, took) = seconds(&machine, database.close()).await;
            closed.unwrap();
            assert!(took < 1.0, "{build:?}: {took} s");
            cuda(|device| device.build = Build::Works);
            let database = open(&machine, &plugins(), with_cuda()).await.unwrap();
            assert!(!database.recovery().unclean);
            assert_whole(&database, 0..ROWS).await;
        });
    }
}

/// The same plugins, with what the devices are told kept.
fn plugins() -> tsds_engine::traits::Registry {
    let kept = cuda(|device| device.clone());
    let registry = registry(&[CUDA]);
    cuda(|device| *device = kept);
    registry
}

#[test]
fn a_database_that_is_dropped_while_a_tier_is_built_leaves_nothing_running() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        cuda(|device| device.build = Build::Hangs);
        lose(&database).await;
        pause(&machine, 1).await;
        drop(database);
        pause(&machine, 10).await;
        assert_eq!(cuda(|device| device.alive), 0);
        cuda(|device| device.build = Build::Works);
        let database = open(&machine, &plugins(), with_cuda()).await.unwrap();
        assert_whole(&database, 0..ROWS).await;
    });
}

#[test]
fn a_tier_that_hangs_while_it_is_built_anew_is_given_up_and_the_files_go_on() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        cuda(|device| device.build = Build::Hangs);
        lose(&database).await;
        pause(&machine, 100).await;
        assert_whole(&database, 0..ROWS).await;
        let now = stats(&database).await;
        assert!(now.warm.lost && now.warm.rebuild_failure.is_some(), "{now:?}");
        let (closed, took) = seconds(&machine, database.close()).await;
        closed.unwrap();
        assert!(took < 1.0, "{took} s");
    });
}

/// Counts the tasks that have not ended.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Executor>,
    tasks: Arc<AtomicI64>,
}

struct Running(Arc<AtomicI64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Executor for Counting {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tasks.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::clone(&self.tasks));
        let counted = task.map(move |()| drop(running));
        self.inner.spawn(counted.boxed());
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        self.inner.spawn_blocking(job);
    }

    fn parallelism(&self) -> usize {
        self.inner.parallelism()
    }
}

fn counted(machine: &SimWorld) -> (World, Arc<AtomicI64>) {
    let (world, tasks) = (machine.world(), Arc::new(AtomicI64::new(0)));
    let executor = Counting { inner: Arc::clone(&world.executor), tasks: Arc::clone(&tasks) };
    (World { executor: Arc::new(executor), ..world }, tasks)
}

async fn filled_in(world: World, rows: i64) -> Database {
    let registry = registry(&[CUDA]);
    let builder = Database::builder(PATH).world(world).registry(registry).settings(with_cuda());
    let database = builder.open().await.unwrap();
    database.create_table(super::support::spec()).await.unwrap();
    write(&database, 0..rows).await;
    database.flush().await.unwrap();
    database
}

#[test]
fn a_thousand_losses_in_a_row_leave_nothing_behind() {
    const LOSSES: u64 = 1000;
    const FEW: i64 = 50;
    let machine = SimWorld::new(7);
    machine.set_step_limit(u64::MAX);
    let (world, tasks) = counted(&machine);
    machine.block_on(async {
        let database = filled_in(world, FEW).await;
        pause(&machine, 61).await;
        let segments = stats(&database).await.resident.segments;
        let before = tasks.load(Ordering::SeqCst);
        assert!(segments > 0 && before > 0);
        for loss in 1..=LOSSES {
            cuda(|device| device.loss = Some(if loss % 2 == 0 { Loss::AtScan } else { Loss::InScan }));
            assert_eq!(found(&database).await, (0..FEW).collect::<Vec<_>>(), "after loss {loss}");
            // Until the next one is built at once again.
            pause(&machine, 61).await;
            let now = stats(&database).await;
            assert_eq!((now.warm.losses, now.warm.rebuilds, now.warm.lost), (loss, loss, false));
            assert_eq!((now.resident.segments, tasks.load(Ordering::SeqCst)), (segments, before));
            assert_eq!(cuda(|device| (device.alive, device.closes)), (1, loss as u32));
        }
        database.close().await.unwrap();
        drop(database);
        pause(&machine, 10).await;
        assert_eq!((cuda(|device| device.alive), tasks.load(Ordering::SeqCst)), (0, 0));
    });
}

#[test]
fn a_device_that_is_lost_by_each_first_segment_does_not_keep_the_machine_busy() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        cuda(|device| {
            device.always = true;
            device.builds.clear();
            device.loss = Some(Loss::AtPut);
        });
        write(&database, ROWS..ROWS + 30).await;
        database.flush().await.unwrap();
        pause(&machine, 600).await;
        assert_whole(&database, 0..ROWS + 30).await;
        let builds = cuda(|device| device.builds.len());
        assert!((10..=17).contains(&builds), "{builds} in ten minutes");
        cuda(|device| device.loss = None);
        pause(&machine, 61).await;
        let now = stats(&database).await;
        assert_eq!((now.warm.lost, now.resident.segments), (false, now.tiers.warm.segments));
        database.close().await.unwrap();
    });
}

#[test]
fn a_power_cut_while_the_device_is_lost_costs_no_row() {
    let machine = SimWorld::new(7);
    machine.block_on(async {
        let database = with_device(&machine).await;
        cuda(|device| device.build = Build::Fails);
        lose(&database).await;
        write(&database, ROWS..ROWS + 60).await;
        std::mem::forget(database);
    });
    let machine = machine.crash();
    machine.block_on(async {
        cuda(|device| device.build = Build::Works);
        let database = open(&machine, &plugins(), with_cuda()).await.unwrap();
        assert_whole(&database, 0..ROWS + 60).await;
        database.settle().await.unwrap();
        assert!(stats(&database).await.resident.segments > 0);
    });
}
