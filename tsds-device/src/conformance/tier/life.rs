//! What is left of segments that are gone, and of tiers whose device is lost.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use tsds_traits::{ErrorKind, ScanRequest, SegmentSource, StoredSegment, Tier};

use super::source::Blocks;
use super::{data, ids, put, tier};
use crate::DeviceTier;
use crate::conformance::bench::repeats;
use crate::conformance::{Bench, Subject, Test};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("puts_and_removes_leave_nothing_behind", puts_and_removes_leave_nothing_behind),
        ("what_is_removed_makes_room", what_is_removed_makes_room),
        (
            "a_lost_device_fails_what_is_asked_and_holds_nothing",
            a_lost_device_fails_what_is_asked_and_holds_nothing,
        ),
        ("a_scan_whose_device_is_lost_ends_with_that", a_scan_whose_device_is_lost_ends_with_that),
    ]
}

fn stored(source: &Blocks) -> StoredSegment {
    StoredSegment { id: source.meta().id, record: Bytes::new() }
}

fn puts_and_removes_leave_nothing_behind<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 16);
    let sources: Vec<_> =
        (1..=7).map(|id| Arc::new(Blocks::new(id, &data::readings(200 * id as usize), &[500]))).collect();
    let mut reserved = None;
    for cycle in 0..repeats(3_000) {
        let source = &sources[cycle as usize % sources.len()];
        put(bench, &tier, source);
        if cycle % 3 == 2 {
            let held = bench.runtime.block_on(tier.list()).unwrap();
            bench.runtime.block_on(tier.remove(&held)).unwrap();
            assert_eq!(tier.usage().bytes, 0);
            assert_eq!(*reserved.get_or_insert(tier.reserved_bytes()), tier.reserved_bytes());
        }
    }
    assert!(tier.reserved_bytes() <= 16 << 20);
}

fn what_is_removed_makes_room<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 2);
    let sources: Vec<_> =
        (1..).map(|id| Arc::new(Blocks::new(id, &data::readings(20_000), &[16_384]))).take(20).collect();
    let full = sources.iter().position(|source| {
        let put = bench.runtime.block_on(tier.put(Arc::clone(source) as _));
        put.is_err_and(|error| error.kind() == ErrorKind::NoSpace)
    });
    let full = full.expect("two MiB are full at some time");
    assert!(full > 1 && tier.usage().bytes <= tier.usage().limit_bytes.unwrap());
    bench.runtime.block_on(tier.remove(&[stored(&sources[1])])).unwrap();
    put(bench, &tier, &sources[full]);
}

fn lost_tier<S: Subject>(bench: &Bench<S>) -> (Arc<DeviceTier<S::Device>>, Arc<Blocks>) {
    let device = bench.runtime.block_on(bench.subject.open(&bench.world())).unwrap();
    let tier = DeviceTier::new(bench.subject.name(), bench.world(), device, 64 << 20);
    let source = Arc::new(Blocks::new(1, &data::readings(5_000), &[2_048]));
    put(bench, &tier, &source);
    (tier, source)
}

fn a_lost_device_fails_what_is_asked_and_holds_nothing<S: Subject>(bench: &Bench<S>) {
    for _ in 0..5 {
        let (tier, source) = lost_tier(bench);
        bench.subject.lose(tier.device(), "pulled out");
        let request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], ids(&source));
        let rows: Vec<_> = bench.runtime.block_on(Arc::clone(&tier).scan(request).collect());
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].as_ref().unwrap_err().kind(), ErrorKind::DeviceLost);
        let put = bench.runtime.block_on(tier.put(Arc::clone(&source) as _));
        assert_eq!(put.unwrap_err().kind(), ErrorKind::DeviceLost);
        assert!(bench.runtime.block_on(tier.list()).unwrap().is_empty());
        let usage = tier.usage();
        assert_eq!((usage.segments, usage.rows, usage.bytes), (0, 0, 0));
        bench.runtime.block_on(tier.close()).unwrap();
    }
}

fn a_scan_whose_device_is_lost_ends_with_that<S: Subject>(bench: &Bench<S>) {
    let (tier, source) = lost_tier(bench);
    let mut request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], ids(&source));
    request.batch_rows = 100;
    let mut rows = Arc::clone(&tier).scan(request);
    bench.runtime.block_on(async {
        let first = rows.next().await.unwrap().unwrap();
        assert_eq!(first.rows.num_rows(), 100);
        bench.subject.lose(tier.device(), "pulled out");
        // Rows that are on the host already may come; whatever comes is right, and an end without an error is a whole answer.
        let mut seen = 100;
        while let Some(batch) = rows.next().await {
            match batch {
                Ok(batch) => seen += batch.rows.num_rows(),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::DeviceLost);
                    assert!(rows.next().await.is_none());
                    return;
                }
            }
        }
        assert_eq!(seen, 5_000);
    });
}
