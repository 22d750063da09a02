//! What the cases of [`Tier`] share: opening, storing, scanning, and comparing with the model.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::StreamExt;
use tsds_traits::{
    AggregateRequest, Error, ErrorKind, Put, ScanRequest, SegmentBatch, SegmentHandle, SegmentId, Stored,
    StoredSegment, TableSchema, Tier, Value,
};

use crate::case::{Bench, Machine};
use crate::claims::{Claim, Claims};
use crate::data::schemas;
use crate::data::segments::{DAY, Row, Segment, rows_of};
use crate::fixture::TierFixture;
use crate::model;
use crate::outcome::{ensure, ensure_eq, ensure_same_sequence};
use crate::{CaseResult, Failure};

pub(crate) type TierBench = Bench<dyn TierFixture>;

/// A tier says what it claims when it is open.
pub(crate) fn claims(fixture: &dyn TierFixture) -> CaseResult<Claims> {
    let machine = Machine::new(0);
    machine.run(async {
        let tier = fixture.open(machine.context()).await?;
        let small = tier.usage().limit_bytes.is_some_and(|limit| limit <= 8 << 20);
        let claims = Claims::of_tier(tier.capabilities()).with(Claim::Room, small);
        let claims = claims.with(Claim::MemoryMeter, crate::meter::is_installed());
        let claims = claims.with(Claim::Disk, !fixture.stores_elsewhere());
        tier.close().await?;
        match fixture.expected_claims().into_iter().find(|claim| !claims.has(*claim)) {
            None => Ok(claims),
            Some(lost) => Err(Failure::new(format!("the tier does not claim {}, as it should", lost.name()))),
        }
    })
}

/// Opens the tier on a machine.
pub(super) async fn open(bench: &TierBench, machine: &Machine) -> CaseResult<Arc<dyn Tier>> {
    bench.fixture.open(machine.context()).await.map_err(|error| Failure::from(error).during("opening"))
}

/// Runs `body` with the tier, open and empty, on a machine of its own.
pub(super) fn with_tier(
    bench: &TierBench,
    body: impl AsyncFnOnce(Arc<dyn Tier>) -> CaseResult,
) -> CaseResult {
    let machine = bench.machine();
    machine.run(async { body(open(bench, &machine).await?).await })
}

/// Stores a segment that no tier may decline.
pub(super) async fn store(tier: &Arc<dyn Tier>, segment: &Segment) -> CaseResult<Stored> {
    match put(tier, segment).await? {
        Put::Stored(stored) => Ok(stored),
        Put::Declined(why) => Err(Failure::new(format!("a plain segment was declined: {why}"))),
    }
}

/// Offers a segment.
pub(super) async fn put(tier: &Arc<dyn Tier>, segment: &Segment) -> CaseResult<Put> {
    let put = tier.put(Arc::new(segment.source()?)).await?;
    if let Put::Stored(stored) = &put {
        ensure(stored.record.len() <= 1 << 20, || {
            format!(
                "the record of a stored segment has {} bytes; at most 1 MiB are allowed",
                stored.record.len()
            )
        })?;
    }
    Ok(put)
}

/// Stores segments that no tier may decline, and names them as requests do.
pub(super) async fn store_all(tier: &Arc<dyn Tier>, segments: &[Segment]) -> CaseResult<Vec<SegmentHandle>> {
    let mut handles = Vec::with_capacity(segments.len());
    for segment in segments {
        handles.push(segment.handle(&store(tier, segment).await?.record));
    }
    Ok(handles)
}

/// Offers segments of any schema; returns those that the tier took, and names them. One that is declined must leave no
/// trace.
pub(super) async fn offer_all(
    tier: &Arc<dyn Tier>,
    segments: &[Segment],
) -> CaseResult<(Vec<Segment>, Vec<SegmentHandle>)> {
    let (mut taken, mut handles) = (Vec::new(), Vec::new());
    for segment in segments {
        match put(tier, segment).await? {
            Put::Stored(stored) => {
                handles.push(segment.handle(&stored.record));
                taken.push(segment.clone());
            }
            Put::Declined(why) => {
                ensure(!why.is_empty(), || "a segment was declined without a reason".into())?;
                ensure(!listed(tier).await?.contains(&segment.id()), || {
                    format!("segment {} was declined ({why}), but is listed", segment.id())
                })?;
            }
        }
    }
    Ok((taken, handles))
}

/// The ids that the tier lists, which must ascend.
pub(super) async fn listed(tier: &Arc<dyn Tier>) -> CaseResult<Vec<SegmentId>> {
    let ids: Vec<SegmentId> = tier.list().await?.into_iter().map(|segment| segment.id).collect();
    ensure(ids.windows(2).all(|pair| pair[0] < pair[1]), || format!("list does not ascend: {ids:?}"))?;
    Ok(ids)
}

/// What a removal is asked for.
pub(super) fn stored_segment(handle: &SegmentHandle) -> StoredSegment {
    StoredSegment { id: handle.meta.id, record: handle.record.clone() }
}

