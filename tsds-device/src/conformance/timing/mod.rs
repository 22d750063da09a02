//! How long kernels take, and what else of a device there are goals for.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it is a benchmark"
)]

mod data;
mod recorder;
mod report;
mod resident;
mod single;
mod upload;
mod whole;

use std::time::{Duration, Instant};

use super::{Bench, BufferOf, Subject};
use crate::{Device, Launch, Step, Work, copy_bandwidth};
use data::Data;
use recorder::again;
use report::{CONJUNCTION, FILTER, GATHER, Measured, Report, SORT, TOP, WINDOWS};

/// Rows, unless somebody says otherwise: devices that a processor plays are through with them soon.
const ROWS: u64 = 1_000_000;
/// Fewer are no load.
const LEAST_ROWS: u64 = 100_000;
/// How many bytes are copied at once to measure what the device copies.
const COPIED_BYTES: u64 = 256 << 20;
/// A stretch of runs that takes less says more of submitting than of kernels.
const LEAST_STRETCH: Duration = Duration::from_millis(20);
/// No more steps than this are submitted at once.
const MOST_STEPS: usize = 1 << 10;
/// Where a run takes longer than this, fewer do.
const LONG: Duration = Duration::from_millis(500);
const LEAST_RUNS: usize = 3;

/// Prints how long every kernel takes in one launch over many rows, how long operations take that are several launches, how fast
/// bytes come to the device, and what requests over small segments take beside their kernels; then which goals are reached.
///
/// Arguments of the program are parts of names, to run only some: of kernels and operations, and `encoded`, `upload` and `segments` for the
/// rest. Each line gives the median of several runs (9, or as `BENCH_RUNS` says), rows in a second, and the bytes that cannot but be
/// moved, also as a share of what the device copies of its own memory in the same run. `TSDS_TIMING_ROWS` is how many rows
/// there are: 1M, unless it is set. `TSDS_TIMING_JSON` names a file that gets everything as lines of JSON,
/// and `TSDS_TIMING_COLUMNS` a directory that gets the rows as files of NumPy, so that others can be asked the same.
///
/// # Panics
///
/// If there is no device; if an operation gives what it should not.
pub fn time_kernels<S: Subject>(subject: S) {
    let started = Instant::now();
    let bench = Bench::open(subject).unwrap();
    let info = bench.device.info().clone();
    println!("{}: opened in {:.0?}", info.name, started.elapsed());
    let wanted: Vec<String> = std::env::args().skip(1).filter(|part| !part.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(9);
    let asked = std::env::var("TSDS_TIMING_ROWS").map_or(ROWS, |text| count(&text)).max(LEAST_ROWS);
    let rows = asked.min(data::most_rows(info.max_buffer_bytes)) as usize / 32 * 32;
    let clock = bench.world().clock;
    let copy = bench.runtime.block_on(copy_bandwidth(&*bench.device, &*clock, COPIED_BYTES)).unwrap();
    println!(
        "{rows} rows of {asked}; it copies its own memory at {:.1} GB/s (read and written)\n",
        copy / 1e9
    );
    let mut report = Report::new(&info.name, rows, copy);
    let timer = Timer { bench: &bench, runs };
    timer.kernels(rows, &is_wanted, &mut report);
    println!();
    if is_wanted("encoded") {
        resident::encoded(&timer, rows, &mut report);
        println!();
    }
    if is_wanted("upload") {
        upload::measure(&timer, rows, &mut report);
        println!();
    }
    if is_wanted("segments") {
        resident::small(&timer, rows, &mut report);
    }
    let json = report.finish();
    if let Ok(path) = std::env::var("TSDS_TIMING_JSON") {
        std::fs::write(path, json).unwrap();
    }
}

/// A number, also in thousands, millions or billions: `64M`.
fn count(text: &str) -> u64 {
    let (digits, factor) = match text.strip_suffix(['k', 'M', 'G']) {
        Some(digits) if text.ends_with('k') => (digits, 1_000),
        Some(digits) if text.ends_with('M') => (digits, 1_000_000),
        Some(digits) => (digits, 1_000_000_000),
        None => (text, 1),
    };
    digits.parse::<u64>().unwrap_or_else(|error| panic!("{text}: {error}")) * factor
}

/// Launches that belong together.
struct Operation<S: Subject> {
    name: String,
    launches: Vec<Launch<BufferOf<S>>>,
    rows: u64,
    /// What they cannot but read and write.
    bytes: u64,
}

impl<S: Subject> Operation<S> {
    fn new(name: &str, launches: Vec<Launch<BufferOf<S>>>, rows: u64, bytes: u64) -> Self {
        Self { name: name.into(), launches, rows, bytes }
    }
}

/// Times what a device does.
struct Timer<'a, S: Subject> {
    bench: &'a Bench<S>,
    runs: usize,
}

