//! A log in a simulated machine, and records to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use tsds_hot::{ArrowWal, WalSettings};
use tsds_io::SimWorld;
use tsds_traits::{
    DatabaseId, RecordKind, Result, SchemaVersion, Sequence, TableId, WalOpen, WalRecord, WalSink,
};

pub(crate) const DIRECTORY: &str = "/wal";
pub(crate) const DATABASE: DatabaseId = DatabaseId(*b"a test database!");

/// Small files, so that a short test sees several.
pub(crate) fn settings() -> WalSettings {
    WalSettings { file_bytes: 32 << 10, frame_bytes: 16 << 10, ..WalSettings::default() }
}

pub(crate) fn open_with(floor: u64, next: u64) -> WalOpen {
    WalOpen {
        database: DATABASE,
        floor: Sequence(floor),
        known_durable: Sequence::ZERO,
        next: Sequence(next),
    }
}

pub(crate) async fn open_as(
    machine: &SimWorld,
    settings: WalSettings,
    open: WalOpen,
) -> Result<Arc<ArrowWal>> {
    ArrowWal::open(settings, machine.world(), PathBuf::from(DIRECTORY), open).await
}

pub(crate) async fn open(machine: &SimWorld, floor: u64, next: u64) -> Result<Arc<ArrowWal>> {
    open_as(machine, settings(), open_with(floor, next)).await
}

/// A record whose bytes follow from its sequence and size.
pub(crate) fn record(sequence: u64, size: usize) -> WalRecord {
    let bytes: Vec<u8> =
        (0..size).map(|i| (i as u64).wrapping_mul(31).wrapping_add(sequence * 7) as u8).collect();
    let whole = Bytes::from(bytes);
    let cut = size / 3;
    WalRecord {
        sequence: Sequence(sequence),
        table: TableId((sequence % 5) as u32),
        schema_version: SchemaVersion(2),
        kind: RecordKind::ROWS,
        rows: size as u32,
        client_batch_id: sequence.is_multiple_of(2).then_some([sequence as u8; 16]),
        payload: vec![whole.slice(..cut), whole.slice(cut..)],
    }
}

/// The record as replay gives it: with one slice.
pub(crate) fn joined(record: &WalRecord) -> WalRecord {
    WalRecord { payload: vec![record.payload.concat().into()], ..record.clone() }
}

pub(crate) async fn append_synced(wal: &ArrowWal, sequence: u64, size: usize) -> Result<Sequence> {
    wal.append(record(sequence, size)).await?;
    wal.sync(Sequence(sequence)).await
}

pub(crate) async fn replayed(wal: &ArrowWal, after: u64) -> Result<Vec<WalRecord>> {
    wal.replay(Sequence(after)).try_collect().await
}

pub(crate) async fn sequences(wal: &ArrowWal, after: u64) -> Vec<u64> {
    wal.replay(Sequence(after)).map(|record| record.unwrap().sequence.0).collect().await
}

pub(crate) fn files(machine: &SimWorld) -> Vec<String> {
    machine.list_files(Path::new(DIRECTORY)).unwrap_or_default()
}

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}
