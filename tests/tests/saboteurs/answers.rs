//! Tiers that store as they should and answer wrongly.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int16Array, Int64Array, RecordBatch, UInt64Array};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use tsds_conformance::Suite;
use tsds_conformance::fixture::TierFixture;
use tsds_traits::{
    AggregateRequest, BuildContext, Comparison, Durability, Predicate, Presence, Put, Result, ScanRequest,
    SegmentBatch, SegmentSource, StoredSegment, SumState, Tier, TierCapabilities, TierUsage, Value,
};

use crate::reference::tier::ReferenceTier;
use crate::saboteurs;

/// What is wrong with a tier's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Nothing.
    None,
    /// `<` is `<=`.
    ClosesUpperBounds,
    /// `>` takes NaN for the largest number.
    LetsNanMatchGreater,
    /// `<>` trusts bounds that are one value, though a NaN lies beside it.
    PrunesByBoundsThatHideNan,
    /// `>=` prunes a segment whose largest value is the literal.
    PrunesAtTheBound,
    /// An order takes `-0.0` for `0.0`.
    OrdersZerosAsEqual,
    /// Only the first segment of an ordered scan is limited.
    LimitsTheFirstSegmentOnly,
    /// Row 65,536 of a segment is lost.
    LosesTheRowAfterTwoBytes,
    /// A segment has no more rows than two bytes count.
    CountsRowsInTwoBytes,
    /// Sums are rounded to the 53 bits of a float.
    RoundsSums,
    /// `list` shows what is being put.
    ListsUnfinishedPuts,
}

#[derive(Debug)]
struct Saboteur {
    inner: Arc<dyn Tier>,
    sabotage: Sabotage,
    unfinished: Mutex<Vec<StoredSegment>>,
}

pub struct Fixture(pub Sabotage);

#[async_trait]
impl TierFixture for Fixture {
    fn id(&self) -> String {
        "saboteur.answers".into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>> {
        let capabilities = TierCapabilities::new(Durability::Power).with_all_pushdown();
        let inner = ReferenceTier::open(context, capabilities, None).await?;
        Ok(Arc::new(Saboteur { inner, sabotage: self.0, unfinished: Mutex::default() }))
    }
}

impl Saboteur {
    fn change_predicate(&self, predicate: Predicate) -> Predicate {
        let all = |list: Vec<Predicate>| list.into_iter().map(|inner| self.change_predicate(inner)).collect();
        match predicate {
            Predicate::And(list) => Predicate::And(all(list)),
            Predicate::Or(list) => Predicate::Or(all(list)),
            Predicate::Not(inner) => Predicate::Not(Box::new(self.change_predicate(*inner))),
            Predicate::Compare { column, comparison: Comparison::Less, value }
                if self.sabotage == Sabotage::ClosesUpperBounds =>
            {
                Predicate::Compare { column, comparison: Comparison::LessOrEqual, value }
            }
            Predicate::Compare { column, comparison: Comparison::Greater, value }
                if self.sabotage == Sabotage::LetsNanMatchGreater
                    && matches!(value, Value::F32(_) | Value::F64(_)) =>
            {
                let comparison = Comparison::Greater;
                let nan = Predicate::IsNan(column);
                Predicate::Or(vec![Predicate::Compare { column, comparison, value }, nan])
            }
            other => other,
        }
    }

    /// Whether bounds are taken to say that no row of a segment matches.
    fn prunes(&self, request: &ScanRequest, segment: usize) -> bool {
        let Some(Predicate::Compare { column, comparison, value }) = &request.predicate else {
            return false;
        };
        let Some(stats) = request.segments[segment].meta.stats(*column) else { return false };
        match (self.sabotage, comparison) {
            (Sabotage::PrunesByBoundsThatHideNan, Comparison::NotEqual) => {
                stats.min.as_ref() == Some(value) && stats.max.as_ref() == Some(value)
            }
            (Sabotage::PrunesAtTheBound, Comparison::GreaterOrEqual) => stats.max.as_ref() == Some(value),
            _ => false,
        }
    }

