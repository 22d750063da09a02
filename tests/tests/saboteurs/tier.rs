//! Tiers that are broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, make_array};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use tsds_conformance::Suite;
use tsds_conformance::fixture::TierFixture;
use tsds_traits::{
    AggregateRequest, BlockLayout, BuildContext, ColumnId, Comparison, Durability, EncodedColumn, Error,
    ErrorKind, Function, Predicate, Presence, Put, Result, ScanRequest, SegmentBatch, SegmentMeta,
    SegmentSource, SortKey, StoredSegment, TableSchema, Tier, TierCapabilities, TierUsage, TimeBucket, Value,
    World, is_payload_type,
};

use crate::lying_disk::{self, Lie};
use crate::reference::tier::ReferenceTier;
use crate::saboteurs;

/// What is wrong with a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    /// Nothing.
    None,
    DropsTheLastRow,
    SwapsColumns,
    CanonicalisesNan,
    LosesTheSignOfZero,
    TakesEmptyListsForNull,
    GivesPayloadOfOtherRows,
    IgnoresBatchRows,
    TakesOneRowMoreThanTheLimit,
    CountsTheLimitOverOrderedSegments,
    BreaksTiesBackwards,
    PutsNullsLast,
    TellsZerosApart,
    TakesNullForFalse,
    SkipsAbsentSegments,
    DoesNotNameWhatIsAbsent,
    WorksBeforeItIsPolled,
    ForgetsRemovals,
    RefusesToRemoveWhatIsAbsent,
    StoresPartOfAFailedSource,
    StoresAgain,
    ListsBackwards,
    StaysOpen,
    ForgetsWhenReopened,
    RemembersWhenReopened,
    AnswersBeyondItsClaims,
    CountsNulls,
    TakesLastForFirst,
    CutsBucketsTowardsZero,
    ReportsNoUsage,
    EvictsByItself,
    DeclinesEverything,
    RewritesInPlace,
    EndsEarlyWhenASegmentGoes,
    LivesOnALyingDisk(Lie),
    UnderstatesItsMemory,
    GoesByAnotherId,
}

#[derive(Debug)]
struct Saboteur {
    inner: Arc<dyn Tier>,
    world: World,
    sabotage: Sabotage,
    capabilities: TierCapabilities,
    puts: AtomicU64,
}

struct Fixture(Sabotage);

#[async_trait]
impl TierFixture for Fixture {
    fn id(&self) -> String {
        "saboteur.tier".into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    async fn open(&self, mut context: BuildContext) -> Result<Arc<dyn Tier>> {
        let sabotage = self.0;
        let durability = match sabotage {
            Sabotage::RemembersWhenReopened | Sabotage::UnderstatesItsMemory => Durability::Volatile,
            _ => Durability::Power,
        };
        let claimed = TierCapabilities::new(durability).with_all_pushdown();
        let kept = match sabotage {
            Sabotage::ForgetsWhenReopened | Sabotage::UnderstatesItsMemory => Durability::Volatile,
            _ => Durability::Power,
        };
        if let Sabotage::LivesOnALyingDisk(lie) = sabotage {
            context.world = lying_disk::with(context.world, lie);
        }
        let claimed = claimed.with_limit(sabotage != Sabotage::AnswersBeyondItsClaims);
        let world = context.world.clone();
        let capabilities = TierCapabilities::new(kept).with_all_pushdown();
        let limit = (sabotage == Sabotage::EvictsByItself).then_some(1 << 20);
        let inner = ReferenceTier::open(context, capabilities, limit).await?;
        Ok(Arc::new(Saboteur { inner, world, sabotage, capabilities: claimed, puts: AtomicU64::new(0) }))
    }
}

impl Saboteur {
    fn change_request(&self, mut request: ScanRequest) -> ScanRequest {
        match self.sabotage {
            Sabotage::IgnoresBatchRows => request.batch_rows = usize::MAX,
            Sabotage::TakesOneRowMoreThanTheLimit => {
                request.limit = request.limit.map(|limit| limit.saturating_add(1));
            }
            Sabotage::BreaksTiesBackwards if !request.order.is_empty() => {
                let column = request.schema.time_column().id;
                request.order.push(SortKey { column, descending: true, nulls_first: false });
            }
            Sabotage::PutsNullsLast => request.order.iter_mut().for_each(|key| key.nulls_first = false),
            Sabotage::TakesNullForFalse => {
                if let Some(Predicate::Not(inner)) = &request.predicate
                    && let Some(column) = inner.columns().first()
                {
                    let inner = Predicate::Not(inner.clone());
                    request.predicate = Some(Predicate::Or(vec![inner, Predicate::IsNull(*column)]));
                }
            }
            _ => {}
        }
        request
    }

