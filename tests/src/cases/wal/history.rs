//! Any history of a log: appends, syncs, releases, reopening, kills and power cuts, against a list of what must be there.

use std::sync::Arc;

use proptest::prelude::*;
use tsds_traits::{Durability, Sequence, WalSink};

use super::bench::{WalBench, append, open, reopened, replay};
use crate::case::{Case, Machine, cases};
use crate::fixture::WalFixture;
use crate::outcome::ensure;
use crate::{CaseResult, Failure};

pub(super) fn cases() -> Vec<Case<dyn WalFixture>> {
    cases![[claims Process] any_history_replays_what_was_durable]
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    /// Syncs up to the record so many before the last one.
    Sync(u64),
    /// Releases up to the record at this part of what is durable.
    Release(prop::sample::Index),
    /// Closes and opens again, leaving out so many sequences.
    Reopen(u64),
    Kill(u64),
    PowerCut(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..12u64).prop_map(Step::Append),
        4 => (0..5u64).prop_map(Step::Sync),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
        1 => (0..3u64).prop_map(Step::Reopen),
        1 => (0..3u64).prop_map(Step::Kill),
        1 => (0..3u64).prop_map(Step::PowerCut),
    ];
    proptest::collection::vec(step, 1..50)
}

/// What a log must hold.
#[derive(Debug, Default)]
struct Expected {
    /// Sequences that must be replayed, ascending: durable ones, and all that was replayed before.
    settled: Vec<u64>,
    /// Sequences that may be replayed, in order and without a hole: appended since.
    open: Vec<u64>,
    floor: u64,
    next: u64,
}

impl Expected {
    fn settle(&mut self, durable: u64) {
        let settled = self.open.partition_point(|sequence| *sequence <= durable);
        self.settled.extend(self.open.drain(..settled));
    }

    async fn step(&mut self, sink: &dyn WalSink, step: &Step) -> CaseResult {
        match step {
            Step::Append(count) => {
                append(sink, self.next..self.next + count).await?;
                self.open.extend(self.next..self.next + count);
                self.next += count;
            }
            Step::Sync(before) => {
                let position = self.open.len().checked_sub(1 + *before as usize);
                if let Some(sequence) = position.and_then(|position| self.open.get(position)).copied() {
                    let durable = sink.sync(Sequence(sequence)).await?;
                    ensure(durable.0 >= sequence, || format!("sync of {sequence} returned {durable}"))?;
                }
            }
            Step::Release(part) if !self.settled.is_empty() => {
                let up_to = *part.get(&self.settled);
                sink.release(Sequence(up_to)).await?;
                self.floor = self.floor.max(up_to);
                self.settled.retain(|sequence| *sequence > up_to);
            }
            _ => {}
        }
        let durable = sink.durable();
        ensure(durable.0 < self.next, || {
            format!("{durable} is durable, but the next record is {}", self.next)
        })?;
        self.settle(durable.0);
        Ok(())
    }

    /// What must hold of a log that was opened again; what it replays counts from now on.
    async fn reopened(&mut self, sink: &dyn WalSink) -> CaseResult {
        let replayed = replay(sink, self.floor).await?;
        let (must, may) = (self.settled.len(), self.settled.len() + self.open.len());
        let all: Vec<u64> = self.settled.iter().chain(&self.open).copied().collect();
        ensure(replayed.len() >= must && all.starts_with(&replayed), || {
            format!(
                "of {must} settled and {} other records, these are replayed: {replayed:?} of {all:?}",
                may - must
            )
        })?;
        self.settled = replayed;
        self.open.clear();
        Ok(())
    }
}

fn any_history_replays_what_was_durable(bench: &WalBench) -> CaseResult {
    bench.for_all(&steps(), |steps| run(bench, &steps))
}

async fn open_at(bench: &WalBench, machine: &Machine, expected: &Expected) -> CaseResult<Arc<dyn WalSink>> {
    let known = expected.settled.last().copied().unwrap_or(expected.floor);
    open(bench, machine, reopened(expected.floor, known, expected.next)).await
}

fn run(bench: &WalBench, steps: &[Step]) -> CaseResult {
    let mut machine = bench.machine();
    let mut expected = Expected { next: 1, ..Expected::default() };
    let mut sink = machine.run(open_at(bench, &machine, &expected))?;
    for (number, step) in steps.iter().enumerate() {
        let during = |failure: Failure| failure.during(format!("step {number}, {step:?}"));
        let power = sink.durability() == Durability::Power;
        let (next, jump): (fn(Machine) -> Machine, u64) = match step {
            Step::Reopen(jump) => {
                machine.run(async { Ok(sink.close().await?) }).map_err(during)?;
                let all = expected.next;
                expected.settle(all);
                (Machine::kill, *jump)
            }
            Step::Kill(jump) => (Machine::kill, *jump),
            Step::PowerCut(jump) => (if power { Machine::crash } else { Machine::kill }, *jump),
            step => {
                machine.run(expected.step(&*sink, step)).map_err(during)?;
                continue;
            }
        };
        expected.next += jump;
        drop(sink);
        machine = next(machine);
        sink = machine.run(open_at(bench, &machine, &expected)).map_err(during)?;
        machine.run(expected.reopened(&*sink)).map_err(during)?;
    }
    Ok(())
}
