//! What a power cut leaves.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tsds_traits::{ErrorKind, Sequence, WalRecord};

use super::bench::{WalBench, append, append_durably, ensure_replays, first, open, record, reopened, replay};
use crate::case::{Case, Machine, cases};
use crate::fixture::{WalFixture, build_context};
use crate::outcome::{ensure, ensure_error};
use crate::watched::watched;
use crate::{CaseResult, Failure};
use futures::future::join_all;

pub(super) fn cases() -> Vec<Case<dyn WalFixture>> {
    cases![
        [claims Power] what_was_synced_survives_a_power_cut,
        [claims Power] a_power_cut_at_any_moment_leaves_a_prefix_with_all_that_was_synced,
        [claims Power] a_power_cut_during_recovery_loses_nothing,
        [claims Power] what_was_replayed_once_is_replayed_again,
        [claims Power] concurrent_syncs_share_the_disk,
        [claims Power] a_dropped_sync_changes_nothing,
        [claims Power] closing_makes_everything_durable,
        [claims Power] records_that_are_known_to_be_durable_and_missing_are_corruption,
        [claims Process] what_was_synced_survives_a_kill,
        [lacks Process] a_volatile_log_replays_nothing_after_reopening,
    ]
}

/// Fails unless the replay is `1..=n` with `synced <= n <= appended`.
async fn ensure_prefix(bench: &WalBench, machine: &Machine, synced: u64, appended: u64) -> CaseResult<u64> {
    let sink = open(bench, machine, reopened(0, synced, appended + 1_000)).await?;
    let sequences = replay(&*sink, 0).await?;
    let survived = sequences.len() as u64;
    ensure(sequences.iter().copied().eq(1..=survived), || {
        format!("what survived has a hole: {sequences:?}")
    })?;
    ensure(survived >= synced, || format!("{synced} records were synced, but {survived} survived"))?;
    ensure(survived <= appended, || format!("{appended} records were appended, but {survived} survived"))?;
    sink.close().await?;
    Ok(survived)
}

fn what_was_synced_survives_a_power_cut(bench: &WalBench) -> CaseResult {
    for number in 0..24u64 {
        let machine = bench.machine_number(number);
        let synced = number * 5 % 37;
        let appended = synced + number % 6;
        machine.run(async {
            let sink = open(bench, &machine, first()).await?;
            if synced > 0 {
                append_durably(&*sink, 1..=synced).await?;
            }
            append(&*sink, synced + 1..=appended).await
        })?;
        let machine = machine.crash();
        machine
            .run(ensure_prefix(bench, &machine, synced, appended))
            .map_err(|failure| failure.during(format!("power cut {number}")))?;
    }
    Ok(())
}

/// How far a run got before its power was cut.
#[derive(Debug, Default)]
struct Progress {
    appended: Cell<u64>,
    synced: Cell<u64>,
}

/// Appends and syncs for a while, keeping track.
async fn work(bench: &WalBench, machine: &Machine, progress: &Progress) -> CaseResult {
    let sink = open(bench, machine, first()).await?;
    for group in 0..8u64 {
        for sequence in group * 4 + 1..=group * 4 + 4 {
            // Counted before: a power cut may leave what was about to be appended.
            progress.appended.set(sequence);
            append(&*sink, [sequence]).await?;
        }
        let durable = sink.sync(Sequence(group * 4 + 3)).await?;
        progress.synced.set(durable.0);
    }
    sink.close().await?;
    progress.synced.set(progress.appended.get());
    Ok(())
}

fn a_power_cut_at_any_moment_leaves_a_prefix_with_all_that_was_synced(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(work(bench, &machine, &Progress::default()))?;
    let operations = machine.sim.operations();
    ensure(operations > 0, || "a durable log changes nothing on the disk".into())?;
    for moment in 1..=operations {
        let (machine, progress) = (bench.machine(), Progress::default());
        machine.sim.faults().crash_at_operation(moment);
        let _ = machine.sim.run_until_power_cut(work(bench, &machine, &progress));
        let machine = machine.crash();
        let (synced, appended) = (progress.synced.get(), progress.appended.get());
        machine
            .run(ensure_prefix(bench, &machine, synced, appended))
            .map_err(|failure: Failure| failure.during(format!("power cut at operation {moment}")))?;
    }
    Ok(())
}

/// A machine whose log was left by a power cut, with 12 records synced and more appended.
fn unclean(bench: &WalBench, number: u64) -> CaseResult<Machine> {
    let machine = bench.machine_number(number);
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=12).await?;
        append(&*sink, 13..=17).await
    })?;
    Ok(machine.crash())
}

