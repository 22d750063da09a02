//! Bit rot, cut and missing files: corruption where durable records are gone, never wrong records.

use std::sync::Arc;

use tsds_hot::{VerifyReport, WalSettings, repair, verify};
use tsds_io::SimWorld;
use tsds_traits::{ErrorKind, Sequence, WalOpen, WalSink};

use crate::support::*;

fn small_files() -> WalSettings {
    WalSettings { file_bytes: 16 << 10, frame_bytes: 1 << 10, recycled_files: 0, ..WalSettings::default() }
}

/// Five records in three files, all marked as durable; the second one has several frames.
fn marked() -> SimWorld {
    log(true)
}

/// The same without the last mark: whether the last record was durable, nothing says.
fn unmarked() -> SimWorld {
    log(false)
}

fn log(mark: bool) -> SimWorld {
    let machine = SimWorld::new(42);
    machine.block_on(async {
        let wal = open_as(&machine, small_files(), open_with(0, 1)).await.unwrap();
        for (sequence, size) in SIZES {
            append_synced(&wal, sequence, size).await.unwrap();
        }
        if mark {
            machine.world().clock.sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    machine
}

const SIZES: [(u64, usize); 5] = [(1, 50), (2, 2_500), (3, 0), (4, 700), (5, 1)];
const LAST: u64 = 5;

fn look(machine: &SimWorld, open: &WalOpen) -> VerifyReport {
    verify(&*machine.world().vfs, DIRECTORY.as_ref(), open).unwrap()
}

fn logs(machine: &SimWorld) -> Vec<String> {
    files(machine).into_iter().filter(|name| name.ends_with(".wal")).collect()
}

/// What opening makes of the log: the sequences that it serves, all with the right contents, or corruption.
fn opened(machine: &SimWorld, open: WalOpen) -> Result<Vec<u64>, ErrorKind> {
    let copy = machine.possible_kill(1);
    copy.block_on(async {
        let wal = open_as(&copy, small_files(), open).await.map_err(|error| error.kind())?;
        let records = replayed(&wal, open.floor.0).await.map_err(|error| error.kind())?;
        for found in &records {
            let size = SIZES.iter().find(|(sequence, _)| *sequence == found.sequence.0).unwrap().1;
            assert_eq!(*found, joined(&record(found.sequence.0, size)), "wrong record");
        }
        Ok(records.iter().map(|record| record.sequence.0).collect())
    })
}

/// Which bytes of a file belong to its header or to a frame, rather than to what fills up or is prepared.
fn used(name: &str, bytes: &[u8]) -> Vec<bool> {
    let number = u64::from_str_radix(&name[..16], 16).unwrap();
    let mut used = vec![false; bytes.len()];
    if bytes.starts_with(b"TSDSWAL\0") {
        used[..4096].fill(true);
    }
    for at in (4096..bytes.len().saturating_sub(79)).step_by(8) {
        if bytes[at..].starts_with(b"tsfr") && bytes[at + 8..at + 16] == number.to_le_bytes() {
            let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            used[at..at + 80 + len].fill(true);
        }
    }
    used
}

/// Changes a byte of the last frame that has this kind, with a checksum that fits.
fn forge(machine: &SimWorld, name: &str, kind: u8, at: usize, value: u8) {
    let number = u64::from_str_radix(&name[..16], 16).unwrap().to_le_bytes();
    let mut bytes = machine.read_file(path(name)).unwrap();
    let is_frame = |from: &usize| {
        bytes[*from..].starts_with(b"tsfr")
            && bytes[from + 8..from + 16] == number
            && bytes[from + 46] == kind
    };
    let frame = (4096..bytes.len() - 79).step_by(8).rfind(is_frame).unwrap();
    bytes[frame + at] = value;
    let covered = [&DATABASE.0[..], &number, &bytes[frame..frame + 76]].concat();
    bytes[frame + 76..frame + 80].copy_from_slice(&crc_fast::crc32_iscsi(&covered).to_le_bytes());
    machine.write_file(path(name), &bytes).unwrap();
}

#[test]
fn what_a_later_version_wrote_is_refused_and_not_cut_as_a_torn_tail() {
    for (kind, at, value) in [(1, 46, 3), (2, 46, 3), (1, 47, 0x43), (2, 66, 1)] {
        let machine = marked();
        // The one behind it is only prepared.
        let last = logs(&machine)
            .into_iter()
            .rfind(|name| machine.read_file(path(name)).unwrap().starts_with(b"TSDSWAL"));
        let last = last.unwrap();
        forge(&machine, &last, kind, at, value);
        let before = (files(&machine), machine.read_file(path(&last)).unwrap());
        let error = machine
            .block_on(async { open_as(&machine, small_files(), open_with(0, 100)).await.unwrap_err() });
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("supported=1"), "{error}");
        let refused = repair(&machine.world(), DIRECTORY.as_ref(), &open_with(0, 100)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "repair does not cut it either");
        assert_eq!((files(&machine), machine.read_file(path(&last)).unwrap()), before);
    }
}

/// Whether to try a byte: all that mean something, and some of the zeros in between.
fn is_tried(offset: u64, is_used: bool) -> bool {
    let is_spare_header = (136..4088).contains(&offset);
    (is_used && !is_spare_header) || offset.is_multiple_of(61)
}

/// Flips bits of every byte that means something, one byte at a time.
fn flip_every_byte(machine: &SimWorld, check: impl Fn(&str, u64, bool, Result<u64, ()>)) {
    let open = open_with(0, 100);
    let vfs = machine.world().vfs;
    let mut flips = 0u64;
    for name in logs(machine) {
        let used = used(&name, &machine.read_file(path(&name)).unwrap());
        for offset in 0..used.len() as u64 {
            let is_used = used[offset as usize];
            if !is_tried(offset, is_used) {
                continue;
            }
            flips += 1;
            let xor = if flips.is_multiple_of(5) { 0xff } else { 1 << (flips % 8) };
            machine.corrupt(path(&name), offset, xor).unwrap();
            let report = verify(&*vfs, DIRECTORY.as_ref(), &open).unwrap();
            let verdict = if report.damage.is_some() { Err(()) } else { Ok(report.last.0) };
            check(&name, offset, is_used, verdict);
            // Opening judges as looking does, and serves what looking promised.
            if flips.is_multiple_of(29) {
                let served = opened(machine, open).map_err(|kind| assert_eq!(kind, ErrorKind::Corrupt));
                assert_eq!(served, verdict.map(|last| (1..=last).collect()), "{name} at {offset}");
            }
            machine.corrupt(path(&name), offset, xor).unwrap();
        }
    }
    assert!(flips > 5_000, "{flips} flips");
    assert!(look(machine, &open).damage.is_none());
}

#[test]
fn any_flipped_byte_of_a_marked_log_is_corruption_or_harmless() {
    let machine = marked();
    assert_eq!(opened(&machine, open_with(0, 100)), Ok((1..=LAST).collect()));
    assert!(logs(&machine).len() >= 3, "{:?}", files(&machine));
    flip_every_byte(&machine, |name, offset, used, verdict| match verdict {
        Ok(last) => assert_eq!(last, LAST, "{name} at {offset}: silently lost"),
        Err(()) => assert!(used, "{name} at {offset}: nothing is there to be damaged"),
    });
}

#[test]
fn any_flipped_byte_of_an_unmarked_log_costs_no_more_than_the_last_record() {
    let machine = unmarked();
    flip_every_byte(&machine, |name, offset, used, verdict| match verdict {
        Ok(last) => assert!(last == LAST || (used && last == LAST - 1), "{name} at {offset}: {last}"),
        Err(()) => assert!(used, "{name} at {offset}: nothing is there to be damaged"),
    });
}

#[test]
fn every_truncation_is_corruption_or_harmless_and_never_panics() {
    for (machine, may_lose) in [(marked(), 0), (unmarked(), 1)] {
        let names = logs(&machine);
        let newest_used =
            names.iter().rev().find(|name| machine.read_file(path(name)).unwrap().starts_with(b"TSDSWAL"));
        for name in &names {
            let bytes = machine.read_file(path(name)).unwrap();
            let used_end = used(name, &bytes).iter().rposition(|used| *used).map_or(0, |at| at as u64 + 1);
            for len in (0..bytes.len() as u64).rev().filter(|len| is_tried(*len, *len <= used_end)) {
                machine.truncate(path(name), len).unwrap();
                let report = look(&machine, &open_with(0, 100));
                let context = format!("{name} cut at {len}, used up to {used_end}");
                match report.damage {
                    Some(_) => assert!(len < used_end, "{context}: not damaged"),
                    None if Some(name) == newest_used => {
                        // With the last file cut, the mark or the record before it may be what is gone.
                        assert!(
                            len >= used_end || report.last.0 + 2 > LAST - may_lose,
                            "{context}: {report:?}"
                        );
                    }
                    None => assert_eq!(report.last.0, LAST, "{context}"),
                }
            }
            machine.write_file(path(name), &bytes).unwrap();
        }
    }
}

#[test]
fn a_missing_file_is_corruption() {
    let machine = marked();
    let names = logs(&machine);
    for name in names.iter().filter(|name| machine.read_file(path(name)).unwrap().starts_with(b"TSDSWAL")) {
        let machine = machine.possible_kill(2);
        machine.remove_file(path(name)).unwrap();
        let known = WalOpen { known_durable: Sequence(LAST), ..open_with(0, 100) };
        assert_eq!(opened(&machine, known), Err(ErrorKind::Corrupt), "{name}");
    }
}

#[test]
fn a_log_that_lost_what_the_catalog_knows_is_corrupt_and_says_where() {
    let machine = unmarked();
    let known = WalOpen { known_durable: Sequence(LAST + 1), ..open_with(0, 100) };
    assert_eq!(opened(&machine, known), Err(ErrorKind::Corrupt));
    let damage = look(&machine, &known).damage.unwrap();
    assert_eq!((damage.last_good, damage.durable), (Sequence(LAST), Sequence(LAST + 1)));
    assert_eq!(damage.evidence, "catalog");
    let empty = SimWorld::new(1);
    assert_eq!(opened(&empty, known), Err(ErrorKind::Corrupt));
    // What lies below the floor is durable elsewhere.
    assert_eq!(opened(&empty, WalOpen { floor: Sequence(LAST + 1), ..known }), Ok(vec![]));
}

#[test]
fn corruption_names_file_offset_and_sequences_and_changes_nothing() {
    let machine = marked();
    let name = logs(&machine)[0].clone();
    machine.corrupt(path(&name), 4096 + 85, 1).unwrap();
    let before: Vec<_> = files(&machine).iter().map(|name| machine.read_file(path(name)).unwrap()).collect();
    let operations = machine.operations();
    let error = machine.block_on(open_as(&machine, small_files(), open_with(0, 100))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let text = error.to_string();
    for part in
        ["file=0000000000000001.wal", "offset=4096", "last_good_sequence=0", "durable_sequence=", "evidence="]
    {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let after: Vec<_> = files(&machine).iter().map(|name| machine.read_file(path(name)).unwrap()).collect();
    assert!(before == after);
    assert_eq!(machine.operations(), operations);
}

#[test]
fn zero_byte_and_zero_filled_files_are_no_records_and_no_panic() {
    for len in [0, 1, 79, 80, 4095, 4096, 4097, 16 << 10] {
        let machine = SimWorld::new(3);
        machine.write_file(path("0000000000000001.wal"), &vec![0; len]).unwrap();
        assert_eq!(opened(&machine, open_with(0, 1)), Ok(vec![]), "{len} bytes");
        // As the newest file, it is only prepared.
        let machine = marked();
        machine.write_file(path("00000000000000ff.wal"), &vec![0; len]).unwrap();
        assert_eq!(opened(&machine, open_with(0, 100)), Ok((1..=LAST).collect()), "{len} bytes");
        // In the place of a file with durable records, it is corruption.
        machine.write_file(path("0000000000000001.wal"), &vec![0; len]).unwrap();
        assert_eq!(opened(&machine, open_with(0, 100)), Err(ErrorKind::Corrupt), "{len} bytes");
    }
}

#[test]
fn files_full_of_noise_never_panic_and_invent_nothing() {
    for seed in 0..200u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut bytes: Vec<u8> = (0..8192).map(|_| noise() as u8).collect();
        // Plausible beginnings, so that more than the magic is looked at.
        bytes[..8].copy_from_slice(b"TSDSWAL\0");
        for at in (4096..8192).step_by(256) {
            bytes[at..at + 4].copy_from_slice(b"tsfr");
            bytes[at + 8..at + 16].copy_from_slice(&1u64.to_le_bytes());
        }
        let machine = SimWorld::new(seed);
        machine.write_file(path("0000000000000001.wal"), &bytes).unwrap();
        assert_eq!(opened(&machine, open_with(0, 1)), Ok(vec![]), "seed {seed}");
    }
}

#[test]
fn a_log_of_another_database_is_refused() {
    let machine = marked();
    let other = WalOpen { database: tsds_traits::DatabaseId([1; 16]), ..open_with(0, 100) };
    assert_eq!(opened(&machine, other), Err(ErrorKind::Corrupt));
}

#[test]
fn sequences_that_the_catalog_has_not_given_out_are_refused() {
    let machine = marked();
    assert_eq!(opened(&machine, open_with(0, LAST)), Err(ErrorKind::Corrupt));
    assert_eq!(opened(&machine, open_with(0, LAST + 1)), Ok((1..=LAST).collect()));
}

#[test]
fn a_torn_tail_is_cut_and_counted_once() {
    let machine = unmarked();
    let newest = logs(&machine)
        .into_iter()
        .rev()
        .find(|name| machine.read_file(path(name)).unwrap().starts_with(b"TSDSWAL"));
    let newest = newest.unwrap();
    let bytes = machine.read_file(path(&newest)).unwrap();
    let last_frame =
        (4096..bytes.len()).step_by(4096).rev().find(|at| bytes[*at..].starts_with(b"tsfr")).unwrap();
    machine.corrupt(path(&newest), last_frame as u64 + 80, 1).unwrap();
    machine.block_on(async {
        let wal = open_as(&machine, small_files(), open_with(0, 100)).await.unwrap();
        assert_eq!(sequences(&wal, 0).await, [1, 2, 3, 4]);
        assert_eq!(wal.usage().torn_bytes, 88);
        append_synced(&wal, 100, 10).await.unwrap();
        wal.close().await.unwrap();
        let wal = open_as(&machine, small_files(), open_with(0, 200)).await.unwrap();
        assert_eq!(sequences(&wal, 0).await, [1, 2, 3, 4, 100]);
        assert_eq!(wal.usage().torn_bytes, 0);
    });
}

#[test]
fn a_record_of_which_a_frame_is_missing_is_dropped_whole() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let wal = open_as(&machine, small_files(), open_with(0, 1)).await.unwrap();
        append_synced(&wal, 1, 10).await.unwrap();
        append_synced(&wal, 2, 3_000).await.unwrap();
    });
    // The last of three frames of record 2.
    let (name, third) = ("0000000000000002.wal", 4096 + 2 * (80 + 1024));
    assert!(machine.read_file(path(name)).unwrap()[third..].starts_with(b"tsfr"));
    machine.corrupt(path(name), third as u64 + 16, 1).unwrap();
    let copy = machine.possible_kill(1);
    let served = copy.block_on(async {
        sequences(&open_as(&copy, small_files(), open_with(0, 100)).await.unwrap(), 0).await
    });
    assert_eq!(served, [1]);
}

