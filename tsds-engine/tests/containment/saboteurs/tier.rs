//! A tier that misbehaves.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampMillisecondArray};
use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_engine::builtin_registry;
use tsds_engine::traits::{
    AggregateRequest, BuildContext, Error, ErrorKind, Factory, Put, Registry, Result, ScanRequest,
    SegmentBatch, SegmentSource, StoredSegment, Tier, TierCapabilities, TierUsage, World,
};

use super::{COLD, QUERY_BATCH_ROWS, WARM, block, build_functions, registry};

/// How a tier misbehaves. Faults of scans show in queries only; "late" is after the first batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TierFault {
    None,
    BuildPanics,
    BuildHangs,
    CapabilitiesPanic,
    ScanCallPanics,
    ScanPanics,
    ScanPanicsLate,
    ScanHangs,
    ScanHangsLate,
    ScanBlocks,
    ScanDawdles,
    ScanNeverEndsToWake,
    ScanFailsLate,
    WrongSchema,
    TooManyRows,
    TooFewRows,
    UnknownSegment,
    SwappedSegments,
    WrongTimesLate,
    AggregatePanics,
    AggregatePanicsLate,
    AggregateHangs,
    CountsTwice,
    CountsLess,
    PutPanics,
    PutHangs,
    PutBlocks,
    StoresLess,
    RemovePanics,
    UsagePanics,
    CloseHangs,
}

impl TierFault {
    /// A registry with a warm tier that misbehaves so.
    pub fn warm(self) -> Registry {
        registry(
            WARM,
            Factory::Tier(build_functions!(
                self,
                TierFault {
                    None,
                    BuildPanics,
                    BuildHangs,
                    CapabilitiesPanic,
                    ScanCallPanics,
                    ScanPanics,
                    ScanPanicsLate,
                    ScanHangs,
                    ScanHangsLate,
                    ScanBlocks,
                    ScanDawdles,
                    ScanNeverEndsToWake,
                    ScanFailsLate,
                    WrongSchema,
                    TooManyRows,
                    TooFewRows,
                    UnknownSegment,
                    SwappedSegments,
                    WrongTimesLate,
                    AggregatePanics,
                    AggregatePanicsLate,
                    AggregateHangs,
                    CountsTwice,
                    CountsLess,
                    PutPanics,
                    PutHangs,
                    PutBlocks,
                    StoresLess,
                    RemovePanics,
                    UsagePanics,
                    CloseHangs
                },
                build_warm
            )),
        )
    }

    /// A registry with a cold tier that misbehaves so.
    pub fn cold(self) -> Registry {
        registry(
            COLD,
            Factory::Tier(build_functions!(
                self,
                TierFault {
                    None,
                    BuildPanics,
                    BuildHangs,
                    CapabilitiesPanic,
                    ScanCallPanics,
                    ScanPanics,
                    ScanPanicsLate,
                    ScanHangs,
                    ScanHangsLate,
                    ScanBlocks,
                    ScanDawdles,
                    ScanNeverEndsToWake,
                    ScanFailsLate,
                    WrongSchema,
                    TooManyRows,
                    TooFewRows,
                    UnknownSegment,
                    SwappedSegments,
                    WrongTimesLate,
                    AggregatePanics,
                    AggregatePanicsLate,
                    AggregateHangs,
                    CountsTwice,
                    CountsLess,
                    PutPanics,
                    PutHangs,
                    PutBlocks,
                    StoresLess,
                    RemovePanics,
                    UsagePanics,
                    CloseHangs
                },
                build_cold
            )),
        )
    }
}

type Built = BoxFuture<'static, Result<Arc<dyn Tier>>>;

fn build_warm<const FAULT: u8>(settings: serde_json::Value, context: BuildContext) -> Built {
    build(FAULT, WARM, "tsds.warm.cpu", settings, context)
}

fn build_cold<const FAULT: u8>(settings: serde_json::Value, context: BuildContext) -> Built {
    build(FAULT, COLD, "tsds.cold.parquet", settings, context)
}

fn build(
    fault: u8,
    name: &'static str,
    real: &'static str,
    settings: serde_json::Value,
    context: BuildContext,
) -> Built {
    async move {
        let world = context.world.clone();
        if fault == TierFault::BuildPanics as u8 {
            panic!("cannot be built");
        }
        if fault == TierFault::BuildHangs as u8 {
            futures::future::pending::<()>().await;
        }
        let inner = builtin_registry()?.tier(real, settings, context).await?;
        Ok(Arc::new(Saboteur { fault, name, inner, world }) as Arc<dyn Tier>)
    }
    .boxed()
}

#[derive(Debug)]
struct Saboteur {
    fault: u8,
    name: &'static str,
    inner: Arc<dyn Tier>,
    world: World,
}

impl Saboteur {
    fn is(&self, fault: TierFault) -> bool {
        self.fault == fault as u8
    }
}

type Rows = BoxStream<'static, Result<SegmentBatch>>;

#[async_trait]
impl Tier for Saboteur {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> &TierCapabilities {
        if self.is(TierFault::CapabilitiesPanic) {
            panic!("no capabilities");
        }
        self.inner.capabilities()
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        if self.is(TierFault::PutPanics) {
            panic!("cannot store");
        }
        if self.is(TierFault::PutHangs) {
            futures::future::pending::<()>().await;
        }
        if self.is(TierFault::PutBlocks) {
            block();
        }
        self.inner.put(source).await
    }

