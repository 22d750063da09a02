//! Appending and replaying.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use tsds_io::Operation;
use tsds_traits::{ErrorKind, RecordKind, SchemaVersion, Sequence, TableId, WalRecord};

use super::bench::{
    WalBench, append, append_durably, ensure_replays, first, open, record, reopened, replay, replayed,
};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::fixture::WalFixture;
use crate::outcome::{ensure, ensure_eq, ensure_error, ensure_goes_by, ensure_same_sequence};

pub(super) fn cases() -> Vec<Case<dyn WalFixture>> {
    cases![
        [] it_goes_by_its_plugin_id,
        [] an_empty_log_replays_nothing,
        [] a_gap_or_a_repetition_is_refused_and_changes_nothing,
        [] records_appended_since_opening_are_not_replayed,
        [] durable_never_goes_back_and_reaches_what_was_synced,
        [] sync_of_what_was_not_appended_is_invalid_input,
        [] concurrent_syncs_all_return,
        [] appending_does_not_wait_for_the_disk,
        [claims Process] records_come_back_in_order_after_reopening,
        [claims Process] a_replay_starts_after_what_is_asked,
        [claims Process] records_of_every_size_come_back,
        [claims Process] sequences_may_jump_when_the_log_is_reopened,
    ]
}

fn it_goes_by_its_plugin_id(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        ensure_goes_by(sink.name(), &bench.fixture.id())
    })
}

fn an_empty_log_replays_nothing(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        ensure_replays(&*sink, []).await?;
        ensure_eq(&sink.durable(), &Sequence(0), "durable of an empty log")?;
        Ok(sink.close().await?)
    })?;
    let machine = machine.kill();
    machine.run(async { ensure_replays(&*open(bench, &machine, first()).await?, []).await })
}

fn a_gap_or_a_repetition_is_refused_and_changes_nothing(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        for wrong in [0, 2, u64::MAX] {
            ensure_error(
                sink.append(record(wrong % 1_000)).await,
                ErrorKind::Internal,
                "a first record that is not the next",
            )?;
        }
        append(&*sink, 1..=3).await?;
        for wrong in [0, 1, 3, 5, 100] {
            ensure_error(
                sink.append(record(wrong)).await,
                ErrorKind::Internal,
                "a record that is not the next",
            )?;
        }
        append_durably(&*sink, 4..=6).await?;
        Ok(sink.close().await?)
    })?;
    if !bench.claims.has(crate::claims::Claim::Process) {
        return Ok(());
    }
    let machine = machine.kill();
    machine.run(async { ensure_replays(&*open(bench, &machine, reopened(0, 6, 7)).await?, 1..=6).await })
}

fn records_come_back_in_order_after_reopening(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=200).await?;
        Ok(sink.close().await?)
    })?;
    let machine = machine.kill();
    machine.run(async {
        let sink = open(bench, &machine, reopened(0, 200, 201)).await?;
        ensure_replays(&*sink, 1..=200).await?;
        // Again: a replay takes nothing away.
        ensure_replays(&*sink, 1..=200).await
    })
}

fn a_replay_starts_after_what_is_asked(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=50).await?;
        Ok(sink.close().await?)
    })?;
    let machine = machine.kill();
    machine.run(async {
        let sink = open(bench, &machine, reopened(0, 50, 51)).await?;
        for after in [0, 1, 25, 49, 50, 60] {
            let expected: Vec<u64> = (after + 1..=50).collect();
            ensure_same_sequence(&replay(&*sink, after).await?, &expected, &format!("replay after {after}"))?;
        }
        Ok(())
    })
}

fn records_appended_since_opening_are_not_replayed(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=5).await?;
        ensure_replays(&*sink, []).await?;
        let replay = sink.replay(Sequence(0));
        append_durably(&*sink, 6..=9).await?;
        let records: Vec<WalRecord> = replay.try_collect().await?;
        ensure(records.is_empty(), || format!("{} records of this opening are replayed", records.len()))
    })
}

fn durable_never_goes_back_and_reaches_what_was_synced(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        let mut last = sink.durable();
        for sequence in 1..=40u64 {
            append(&*sink, [sequence]).await?;
            if sequence.is_multiple_of(3) {
                let durable = sink.sync(Sequence(sequence - 1)).await?;
                ensure(durable >= Sequence(sequence - 1), || {
                    format!("sync of {} returned {durable}", sequence - 1)
                })?;
                ensure(durable <= Sequence(sequence), || {
                    format!("{durable} is durable before it was appended")
                })?;
            }
            let durable = sink.durable();
            ensure(durable >= last, || format!("durable went back from {last} to {durable}"))?;
            ensure(durable <= Sequence(sequence), || format!("{durable} is durable before it was appended"))?;
            last = durable;
        }
        // What is durable already needs no disk.
        ensure_eq(&(sink.sync(Sequence(1)).await? >= Sequence(1)), &true, "sync of what is durable")
    })
}

