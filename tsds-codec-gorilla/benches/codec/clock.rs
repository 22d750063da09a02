//! Timing several ways to do the same.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "measures with a real clock")]

use std::hint::black_box;
use std::time::Duration;

const TIMINGS: usize = 31;
const SHORTEST: Duration = Duration::from_millis(5);

/// What one pass takes: quartiles of 31 timings of at least 5 ms each.
#[derive(Clone, Copy, Debug)]
pub struct Seconds {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

/// Times every way in turn, so that what slows the machine for a while slows all of them. The time is what the thread spent on
/// a processor, where the system tells it: neighbours then cost caches and clock rate, but no time.
pub fn in_turn(ways: &mut [Box<dyn FnMut() + '_>]) -> Vec<Seconds> {
    let passes: Vec<u32> = ways.iter_mut().map(|way| passes_for(way, SHORTEST)).collect();
    let mut timings = vec![Vec::with_capacity(TIMINGS); ways.len()];
    for _ in 0..TIMINGS {
        for ((way, passes), timings) in ways.iter_mut().zip(&passes).zip(&mut timings) {
            timings.push(time(way, *passes).as_secs_f64() / f64::from(*passes));
        }
    }
    timings.into_iter().map(quartiles).collect()
}

fn quartiles(mut timings: Vec<f64>) -> Seconds {
    timings.sort_by(f64::total_cmp);
    let at = |quarter: usize| timings[(timings.len() - 1) * quarter / 4];
    Seconds { low: at(1), median: at(2), high: at(3) }
}

/// How many passes take `shortest`, found after a first one has warmed things up.
fn passes_for(way: &mut dyn FnMut(), shortest: Duration) -> u32 {
    way();
    let mut passes = 1;
    loop {
        let took = time(way, passes);
        if took >= shortest {
            return passes;
        }
        let factor = shortest.as_secs_f64() / took.as_secs_f64().max(1e-9) * 1.1;
        passes = (f64::from(passes) * factor.clamp(1.1, 100.0)).ceil() as u32;
    }
}

fn time(way: &mut dyn FnMut(), passes: u32) -> Duration {
    let begin = now();
    for _ in 0..passes {
        black_box(&mut *way)();
    }
    now() - begin
}

/// Processor time of this thread.
#[cfg(target_os = "linux")]
fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing for the length of the call.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Time since the first call.
#[cfg(not(target_os = "linux"))]
fn now() -> Duration {
    static BEGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(std::time::Instant::now).elapsed()
}
