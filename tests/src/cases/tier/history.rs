//! Any history of a tier: puts, removals, scans, open streams, reopening and power cuts, against a list of what must be
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use proptest::prelude::*;
use tsds_traits::{Durability, ErrorKind, ScanRequest, SegmentBatch, Stored, StoredSegment, Tier};

use super::bench::{TierBench, listed, open, plain_scan, rows, sensor_segments, store};
use crate::CaseResult;
use crate::case::{Case, Machine, cases};
use crate::data::segments::{Row, Segment};
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_eq, ensure_same_sequence};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![[] any_history_leaves_what_was_put_and_not_removed]
}

/// How many segments a history plays with.
const SEGMENTS: usize = 5;

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Remove(Vec<usize>),
    Scan(Vec<usize>),
    OpenStream(Vec<usize>),
    PollStream(usize),
    DropStream(usize),
    Reopen,
    Kill,
    PowerCut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || proptest::sample::subsequence((0..SEGMENTS).collect::<Vec<_>>(), 1..=3).prop_shuffle();
    let step = prop_oneof![
        6 => (0..SEGMENTS).prop_map(Step::Put),
        2 => some().prop_map(Step::Remove),
        4 => some().prop_map(Step::Scan),
        2 => some().prop_map(Step::OpenStream),
        4 => (0..3usize).prop_map(Step::PollStream),
        1 => (0..3usize).prop_map(Step::DropStream),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A stream that is open while other things happen.
struct OpenStream {
    stream: BoxStream<'static, tsds_traits::Result<SegmentBatch>>,
    request: ScanRequest,
    wanted: Vec<usize>,
    batches: Vec<SegmentBatch>,
    /// One of its segments was not there at the first poll, or has been removed since: it may fail.
    may_fail: bool,
    polled: bool,
}

/// A tier with what it must hold.
struct History<'a> {
    segments: &'a [Segment],
    held: BTreeMap<usize, Stored>,
    streams: Vec<OpenStream>,
}

impl History<'_> {
    fn handles(&self, wanted: &[usize]) -> ScanRequest {
        let record =
            |index: &usize| self.held.get(index).map(|stored| stored.record.clone()).unwrap_or_default();
        let handles: Vec<_> =
            wanted.iter().map(|index| self.segments[*index].handle(&record(index))).collect();
        ScanRequest { batch_rows: 16, ..plain_scan(&self.segments[0].schema, &handles) }
    }

    /// The rows of these segments, and where the first absent one stands.
    fn expected(&self, wanted: &[usize]) -> Vec<(usize, Row)> {
        let rows = |(position, index): (usize, &usize)| {
            self.segments[*index].rows.iter().map(move |row| (position, row.clone())).collect::<Vec<_>>()
        };
        wanted.iter().enumerate().flat_map(rows).collect()
    }

    fn all_held(&self, wanted: &[usize]) -> bool {
        wanted.iter().all(|index| self.held.contains_key(index))
    }

    async fn step(&mut self, tier: &Arc<dyn Tier>, step: &Step) -> CaseResult {
        match step {
            Step::Put(index) => {
                let stored = store(tier, &self.segments[*index]).await?;
                if let Some(known) = self.held.get(index) {
                    ensure_eq(&stored, known, "what putting again returns")?;
                }
                self.held.insert(*index, stored);
            }
            Step::Remove(indices) => {
                let stored = |index: &usize| StoredSegment {
                    id: self.segments[*index].id(),
                    record: self.held.get(index).map(|stored| stored.record.clone()).unwrap_or_default(),
                };
                tier.remove(&indices.iter().map(stored).collect::<Vec<_>>()).await?;
                for stream in &mut self.streams {
                    stream.may_fail |= stream.wanted.iter().any(|wanted| indices.contains(wanted));
                }
                self.held.retain(|index, _| !indices.contains(index));
            }
            Step::Scan(wanted) => {
                let request = self.handles(wanted);
                let mut stream = OpenStream::new(tier, request, wanted.clone());
                while stream.poll(self).await? {}
            }
            Step::OpenStream(wanted) if self.streams.len() < 3 => {
                self.streams.push(OpenStream::new(tier, self.handles(wanted), wanted.clone()));
            }
            Step::PollStream(number) if *number < self.streams.len() => {
                let mut stream = self.streams.swap_remove(*number);
                if stream.poll(self).await? {
                    self.streams.push(stream);
                }
            }
            Step::DropStream(number) if *number < self.streams.len() => {
                drop(self.streams.swap_remove(*number));
            }
            _ => {}
        }
        self.ensure_listed(tier).await
    }

    async fn ensure_listed(&self, tier: &Arc<dyn Tier>) -> CaseResult {
        let ids: Vec<_> = self.held.keys().map(|index| self.segments[*index].id()).collect();
        ensure_eq(&listed(tier).await?, &ids, "list")?;
        let usage = tier.usage();
        let rows: usize = self.held.keys().map(|index| self.segments[*index].rows.len()).sum();
        ensure_eq(&(usage.segments, usage.rows), &(ids.len() as u64, rows as u64), "segments and rows held")
    }

    /// What must hold of a tier that was opened again.
    async fn reopened(&mut self, tier: &Arc<dyn Tier>) -> CaseResult {
        let there = listed(tier).await?;
        match tier.capabilities().durability {
            Durability::Volatile => self.held.clear(),
            Durability::Process => {
                let segments = self.segments;
                self.held.retain(|index, _| there.contains(&segments[*index].id()));
            }
            Durability::Power => {}
        }
        // A removal need not survive a power cut; whatever is too much is whole, and can be removed again.
        for stored in tier.list().await? {
            if !self.held.keys().any(|index| self.segments[*index].id() == stored.id) {
                tier.remove(&[stored]).await?;
            }
        }
        self.ensure_listed(tier).await
    }
}

