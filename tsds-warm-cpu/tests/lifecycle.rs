//! What is pinned, for how long, and how much memory it takes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt};
use tsds_conformance::data::segments::{Row, Segment};
use tsds_conformance::data::{FailingSource, schemas};
use tsds_io::SimWorld;
use tsds_traits::{
    AggregatePlan, AggregateRequest, ErrorKind, Put, ScanRequest, SegmentSource, StoredSegment, TableSchema,
    Tier, Value,
};

use support::{Bench, handle, stored, with_small_groups};

/// Rows of two hosts, one a second.
fn rows(count: usize) -> Vec<Row> {
    let row = |number: usize| -> Row {
        vec![
            Some(Value::Text(["east", "west"][number % 2].into())),
            Some(Value::Int(number as i64 * 1_000_000)),
            Some(Value::F64(number as f64 / 8.0)),
            (!number.is_multiple_of(3)).then_some(Value::Int(number as i64)),
        ]
    };
    (0..count).map(row).collect()
}

fn segment(number: u64, count: usize) -> Segment {
    Segment::new(&schemas::sensors().unwrap(), number, 0, rows(count))
}

fn everything(segments: &[&Segment]) -> ScanRequest {
    let schema: Arc<TableSchema> = segments[0].schema.clone();
    let columns = schema.columns().iter().map(|column| column.id).collect();
    ScanRequest::new(schema, segments.iter().map(|segment| handle(segment)).collect(), columns)
}

fn names(segments: &[&Segment]) -> Vec<StoredSegment> {
    segments.iter().map(|segment| StoredSegment { id: segment.id(), record: bytes::Bytes::new() }).collect()
}

fn source(segment: &Segment) -> Arc<dyn SegmentSource> {
    Arc::new(segment.source().unwrap())
}

#[test]
fn a_removed_segment_is_readable_by_the_stream_that_is_open_and_its_memory_comes_back_afterwards() {
    let bench = Bench::new(1, "plain");
    let segments = [with_small_groups(segment(0, 2_000), 300), segment(1, 2_000)];
    for segment in &segments {
        bench.machine.block_on(bench.tier.put(source(segment))).unwrap();
    }
    bench.machine.block_on(async {
        let mut stream = Arc::clone(&bench.tier).scan(everything(&[&segments[0], &segments[1]]));
        let first = stream.next().await.unwrap().unwrap().rows.num_rows();
        let held = bench.tier.usage().bytes;
        bench.tier.remove(&names(&[&segments[0], &segments[1]])).await.unwrap();
        let reading = bench.tier.usage();
        assert!(reading.segments == 0 && reading.bytes > 0 && reading.bytes <= held, "{reading:?} of {held}");
        let rest: Vec<_> = stream.try_collect().await.unwrap();
        assert_eq!(first + rest.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 4_000);
        // Jobs that have begun see first that nobody waits any more.
        bench.machine.world().clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.tier.usage().bytes, 0);
    });
}

#[test]
fn what_a_stream_still_reads_counts_against_the_limit() {
    let machine = SimWorld::new(1);
    let (small, large) = (segment(2, 10), segment(0, 25_000));
    let tier = support::tier(machine.world(), None, Some(1));
    machine.block_on(async {
        let first = stored(tier.put(source(&large)).await.unwrap());
        assert!(first.bytes > 1 << 19, "{first:?}");
        tier.put(source(&small)).await.unwrap();
        let mut stream = Arc::clone(&tier).scan(everything(&[&small, &large]));
        assert_eq!(stream.next().await.unwrap().unwrap().segment, 0);
        tier.remove(&names(&[&large])).await.unwrap();

        let other = segment(1, 25_000);
        let refused = tier.put(source(&other)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NoSpace);
        drop(stream);
        // Jobs that have begun see first that nobody waits any more.
        machine.world().clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(tier.put(source(&other)).await.unwrap(), Put::Stored(first));
    });
}

