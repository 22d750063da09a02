//! What counts as held, and for how long.

use std::future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, poll};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, Comparison, Function, Predicate, Put, ReadMeter, ScanRequest,
    SegmentSource, StoredSegment, Tier, Value,
};

use super::source::Blocks;
use super::{data, ids, put, tier};
use crate::conformance::{Bench, Subject, Test};
use crate::room;
use crate::{Device, DeviceInfo, DeviceTier, Fault, Work};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("what_is_removed_counts_until_nobody_reads_it", removed),
        ("what_would_not_fit_alone_is_declined_with_the_reason", too_large),
        ("works_that_nobody_waits_for_take_memory_until_they_end", abandoned),
        ("a_part_of_any_segment_has_room_to_be_read", narrow_and_wide),
        ("what_is_read_is_counted_for_whoever_asks", metered),
        ("time_passes_as_busy_while_the_device_works_and_not_otherwise", busy),
    ]
}

fn removed<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let source = Arc::new(Blocks::new(1, &data::readings(50_000), &[2_048]));
    put(bench, &tier, &source);
    let held = tier.usage();
    assert!(held.bytes > 0 && held.segments == 1 && held.rows == 50_000);
    let request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], ids(&source));
    let mut rows = Arc::clone(&tier).scan(request);
    bench.runtime.block_on(rows.next()).unwrap().unwrap();
    let id = source.meta().id;
    let stored = StoredSegment { id, record: bytes::Bytes::new() };
    bench.runtime.block_on(tier.remove(&[stored])).unwrap();
    let reading = tier.usage();
    assert_eq!((reading.segments, reading.rows, reading.bytes), (0, 0, held.bytes));
    drop(rows);
    assert_eq!(tier.usage().bytes, 0);
}

fn busy<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let source = Arc::new(Blocks::new(1, &data::readings(50_000), &[2_048]));
    put(bench, &tier, &source);
    let clock = bench.world().clock;
    let start = clock.monotonic();
    let mut request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], ids(&source));
    request.predicate = Some(Predicate::Not(Box::new(Predicate::IsNull(ids(&source)[1]))));
    for batch in bench.runtime.block_on(Arc::clone(&tier).scan(request).collect::<Vec<_>>()) {
        batch.unwrap();
    }
    let worked = tier.usage().busy.unwrap();
    assert!(Duration::ZERO < worked && worked <= clock.monotonic().saturating_sub(start), "{worked:?}");
    // A work may end a moment after its answer was there.
    let rests = (0..1_000).any(|_| {
        let before = tier.usage().busy;
        bench.runtime.block_on(clock.sleep(Duration::from_millis(5)));
        tier.usage().busy == before
    });
    assert!(rests, "the device is busy with nothing");
}

fn metered<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let source = Arc::new(Blocks::new(1, &data::readings(50_000), &[2_048]));
    put(bench, &tier, &source);
    let columns = ids(&source);
    let count = |predicate: Option<Predicate>| {
        let mut request =
            ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], columns.clone());
        (request.predicate, request.meter) = (predicate, ReadMeter::counting());
        let meter = request.meter.clone();
        let rows = bench.runtime.block_on(Arc::clone(&tier).scan(request).collect::<Vec<_>>());
        (rows.into_iter().map(|batch| batch.unwrap().rows.num_rows()).sum::<usize>(), meter.counts())
    };
    let (rows, all) = count(None);
    assert_eq!((rows, all.segments_opened, all.segments_skipped, all.blocks_skipped), (50_000, 1, 0, 0));
    assert!(all.blocks_read > 0 && all.bytes_read > 50_000 && all.requests > 0, "{all:?}");
    let time = source.schema.time_column().id;
    let beyond =
        Predicate::Compare { column: time, comparison: Comparison::Greater, value: Value::Int(i64::MAX - 1) };
    let (rows, none) = count(Some(beyond));
    assert_eq!((rows, none.segments_opened, none.segments_skipped, none.bytes_read), (0, 0, 1, 0));
    assert_eq!(none.blocks_skipped, all.blocks_read);
}