/// Everything that a scan gave: batches, and the error that ended it.
pub(crate) async fn collect(
    tier: &Arc<dyn Tier>,
    request: ScanRequest,
) -> (Vec<SegmentBatch>, Option<Error>) {
    let mut stream = tier.clone().scan(request);
    let mut batches = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(batch) => batches.push(batch),
            Err(error) => return (batches, Some(error)),
        }
    }
    (batches, None)
}

/// The rows of a scan that must succeed.
pub(super) async fn scan(tier: &Arc<dyn Tier>, request: &ScanRequest) -> CaseResult<Vec<(usize, Row)>> {
    match collect(tier, request.clone()).await {
        (batches, None) => rows(request, &batches),
        (_, Some(error)) => Err(Failure::from(error).during("scan")),
    }
}

/// The rows of batches, which must be as the contract of scans says.
pub(crate) fn rows(request: &ScanRequest, batches: &[SegmentBatch]) -> CaseResult<Vec<(usize, Row)>> {
    let schema = request.schema.project(&request.projection)?;
    let mut all = Vec::new();
    let mut last = 0;
    for batch in batches {
        ensure_eq(&*batch.rows.schema(), &*schema, "schema of a batch")?;
        let count = batch.rows.num_rows();
        ensure(count >= 1 && count <= request.batch_rows, || {
            format!("a batch has {count} rows; between 1 and {} were asked for", request.batch_rows)
        })?;
        ensure(batch.segment >= last && batch.segment < request.segments.len(), || {
            format!("a batch of segment {} comes after one of segment {last}", batch.segment)
        })?;
        last = batch.segment;
        all.extend(rows_of(&batch.rows)?.into_iter().map(|row| (batch.segment, row)));
    }
    Ok(all)
}

/// Fails unless a scan gives what the model says.
pub(super) async fn ensure_scan(
    tier: &Arc<dyn Tier>,
    segments: &[Segment],
    request: &ScanRequest,
) -> CaseResult {
    let stored: Vec<&[Row]> = segments.iter().map(|segment| &segment.rows[..]).collect();
    let expected = model::scan(&stored, request);
    let actual = scan(tier, request).await?;
    ensure_same_sequence(&actual, &expected, "rows of a scan")
}

/// Fails unless each segment reads back as it was put.
pub(super) async fn ensure_readable(
    tier: &Arc<dyn Tier>,
    segments: &[Segment],
    handles: &[SegmentHandle],
) -> CaseResult {
    match segments.first() {
        Some(first) => ensure_scan(tier, segments, &plain_scan(&first.schema, handles)).await,
        None => Ok(()),
    }
}

/// Fails unless a scan of the segment gives `NotFound`, naming it.
pub(super) async fn ensure_absent(tier: &Arc<dyn Tier>, segment: &Segment, record: &[u8]) -> CaseResult {
    let handle = segment.handle(&bytes::Bytes::copy_from_slice(record));
    let (batches, error) = collect(tier, plain_scan(&segment.schema, &[handle])).await;
    ensure(batches.is_empty(), || "a scan of an absent segment gives rows".into())?;
    ensure_not_found(error.as_ref(), segment.id())
}

/// Fails unless the error is `NotFound` and names the segment.
pub(super) fn ensure_not_found(error: Option<&Error>, segment: SegmentId) -> CaseResult {
    let Some(error) = error else {
        return Err(Failure::new("a scan of an absent segment ends without an error"));
    };
    ensure(error.kind() == ErrorKind::NotFound, || {
        format!("a scan of an absent segment gives {error:?} and not NotFound")
    })?;
    ensure(error.to_string().contains(&segment.to_string()), || {
        format!("the error does not name segment {segment}: {error}")
    })
}

/// Every row and column of some segments, in storage order.
pub(super) fn plain_scan(schema: &Arc<TableSchema>, handles: &[SegmentHandle]) -> ScanRequest {
    let columns = schema.columns().iter().map(|column| column.id).collect();
    ScanRequest::new(schema.clone(), handles.to_vec(), columns)
}

/// The state batches of an aggregate, or the error that ended it.
pub(crate) async fn aggregate(
    tier: &Arc<dyn Tier>,
    request: AggregateRequest,
) -> tsds_traits::Result<Vec<RecordBatch>> {
    let mut stream = tier.clone().aggregate(request);
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// Segments that every tier must take: `count` of them, with `rows` rows each, on consecutive days.
pub(super) fn sensor_segments(count: u64, rows: usize) -> CaseResult<Vec<Segment>> {
    let schema = schemas::sensors()?;
    let row = |segment: u64, row: usize| -> Row {
        let number = row as i64;
        vec![
            Some(Value::Text(format!("host-{}", row % 3))),
            Some(Value::Int((segment as i64 * DAY + number / 2) * 1_000_000)),
            (!row.is_multiple_of(7)).then(|| Value::F64(number as f64 / 4.0 - 3.0)),
            (!row.is_multiple_of(5)).then_some(Value::Int(number % 4)),
        ]
    };
    let segment = |number: u64| {
        let rows = (0..rows).map(|index| row(number, index)).collect();
        Segment::new(&schema, number, number as i64 * DAY, rows)
    };
    Ok((0..count).map(segment).collect())
}
