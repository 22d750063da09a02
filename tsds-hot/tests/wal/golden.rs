//! A log of format version 1, as bytes that never change.

use tsds_hot::{WalSettings, repair};
use tsds_io::SimWorld;
use tsds_traits::{DatabaseId, RecordKind, SchemaVersion, Sequence, TableId, WalOpen, WalRecord, WalSink};

use crate::support::*;

/// Where the header's salt is, the only bytes that differ from one file to the next, and its checksum.
const SALT: std::ops::Range<usize> = 72..104;
const HEADER_CRC: std::ops::Range<usize> = 4092..4096;

/// The file without the zeros at its end.
const FILE: &[u8] = include_bytes!("golden/0000000000000001.wal");

/// The same records in one group, then a mark, and no close: what an unclean stop leaves.
const MARKED: &[u8] = include_bytes!("golden/marked.wal");
/// What opening makes of [`MARKED`]: a copy, with flag 1.
const RECOVERED: &[u8] = include_bytes!("golden/recovered.wal");
/// What repair makes of [`MARKED`] with record 8 damaged: flags 1 and 2, and a skip.
const SALVAGED: &[u8] = include_bytes!("golden/salvaged.wal");
/// A byte of the body of record 8 in [`MARKED`].
const IN_RECORD_8: u64 = 4096 + 400;

fn settings() -> WalSettings {
    WalSettings { file_bytes: 32 << 10, frame_bytes: 1024, ..WalSettings::default() }
}

fn open_golden() -> WalOpen {
    WalOpen {
        database: DatabaseId(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
        floor: Sequence(6),
        known_durable: Sequence(9),
        next: Sequence(7),
    }
}

fn golden_records() -> Vec<WalRecord> {
    let record = |sequence, table, rows, client: Option<[u8; 16]>, payload: Vec<u8>| WalRecord {
        sequence: Sequence(sequence),
        table: TableId(table),
        schema_version: SchemaVersion(3),
        kind: RecordKind::ROWS,
        rows,
        client_batch_id: client,
        payload: vec![payload.into()],
    };
    vec![
        record(7, 1, 2, None, b"hello, log".to_vec()),
        record(8, 2, 9, Some(*b"client batch #08"), (0..2_000u32).map(|i| (i % 251) as u8).collect()),
        record(9, 1, 0, None, vec![]),
    ]
}

/// One group of two records, of which the second has two frames, one of one record, the mark of a close.
async fn write(machine: &SimWorld) {
    let open = WalOpen { known_durable: Sequence::ZERO, ..open_golden() };
    let wal = open_as(machine, settings(), open).await.unwrap();
    let [first, second, third] = golden_records().try_into().unwrap();
    wal.append(first).await.unwrap();
    wal.append(second).await.unwrap();
    wal.sync(Sequence(8)).await.unwrap();
    wal.append(third).await.unwrap();
    wal.close().await.unwrap();
}

async fn serves(machine: &SimWorld, expected: &[WalRecord]) {
    let open = WalOpen { next: Sequence(20), ..open_golden() };
    let wal = open_as(machine, settings(), open).await.unwrap();
    assert_eq!(replayed(&wal, 6).await.unwrap(), expected);
}

/// A machine with nothing but this file in its log.
fn machine_with(name: &str, file: &[u8]) -> SimWorld {
    let machine = SimWorld::new(1);
    machine.write_file(path(name), file).unwrap();
    machine
}

/// The file that [`MARKED`] is, as it is written today.
fn marked() -> SimWorld {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let open = WalOpen { known_durable: Sequence::ZERO, ..open_golden() };
        let wal = open_as(&machine, settings(), open).await.unwrap();
        for record in golden_records() {
            wal.append(record).await.unwrap();
        }
        wal.sync(Sequence(9)).await.unwrap();
        machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
    });
    machine.kill()
}

/// What opening writes.
fn recovered() -> SimWorld {
    let machine = machine_with("0000000000000001.wal", MARKED);
    machine.block_on(serves(&machine, &golden_records()));
    machine
}

/// What repair writes.
fn salvaged() -> SimWorld {
    let machine = machine_with("0000000000000001.wal", MARKED);
    machine.corrupt(path("0000000000000001.wal"), IN_RECORD_8, 1).unwrap();
    let report = repair(&machine.world(), DIRECTORY.as_ref(), &open_golden()).unwrap().unwrap();
    assert_eq!(report.set_aside, ["0000000000000001.wal.damaged"]);
    machine
}

fn check_written(machine: &SimWorld, name: &str, frozen: &[u8]) {
    let written = machine.read_file(path(name)).unwrap();
    let (used, rest) = written.split_at(frozen.len());
    assert!(rest.iter().all(|byte| *byte == 0));
    for (at, (written, frozen)) in used.iter().zip(frozen).enumerate() {
        assert!(written == frozen || SALT.contains(&at) || HEADER_CRC.contains(&at), "byte {at}");
    }
}

#[test]
fn the_frozen_log_reads_back() {
    let machine = machine_with("0000000000000001.wal", FILE);
    machine.block_on(serves(&machine, &golden_records()));
}

#[test]
fn the_frozen_log_is_written_again_byte_for_byte() {
    let machine = SimWorld::new(2);
    machine.block_on(write(&machine));
    assert_eq!(machine.read_file(path("0000000000000001.wal")).unwrap().len(), 32 << 10);
    check_written(&machine, "0000000000000001.wal", FILE);
}

#[test]
fn the_frozen_log_that_was_not_closed_reads_back_and_is_written_again() {
    assert_eq!(MARKED[MARKED.len() - 80 + 46..][..2], [2, 8], "the last frame is a mark, and not of a close");
    check_written(&marked(), "0000000000000001.wal", MARKED);
    recovered();
}

#[test]
fn the_frozen_recovered_file_reads_back_and_is_written_again() {
    assert_eq!(RECOVERED[12], 1);
    check_written(&recovered(), "0000000000000002.wal", RECOVERED);
    let machine = machine_with("0000000000000002.wal", RECOVERED);
    machine.block_on(serves(&machine, &golden_records()));
}

#[test]
fn the_frozen_salvaged_file_reads_back_and_is_written_again() {
    assert_eq!(SALVAGED[12], 3);
    check_written(&salvaged(), "0000000000000002.wal", SALVAGED);
    let machine = machine_with("0000000000000002.wal", SALVAGED);
    let [first, _, third] = golden_records().try_into().unwrap();
    machine.block_on(serves(&machine, &[first, third]));
}

#[test]
#[ignore = "writes the frozen files: only for a new format version"]
fn freeze() {
    let closed = SimWorld::new(2);
    closed.block_on(write(&closed));
    freeze_as(&closed, "0000000000000001.wal", "0000000000000001.wal");
    freeze_as(&marked(), "0000000000000001.wal", "marked.wal");
}

#[test]
#[ignore = "writes the frozen files that are made of other frozen files: only for a new format version, after `freeze`"]
fn freeze_copies() {
    freeze_as(&recovered(), "0000000000000002.wal", "recovered.wal");
    freeze_as(&salvaged(), "0000000000000002.wal", "salvaged.wal");
}

fn freeze_as(machine: &SimWorld, name: &str, golden: &str) {
    let mut written = machine.read_file(path(name)).unwrap();
    written.truncate(written.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    let target = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wal/golden").join(golden);
    let runtime = tsds_io::Runtime::new(Some(1)).unwrap();
    runtime.world().replace_file(&target, &written).unwrap();
}
