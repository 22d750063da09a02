//! A damaged segment file gives an error or the right rows: never wrong rows, never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::io;

use common::*;
use tsds_io::{Fault, Operation};
use tsds_segment::SegmentFile;
use tsds_traits::{ErrorKind, SegmentId};

fn small() -> Segment {
    Segment::new(SegmentId::new(9), &sample_rows(2, 9))
}

/// Reads every row: `Ok(true)` for the right ones, `Ok(false)` for wrong ones.
fn read_all(disk: &Disk, segment: &Segment) -> Result<bool, ErrorKind> {
    disk.read().map(|batches| same_rows(&batches, segment.rows())).map_err(|error| error.kind())
}

fn verify(disk: &Disk) -> Result<(), ErrorKind> {
    disk.open().and_then(|file| file.verify()).map(|_| ()).map_err(|error| error.kind())
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let segment = small();
    // Every bit behind the header, whose every bit the parser's own tests flip, and one bit of every byte of the header and
    // of the compressed file.
    for (options, all_bits_from) in [(plain_options(), 4096), (zstd_options(), u64::MAX)] {
        let disk = Disk::with(&segment, &options);
        let (mut corrupt, mut harmless) = (0u32, 0u32);
        for offset in 0..disk.bytes().len() as u64 {
            let bits = if offset < all_bits_from { offset % 8..offset % 8 + 1 } else { 0..8 };
            for bit in bits {
                disk.machine.corrupt(&disk.path, offset, 1 << bit).unwrap();
                match read_all(&disk, &segment) {
                    Err(ErrorKind::Corrupt) => corrupt += 1,
                    Ok(true) => harmless += 1,
                    other => panic!("bit {bit} at {offset}: {other:?}"),
                }
                disk.machine.corrupt(&disk.path, offset, 1 << bit).unwrap();
            }
        }
        assert_eq!(read_all(&disk, &segment), Ok(true));
        // Only padding between blocks may change unnoticed by a reader.
        assert!(corrupt > 5_000 && harmless < corrupt / 5, "{corrupt} found, {harmless} harmless");
    }
}

#[test]
fn verifying_finds_damage_in_every_byte() {
    let segment = small();
    for options in [plain_options(), zstd_options()] {
        let disk = Disk::with(&segment, &options);
        for offset in 0..disk.bytes().len() as u64 {
            let xor = 1 << (offset % 8);
            disk.machine.corrupt(&disk.path, offset, xor).unwrap();
            assert_eq!(verify(&disk), Err(ErrorKind::Corrupt), "{offset}");
            disk.machine.corrupt(&disk.path, offset, xor).unwrap();
        }
        assert_eq!(verify(&disk), Ok(()));
    }
}

#[test]
fn every_shorter_or_longer_file_is_corrupt() {
    let segment = small();
    let disk = Disk::with(&segment, &plain_options());
    let bytes = disk.bytes();
    for len in 0..bytes.len() {
        disk.machine.write_file(&disk.path, &bytes[..len]).unwrap();
        assert_eq!(read_all(&disk, &segment), Err(ErrorKind::Corrupt), "{len}");
    }
    for tail in [&[0u8][..], &[0; 4096], &bytes] {
        disk.machine.write_file(&disk.path, &[&bytes, tail].concat()).unwrap();
        assert_eq!(read_all(&disk, &segment), Err(ErrorKind::Corrupt));
    }
}

#[test]
fn zeroed_pages_are_corrupt() {
    let segment = Segment::new(SegmentId::new(9), &sample_rows(3, 400));
    let disk = Disk::with(&segment, &plain_options());
    let bytes = disk.bytes();
    for start in (0..bytes.len()).step_by(512) {
        let mut torn = bytes.clone();
        let end = bytes.len().min(start + 512);
        torn[start..end].fill(0);
        if torn != bytes {
            disk.machine.write_file(&disk.path, &torn).unwrap();
            assert_eq!(verify(&disk), Err(ErrorKind::Corrupt), "{start}");
            assert!(matches!(read_all(&disk, &segment), Err(ErrorKind::Corrupt) | Ok(true)), "{start}");
        }
    }
    disk.machine.write_file(&disk.path, &vec![0; bytes.len()]).unwrap();
    assert_eq!(verify(&disk), Err(ErrorKind::Corrupt));
}