impl OpenStream {
    fn new(tier: &Arc<dyn Tier>, request: ScanRequest, wanted: Vec<usize>) -> Self {
        let stream = tier.clone().scan(request.clone());
        Self { stream, request, wanted, batches: Vec::new(), may_fail: false, polled: false }
    }

    /// Takes one item; whether the stream goes on. At its end it must have given what it promised.
    async fn poll(&mut self, history: &History<'_>) -> CaseResult<bool> {
        if !self.polled {
            self.may_fail |= !history.all_held(&self.wanted);
            self.polled = true;
        }
        let error = match self.stream.next().await {
            Some(Ok(batch)) => {
                self.batches.push(batch);
                return Ok(true);
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let came = rows(&self.request, &self.batches)?;
        let expected = history.expected(&self.wanted);
        ensure_same_sequence(&came, expected.get(..came.len()).unwrap_or_default(), "rows of a stream")?;
        match error {
            None => ensure_eq(&came.len(), &expected.len(), "rows of a stream that ended without an error")?,
            Some(error) => {
                ensure(self.may_fail, || format!("a stream whose segments are all there fails: {error:?}"))?;
                let absent = error.kind() == ErrorKind::NotFound;
                ensure(absent, || {
                    format!("a stream whose segment is gone gives {error:?} and not NotFound")
                })?;
            }
        }
        Ok(false)
    }
}

fn any_history_leaves_what_was_put_and_not_removed(bench: &TierBench) -> CaseResult {
    let segments = sensor_segments(SEGMENTS as u64, 40)?;
    bench.for_all(&steps(), |steps| run(bench, &segments, &steps))
}

fn run(bench: &TierBench, segments: &[Segment], steps: &[Step]) -> CaseResult {
    let mut machine = bench.machine();
    let mut tier = machine.run(open(bench, &machine))?;
    let mut history = History { segments, held: BTreeMap::new(), streams: Vec::new() };
    for (number, step) in steps.iter().enumerate() {
        let during = |failure: crate::Failure| failure.during(format!("step {number}, {step:?}"));
        let next: Option<fn(Machine) -> Machine> = match step {
            Step::Reopen => {
                machine.run(async { Ok(tier.close().await?) }).map_err(during)?;
                Some(Machine::kill)
            }
            Step::Kill => Some(Machine::kill),
            Step::PowerCut => Some(Machine::crash),
            step => {
                machine.run(history.step(&tier, step)).map_err(during)?;
                None
            }
        };
        if let Some(next) = next {
            history.streams.clear();
            drop(tier);
            machine = next(machine);
            tier = machine.run(open(bench, &machine)).map_err(during)?;
            machine.run(history.reopened(&tier)).map_err(during)?;
        }
    }
    let all: Vec<usize> = history.held.keys().copied().collect();
    machine.run(history.step(&tier, &Step::Scan(all)))
}