    fn change_batch(&self, request: &ScanRequest, mut batch: SegmentBatch) -> Option<SegmentBatch> {
        let rows = batch.rows.num_rows();
        batch.rows = match self.sabotage {
            Sabotage::DropsTheLastRow if rows == 1 => return None,
            Sabotage::DropsTheLastRow => batch.rows.slice(0, rows - 1),
            Sabotage::SwapsColumns => swap_columns(&batch.rows),
            Sabotage::CanonicalisesNan => {
                change_floats(&batch.rows, |value| if value.is_nan() { f64::NAN } else { value })
            }
            Sabotage::TakesEmptyListsForNull => without_empty_lists(&batch.rows),
            Sabotage::GivesPayloadOfOtherRows if asks_for_some(request) => with_payload_turned(&batch.rows),
            Sabotage::LosesTheSignOfZero => change_floats(&batch.rows, |value| value + 0.0),
            Sabotage::TellsZerosApart => without_other_zeros(request, &batch.rows)?,
            _ => return Some(batch),
        };
        Some(batch)
    }
}

/// Swaps the first two columns that are of one type.
fn swap_columns(batch: &RecordBatch) -> RecordBatch {
    let (schema, mut columns) = (batch.schema(), batch.columns().to_vec());
    let alike = |a: usize, b: usize| {
        let (a, b) = (schema.field(a), schema.field(b));
        a.data_type() == b.data_type() && a.is_nullable() == b.is_nullable()
    };
    let pairs = (0..columns.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
    if let Some((a, b)) = pairs.into_iter().find(|(a, b)| alike(*a, *b)) {
        columns.swap(a, b);
        return RecordBatch::try_new(schema, columns).unwrap();
    }
    batch.clone()
}

fn change_floats(batch: &RecordBatch, change: impl Fn(f64) -> f64) -> RecordBatch {
    let column = |array: &ArrayRef| match array.as_any().downcast_ref::<Float64Array>() {
        Some(floats) => Arc::new(floats.unary::<_, arrow_array::types::Float64Type>(&change)) as ArrayRef,
        None => array.clone(),
    };
    let columns = batch.columns().iter().map(column).collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn without_empty_lists(batch: &RecordBatch) -> RecordBatch {
    let column = |array: &ArrayRef| match array.as_any().downcast_ref::<ListArray>() {
        Some(lists) => {
            let kept = (0..lists.len()).map(|row| lists.is_valid(row) && lists.value_length(row) > 0);
            let data = array.to_data().into_builder().nulls(Some(kept.collect())).build().unwrap();
            make_array(data)
        }
        None => array.clone(),
    };
    let columns = batch.columns().iter().map(column).collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn asks_for_some(request: &ScanRequest) -> bool {
    request.predicate.is_some() || !request.order.is_empty()
}

/// Gives each row the payload of the one after it.
fn with_payload_turned(batch: &RecordBatch) -> RecordBatch {
    let column = |array: &ArrayRef| match is_payload_type(array.data_type()) && !array.is_empty() {
        true => {
            let (first, others) = (array.slice(0, 1), array.slice(1, array.len() - 1));
            arrow_select::concat::concat(&[&others, &first]).unwrap()
        }
        false => array.clone(),
    };
    let columns = batch.columns().iter().map(column).collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// Takes `= 0.0` for a comparison of bits.
fn without_other_zeros(request: &ScanRequest, batch: &RecordBatch) -> Option<RecordBatch> {
    let Some(Predicate::Compare { column, comparison: Comparison::Equal, value: Value::F64(literal) }) =
        &request.predicate
    else {
        return Some(batch.clone());
    };
    let position = request.projection.iter().position(|projected| projected == column)?;
    let floats = batch.column(position).as_any().downcast_ref::<Float64Array>()?;
    let same = (0..floats.len()).filter(|row| floats.value(*row).to_bits() == literal.to_bits());
    let kept: Vec<RecordBatch> = same.map(|row| batch.slice(row, 1)).collect();
    if kept.is_empty() { None } else { arrow_select::concat::concat_batches(&batch.schema(), &kept).ok() }
}

/// A source that takes an error for the end.
#[derive(Debug)]
struct ShortSource(Arc<dyn SegmentSource>);

#[async_trait]
impl SegmentSource for ShortSource {
    fn meta(&self) -> &Arc<SegmentMeta> {
        self.0.meta()
    }

    fn schema(&self) -> &Arc<TableSchema> {
        self.0.schema()
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        self.0.batches().filter(|batch| futures::future::ready(batch.is_ok())).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        self.0.layout(column)
    }

    async fn blocks(&self, column: ColumnId, rows: std::ops::Range<u64>) -> Result<Option<EncodedColumn>> {
        self.0.blocks(column, rows).await
    }
}

#[async_trait]
impl Tier for Saboteur {
    fn name(&self) -> &'static str {
        if self.sabotage == Sabotage::GoesByAnotherId { "tsds.other" } else { "saboteur.tier" }
    }

    fn capabilities(&self) -> &TierCapabilities {
        &self.capabilities
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        match self.sabotage {
            Sabotage::DeclinesEverything if source.schema().columns().len() != 4 => {
                Ok(Put::Declined("no".into()))
            }
            Sabotage::RewritesInPlace => {
                let (id, record) = (source.meta().id, Bytes::new());
                self.inner.remove(&[StoredSegment { id, record }]).await?;
                self.inner.put(source).await
            }
            Sabotage::EvictsByItself => loop {
                match self.inner.put(source.clone()).await {
                    Err(error) if error.kind() == ErrorKind::NoSpace => {
                        let oldest = self.inner.list().await?;
                        self.inner.remove(&oldest[..1]).await?;
                    }
                    result => return result,
                }
            },
            Sabotage::StoresPartOfAFailedSource => self.inner.put(Arc::new(ShortSource(source))).await,
            Sabotage::StoresAgain => match self.inner.put(source).await? {
                Put::Stored(mut stored) => {
                    let number = self.puts.fetch_add(1, Ordering::Relaxed);
                    stored.record = Bytes::from(number.to_string());
                    Ok(Put::Stored(stored))
                }
                declined => Ok(declined),
            },
            _ => self.inner.put(source).await,
        }
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        if self.sabotage == Sabotage::WorksBeforeItIsPolled {
            self.world.executor.spawn(Box::pin(async {}));
        }
        let request = self.change_request(request);
        let inner = self.inner.clone().scan(request.clone());
        let saboteur = self.clone();
        let changed = inner.filter_map(move |item| {
            let item = match item {
                Ok(batch) => saboteur.change_batch(&request, batch).map(Ok),
                Err(error) if error.kind() == ErrorKind::NotFound => match saboteur.sabotage {
                    Sabotage::SkipsAbsentSegments | Sabotage::EndsEarlyWhenASegmentGoes => None,
                    Sabotage::DoesNotNameWhatIsAbsent => Some(Err(Error::new(ErrorKind::NotFound, "absent"))),
                    _ => Some(Err(error)),
                },
                Err(error) => Some(Err(error)),
            };
            futures::future::ready(item)
        });
        if self.sabotage == Sabotage::CountsTheLimitOverOrderedSegments {
            return changed.take(1).boxed();
        }
        changed.boxed()
    }

    fn aggregate(self: Arc<Self>, mut request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        for aggregate in &mut request.plan.aggregates {
            match (self.sabotage, aggregate.function) {
                (Sabotage::CountsNulls, Function::Count) => aggregate.column = None,
                (Sabotage::TakesLastForFirst, Function::First) => aggregate.function = Function::Last,
                _ => {}
            }
        }
        let bucket = request.plan.bucket;
        let inner = self.inner.clone().aggregate(request);
        if self.sabotage != Sabotage::CutsBucketsTowardsZero {
            return inner;
        }
        inner.map(move |batch| Ok(cut_towards_zero(&batch?, bucket))).boxed()
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        match self.sabotage {
            Sabotage::ForgetsRemovals => Ok(()),
            Sabotage::RefusesToRemoveWhatIsAbsent => {
                let there = self.inner.list().await?;
                for segment in segments {
                    if !there.iter().any(|stored| stored.id == segment.id) {
                        return Err(Error::new(ErrorKind::NotFound, "segment is absent"));
                    }
                }
                self.inner.remove(segments).await
            }
            _ => self.inner.remove(segments).await,
        }
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        let mut listed = self.inner.list().await?;
        if self.sabotage == Sabotage::ListsBackwards {
            listed.reverse();
        }
        Ok(listed)
    }

    fn usage(&self) -> TierUsage {
        let usage = self.inner.usage();
        match self.sabotage {
            Sabotage::ReportsNoUsage => TierUsage::default(),
            Sabotage::UnderstatesItsMemory => TierUsage { bytes: usage.rows, ..usage },
            _ => usage,
        }
    }

    async fn close(&self) -> Result<()> {
        if self.sabotage == Sabotage::StaysOpen { Ok(()) } else { self.inner.close().await }
    }
}

fn cut_towards_zero(batch: &RecordBatch, bucket: Option<TimeBucket>) -> RecordBatch {
    let Some(TimeBucket::Units { width, .. }) = bucket else { return batch.clone() };
    let relabelled = |array: &dyn Array, data_type: &arrow_schema::DataType| {
        make_array(array.to_data().into_builder().data_type(data_type.clone()).build().unwrap())
    };
    let column = |(field, array): (&Arc<arrow_schema::Field>, &ArrayRef)| {
        if field.name() != "bucket" {
            return array.clone();
        }
        let starts = relabelled(array, &arrow_schema::DataType::Int64);
        let starts = starts.as_any().downcast_ref::<Int64Array>().unwrap();
        let cut: Int64Array = starts.unary(|start| if start < 0 { start + width } else { start });
        relabelled(&cut, field.data_type())
    };
    let columns = batch.schema().fields().iter().zip(batch.columns()).map(column).collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn suite(sabotage: Sabotage) -> Suite {
    Suite::new().tier(Fixture(sabotage))
}

saboteurs! { "tier", suite, twin Sabotage::None;
    drops_the_last_row: Sabotage::DropsTheLastRow => a_scan_without_order_gives_storage_order,
    swaps_columns: Sabotage::SwapsColumns => rows_of_any_schema_are_read_as_they_were_put,
    canonicalises_nan: Sabotage::CanonicalisesNan => every_edge_value_is_read_as_it_was_put,
    loses_the_sign_of_zero: Sabotage::LosesTheSignOfZero => every_edge_value_is_read_as_it_was_put,
    takes_empty_lists_for_null: Sabotage::TakesEmptyListsForNull => payload_is_read_as_it_was_put,
    filters_without_payload: Sabotage::GivesPayloadOfOtherRows => payload_follows_the_rows_that_match,
    sorts_without_payload: Sabotage::GivesPayloadOfOtherRows => payload_follows_its_rows_into_an_order,
    counts_null_payload: Sabotage::CountsNulls => a_count_of_payload_is_of_what_is_not_null,
    ignores_batch_rows: Sabotage::IgnoresBatchRows => a_batch_holds_no_more_rows_than_asked,
    a_closed_limit: Sabotage::TakesOneRowMoreThanTheLimit => a_limit_counts_over_the_whole_request,
    limits_ordered_scans_as_a_whole: Sabotage::CountsTheLimitOverOrderedSegments
        => a_limit_with_an_order_counts_per_segment,
    breaks_ties_backwards: Sabotage::BreaksTiesBackwards
        => any_order_gives_rows_sorted_with_ties_by_row_number,
    puts_nulls_last: Sabotage::PutsNullsLast => every_type_orders_totally_with_nulls_where_asked,
    tells_zeros_apart: Sabotage::TellsZerosApart
        => every_comparison_of_every_type_keeps_the_right_rows,
    takes_null_for_false: Sabotage::TakesNullForFalse
        => lists_and_tests_of_every_type_keep_the_right_rows,
    skips_absent_segments: Sabotage::SkipsAbsentSegments
        => an_absent_segment_gives_not_found_and_ends_the_stream,
    does_not_name_what_is_absent: Sabotage::DoesNotNameWhatIsAbsent
        => an_absent_segment_gives_not_found_and_ends_the_stream,
    works_before_it_is_polled: Sabotage::WorksBeforeItIsPolled
        => a_scan_does_nothing_before_it_is_polled,
    forgets_removals: Sabotage::ForgetsRemovals => a_stored_segment_is_listed_until_it_is_removed,
    refuses_to_remove_what_is_absent: Sabotage::RefusesToRemoveWhatIsAbsent
        => removing_an_absent_segment_succeeds,
    stores_part_of_a_failed_source: Sabotage::StoresPartOfAFailedSource
        => a_source_that_fails_leaves_nothing_behind,
    stores_again: Sabotage::StoresAgain => putting_a_segment_again_changes_nothing,
    lists_backwards: Sabotage::ListsBackwards => list_ascends_whatever_the_order_of_puts,
    stays_open: Sabotage::StaysOpen => after_closing_every_call_gives_closed,
    forgets_when_reopened: Sabotage::ForgetsWhenReopened
        => what_was_stored_is_there_after_reopening,
    remembers_when_reopened: Sabotage::RemembersWhenReopened
        => a_volatile_tier_is_empty_after_reopening,
    answers_beyond_its_claims: Sabotage::AnswersBeyondItsClaims
        => a_limit_that_is_not_claimed_is_unsupported,
    counts_nulls: Sabotage::CountsNulls => every_function_of_every_type_gives_the_right_state,
    takes_last_for_first: Sabotage::TakesLastForFirst
        => every_function_of_every_type_gives_the_right_state,
    cuts_buckets_towards_zero: Sabotage::CutsBucketsTowardsZero => any_plan_gives_the_right_states,
    reports_no_usage: Sabotage::ReportsNoUsage => usage_counts_what_is_held,
    evicts_by_itself: Sabotage::EvictsByItself
        => a_full_tier_refuses_with_no_space_and_keeps_what_it_has,
    declines_everything: Sabotage::DeclinesEverything
        => rows_of_any_schema_are_read_as_they_were_put,
    declines_every_type: Sabotage::DeclinesEverything => every_edge_value_is_read_as_it_was_put,
    rewrites_in_place: Sabotage::RewritesInPlace
        => threads_that_put_scan_and_remove_do_not_disturb_each_other,
    ends_early_when_a_segment_goes: Sabotage::EndsEarlyWhenASegmentGoes
        => any_history_leaves_what_was_put_and_not_removed,
    hides_a_full_disk: Sabotage::LivesOnALyingDisk(Lie::HidesFullDisk)
        => a_full_disk_refuses_a_put_with_no_space,
    believes_what_it_reads: Sabotage::LivesOnALyingDisk(Lie::RepairsChecksums)
        => damaged_files_give_corrupt_or_the_right_rows,
    syncs_no_file_and_is_killed_often: Sabotage::LivesOnALyingDisk(Lie::SyncsNothing)
        => any_history_leaves_what_was_put_and_not_removed,
    syncs_no_file: Sabotage::LivesOnALyingDisk(Lie::SyncsNothing)
        => what_was_stored_survives_a_power_cut,
    syncs_no_directory: Sabotage::LivesOnALyingDisk(Lie::SyncsNoDirectory)
        => what_was_stored_survives_a_power_cut,
    understates_its_memory: Sabotage::UnderstatesItsMemory
        => usage_is_about_the_memory_that_segments_take,
    goes_by_another_id: Sabotage::GoesByAnotherId => it_goes_by_its_plugin_id,
}
