//! What the cases of [`WalSink`] share: opening, records, and what a replay must give.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use tsds_traits::{DatabaseId, RecordKind, SchemaVersion, Sequence, TableId, WalOpen, WalRecord, WalSink};

use crate::case::{Bench, Machine};
use crate::claims::Claims;
use crate::fixture::WalFixture;
use crate::outcome::{ensure, ensure_eq, ensure_same_sequence};
use crate::{CaseResult, Failure};

pub(crate) type WalBench = Bench<dyn WalFixture>;

/// A sink says what it claims when it is open.
pub(crate) fn claims(fixture: &dyn WalFixture) -> CaseResult<Claims> {
    let machine = Machine::new(0);
    machine.run(async {
        let sink = fixture.open(machine.context(), first()).await?;
        let claims = Claims::of_durability(sink.durability());
        sink.close().await?;
        Ok(claims)
    })
}

/// How a log is opened for the first time.
pub(super) fn first() -> WalOpen {
    reopened(0, 0, 1)
}

/// How a log is opened again.
pub(super) fn reopened(floor: u64, known_durable: u64, next: u64) -> WalOpen {
    WalOpen {
        database: DatabaseId(*b"tsds-conformance"),
        floor: Sequence(floor),
        known_durable: Sequence(known_durable),
        next: Sequence(next),
    }
}

pub(super) async fn open(bench: &WalBench, machine: &Machine, open: WalOpen) -> CaseResult<Arc<dyn WalSink>> {
    let sink = bench.fixture.open(machine.context(), open).await;
    sink.map_err(|error| Failure::from(error).during("opening the log"))
}

/// The record of a sequence: its content follows from its number, and differs in every field from its neighbours'.
pub(super) fn record(sequence: u64) -> WalRecord {
    let slice = |number: u64| {
        let length = (sequence * 37 + number * 101) % 300;
        Bytes::from((0..length).map(|at| (sequence * 31 + number * 7 + at) as u8).collect::<Vec<u8>>())
    };
    WalRecord {
        sequence: Sequence(sequence),
        table: TableId(sequence as u32 % 5 + 1),
        schema_version: SchemaVersion(sequence as u32 % 3 + 1),
        kind: if sequence.is_multiple_of(4) { RecordKind(77) } else { RecordKind::ROWS },
        rows: sequence as u32 % 1_000,
        client_batch_id: (!sequence.is_multiple_of(3)).then_some([sequence as u8; 16]),
        payload: (0..sequence % 4).map(slice).collect(),
    }
}

/// A record as it comes back: its payload is one slice.
pub(super) fn replayed(mut record: WalRecord) -> WalRecord {
    record.payload = vec![Bytes::from(record.payload.concat())];
    record
}

/// Appends the records of these sequences.
pub(super) async fn append(sink: &dyn WalSink, sequences: impl IntoIterator<Item = u64>) -> CaseResult {
    for sequence in sequences {
        sink.append(record(sequence))
            .await
            .map_err(|error| Failure::from(error).during(format!("appending {sequence}")))?;
    }
    Ok(())
}

/// Appends the records of these sequences and makes them durable.
pub(super) async fn append_durably(
    sink: &dyn WalSink,
    sequences: std::ops::RangeInclusive<u64>,
) -> CaseResult {
    let last = Sequence(*sequences.end());
    append(sink, sequences).await?;
    let durable = sink.sync(last).await.map_err(|error| Failure::from(error).during("sync"))?;
    ensure(durable >= last && sink.durable() >= last, || {
        format!("sync of {last} returned {durable}, and durable says {}", sink.durable())
    })
}

/// The sequences that a replay after `after` gives, whose records must be the ones that were appended.
pub(super) async fn replay(sink: &dyn WalSink, after: u64) -> CaseResult<Vec<u64>> {
    replay_of(sink, after, record).await
}

/// As [`replay`], of records that `content` made.
pub(super) async fn replay_of(
    sink: &dyn WalSink,
    after: u64,
    content: impl Fn(u64) -> WalRecord,
) -> CaseResult<Vec<u64>> {
    let mut replay = sink.replay(Sequence(after));
    let mut sequences: Vec<u64> = Vec::new();
    while let Some(item) = replay.next().await {
        let actual = item.map_err(|error| Failure::from(error).during("replay"))?;
        let sequence = actual.sequence.0;
        ensure(sequences.last().is_none_or(|last| *last < sequence) && sequence > after, || {
            format!("{sequence} is replayed after {after} and {:?}", sequences.last())
        })?;
        ensure_eq(&replayed(actual), &replayed(content(sequence)), "a record replayed")?;
        sequences.push(sequence);
    }
    Ok(sequences)
}

/// Fails unless the replay gives exactly these sequences.
pub(super) async fn ensure_replays(
    sink: &dyn WalSink,
    expected: impl IntoIterator<Item = u64>,
) -> CaseResult {
    let expected: Vec<u64> = expected.into_iter().collect();
    ensure_same_sequence(&replay(sink, 0).await?, &expected, "sequences replayed")
}
