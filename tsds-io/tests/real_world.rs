//! The real clock, random source, executor and runtime.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, RwLock};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::channel::oneshot;
use tsds_io::{Runtime, TokioExecutor, real_world};
use tsds_traits::{Error, ErrorKind, Executor, OpenMode};

/// Runs a future outside of the runtime that it belongs to.
fn elsewhere<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_world_reads_its_clock_draws_random_bytes_and_runs_tasks() {
    let runtime = Runtime::new(Some(2)).unwrap();
    let world = runtime.world();
    let (sender, receiver) = oneshot::channel();
    let inner = world.clone();
    world.executor.spawn(Box::pin(async move {
        let before = inner.clock.monotonic();
        inner.clock.sleep(Duration::from_millis(20)).await;
        sender.send(inner.clock.monotonic() - before).unwrap();
    }));
    assert!(runtime.block_on(receiver).unwrap() >= Duration::from_millis(20));
    let (mut one, mut two) = ([0; 1000], [0; 1000]);
    world.random.fill(&mut one).unwrap();
    world.random.fill(&mut two).unwrap();
    assert!(one != two && one[500..] != [0; 500]);
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((world.clock.wall_nanos() - unix.as_nanos() as i64).abs() < 60_000_000_000);
    assert!(world.executor.parallelism() >= 1);
}

#[test]
fn a_sleep_can_be_awaited_outside_of_the_runtime() {
    let runtime = Runtime::new(Some(1)).unwrap();
    elsewhere(runtime.world().clock.sleep(Duration::from_millis(5)));
}

#[test]
fn jobs_run_at_most_as_many_at_a_time_as_allowed_and_all_of_them() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let executor = TokioExecutor::with_job_limit(runtime.handle().clone(), 3);
    let (running, most, done) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs = (0..60).map(|_| {
        let (running, most, done) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&done));
        let executor: &dyn Executor = &executor;
        executor.blocking(move || {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    });
    runtime.block_on(futures::future::try_join_all(jobs)).unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 60);
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn a_job_that_does_not_return_is_replaced_once_somebody_says_so_and_until_it_returns() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let executor = TokioExecutor::with_job_limit(runtime.handle().clone(), 1);
    let executor: &dyn Executor = &executor;
    let (release, stuck) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = oneshot::channel();
    let hangs = executor.blocking(move || {
        entered.send(()).unwrap();
        stuck.recv().unwrap();
        Ok(())
    });
    runtime.block_on(inside).unwrap();
    let mut waits = executor.blocking(|| Ok(1));
    std::thread::sleep(Duration::from_millis(50));
    assert!((&mut waits).now_or_never().is_none(), "the pool has one place");
    executor.stuck_jobs(1);
    assert_eq!(runtime.block_on(waits).unwrap(), 1);
    assert_eq!(runtime.block_on(executor.blocking(|| Ok(2))).unwrap(), 2);
    release.send(()).unwrap();
    runtime.block_on(hangs).unwrap();
    executor.stuck_jobs(-1);
    // One place again: two jobs never run at the same time.
    let running = Arc::new(AtomicUsize::new(0));
    let jobs = (0..20).map(|_| {
        let running = Arc::clone(&running);
        executor.blocking(move || {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
            std::thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
    });
    runtime.block_on(futures::future::try_join_all(jobs)).unwrap();
}

#[test]
fn no_job_is_forgotten_when_threads_come_and_go() {
    let runtime = Runtime::new(Some(2)).unwrap();
    let executor = TokioExecutor::with_job_limit(runtime.handle().clone(), 1);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let executor: &dyn Executor = &executor;
                    runtime.block_on(executor.blocking(|| Ok(()))).unwrap();
                }
            });
        }
    });
}

