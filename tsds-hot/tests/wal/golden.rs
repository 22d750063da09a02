//! A log of format version 1, as bytes that never change.

use tsds_io::SimWorld;
use tsds_traits::{DatabaseId, RecordKind, SchemaVersion, Sequence, TableId, WalOpen, WalRecord, WalSink};

use crate::support::*;

/// Where the header's salt is, the only bytes that differ from one file to the next, and its checksum.
const SALT: std::ops::Range<usize> = 72..104;
const HEADER_CRC: std::ops::Range<usize> = 4092..4096;

/// The file without the zeros at its end.
const FILE: &[u8] = include_bytes!("golden/0000000000000001.wal");

fn settings() -> tsds_hot::WalSettings {
    tsds_hot::WalSettings { file_bytes: 32 << 10, frame_bytes: 1024, ..tsds_hot::WalSettings::default() }
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

#[test]
fn the_frozen_log_reads_back() {
    let machine = SimWorld::new(1);
    machine.write_file(path("0000000000000001.wal"), FILE).unwrap();
    machine.block_on(async {
        let open = WalOpen { next: Sequence(20), ..open_golden() };
        let wal = open_as(&machine, settings(), open).await.unwrap();
        assert_eq!(replayed(&wal, 6).await.unwrap(), golden_records());
    });
}

#[test]
fn the_frozen_log_is_written_again_byte_for_byte() {
    let machine = SimWorld::new(2);
    machine.block_on(write(&machine));
    let written = machine.read_file(path("0000000000000001.wal")).unwrap();
    assert_eq!(written.len(), 32 << 10);
    let (used, rest) = written.split_at(FILE.len());
    assert!(rest.iter().all(|byte| *byte == 0));
    for (at, (written, frozen)) in used.iter().zip(FILE).enumerate() {
        assert!(written == frozen || SALT.contains(&at) || HEADER_CRC.contains(&at), "byte {at}");
    }
}

#[test]
#[ignore = "writes the frozen file: only for a new format version"]
fn freeze() {
    let machine = SimWorld::new(2);
    machine.block_on(write(&machine));
    let mut written = machine.read_file(path("0000000000000001.wal")).unwrap();
    written.truncate(written.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wal/golden/0000000000000001.wal");
    let runtime = tsds_io::Runtime::new(Some(1)).unwrap();
    runtime.world().replace_file(target.as_ref(), &written).unwrap();
}
