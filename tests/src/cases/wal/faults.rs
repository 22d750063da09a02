//! Disks that fail and disks that fill up.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use tsds_io::{Fault, Operation};
use tsds_traits::{ErrorKind, Sequence, WalRecord, WalSink};

use super::bench::{WalBench, append, append_durably, first, open, record, reopened, replay, replay_of};
use crate::case::{Case, Machine, cases};
use crate::claims::Claim;
use crate::fixture::WalFixture;
use crate::outcome::{ensure, ensure_eq, ensure_error, ensure_same_sequence};
use crate::{CaseResult, Failure};

pub(super) fn cases() -> Vec<Case<dyn WalFixture>> {
    cases![
        [claims Power] a_failed_sync_poisons_the_log,
        [claims Power] a_failed_sync_is_never_repeated,
        [claims Process] a_full_disk_refuses_and_does_not_poison,
        [claims Process] what_a_full_disk_refused_is_never_replayed,
    ]
}

/// A log with `1..=5` durable and `6..=9` appended.
async fn prepared(bench: &WalBench, machine: &Machine) -> CaseResult<Arc<dyn WalSink>> {
    let sink = open(bench, machine, first()).await?;
    append_durably(&*sink, 1..=5).await?;
    append(&*sink, 6..=9).await?;
    Ok(sink)
}

/// Syncs `6..=9`, each for itself and all at the same time.
async fn sync_all(sink: &dyn WalSink) -> Vec<tsds_traits::Result<Sequence>> {
    join_all((6..=9).map(|sequence| sink.sync(Sequence(sequence)))).await
}

/// Fails unless the log takes nothing any more and `durable` stays.
async fn ensure_poisoned(sink: &dyn WalSink) -> CaseResult {
    let durable = sink.durable();
    ensure(durable < Sequence(9), || format!("durable says {durable} after a sync failed"))?;
    ensure_error(sink.append(record(10)).await, ErrorKind::Closed, "append after a failed sync")?;
    ensure_error(sink.sync(Sequence(9)).await, ErrorKind::Closed, "sync after a failed sync")?;
    // Closing ends it one way or the other, and does not hang.
    let _ = sink.close().await;
    ensure_eq(&sink.durable(), &durable, "durable after a failed sync")
}

fn a_failed_sync_poisons_the_log(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = prepared(bench, &machine).await?;
        machine.sim.faults().inject(Fault::on(Operation::Sync, io::ErrorKind::Other).sticky());
        for result in sync_all(&*sink).await {
            ensure_error(result, ErrorKind::NotDurable, "sync of those who waited for a sync that failed")?;
        }
        machine.sim.faults().clear();
        ensure_poisoned(&*sink).await
    })
}

/// One sync of the disk fails, the next one would succeed without writing anything: whoever repeats it loses records.
fn a_failed_sync_is_never_repeated(bench: &WalBench) -> CaseResult {
    let mut failures = 0;
    for nth in 1..=6 {
        let machine = bench.machine_number(nth);
        let acknowledged = machine.run(async {
            let sink = prepared(bench, &machine).await?;
            machine.sim.faults().inject(Fault::on(Operation::Sync, io::ErrorKind::Other).nth(nth));
            let mut acknowledged = 5;
            let mut failed = false;
            for (sequence, result) in (6..).zip(sync_all(&*sink).await) {
                match result {
                    Ok(durable) => acknowledged = durable.0.max(acknowledged),
                    Err(error) if error.kind() == ErrorKind::NotDurable => failed = true,
                    Err(error) => {
                        return Err(
                            Failure::from(error).during(format!("sync of {sequence}, sync {nth} fails"))
                        );
                    }
                }
            }
            if failed {
                failures += 1;
                ensure_poisoned(&*sink).await?;
            }
            Ok(acknowledged.max(sink.durable().0))
        })?;
        let machine = machine.crash_with_total_loss();
        machine.run(async {
            let sink = open(bench, &machine, reopened(0, acknowledged, 1_000)).await?;
            let sequences = replay(&*sink, 0).await?;
            let survived = sequences.len() as u64;
            ensure((acknowledged..=9).contains(&survived) && sequences.into_iter().eq(1..=survived), || {
                format!("sync {nth} failed: {acknowledged} records were durable, and {survived} survived or have a hole")
            })
        })?;
    }
    ensure(failures > 0, || "six syncs of the disk can fail without a record being less durable".into())
}

/// A record that fills a disk.
fn large(sequence: u64) -> WalRecord {
    WalRecord { payload: vec![Bytes::from(vec![sequence as u8; 64 << 10])], ..record(sequence) }
}

/// What a log whose disk was full for a while must replay.
#[derive(Debug, Default)]
struct Kept {
    /// Sequences that were appended and not withdrawn.
    sequences: Vec<u64>,
    /// The last sequence that was appended.
    last: u64,
}

impl Kept {
    /// Appends the next record; whether there was space.
    async fn append(&mut self, sink: &dyn WalSink) -> CaseResult<bool> {
        match sink.append(large(self.last + 1)).await {
            Ok(()) => {
                self.last += 1;
                self.sequences.push(self.last);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NoSpace => Ok(false),
            Err(error) => Err(Failure::from(error).during("appending to a full disk")),
        }
    }

    /// Syncs all; whether there was space. Without it, what is not durable is withdrawn.
    async fn sync(&mut self, sink: &dyn WalSink) -> CaseResult<bool> {
        match sink.sync(Sequence(self.last)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                let durable = sink.durable().0;
                self.sequences.retain(|sequence| *sequence <= durable);
                Ok(false)
            }
            Err(error) => Err(Failure::from(error).during("syncing to a full disk")),
        }
    }
}

/// Three times: fills the disk until the log refuses, frees it, goes on.
async fn fill_and_free(machine: &Machine, sink: &dyn WalSink) -> CaseResult<Kept> {
    let mut kept = Kept::default();
    for round in 0..3 {
        // Nothing can grow any more; what the log has reserved ahead it may still fill: at most 256 MiB here.
        machine.sim.faults().set_capacity(Some(0));
        let mut refused = false;
        for _ in 0..1_000 {
            for _ in 0..4 {
                refused |= !kept.append(sink).await?;
            }
            refused |= !kept.sync(sink).await?;
            if refused {
                break;
            }
        }
        ensure(refused, || format!("round {round}: the disk is full, but the log takes 256 MiB"))?;
        machine.sim.faults().set_capacity(None);
        ensure(kept.append(sink).await? && kept.sync(sink).await?, || {
            format!("round {round}: there is space again, but the log refuses")
        })?;
    }
    Ok(kept)
}

fn a_full_disk_refuses_and_does_not_poison(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        let kept = fill_and_free(&machine, &*sink).await?;
        append_durably(&*sink, kept.last + 1..=kept.last + 3).await
    })
}

fn what_a_full_disk_refused_is_never_replayed(bench: &WalBench) -> CaseResult {
    for crash in [false, true] {
        let machine = bench.machine();
        let kept = machine.run(async {
            let sink = open(bench, &machine, first()).await?;
            fill_and_free(&machine, &*sink).await
        })?;
        let machine = match crash && bench.claims.has(Claim::Power) {
            true => machine.crash(),
            false => machine.kill(),
        };
        machine.run(async {
            let sink = open(bench, &machine, reopened(0, kept.last, kept.last + 100)).await?;
            let sequences = replay_of(&*sink, 0, large).await?;
            ensure_same_sequence(&sequences, &kept.sequences, "sequences replayed after a full disk")
        })?;
    }
    Ok(())
}