fn steps_of<B>(launches: &[Launch<B>]) -> Vec<Step<B>> {
    let copied =
        |one: &Launch<B>| Launch { kernel: one.kernel, buffers: one.buffers.clone(), params: one.params };
    launches.iter().map(|one| Step::Launch(copied(one))).collect()
}

fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<_> = (0..runs)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[runs / 2]
}

impl<S: Subject> Timer<'_, S> {
    /// Runs launches one after the other.
    fn run_once(&self, launches: &[Launch<BufferOf<S>>]) {
        self.run(&steps_of(launches), 1);
    }

    fn run(&self, steps: &[Step<BufferOf<S>>], times: usize) {
        let all = (0..times).flat_map(|_| steps.iter().map(again)).collect();
        self.bench.runtime.block_on(self.bench.device.run(Work::new(all, Vec::new()))).unwrap();
    }

    /// How long a device takes for some steps: so often in one work that submitting it and hearing of its end count for little.
    fn seconds(&self, steps: &[Step<BufferOf<S>>]) -> f64 {
        let stretch = |times| {
            let started = Instant::now();
            self.run(steps, times);
            started.elapsed()
        };
        stretch(1);
        let mut times = 1;
        let mut last = stretch(times);
        while last < LEAST_STRETCH && 2 * times * steps.len() <= MOST_STEPS {
            times *= 2;
            last = stretch(times);
        }
        let runs = if last > LONG { self.runs.min(LEAST_RUNS) } else { self.runs };
        median(runs, || self.run(steps, times)).as_secs_f64() / times as f64
    }

    fn kernels(&self, rows: usize, is_wanted: &dyn Fn(&str) -> bool, report: &mut Report) {
        let data = Data::new(self.bench, rows);
        let mut time = |operation: &Operation<S>| {
            is_wanted(&operation.name).then(|| {
                let seconds = self.seconds(&steps_of(&operation.launches));
                let measured = Measured { seconds, rows: operation.rows, bytes: operation.bytes };
                report.ran(&operation.name, measured);
                measured
            })
        };
        for operation in single::operations(self, &data) {
            time(&operation);
        }
        let mut found = Vec::new();
        for operation in whole::operations(self, &data) {
            found.extend(time(&operation).map(|measured| (operation.name, measured)));
        }
        if is_wanted(whole::FILTER_AND_GATHER) {
            whole::filter_and_gather(self, &data, report);
        }
        let of = |name: &str| found.iter().find(|(own, _)| own == name).map(|(_, measured)| *measured);
        for name in [FILTER, CONJUNCTION, GATHER, WINDOWS] {
            if let Some(measured) = of(name) {
                report.settle(name, report.of_copy(measured.bytes_per_s()));
            }
        }
        if let Some(sort) = of(SORT) {
            report.settle(SORT, sort.rows_per_s() / 1e9);
            if let Some(top) = of(TOP) {
                report.settle(TOP, sort.seconds / top.seconds);
            }
        }
    }
}