#[test]
fn verify_counts_what_is_there() {
    let machine = marked();
    let report = look(&machine, &open_with(0, 100));
    assert_eq!(report.files.iter().map(|file| file.records).sum::<u64>(), 5);
    assert_eq!(report.files.iter().map(|file| file.rows).sum::<u64>(), 3_251);
    assert_eq!((report.last, report.torn_bytes, report.damage), (Sequence(LAST), 0, None));
    let unused = report.files.iter().filter(|file| !file.has_header).count();
    assert_eq!(unused, 1, "the file that is prepared");
    // A missing directory is an empty log.
    let empty = verify(&*SimWorld::new(1).world().vfs, "/nowhere".as_ref(), &open_with(0, 1)).unwrap();
    assert_eq!((empty.files.len(), empty.last), (0, Sequence::ZERO));
}

#[test]
fn a_file_that_rots_between_opening_and_replay_is_corrupt() {
    let machine = marked();
    machine.block_on(async {
        let wal = open_as(&machine, small_files(), open_with(0, 100)).await.unwrap();
        let names = logs(&machine);
        machine.corrupt(path(&names[0]), 4096 + 85, 1).unwrap();
        let error = replayed(&wal, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        drop(Arc::clone(&wal));
    });
}

#[test]
fn a_recovered_file_that_lost_its_end_and_its_mark_is_corrupt() {
    let machine = unmarked();
    machine.block_on(async {
        open_as(&machine, small_files(), open_with(0, 100)).await.unwrap();
    });
    let name = logs(&machine).pop().unwrap();
    let bytes = machine.read_file(path(&name)).unwrap();
    assert!(look(&machine, &open_with(0, 100)).files.last().unwrap().is_recovered);
    // Everything behind the header is gone: only the header still says what was there.
    machine.truncate(path(&name), 4096).unwrap();
    machine.truncate(path(&name), bytes.len() as u64).unwrap();
    assert_eq!(opened(&machine, open_with(0, 100)), Err(ErrorKind::Corrupt));
}
