//! Mixed load for as long as `TSDS_SOAK_SECONDS` says: memory, open files and threads of the process stay where they were.
//!
//! Writers, readers of all kinds (some give up, one stalls), and settings that change, over all tiers of a small database on the real file
//! system. The first quarter warms up; what the process holds at its highest in the last quarter may be little more than at its highest in
//! the second. In between, no answer may miss a row that was acknowledged before it was asked for, and in the end every row is there once.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

mod load;
mod process;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use load::Load;
use process::Held;
use tsds_io::TokioExecutor;

const NAME: &str = "memory_open_files_and_threads_stay_where_they_were_under_mixed_load";
/// What the process may hold beyond what it held: the allocator's slack, and what is known of segments, whose number grows.
const SLACK: Held = Held { memory: 48 << 20, files: 24, threads: u64::MAX };
/// Threads that watch files and sample, and those of the pool that are on their way out while others come.
const OTHER_THREADS: usize = 8;
const LEAST_SECONDS: u64 = 20;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let seconds = std::env::var("TSDS_SOAK_SECONDS").ok().map(|text| text.parse::<u64>().unwrap());
    let trial = match seconds {
        Some(seconds) => Trial::test(NAME, move || soak(Duration::from_secs(seconds.max(LEAST_SECONDS)))),
        None => {
            Trial::test(NAME, || Ok(())).with_kind("not asked for: TSDS_SOAK_SECONDS").with_ignored_flag(true)
        }
    };
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

/// The pool of blocking jobs is bounded and grows to that at its busiest moment, whenever that is. Besides there are the thread of each
/// worker of the load, one for each core that runs tasks, and the one that waits for all.
fn most_threads() -> u64 {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let all = 1 + Load::WORKERS.len() + cores + TokioExecutor::default_job_limit() + OTHER_THREADS;
    all as u64
}

fn soak(long: Duration) -> Result<(), Failed> {
    let directory = tempfile::tempdir().unwrap();
    let load = Arc::new(Load::new(directory.path()));
    let begin = Instant::now();
    let mut second = Held::default();
    let mut last = Held::default();
    thread::scope(|scope| {
        let workers = Load::WORKERS.map(|work| {
            let load = Arc::clone(&load);
            scope.spawn(move || {
                // Nobody else goes on where one has failed.
                let failed = load::Stop(&load);
                while begin.elapsed() < long && !load.is_stopped() {
                    work(&load);
                }
                std::mem::forget(failed);
            })
        });
        let mut told = 0;
        while begin.elapsed() < long && !load.is_stopped() {
            thread::sleep(Duration::from_millis(250));
            let held = Held::now();
            match begin.elapsed().as_secs_f64() / long.as_secs_f64() {
                part if part < 0.25 => {}
                part if part < 0.5 => second = second.most(held),
                part if part >= 0.75 => last = last.most(held),
                _ => {}
            }
            let minute = begin.elapsed().as_secs() / 60;
            if minute > told {
                told = minute;
                eprintln!(
                    "{minute} min: {held}, {} rows, {} queries",
                    load.rows(),
                    load.queries.load(Ordering::Relaxed)
                );
            }
        }
        for worker in workers {
            worker.join().unwrap();
        }
    });
    load.check_and_close();
    eprintln!(
        "second quarter: {second}; last quarter: {last}; {} rows, {} queries, {} refusals of batches",
        load.rows(),
        load.queries.load(Ordering::Relaxed),
        load.refused.load(Ordering::Relaxed)
    );
    if !last.is_within(second, SLACK) {
        return Err(format!("{second} in the second quarter, {last} in the last one").into());
    }
    let (threads, most) = (second.threads.max(last.threads), most_threads());
    match threads <= most {
        true => Ok(()),
        false => Err(format!("{threads} threads, and {most} are all that there should be").into()),
    }
}
