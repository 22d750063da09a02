//! Tasks, jobs and time in the simulated world.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::oneshot;
use tsds_io::{Faults, SimWorld};
use tsds_traits::{Error, ErrorKind, OpenMode, World};

type Log = Arc<Mutex<Vec<u32>>>;

fn log(log: &Log, entry: u32) {
    log.lock().unwrap().push(entry);
}

/// A small program with tasks, timers, jobs, files and random numbers.
async fn program(world: World, done: Log) {
    let mut waits = Vec::new();
    for task in 0..8 {
        let (sender, receiver) = oneshot::channel();
        waits.push(receiver);
        let (inner, done) = (world.clone(), Arc::clone(&done));
        world.executor.spawn(Box::pin(async move {
            inner.clock.sleep(Duration::from_millis(u64::from(task % 3))).await;
            let vfs = Arc::clone(&inner.vfs);
            let mut bytes = [0; 700];
            inner.random.fill(&mut bytes).unwrap();
            let job = move || {
                let file = vfs.open(Path::new(&format!("/{task}")), OpenMode::CreateNew)?;
                file.write_all_at(&bytes, 0)?;
                file.sync_data()?;
                Ok(())
            };
            (*inner.executor).blocking(job).await.unwrap();
            log(&done, task);
            sender.send(()).unwrap();
        }));
    }
    for wait in waits {
        wait.await.unwrap();
    }
}

fn run(seed: u64) -> (u64, Vec<u32>) {
    let machine = SimWorld::new(seed);
    let done = Log::default();
    machine.block_on(program(machine.world(), Arc::clone(&done)));
    let order = done.lock().unwrap().clone();
    (machine.trace(), order)
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn different_seeds_are_different_orders() {
    let runs: Vec<_> = (0..20).map(run).collect();
    let traces: BTreeSet<u64> = runs.iter().map(|run| run.0).collect();
    let orders: BTreeSet<&Vec<u32>> = runs.iter().map(|run| &run.1).collect();
    assert_eq!(traces.len(), 20);
    assert!(orders.len() > 10, "only {} orders", orders.len());
}

#[test]
fn the_trace_notices_one_different_operation() {
    let trace = |path: &str| {
        let machine = SimWorld::new(1);
        machine.world().vfs.open(Path::new(path), OpenMode::CreateNew).unwrap();
        machine.trace()
    };
    assert_eq!(trace("/a"), trace("/a"));
    assert_ne!(trace("/a"), trace("/b"));
}

#[test]
fn time_passes_only_when_nothing_can_run() {
    let machine = SimWorld::new(1);
    let clock = machine.world().clock;
    let order = Log::default();
    machine.block_on(async {
        let sleep = |seconds: u64, entry: u32| {
            let (clock, order) = (Arc::clone(&clock), Arc::clone(&order));
            async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                assert_eq!(clock.monotonic(), Duration::from_secs(seconds));
                log(&order, entry);
            }
        };
        futures::join!(sleep(3600, 3), sleep(1, 1), sleep(60, 2), sleep(0, 0));
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    assert_eq!(machine.now(), Duration::from_secs(3600));
}

#[test]
fn a_sleep_that_is_dropped_holds_up_nobody() {
    let machine = SimWorld::new(1);
    let clock = machine.world().clock;
    machine.block_on(async {
        let long = clock.sleep(Duration::from_secs(1000));
        let short = clock.sleep(Duration::from_secs(1));
        futures::future::select(long, short).await;
    });
    machine.block_on(clock.sleep(Duration::from_secs(1)));
    assert_eq!(machine.now(), Duration::from_secs(2));
}

#[test]
fn the_wall_clock_jumps_without_timers_noticing() {
    let machine = SimWorld::new(1);
    let clock = machine.world().clock;
    machine.block_on(async {
        let sleep = clock.sleep(Duration::from_secs(10));
        machine.set_wall_nanos(-5);
        assert_eq!(clock.wall_nanos(), -5);
        sleep.await;
    });
    assert_eq!(clock.wall_nanos(), 9_999_999_995);
    assert_eq!(clock.monotonic(), Duration::from_secs(10));
}

#[test]
#[should_panic(expected = "simulated deadlock")]
fn waiting_for_what_nobody_does_is_a_deadlock() {
    let (_sender, receiver) = oneshot::channel::<()>();
    let _ = SimWorld::new(1).block_on(receiver);
}

#[test]
#[should_panic(expected = "simulated livelock")]
fn going_round_in_circles_is_a_livelock() {
    let machine = SimWorld::new(1);
    machine.set_step_limit(10_000);
    let clock = machine.world().clock;
    machine.block_on(async {
        loop {
            clock.sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
#[should_panic(expected = "task went wrong")]
fn a_panic_in_a_task_is_the_panic_of_the_run() {
    let machine = SimWorld::new(1);
    let world = machine.world();
    machine.block_on(async {
        world.executor.spawn(Box::pin(async { panic!("task went wrong") }));
        world.clock.sleep(Duration::from_secs(1)).await;
    });
}

#[test]
fn a_panic_in_a_job_that_is_waited_for_is_an_internal_error() {
    let machine = SimWorld::new(1);
    let executor = machine.world().executor;
    let result: Result<(), Error> =
        machine.block_on((*executor).blocking(|| -> Result<(), Error> { panic!("job went wrong") }));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn jobs_run_though_nobody_waits_for_them() {
    let machine = SimWorld::new(1);
    let world = machine.world();
    let order = Log::default();
    let inner = Arc::clone(&order);
    machine.block_on(async {
        drop((*world.executor).blocking(move || {
            log(&inner, 1);
            Ok(())
        }));
        world.clock.sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(*order.lock().unwrap(), [1]);
}

#[test]
fn tasks_that_are_left_wait_for_the_next_run_and_vanish_in_a_crash() {
    struct SaysWhenDropped(Log);
    impl Drop for SaysWhenDropped {
        fn drop(&mut self) {
            log(&self.0, 99);
        }
    }
    let machine = SimWorld::new(1);
    let world = machine.world();
    let order = Log::default();
    let (inner, guard) = (Arc::clone(&order), SaysWhenDropped(Arc::clone(&order)));
    let task_world = world.clone();
    machine.block_on(async {
        world.executor.spawn(Box::pin(async move {
            let _guard = guard;
            task_world.clock.sleep(Duration::from_secs(5)).await;
            log(&inner, 1);
            task_world.clock.sleep(Duration::from_secs(5)).await;
            log(&inner, 2);
        }));
    });
    assert!(order.lock().unwrap().is_empty());
    machine.block_on(world.clock.sleep(Duration::from_secs(6)));
    assert_eq!(*order.lock().unwrap(), [1]);
    let next = machine.crash();
    assert_eq!(*order.lock().unwrap(), [1, 99], "dropped with the world it lived in");
    let (task_guard, job_guard) = (SaysWhenDropped(Arc::clone(&order)), SaysWhenDropped(Arc::clone(&order)));
    world.executor.spawn(Box::pin(async move {
        let _guard = task_guard;
        panic!("nothing runs in a world that has ended");
    }));
    world.executor.spawn_blocking(Box::new(move || {
        let _guard = job_guard;
        panic!("nothing runs in a world that has ended");
    }));
    assert_eq!(*order.lock().unwrap(), [1, 99, 99, 99], "dropped at once");
    next.block_on(next.world().clock.sleep(Duration::from_secs(10)));
}

#[test]
fn simulated_worlds_can_be_sent_and_shared() {
    fn check<T: Send + Sync + 'static>() {}
    check::<SimWorld>();
    check::<Faults>();
    check::<World>();
}