#[test]
fn intact_blocks_from_elsewhere_are_corrupt() {
    // The same rows as another generation: every block has the same place, length and content, and another checksum.
    let (one, two) = (SegmentId::new(9), SegmentId { id: 9, generation: 1 });
    let rows = sample_rows(3, 40);
    let [one, two] = [one, two].map(|id| Disk::with(&Segment::new(id, &rows), &plain_options()));
    let (ours, theirs) = (one.bytes(), two.bytes());
    let trailer = theirs.len() - 64;
    let footer = u64::from_le_bytes(theirs[trailer..trailer + 8].try_into().unwrap()) as usize;
    assert_eq!(ours[4096..footer], theirs[4096..footer]);
    // Their footer and trailer on our header and blocks.
    let spliced = [&ours[..footer], &theirs[footer..]].concat();
    one.machine.write_file(&one.path, &spliced).unwrap();
    let error = one.open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn blocks_that_change_places_are_corrupt() {
    // Two float blocks of equal length in one column, as a misdirected write would leave them.
    let segment = Segment::new(SegmentId::new(9), &sample_rows(2, 256));
    let disk = Disk::with(&segment, &plain_options());
    let file = disk.open().unwrap();
    let [first, second] = [0, 1].map(|block| file.read_block(COUNT, block).unwrap().bytes);
    assert_eq!(first.len(), second.len());
    let bytes = disk.bytes();
    let at = |part: &[u8]| bytes.windows(part.len()).position(|window| window == part).unwrap();
    let (a, b) = (at(&first), at(&second));
    let mut swapped = bytes.clone();
    swapped[a..a + first.len()].copy_from_slice(&second);
    swapped[b..b + first.len()].copy_from_slice(&first);
    disk.machine.write_file(&disk.path, &swapped).unwrap();
    assert_eq!(read_all(&disk, &segment), Err(ErrorKind::Corrupt));
}

#[test]
fn damage_is_reported_with_file_offset_and_column() {
    let segment = small();
    let disk = Disk::with(&segment, &plain_options());
    let file: SegmentFile = disk.open().unwrap();
    disk.machine.corrupt(&disk.path, 4096 + 64, 1).unwrap();
    let error = file.read_dictionary(HOST).unwrap_err().to_string();
    for part in ["file=/segments/one.seg", "offset=4096", "column=2", "segment=0000000000000009-00000000"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_disk_that_fails_to_read_is_an_io_error_and_passes() {
    let segment = small();
    let disk = Disk::with(&segment, &plain_options());
    let mut reads = 0;
    loop {
        disk.machine.faults().inject(Fault::on(Operation::Read, io::ErrorKind::Other).nth(reads + 1));
        match read_all(&disk, &segment) {
            Err(kind) => assert_eq!(kind, ErrorKind::Io, "read {reads}"),
            Ok(right) => {
                assert!(right);
                break;
            }
        }
        disk.machine.faults().clear();
        assert_eq!(read_all(&disk, &segment), Ok(true));
        reads += 1;
    }
    // Header, trailer, footer, nine columns of one block, two dictionaries.
    assert_eq!(reads, 14);
}

#[test]
fn an_interrupted_read_goes_on() {
    let segment = small();
    let disk = Disk::with(&segment, &plain_options());
    for read in 1..=14 {
        disk.machine.faults().inject(Fault::on(Operation::Read, io::ErrorKind::Interrupted).nth(read));
        assert_eq!(read_all(&disk, &segment), Ok(true), "read {read}");
    }
    assert_eq!(disk.machine.faults().struck(), 14);
}