    fn scan(self: Arc<Self>, mut request: ScanRequest) -> Rows {
        let inner = Arc::clone(&self.inner);
        if self.is(TierFault::StoresLess) {
            return inner.scan(request).map_ok(without_last_row).boxed();
        }
        if request.batch_rows != QUERY_BATCH_ROWS {
            return inner.scan(request);
        }
        if self.is(TierFault::ScanCallPanics) {
            panic!("cannot begin to scan");
        } else if self.is(TierFault::ScanPanics) {
            panicking()
        } else if self.is(TierFault::ScanPanicsLate) {
            inner.scan(request).take(1).chain(panicking()).boxed()
        } else if self.is(TierFault::ScanHangs) {
            stream::pending().boxed()
        } else if self.is(TierFault::ScanHangsLate) {
            inner.scan(request).take(1).chain(stream::pending()).boxed()
        } else if self.is(TierFault::ScanBlocks) {
            stream::poll_fn(|_| {
                block();
                Poll::Ready(None)
            })
            .boxed()
        } else if self.is(TierFault::ScanDawdles) {
            let world = self.world.clone();
            let rest = async move {
                for _ in 0..10 {
                    world.clock.sleep(Duration::from_secs(45)).await;
                }
            };
            stream::once(rest).map(|()| stream::empty()).flatten().chain(inner.scan(request)).boxed()
        } else if self.is(TierFault::ScanNeverEndsToWake) {
            let world = self.world.clone();
            let for_ever = async move {
                loop {
                    world.clock.sleep(Duration::from_secs(1)).await;
                }
            };
            stream::once(for_ever).boxed()
        } else if self.is(TierFault::ScanFailsLate) {
            let lost = Error::new(ErrorKind::DeviceLost, "device is lost");
            inner.scan(request).take(1).chain(stream::once(async move { Err(lost) })).boxed()
        } else if self.is(TierFault::WrongSchema) {
            inner.scan(request).map_ok(without_first_column).boxed()
        } else if self.is(TierFault::TooManyRows) {
            inner
                .scan(request)
                .map_ok(|batch| stream::iter([Ok(batch.clone()), Ok(batch)]))
                .try_flatten()
                .boxed()
        } else if self.is(TierFault::TooFewRows) {
            inner.scan(request).map_ok(without_last_row).boxed()
        } else if self.is(TierFault::UnknownSegment) {
            let segments = request.segments.len();
            inner.scan(request).map_ok(move |batch| SegmentBatch { segment: segments, ..batch }).boxed()
        } else if self.is(TierFault::SwappedSegments) {
            request.segments.reverse();
            inner.scan(request)
        } else if self.is(TierFault::WrongTimesLate) {
            let mut batches = 0;
            let rows = inner.scan(request).map_ok(move |batch| {
                batches += 1;
                if batches > 1 { in_another_year(batch) } else { batch }
            });
            rows.boxed()
        } else {
            inner.scan(request)
        }
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        let states = Arc::clone(&self.inner).aggregate(request);
        if self.is(TierFault::AggregatePanics) {
            panicking()
        } else if self.is(TierFault::AggregatePanicsLate) {
            states.chain(panicking()).boxed()
        } else if self.is(TierFault::AggregateHangs) {
            stream::pending().boxed()
        } else if self.is(TierFault::CountsTwice) {
            states.map_ok(|batch| stream::iter([Ok(batch.clone()), Ok(batch)])).try_flatten().boxed()
        } else if self.is(TierFault::CountsLess) {
            stream::empty().boxed()
        } else {
            states
        }
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        if self.is(TierFault::RemovePanics) {
            panic!("cannot remove");
        }
        self.inner.remove(segments).await
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        self.inner.list().await
    }

    fn usage(&self) -> TierUsage {
        if self.is(TierFault::UsagePanics) {
            panic!("cannot count");
        }
        self.inner.usage()
    }

    async fn close(&self) -> Result<()> {
        if self.is(TierFault::CloseHangs) {
            futures::future::pending::<()>().await;
        }
        self.inner.close().await
    }
}

fn panicking<T: Send + 'static>() -> BoxStream<'static, Result<T>> {
    stream::poll_fn(|_| panic!("cannot go on")).boxed()
}

fn without_last_row(batch: SegmentBatch) -> SegmentBatch {
    let rows = batch.rows.num_rows();
    // A batch of one row stays: an empty one would be another fault.
    SegmentBatch { rows: batch.rows.slice(0, rows.saturating_sub(1).max(1)), ..batch }
}

fn without_first_column(batch: SegmentBatch) -> SegmentBatch {
    let columns: Vec<usize> = (1..batch.rows.num_columns()).collect();
    SegmentBatch { rows: batch.rows.project(&columns).unwrap(), ..batch }
}

fn in_another_year(batch: SegmentBatch) -> SegmentBatch {
    let columns = batch.rows.columns().iter().map(|column| match column.as_primitive_opt() {
        Some(times) => {
            let times: &arrow_array::PrimitiveArray<TimestampMillisecondType> = times;
            let later = times.values().iter().map(|time| time + 31_536_000_000);
            Arc::new(TimestampMillisecondArray::from_iter_values(later)) as ArrayRef
        }
        None => Arc::clone(column),
    });
    let columns: Vec<Arc<dyn Array>> = columns.collect();
    SegmentBatch { rows: RecordBatch::try_new(batch.rows.schema(), columns).unwrap(), ..batch }
}