fn too_large<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 2);
    let limit = tier.usage().limit_bytes.unwrap();
    // The segment says that it is small: what its columns take is seen when they are loaded.
    let source = Arc::new(Blocks::new(1, &data::columns(40_000, 5), &[16_384]));
    assert!(source.meta().plain_bytes < limit);
    for _ in 0..2 {
        let put = bench.runtime.block_on(tier.put(Arc::clone(&source) as _)).unwrap();
        assert!(matches!(&put, Put::Declined(reason) if reason.contains("limit_bytes")), "{put:?}");
        assert_eq!(tier.usage().bytes, 0);
    }
}

/// A device that at some time lets works lie.
#[derive(Debug)]
struct Stalling<D: Device> {
    device: Arc<D>,
    stalls: AtomicBool,
    lying: Mutex<Vec<Work<D::Buffer>>>,
}

#[async_trait]
impl<D: Device> Device for Stalling<D> {
    type Buffer = D::Buffer;

    fn info(&self) -> &DeviceInfo {
        self.device.info()
    }

    async fn allocate(&self, bytes: u64) -> Result<D::Buffer, Fault> {
        self.device.allocate(bytes).await
    }

    fn write(&self, buffer: &D::Buffer, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.device.write(buffer, at, bytes)
    }

    async fn run(&self, work: Work<D::Buffer>) -> Result<Vec<Vec<u8>>, Fault> {
        if !self.stalls.load(Ordering::Acquire) {
            return self.device.run(work).await;
        }
        self.lying.lock().unwrap().push(work);
        future::pending().await
    }

    fn is_lost(&self) -> bool {
        self.device.is_lost()
    }
}

fn abandoned<S: Subject>(bench: &Bench<S>) {
    let device = Stalling {
        device: Arc::clone(&bench.device),
        stalls: AtomicBool::new(false),
        lying: Mutex::default(),
    };
    let tier = DeviceTier::new(bench.subject.name(), bench.world(), device, 64 << 20);
    let source = Arc::new(Blocks::new(1, &data::readings(50_000), &[2_048]));
    put(bench, &tier, &source);
    let free = || tier.context.scratch.free_bytes();
    let all = free();
    tier.device().stalls.store(true, Ordering::Release);
    let request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], ids(&source));
    let plan = AggregatePlan {
        group_by: Vec::new(),
        bucket: None,
        aggregates: vec![Aggregate { function: Function::Max, column: Some(ids(&source)[1]) }],
    };
    let sum = AggregateRequest::new(Arc::clone(&source.schema), vec![source.handle()], plan);
    let mut rows = Arc::clone(&tier).scan(request);
    let mut states = Arc::clone(&tier).aggregate(sum);
    bench.runtime.block_on(async {
        while tier.device().lying.lock().unwrap().len() < 2 {
            assert!(poll!(rows.next()).is_pending());
            assert!(poll!(states.next()).is_pending());
            tokio::task::yield_now().await;
        }
    });
    drop((rows, states));
    let lying = free();
    assert!(lying < all, "{lying} of {all} bytes are free");
    tier.device().lying.lock().unwrap().clear();
    assert_eq!(free(), all);
}

fn narrow_and_wide<S: Subject>(bench: &Bench<S>) {
    let narrow: Vec<_> = data::readings(300_000).into_iter().step_by(4).collect();
    for (id, columns) in (1..).zip([narrow, data::columns(3_000, 1)]) {
        let tier = tier(bench, 8);
        let source = Arc::new(Blocks::new(id, &columns, &[16_384]));
        put(bench, &tier, &source);
        let room = room::of_wave(tier.context.scratch.bytes());
        let segment = tier.shelf.get(source.meta().id).unwrap();
        let row_bits: u64 = segment.columns.iter().map(|column| column.form.bytes(8) + 1).sum();
        for part in &segment.parts {
            let taken = room::taken(part.rows.into(), row_bits, segment.columns.len() as u64);
            assert!(taken <= room, "{taken} of {room} bytes for {} rows", part.rows);
        }
    }
}
