//! What a query reads: bound, pruned and routed to tiers, before any row is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_schema::SchemaRef;
use tsds_compute::{BatchSize, Verdict, expected_bytes, prune};
use tsds_traits::{
    AggregatePlan, ColumnId, Error, ReadMeter, Result, ScanRequest, SchemaVersion, SortKey, TableSchema,
    refuse_payload,
};

use super::analyze::Measuring;
use super::bind::{bind, column_named};
use super::fallback::Reader;
use super::older::{self, View};
use super::snapshot::TableSnapshot;
use super::{Aggregation, Direction, Query, SortColumn};
use crate::catalog::Home;
use crate::core::Core;
use crate::guard::GuardedTier;
use crate::metrics::QueryTimer;
use crate::version::SegmentEntry;
use crate::warm::{Serving, Warm};

/// The most bytes of a batch: enough that what a batch costs does not matter, few enough that nobody minds one.
const BATCH_BYTES: u64 = 16 << 20;
/// Of the memory of a query that has little, a batch takes such a part: some of them are on their way at any time.
const BATCHES_IN_MEMORY: u64 = 32;

/// A bound query.
#[derive(Debug)]
pub(super) struct Plan {
    pub core: Arc<Core>,
    pub snapshot: Arc<TableSnapshot>,
    /// The schema in which rows are returned.
    pub schema: Arc<TableSchema>,
    pub filter_text: Option<String>,
    /// The columns of the result.
    pub projection: Vec<ColumnId>,
    pub order: Vec<SortKey>,
    pub limit: Option<u64>,
    /// How large batches are, those of the result and those that tiers are asked for.
    pub size: BatchSize,
    /// How many bytes the query may hold, about.
    pub memory_limit: u64,
    pub aggregate: Option<PlannedAggregate>,
    /// What rows of each schema version are asked.
    pub views: BTreeMap<SchemaVersion, Arc<View>>,
    /// Where segments are read, by tier and schema version.
    pub parts: Vec<Part>,
    /// Segments that cannot have a matching row, by the role of their home.
    pub pruned: Vec<(Role, usize)>,
    /// Bytes that sorting wrote to disk.
    pub spilled: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(super) struct PlannedAggregate {
    pub plan: AggregatePlan,
    pub names: Vec<String>,
    pub output: SchemaRef,
    /// Sorting of the groups, by position in the output.
    pub sort: Vec<(usize, SortColumn)>,
}

/// Which tier a segment is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Warm,
    Cold,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// A segment, with its place in the order of chunks and arrival among all segments of the table.
pub(super) type PlacedSegment = (usize, Arc<SegmentEntry>);

/// Segments of one schema version that one tier reads.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub role: Role,
    pub tier: GuardedTier,
    /// What can answer instead.
    pub fallback: Option<GuardedTier>,
    /// Why another tier is not asked that could be.
    pub reason: Option<String>,
    /// The same in a word.
    pub passed_by: Option<&'static str>,
    /// What its rows are asked, all of which are of one schema version.
    pub view: Arc<View>,
    /// In the order of chunks and arrival.
    pub segments: Vec<PlacedSegment>,
    /// If the query is analyzed.
    pub measuring: Option<Arc<Measuring>>,
}

impl Part {
    /// How many rows its segments have.
    pub(super) fn rows(&self) -> u64 {
        self.segments.iter().map(|(_, entry)| entry.meta.rows).sum()
    }

    /// What tiers count with.
    pub(super) fn meter(&self) -> ReadMeter {
        self.measuring.as_ref().map(|measuring| measuring.meter.clone()).unwrap_or_default()
    }

    /// What reads its segments.
    pub(super) fn reader(&self, core: &Core) -> Reader {
        let timer = QueryTimer {
            clock: Arc::clone(&core.world.clock),
            role: self.role.name(),
            measuring: self.measuring.clone(),
        };
        Reader {
            tier: self.tier.clone(),
            fallback: self.fallback.clone(),
            view: Arc::clone(&self.view),
            timer,
        }
    }

    /// Says why, if what reads these files is not the tier that was offered them since that can never hold them.
    fn note_declined(&mut self, serving: &Serving) {
        let ids = self.segments.iter().map(|(_, entry)| entry.id());
        let reasons = serving.with_residency(|residency| residency.declined(ids));
        // The most frequent reason: there is one for each kind of column or of size.
        let Some((reason, segments)) = reasons.into_iter().max_by_key(|(_, segments)| *segments) else {
            return;
        };
        let (name, all) = (serving.tier.name(), self.segments.len());
        self.passed_by = Some("declined");
        self.reason = Some(format!("{name} declined {segments} of {all} segments: {reason}"));
    }