fn sync_of_what_was_not_appended_is_invalid_input(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        ensure_error(sink.sync(Sequence(1)).await, ErrorKind::InvalidInput, "sync of an empty log up to 1")?;
        append(&*sink, 1..=3).await?;
        ensure_error(sink.sync(Sequence(4)).await, ErrorKind::InvalidInput, "sync beyond the last record")?;
        append_durably(&*sink, 4..=4).await
    })
}

fn concurrent_syncs_all_return(bench: &WalBench) -> CaseResult {
    for number in 0..8 {
        let machine = bench.machine_number(number);
        machine.run(async {
            let sink = open(bench, &machine, first()).await?;
            append(&*sink, 1..=60).await?;
            let syncs = (1..=60).map(|sequence| sink.sync(Sequence(sequence)));
            for (index, durable) in futures::future::join_all(syncs).await.into_iter().enumerate() {
                let (durable, asked) = (durable?, Sequence(index as u64 + 1));
                ensure(durable >= asked, || format!("sync of {asked} returned {durable}"))?;
            }
            ensure_eq(&sink.durable(), &Sequence(60), "durable after all syncs")
        })?;
    }
    Ok(())
}

fn appending_does_not_wait_for_the_disk(bench: &WalBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=2).await?;
        for operation in [Operation::Write, Operation::Sync, Operation::SyncDir] {
            machine.sim.faults().set_delay(operation, Duration::from_secs(5));
        }
        let before = machine.sim.now();
        append(&*sink, 3..=20).await?;
        let waited = machine.sim.now() - before;
        ensure(waited < Duration::from_secs(5), || format!("18 appends waited {waited:?} for the disk"))
    })
}

fn records_of_every_size_come_back(bench: &WalBench) -> CaseResult {
    let sizes = [0, 1, 511, 512, 513, 4_095, 4_096, 4_097, 70_000, 1 << 20, (17 << 20) + 3];
    let sized = |index: usize, size: usize| WalRecord {
        sequence: Sequence(index as u64 + 1),
        table: TableId(1),
        schema_version: SchemaVersion(1),
        kind: RecordKind::ROWS,
        rows: 1,
        client_batch_id: None,
        payload: (0..size)
            .step_by(1 << 20)
            .map(|start| Bytes::from(vec![(index * 7 + 1) as u8; (size - start).min(1 << 20)]))
            .collect(),
    };
    let records: Vec<WalRecord> = sizes.iter().enumerate().map(|(index, size)| sized(index, *size)).collect();
    let last = records.len() as u64;
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        for record in &records {
            sink.append(record.clone()).await?;
        }
        sink.sync(Sequence(last)).await?;
        Ok(sink.close().await?)
    })?;
    let machine = machine.kill();
    machine.run(async {
        let sink = open(bench, &machine, reopened(0, last, last + 1)).await?;
        let actual: Vec<WalRecord> = sink.replay(Sequence(0)).map_ok(replayed).try_collect().await?;
        let same = actual.iter().zip(&records).position(|(a, b)| *a != replayed(b.clone()));
        ensure(same.is_none() && actual.len() == records.len(), || {
            format!(
                "{} of {} records came back; the first that differs: {same:?}",
                actual.len(),
                records.len()
            )
        })
    })
}

fn sequences_may_jump_when_the_log_is_reopened(bench: &WalBench) -> CaseResult {
    let mut machine = bench.machine();
    let mut expected: Vec<u64> = Vec::new();
    for next in [1, 11, 12, 5_000] {
        let durable = expected.last().copied().unwrap_or(0);
        machine.run(async {
            let sink = open(bench, &machine, reopened(0, durable, next)).await?;
            ensure_replays(&*sink, expected.iter().copied()).await?;
            ensure_error(
                sink.append(record(next + 1)).await,
                ErrorKind::Internal,
                "a record after the next",
            )?;
            append_durably(&*sink, next..=next).await?;
            Ok(sink.close().await?)
        })?;
        expected.push(next);
        machine = machine.kill();
    }
    Ok(())
}