    /// One ordered scan for each segment, only the first with its limit.
    fn scan_one_by_one(&self, request: &ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let scan = |(index, segment): (usize, &tsds_traits::SegmentHandle)| {
            let mut single = request.clone();
            single.segments = vec![segment.clone()];
            single.limit = request.limit.filter(|_| index == 0);
            let moved = move |batch: Result<SegmentBatch>| {
                batch.map(|mut batch| {
                    batch.segment = index;
                    batch
                })
            };
            self.inner.clone().scan(single).map(moved).boxed()
        };
        let scans: Vec<_> = request.segments.iter().enumerate().map(scan).collect();
        futures::stream::iter(scans).flatten().boxed()
    }
}

/// Leaves out the row of this number, counted over the batches of a scan.
fn without_row(batch: &RecordBatch, before: usize, row: usize) -> Option<RecordBatch> {
    let Some(at) = row.checked_sub(before).filter(|at| *at < batch.num_rows()) else {
        return Some(batch.clone());
    };
    let parts = [batch.slice(0, at), batch.slice(at + 1, batch.num_rows() - at - 1)];
    let rest = arrow_select::concat::concat_batches(&batch.schema(), &parts).ok()?;
    (rest.num_rows() > 0).then_some(rest)
}

/// Swaps neighbours that differ in the sign of zero only, as an order by IEEE equality may leave them.
fn with_zeros_swapped(batch: &RecordBatch, column: usize) -> RecordBatch {
    let Some(floats) = batch.column(column).as_primitive_opt::<Float64Type>() else { return batch.clone() };
    let zeros = |row: usize| floats.is_valid(row) && floats.value(row) == 0.0;
    let mut rows: Vec<u64> = (0..batch.num_rows() as u64).collect();
    let differ = |row: usize| floats.value(row).to_bits() != floats.value(row + 1).to_bits();
    let pair = (0..rows.len().saturating_sub(1)).find(|row| zeros(*row) && zeros(*row + 1) && differ(*row));
    if let Some(row) = pair {
        rows.swap(row, row + 1);
    }
    arrow_select::take::take_record_batch(batch, &UInt64Array::from(rows)).unwrap()
}

/// Rounds the mantissas of sums to 53 bits.
fn with_rounded_sums(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let mut columns = batch.columns().to_vec();
    for (index, field) in schema.fields().iter().enumerate() {
        let Some(sum) = field.name().strip_suffix(".low") else { continue };
        let at = |name: &str| schema.index_of(&format!("{sum}.{name}")).unwrap();
        let (high, exponent) = (at("high"), at("exponent"));
        let low_bits = columns[index].as_primitive::<UInt64Type>();
        let high_bits = columns[high].as_primitive::<Int64Type>();
        let exponents = columns[exponent].as_primitive::<Int16Type>();
        let round = |row: usize| {
            let mantissa = (i128::from(high_bits.value(row)) << 64) | i128::from(low_bits.value(row));
            let excess = (128 - mantissa.unsigned_abs().leading_zeros()).saturating_sub(53);
            SumState::finite(mantissa >> excess, i32::from(exponents.value(row)) + excess as i32).unwrap()
        };
        let states: Vec<SumState> = (0..batch.num_rows()).map(round).collect();
        let low: UInt64Array = states.iter().map(|state| Some(state.mantissa as u64)).collect();
        let upper: Int64Array = states.iter().map(|state| Some((state.mantissa >> 64) as i64)).collect();
        let powers: Int16Array = states.iter().map(|state| Some(state.exponent)).collect();
        columns[index] = Arc::new(low);
        columns[high] = Arc::new(upper);
        columns[exponent] = Arc::new(powers) as ArrayRef;
    }
    RecordBatch::try_new(schema, columns).unwrap()
}

#[async_trait]
impl Tier for Saboteur {
    fn name(&self) -> &'static str {
        "saboteur.answers"
    }