    /// Decides between the tier that holds segments and the one that reads their files, for a part of segments at home in
    /// files.
    fn settle_between(&mut self, serving: &Serving, warm: &Warm, min_rows: Option<u64>) {
        if self.tier.is(warm.fallback()) {
            self.reason = warm.why_files(serving);
            self.passed_by = self.reason.is_some().then_some("not_resident");
            if self.reason.is_some() {
                self.note_declined(serving);
            }
            return;
        }
        let (rows, enough) = (self.rows(), warm.min_rows(serving, min_rows));
        if rows >= enough {
            self.fallback = Some(warm.fallback().clone());
            return;
        }
        self.passed_by = Some("few_rows");
        self.tier = warm.fallback().clone();
        let (rows, enough, name) = (thousands(rows), thousands(enough), self.tier.name());
        self.reason = Some(format!("{rows} rows are fewer than {enough}: read by {name}"));
    }
}

/// With a comma between thousands.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Plan {
    pub(super) fn new(query: &Query, snapshot: Arc<TableSnapshot>) -> Result<Self> {
        let schema = Arc::clone(&snapshot.table.schema);
        let predicate = query.filter.as_ref().map(|filter| bind(filter, &schema)).transpose()?;
        let id = |name: &String| column_named(&schema, name).map(|column| column.id);
        let projection = match &query.projection {
            Some(names) => names.iter().map(id).collect::<Result<Vec<_>>>()?,
            None => schema.columns().iter().map(|column| column.id).collect(),
        };
        let aggregate =
            query.aggregation.as_ref().map(|one| plan_aggregate(one, query, &schema)).transpose()?;
        if aggregate.is_some() && query.projection.is_some() {
            return Err(Error::invalid_input(
                "an aggregate has no columns to choose from; leave the projection out",
            ));
        }
        let order = if aggregate.is_some() { Vec::new() } else { plan_order(&query.sort, &schema)? };
        let views = older::views(
            &snapshot,
            predicate.as_ref(),
            &order,
            aggregate.as_ref().map(|aggregate| &aggregate.plan),
        )?;
        let memory_limit = query.core.settings().query.memory_limit_mb.saturating_mul(1 << 20);
        let batch_bytes = BATCH_BYTES.min(memory_limit / BATCHES_IN_MEMORY);
        let mut plan = Self {
            core: Arc::clone(&query.core),
            schema,
            filter_text: query.filter.as_ref().map(ToString::to_string),
            projection,
            order,
            limit: query.limit,
            size: BatchSize::new(query.batch_rows, batch_bytes),
            memory_limit,
            aggregate,
            views,
            parts: Vec::new(),
            pruned: Vec::new(),
            spilled: Arc::default(),
            snapshot,
        };
        plan.route();
        Ok(plan)
    }

    /// Drops the segments that cannot match and gives the others to tiers.
    fn route(&mut self) {
        let now = self.core.now();
        let warm = Arc::clone(&self.core.warm);
        let (serving, fallback) = (warm.serving(), warm.fallback());
        let (mut parts, mut pruned): (Vec<Part>, Vec<(Role, usize)>) = (Vec::new(), Vec::new());
        serving.with_residency(|residency| {
            for (ordinal, entry) in self.snapshot.table.segments.iter().enumerate() {
                let (role, tier) = match &entry.home {
                    Home::Tier(_) => (Role::Cold, &self.core.cold),
                    Home::File if residency.holds(entry.id()) => (Role::Warm, &serving.tier),
                    Home::File => (Role::Warm, fallback),
                };
                // There is one of every version.
                let Some(view) = self.views.get(&entry.meta.schema_version) else { continue };
                if cannot_match(view, entry) {
                    match pruned.iter_mut().find(|(pruned_role, _)| *pruned_role == role) {
                        Some((_, count)) => *count += 1,
                        None => pruned.push((role, 1)),
                    }
                    continue;
                }
                entry.touch(now);
                let segment = (ordinal, Arc::clone(entry));
                match parts.iter_mut().find(|part| Arc::ptr_eq(&part.view, view) && part.tier.is(tier)) {
                    Some(part) => part.segments.push(segment),
                    None => {
                        parts.push(Part {
                            role,
                            tier: tier.clone(),
                            fallback: None,
                            reason: None,
                            passed_by: None,
                            view: Arc::clone(view),
                            segments: vec![segment],
                            measuring: None,
                        });
                    }
                }
            }
        });
        for part in parts.iter_mut().filter(|part| part.role == Role::Warm) {
            part.settle_between(&serving, &warm, self.core.settings().warm_tier.min_rows);
        }
        // Cold rows are the oldest: without an order they come first.
        parts.sort_by_key(|part| std::cmp::Reverse(part.role));
        (self.parts, self.pruned) = (parts, pruned);
    }

    /// The columns by which equal rows are told apart, after the order itself: series columns, then time.
    pub(super) fn tie_keys(&self) -> Vec<SortKey> {
        let ordered = |column: &ColumnId| self.order.iter().any(|key| key.column == *column);
        let ties = self.schema.sort_columns().into_iter().filter(|column| !ordered(column));
        ties.map(|column| SortKey { column, descending: false, nulls_first: true }).collect()
    }

    /// What an ordered query must read: the result's columns, those of the order, and those that break ties.
    pub(super) fn fetched_columns(&self) -> Vec<ColumnId> {
        let mut fetched: Vec<ColumnId> = Vec::new();
        let keys = self.order.iter().chain(&self.tie_keys()).map(|key| key.column).collect::<Vec<_>>();
        for column in self.projection.iter().copied().chain(keys) {
            if !fetched.contains(&column) {
                fetched.push(column);
            }
        }
        fetched
    }

    /// A request to a tier for some segments of a part, in the given order: for those of the columns that they have.
    pub(super) fn request(
        &self,
        part: &Part,
        segments: &[PlacedSegment],
        columns: &[ColumnId],
    ) -> ScanRequest {
        let view = &part.view;
        let handles = segments.iter().map(|(_, entry)| entry.handle()).collect();
        let mut request = ScanRequest::new(Arc::clone(view.schema()), handles, view.present(columns));
        (request.batch_rows, request.batch_bytes) = (self.size.rows, self.size.bytes);
        request.predicate = view.predicate.clone();
        request.order = view.order.clone();
        request.limit = self.limit;
        request.meter = part.meter();
        request
    }

    /// About what columns of a segment take in memory. Those that the segment lacks take next to nothing.
    pub(super) fn held_bytes(&self, entry: &SegmentEntry, columns: &[ColumnId]) -> u64 {
        let Some(view) = self.views.get(&entry.meta.schema_version) else { return 0 };
        expected_bytes(&entry.meta, view.schema(), &view.present(columns))
    }

    pub(super) fn output_schema(&self) -> Result<SchemaRef> {
        match &self.aggregate {
            Some(aggregate) => Ok(Arc::clone(&aggregate.output)),
            None => self.schema.project(&self.projection),
        }
    }
}