/// A worker that left after each job would give its thread back a little later than another is asked for: with time, hundreds.
#[test]
fn jobs_that_come_all_the_time_are_run_by_the_same_few_threads() {
    const LIMIT: usize = 4;
    let runtime = Runtime::new(Some(2)).unwrap();
    let executor = TokioExecutor::with_job_limit(runtime.handle().clone(), LIMIT);
    let threads = Mutex::new(HashSet::new());
    let threads = Arc::new(threads);
    std::thread::scope(|scope| {
        for _ in 0..LIMIT {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let executor: &dyn Executor = &executor;
                    let threads = Arc::clone(&threads);
                    let job = move || {
                        threads.lock().unwrap().insert(std::thread::current().id());
                        Ok(())
                    };
                    runtime.block_on(executor.blocking(job)).unwrap();
                }
            });
        }
    });
    // Twice the limit, for a machine that stands still for as long as workers wait.
    let threads = threads.lock().unwrap().len();
    assert!(threads <= 2 * LIMIT, "{threads} threads");
}

#[test]
fn jobs_that_wait_are_dropped_with_the_runtime_though_others_run() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let executor = runtime.world().executor;
    let gate = Arc::new(RwLock::new(()));
    let closed = gate.write().unwrap();
    for _ in 0..2000 {
        let gate = Arc::clone(&gate);
        executor.spawn_blocking(Box::new(move || drop(gate.read())));
    }
    let waiting = (*executor).blocking(|| Ok(()));
    let dropping = std::thread::spawn(move || drop(runtime));
    assert_eq!(elsewhere(waiting).unwrap_err().kind(), ErrorKind::Closed);
    let late = (*executor).blocking(|| Ok(())).now_or_never();
    assert_eq!(late.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    drop(closed);
    dropping.join().unwrap();
}

#[test]
fn a_panic_ends_one_job_and_no_other() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let executor = TokioExecutor::with_job_limit(runtime.handle().clone(), 1);
    executor.spawn_blocking(Box::new(|| panic!("a job that panics on purpose")));
    executor.spawn(Box::pin(async { panic!("a task that panics on purpose") }));
    let executor: &dyn Executor = &executor;
    let failed: Result<(), Error> = runtime.block_on(executor.blocking(|| panic!("on purpose")));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(runtime.block_on(executor.blocking(|| Ok(7))).unwrap(), 7);
}

#[test]
fn dropping_the_runtime_does_not_hang_on_tasks_that_never_end() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let (dropped, is_dropped) = oneshot::channel::<()>();
    runtime.world().executor.spawn(Box::pin(async move {
        let _dropped = dropped;
        std::future::pending::<()>().await;
    }));
    let start = Instant::now();
    drop(runtime);
    assert!(start.elapsed() < Duration::from_secs(4));
    assert!(elsewhere(is_dropped).is_err(), "the task was dropped");
}

#[test]
fn who_waits_for_a_job_hears_that_the_runtime_was_dropped() {
    let runtime = Runtime::new(Some(1)).unwrap();
    let executor = Arc::new(TokioExecutor::with_job_limit(runtime.handle().clone(), 1));
    let (started, barrier) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (job_started, job_barrier) = (Arc::clone(&started), Arc::clone(&barrier));
    executor.spawn_blocking(Box::new(move || {
        job_started.wait();
        job_barrier.wait();
    }));
    started.wait();
    let world = runtime.world();
    barrier.wait();
    drop(runtime);
    let late = elsewhere((*world.executor).blocking(|| Ok(())));
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    let executor: &dyn Executor = &*executor;
    let late = elsewhere(executor.blocking(|| Ok(())));
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn the_world_of_somebody_elses_runtime_works_and_the_runtime_may_be_dropped_inside_a_task() {
    let outer = tokio::runtime::Builder::new_multi_thread().enable_time().worker_threads(1).build().unwrap();
    outer.block_on(async {
        let world = real_world(tokio::runtime::Handle::current());
        world.clock.sleep(Duration::from_millis(1)).await;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let inner = world.clone();
        (*world.executor).blocking(move || inner.replace_file(&path, b"contents")).await.unwrap();
        let file = world.vfs.open(&dir.path().join("state"), OpenMode::Read).unwrap();
        assert_eq!(file.len().unwrap(), 8);
        drop(Runtime::new(Some(1)).unwrap());
    });
}

#[test]
fn a_runtime_without_threads_is_refused() {
    assert_eq!(Runtime::new(Some(0)).unwrap_err().kind(), ErrorKind::InvalidInput);
}