fn a_power_cut_during_recovery_loses_nothing(bench: &WalBench) -> CaseResult {
    for number in 0..4 {
        let recover = async |machine: &Machine| {
            let sink = open(bench, machine, reopened(0, 12, 1_000)).await?;
            let survived = replay(&*sink, 0).await?;
            append_durably(&*sink, 1_000..=1_002).await?;
            Ok(survived.len())
        };
        let machine = unclean(bench, number)?;
        machine.run(recover(&machine))?;
        for moment in 1..=machine.sim.operations() {
            let machine = unclean(bench, number)?;
            machine.sim.faults().crash_at_operation(moment);
            let _ = machine.sim.run_until_power_cut(recover(&machine));
            let machine = machine.crash();
            let outcome = machine.run(async {
                let sink = open(bench, &machine, reopened(0, 12, 2_000)).await?;
                let mut sequences = replay(&*sink, 0).await?;
                sequences.retain(|sequence| *sequence < 1_000);
                let survived = sequences.len() as u64;
                ensure(survived >= 12 && sequences.into_iter().eq(1..=survived), || {
                    format!("12 records were synced, but {survived} survived or have a hole")
                })
            });
            outcome.map_err(|failure: Failure| {
                failure.during(format!("second power cut at operation {moment}"))
            })?;
        }
    }
    Ok(())
}

fn what_was_replayed_once_is_replayed_again(bench: &WalBench) -> CaseResult {
    for number in 0..16 {
        let mut machine = unclean(bench, number)?;
        let mut known: Option<Vec<u64>> = None;
        for life in 1..4 {
            let sequences = machine.run(async {
                let sink = open(bench, &machine, reopened(0, 12, life * 1_000)).await?;
                replay(&*sink, 0).await
            })?;
            if let Some(known) = &known {
                ensure(*known == sequences, || {
                    format!("{known:?} were replayed, and after a power cut {sequences:?}")
                })?;
            }
            known = Some(sequences);
            machine = machine.crash();
        }
    }
    Ok(())
}

fn concurrent_syncs_share_the_disk(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    let (world, activity) = watched(machine.sim.world());
    machine.run(async {
        let sink = bench.fixture.open(build_context(world), first()).await?;
        // Small enough for one file of any log: a new one takes syncs of its own.
        for sequence in 1..=40 {
            sink.append(WalRecord { payload: vec![], ..record(sequence) }).await?;
        }
        let before = activity.syncs();
        for durable in join_all((1..=40).map(|sequence| sink.sync(Sequence(sequence)))).await {
            durable?;
        }
        let syncs = activity.syncs() - before;
        ensure(syncs <= 10, || format!("40 waiters took {syncs} syncs of the disk"))
    })
}

fn a_dropped_sync_changes_nothing(bench: &WalBench) -> CaseResult {
    for polls in 0..20 {
        let machine = bench.machine_number(polls);
        machine.run(async {
            let sink = open(bench, &machine, first()).await?;
            append(&*sink, 1..=5).await?;
            {
                let mut sync = pin!(sink.sync(Sequence(5)));
                let mut left = polls;
                poll_fn(|context| {
                    if left == 0 || sync.as_mut().poll(context).is_ready() {
                        return Poll::Ready(());
                    }
                    left -= 1;
                    context.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
            }
            append_durably(&*sink, 6..=9).await
        })?;
        let machine = machine.crash();
        machine.run(ensure_prefix(bench, &machine, 9, 9))?;
    }
    Ok(())
}

fn closing_makes_everything_durable(bench: &WalBench) -> CaseResult {
    for number in 0..8 {
        let machine = bench.machine_number(number);
        machine.run(async {
            let sink = open(bench, &machine, first()).await?;
            append(&*sink, 1..=7).await?;
            Ok(sink.close().await?)
        })?;
        let machine = machine.crash();
        machine.run(ensure_prefix(bench, &machine, 7, 7))?;
    }
    Ok(())
}

fn records_that_are_known_to_be_durable_and_missing_are_corruption(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=5).await?;
        Ok(sink.close().await?)
    })?;
    let machine = machine.kill();
    machine.run(async {
        let result = bench.fixture.open(machine.context(), reopened(0, 6, 100)).await;
        ensure_error(result.map(|_| ()), ErrorKind::Corrupt, "opening a log that lacks a durable record")
    })?;
    let empty = bench.machine_number(1);
    empty.run(async {
        let result = bench.fixture.open(empty.context(), reopened(2, 6, 100)).await;
        ensure_error(
            result.map(|_| ()),
            ErrorKind::Corrupt,
            "opening an empty log that lacks durable records",
        )
    })
}

fn what_was_synced_survives_a_kill(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=9).await
    })?;
    let machine = machine.kill();
    machine.run(async { ensure_replays(&*open(bench, &machine, reopened(0, 9, 10)).await?, 1..=9).await })
}

fn a_volatile_log_replays_nothing_after_reopening(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=9).await?;
        Ok(sink.close().await?)
    })?;
    let machine = machine.kill();
    machine.run(async { ensure_replays(&*open(bench, &machine, reopened(0, 0, 10)).await?, []).await })
}