fn cannot_match(view: &View, entry: &SegmentEntry) -> bool {
    let Some(predicate) = &view.predicate else { return false };
    prune::verdict(predicate, &|column| entry.meta.stats(column), entry.meta.rows) == Verdict::None
}

fn plan_order(sort: &[SortColumn], schema: &TableSchema) -> Result<Vec<SortKey>> {
    let mut order: Vec<SortKey> = Vec::new();
    for column in sort {
        let named = column_named(schema, &column.name)?;
        refuse_payload(named, "an order")?;
        let id = named.id;
        // Sorting by the same column again changes nothing.
        if !order.iter().any(|key| key.column == id) {
            let descending = column.direction == Direction::Descending;
            order.push(SortKey { column: id, descending, nulls_first: column.nulls_first });
        }
    }
    Ok(order)
}

fn plan_aggregate(
    aggregation: &Aggregation,
    query: &Query,
    schema: &TableSchema,
) -> Result<PlannedAggregate> {
    let plan = aggregation.bind(schema)?;
    let output = aggregation.output_schema(schema)?;
    let position = |sort: &SortColumn| {
        let names: Vec<_> = output.fields().iter().map(|field| field.name().as_str()).collect();
        let found = names.iter().position(|name| *name == sort.name);
        let unknown = || {
            Error::invalid_input("the aggregate has no such column to sort by")
                .with("column", &sort.name)
                .with("columns", names.join(","))
        };
        found.map(|index| (index, sort.clone())).ok_or_else(unknown)
    };
    let sort = query.sort.iter().map(position).collect::<Result<Vec<_>>>()?;
    Ok(PlannedAggregate { plan, names: aggregation.names(schema), output, sort })
}