#[test]
fn a_put_beyond_the_limit_is_no_space_and_leaves_what_was_there() {
    let machine = SimWorld::new(1);
    let tier = support::tier(machine.world(), None, Some(1));
    let (first, second) = (segment(0, 20_000), segment(1, 20_000));
    machine.block_on(async {
        tier.put(source(&first)).await.unwrap();
        let before = tier.usage();
        let error = tier.put(source(&second)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(error.plugin(), Some("tsds.warm.cpu"));
        assert_eq!(tier.usage(), before);
        tier.remove(&names(&[&first])).await.unwrap();
        tier.put(source(&second)).await.unwrap();
    });
}

#[test]
fn a_segment_larger_than_the_whole_limit_is_declined() {
    let machine = SimWorld::new(1);
    let tier = support::tier(machine.world(), None, Some(1));
    assert_eq!(tier.capabilities().max_segment_bytes, Some(1 << 20));
    let put = machine.block_on(tier.put(source(&segment(0, 60_000)))).unwrap();
    assert!(matches!(put, Put::Declined(reason) if reason.contains("limit_bytes=1048576")));
    assert_eq!(tier.usage().segments, 0);
}

#[test]
fn usage_is_what_puts_said_whatever_the_source() {
    let bench = Bench::new(1, "zstd");
    let (from_rows, from_file) = (segment(0, 3_000), segment(1, 3_000));
    let first = stored(bench.machine.block_on(bench.tier.put(source(&from_rows))).unwrap());
    bench.write(&from_file);
    let second = bench.pin(&from_file);
    let usage = bench.tier.usage();
    assert_eq!((usage.segments, usage.rows, usage.bytes), (2, 6_000, first.bytes + second.bytes));
    // Host codes, times, values, counts with validity, and little else.
    let least = 3_000 * (4 + 8 + 8 + 8) + 3_000 / 8;
    for bytes in [first.bytes, second.bytes] {
        assert!((least..least + 16_384).contains(&bytes), "{bytes}");
    }
}

#[test]
fn constant_blocks_of_a_codec_for_residents_stay_encoded() {
    let with = |codec| {
        let bench = Bench::new(1, codec);
        let same_value = rows(2_000).into_iter().map(|row| {
            let [host, time, ..] = &row[..] else { panic!("a row has four values") };
            vec![host.clone(), time.clone(), None, Some(Value::Int(7))]
        });
        let segment = Segment::new(&schemas::sensors().unwrap(), 0, 0, same_value.collect());
        bench.write(&segment);
        bench.pin(&segment).bytes
    };
    assert!(with("constant") + 2_000 * 8 < with("plain"));
}

#[test]
fn blocks_of_the_default_codec_stay_encoded_and_take_a_fraction_of_plain_ones() {
    let with = |codec| {
        let bench = Bench::new(1, codec);
        let segment = segment(0, 20_000);
        bench.write(&segment);
        let stored = bench.pin(&segment);
        assert_eq!(bench.tier.usage().bytes, stored.bytes);
        stored.bytes
    };
    let (plain, gorilla) = (with("plain"), with("gorilla"));
    assert!(gorilla * 2 < plain, "{gorilla} bytes with tsds.gorilla, {plain} with tsds.plain");
}

#[test]
fn a_source_that_fails_leaves_nothing_behind() {
    let machine = SimWorld::new(1);
    let tier = support::tier(machine.world(), None, Some(1));
    let segment = segment(0, 20_000);
    let failing = FailingSource::new(segment.source().unwrap(), 1, ErrorKind::Io);
    machine.block_on(async {
        for _ in 0..3 {
            assert_eq!(tier.put(Arc::new(failing.clone())).await.unwrap_err().kind(), ErrorKind::Io);
        }
        assert!(tier.list().await.unwrap().is_empty());
        tier.put(source(&segment)).await.unwrap();
    });
}

#[test]
fn a_put_that_waited_for_one_that_was_dropped_does_the_work_itself() {
    let bench = Bench::new(1, "plain");
    let segment = segment(0, 2_000);
    bench.write(&segment);
    let file = Arc::new(bench.open(&segment));
    bench.machine.block_on(async {
        let mut first = bench.tier.put(file.clone());
        assert!((&mut first).now_or_never().is_none(), "reading takes a while");
        let mut second = bench.tier.put(file.clone());
        assert!((&mut second).now_or_never().is_none(), "it waits for the first");
        drop(first);
        assert!(matches!(second.await.unwrap(), Put::Stored(_)));
    });
    assert_eq!(bench.tier.usage().segments, 1);
}

#[test]
fn closing_ends_open_streams_and_frees_everything() {
    let machine = SimWorld::new(1);
    let tier = support::tier(machine.world(), None, None);
    let segment = with_small_groups(segment(0, 2_000), 300);
    machine.block_on(async {
        tier.put(source(&segment)).await.unwrap();
        let mut open = Arc::clone(&tier).scan(everything(&[&segment]));
        let unpolled = Arc::clone(&tier).scan(everything(&[&segment]));
        open.next().await.unwrap().unwrap();
        tier.close().await.unwrap();
        tier.close().await.unwrap();

        assert_eq!(open.next().await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        assert!(open.next().await.is_none());
        let ended: Vec<_> = unpolled.collect().await;
        assert!(matches!(&ended[..], [Err(error)] if error.kind() == ErrorKind::Closed));
        let plan = AggregatePlan { group_by: vec![], bucket: None, aggregates: vec![] };
        let request = AggregateRequest::new(segment.schema.clone(), vec![handle(&segment)], plan);
        let mut aggregate = Arc::clone(&tier).aggregate(request);
        assert_eq!(aggregate.next().await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(tier.put(source(&segment)).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(tier.list().await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(tier.remove(&[]).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(tier.usage().bytes, 0);
    });
}

#[test]
fn a_put_on_its_way_when_the_tier_closes_is_closed() {
    let bench = Bench::new(1, "plain");
    let segment = segment(0, 2_000);
    bench.write(&segment);
    let file = Arc::new(bench.open(&segment));
    bench.machine.block_on(async {
        let mut put = bench.tier.put(file);
        assert!((&mut put).now_or_never().is_none());
        bench.tier.close().await.unwrap();
        assert_eq!(put.await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(bench.tier.usage().segments, 0);
    });
}
