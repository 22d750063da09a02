//! How fast bytes come to the device: at best, as works write them, and as segments are put.

use std::sync::Arc;
use std::time::Instant;

use tsds_codec_gorilla::GorillaCodec;

use super::super::Subject;
use super::Timer;
use super::data::room;
use super::report::{Report, UPLOAD};
use super::resident::{Resident, Shape};
use crate::{Device, Work};

/// How much is written at once: as much as a part of a segment has at most.
const WRITTEN_BYTES: usize = 64 << 20;
/// To how many buffers, one after the other.
const BUFFERS: usize = 4;
/// How often. The fastest counts, as for what it is held against.
const STRETCHES: usize = 3;
/// Segments are put for so many rows at most.
const MOST_ROWS: usize = 16_000_000;

pub(super) fn measure<S: Subject>(timer: &Timer<'_, S>, rows: usize, report: &mut Report) {
    let bench = timer.bench;
    let link = bench.runtime.block_on(bench.subject.link_bandwidth(&bench.device));
    let mut show = |name: &str, bytes_per_s: f64| {
        report.found(name, bytes_per_s / 1e9, "GB/s");
        if let Some(link) = link {
            let share = 100.0 * bytes_per_s / link;
            report.found("  of the link", share, "%");
            if name == UPLOAD {
                report.settle(UPLOAD, share);
            }
        }
    };
    if let Some(link) = link {
        show("link", link);
    }
    show(UPLOAD, writes(timer));
    let mut put_rows = Vec::new();
    for (name, codec) in [("put", None), ("put, encoded", Some(GorillaCodec::new()))] {
        let resident = Resident::<S>::new(bench, Shape::large(rows.min(MOST_ROWS), codec, 100.0));
        show(name, resident.bytes as f64 / resident.put_seconds);
        put_rows.push((name, resident.rows as f64 / resident.put_seconds));
    }
    for (name, rows_per_s) in put_rows {
        report.found(&format!("{name}, of two columns"), rows_per_s / 1e6, "M rows/s");
    }
}

/// Bytes that are in host memory like any other, until the device has them.
fn writes<S: Subject>(timer: &Timer<'_, S>) -> f64 {
    let Timer { bench, .. } = timer;
    let bytes = WRITTEN_BYTES.min(bench.device.info().max_buffer_bytes as usize);
    let buffers: Vec<_> = (0..BUFFERS).map(|_| room(bench, bytes / 4)).collect();
    let from = vec![0x5a; bytes];
    // The end of a read says that what was written before it is there.
    let wait = || {
        let reads =
            buffers.iter().map(|buffer| (Arc::clone(buffer), bytes as u64 - 4..bytes as u64)).collect();
        bench.runtime.block_on(bench.device.run(Work::new(Vec::new(), reads))).unwrap();
    };
    let stretch = |_| {
        let start = Instant::now();
        for buffer in &buffers {
            bench.device.write(buffer, 0, &from).unwrap();
        }
        wait();
        start.elapsed().as_secs_f64()
    };
    // Memory that nobody has written may be no memory yet.
    stretch(0);
    let best = (0..STRETCHES).map(stretch).fold(f64::INFINITY, f64::min);
    (BUFFERS * bytes) as f64 / best
}