    fn capabilities(&self) -> &TierCapabilities {
        self.inner.capabilities()
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        let segment = StoredSegment { id: source.meta().id, record: Bytes::new() };
        self.unfinished.lock().unwrap().push(segment);
        let put = self.inner.put(source).await;
        self.unfinished.lock().unwrap().pop();
        put
    }

    fn scan(self: Arc<Self>, mut request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let asked = request.clone();
        request.predicate = request.predicate.map(|predicate| self.change_predicate(predicate));
        let inner = if self.sabotage == Sabotage::LimitsTheFirstSegmentOnly && !request.order.is_empty() {
            self.scan_one_by_one(&request)
        } else {
            self.inner.clone().scan(request)
        };
        let given = AtomicUsize::new(0);
        let change = move |mut batch: SegmentBatch| {
            let rows = batch.rows.num_rows();
            let before = given.fetch_add(rows, Ordering::Relaxed);
            if self.prunes(&asked, batch.segment) {
                return None;
            }
            match self.sabotage {
                Sabotage::LosesTheRowAfterTwoBytes => {
                    batch.rows = without_row(&batch.rows, before, 1 << 16)?;
                }
                Sabotage::CountsRowsInTwoBytes => {
                    let kept = ((1_usize << 16) - 1).saturating_sub(before).min(rows);
                    batch.rows = batch.rows.slice(0, kept);
                    if kept == 0 {
                        return None;
                    }
                }
                Sabotage::OrdersZerosAsEqual => {
                    let first = asked.order.first().map(|key| key.column);
                    if let Some(column) = asked.projection.iter().position(|column| Some(*column) == first) {
                        batch.rows = with_zeros_swapped(&batch.rows, column);
                    }
                }
                _ => {}
            }
            Some(batch)
        };
        inner.filter_map(move |item| futures::future::ready(item.map(&change).transpose())).boxed()
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        let states = self.inner.clone().aggregate(request);
        match self.sabotage {
            Sabotage::RoundsSums => states.map(|batch| Ok(with_rounded_sums(&batch?))).boxed(),
            _ => states,
        }
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        self.inner.remove(segments).await
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        let mut listed = self.inner.list().await?;
        if self.sabotage == Sabotage::ListsUnfinishedPuts {
            listed.extend(self.unfinished.lock().unwrap().iter().cloned());
            listed.sort_by_key(|segment| segment.id);
            listed.dedup_by_key(|segment| segment.id);
        }
        Ok(listed)
    }

    fn usage(&self) -> TierUsage {
        self.inner.usage()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn suite(sabotage: Sabotage) -> Suite {
    Suite::new().tier(Fixture(sabotage))
}

saboteurs! { "answers", suite, twin Sabotage::None;
    closes_upper_bounds: Sabotage::ClosesUpperBounds
        => every_comparison_of_every_type_keeps_the_right_rows,
    lets_nan_match_greater: Sabotage::LetsNanMatchGreater
        => every_comparison_of_every_type_keeps_the_right_rows,
    prunes_by_bounds_that_hide_nan: Sabotage::PrunesByBoundsThatHideNan => statistics_never_hide_a_row,
    prunes_at_the_bound: Sabotage::PrunesAtTheBound => statistics_never_hide_a_row,
    orders_zeros_as_equal: Sabotage::OrdersZerosAsEqual => every_type_orders_totally_with_nulls_where_asked,
    limits_the_first_segment_only: Sabotage::LimitsTheFirstSegmentOnly
        => a_limit_with_an_order_counts_per_segment,
    loses_the_row_after_two_bytes: Sabotage::LosesTheRowAfterTwoBytes
        => long_segments_are_read_to_the_last_row,
    counts_rows_in_two_bytes: Sabotage::CountsRowsInTwoBytes => an_order_covers_the_whole_of_a_long_segment,
    rounds_sums: Sabotage::RoundsSums => every_function_of_every_type_gives_the_right_state,
    lists_unfinished_puts: Sabotage::ListsUnfinishedPuts => a_put_in_progress_shows_nothing,
}
