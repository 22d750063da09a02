//! Releasing and closing.

use tsds_traits::{ErrorKind, Sequence};

use super::bench::{WalBench, append, append_durably, first, open, record, reopened, replay};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::fixture::WalFixture;
use crate::outcome::{ensure, ensure_error};

pub(super) fn cases() -> Vec<Case<dyn WalFixture>> {
    cases![
        [] closing_twice_succeeds,
        [] after_closing_nothing_is_appended_or_synced,
        [] releasing_again_succeeds,
        [claims Process] release_forgets_nothing_above,
        [claims Process] a_released_log_takes_more,
        [claims Power] release_forgets_nothing_above_across_power_cuts,
    ]
}

fn closing_twice_succeeds(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append(&*sink, 1..=3).await?;
        let (first, second) = futures::join!(sink.close(), sink.close());
        first?;
        second?;
        Ok(sink.close().await?)
    })
}

fn after_closing_nothing_is_appended_or_synced(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=3).await?;
        sink.close().await?;
        ensure_error(sink.append(record(4)).await, ErrorKind::Closed, "append after closing")?;
        ensure_error(sink.sync(Sequence(3)).await, ErrorKind::Closed, "sync after closing")?;
        ensure(sink.durable() == Sequence(3), || format!("durable says {} after closing", sink.durable()))
    })
}

fn releasing_again_succeeds(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=20).await?;
        for up_to in [0, 5, 5, 3, 20, 20] {
            sink.release(Sequence(up_to)).await?;
        }
        append_durably(&*sink, 21..=25).await
    })
}

/// What a replay must hold after everything up to `floor` was released.
fn ensure_kept(sequences: &[u64], floor: u64, last: u64) -> CaseResult {
    let above: Vec<u64> = sequences.iter().copied().filter(|sequence| *sequence > floor).collect();
    ensure(above.iter().copied().eq(floor + 1..=last), || {
        format!("all above {floor} up to {last} must be kept, but these were: {sequences:?}")
    })
}

fn release_forgets_nothing_above(bench: &WalBench) -> CaseResult {
    for floor in [0, 1, 50, 99, 100] {
        let machine = bench.machine();
        machine.run(async {
            let sink = open(bench, &machine, first()).await?;
            append_durably(&*sink, 1..=100).await?;
            sink.release(Sequence(floor)).await?;
            Ok(sink.close().await?)
        })?;
        let machine = machine.kill();
        machine.run(async {
            let sink = open(bench, &machine, reopened(floor, 100, 101)).await?;
            ensure_kept(&replay(&*sink, floor).await?, floor, 100)
        })?;
    }
    Ok(())
}

fn a_released_log_takes_more(bench: &WalBench) -> CaseResult {
    let mut machine = bench.machine();
    for life in 0..4u64 {
        let (floor, durable) = (life * 60, life * 60 + if life == 0 { 0 } else { 40 });
        machine.run(async {
            let next = durable + 1;
            let sink = open(bench, &machine, reopened(floor, durable, next)).await?;
            ensure_kept(&replay(&*sink, floor).await?, floor, durable)?;
            append_durably(&*sink, next..=(life + 1) * 60 + 40).await?;
            sink.release(Sequence((life + 1) * 60)).await?;
            Ok(sink.close().await?)
        })?;
        machine = machine.kill();
    }
    Ok(())
}

fn release_forgets_nothing_above_across_power_cuts(bench: &WalBench) -> CaseResult {
    let work = async |machine: &crate::case::Machine| {
        let sink = open(bench, machine, first()).await?;
        append_durably(&*sink, 1..=40).await?;
        let prepared = machine.sim.operations();
        sink.release(Sequence(25)).await?;
        append_durably(&*sink, 41..=44).await?;
        Ok(prepared)
    };
    let machine = bench.machine();
    let prepared = machine.run(work(&machine))?;
    for moment in prepared + 1..=machine.sim.operations() {
        let machine = bench.machine();
        machine.sim.faults().crash_at_operation(moment);
        let _ = machine.sim.run_until_power_cut(work(&machine));
        let machine = machine.crash();
        machine.run(async {
            let sink = open(bench, &machine, reopened(25, 40, 1_000)).await?;
            let sequences = replay(&*sink, 25).await?;
            let last = sequences.last().copied().unwrap_or(25).max(40);
            ensure_kept(&sequences, 25, last)
        })?;
    }
    Ok(())
}
