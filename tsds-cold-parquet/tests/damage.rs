//! Damage: whatever happens to the bytes of a file, a scan gives the right rows or `Corrupt`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::*;
use proptest::prelude::*;
use tsds_cold_parquet::ParquetTier;
use tsds_io::SimWorld;
use tsds_traits::{ErrorKind, Predicate, Result, ScanRequest, SegmentHandle};

struct Stored {
    machine: SimWorld,
    tier: Arc<ParquetTier>,
    handle: SegmentHandle,
    path: String,
    bytes: Vec<u8>,
    rows: Vec<String>,
}

fn stored(rows: usize) -> Stored {
    let (machine, world) = sim(1);
    let tier = tier(&world);
    let source = MemorySource::sample(1, rows);
    let handle = machine.block_on(async { handle(&source, &put(&tier, &source).await.unwrap()) });
    let path = format!("{COLD}/{}", segment_files(&machine)[0]);
    let bytes = machine.read_file(&path).unwrap();
    let rows = rows_of(&source.batches);
    Stored { machine, tier, handle, path, bytes, rows }
}

impl Stored {
    fn scan(&self) -> Result<Vec<String>> {
        let request = everything(&schema(), vec![self.handle.clone()]);
        let batches = self.machine.block_on(async { scan(&self.tier, request).await })?;
        Ok(rows_of(&batches.into_iter().map(|batch| batch.rows).collect::<Vec<_>>()))
    }

    fn with(&self, bytes: &[u8]) -> Result<Vec<String>> {
        self.machine.write_file(&self.path, bytes).unwrap();
        self.scan()
    }
}

#[test]
fn every_flipped_byte_is_corrupt_and_names_file_and_offset() {
    let stored = stored(1_500);
    for at in (0..stored.bytes.len()).step_by(97) {
        let mut damaged = stored.bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match stored.with(&damaged) {
            // Bytes that no scan reads, such as bloom filters, may lie in a range that it does not read.
            Ok(rows) => assert_eq!(rows, stored.rows, "{at}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}: {error}");
                let text = error.to_string();
                assert!(text.contains("file=7/") && text.contains("offset="), "{text}");
            }
        }
    }
    assert_eq!(stored.with(&stored.bytes).unwrap(), stored.rows);
}

#[test]
fn a_file_of_another_length_is_corrupt() {
    let stored = stored(500);
    let len = stored.bytes.len();
    for cut in [0, 1, len / 2, len - 1] {
        let error = stored.with(&stored.bytes[..cut]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{cut}: {error}");
        assert!(error.to_string().contains(&format!("size={cut}")), "{error}");
    }
}

#[test]
fn another_segments_file_in_its_place_is_corrupt() {
    let stored = stored(500);
    let other = self::stored(501);
    let error = stored.with(&other.bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn a_damaged_record_is_corrupt() {
    let stored = stored(500);
    let record = stored.handle.record.to_vec();
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 0x10;
        let handle = SegmentHandle { record: damaged.into(), ..stored.handle.clone() };
        let request = everything(&schema(), vec![handle]);
        let error = stored.machine.block_on(async { scan(&stored.tier, request).await.unwrap_err() });
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}: {error}");
    }
}

#[test]
fn the_record_of_another_segment_is_corrupt() {
    let (machine, world) = sim(2);
    let tier = tier(&world);
    let (one, two) = (MemorySource::sample(1, 100), MemorySource::sample(2, 100));
    let error = machine.block_on(async {
        put(&tier, &one).await.unwrap();
        let record = put(&tier, &two).await.unwrap().record;
        let handle = SegmentHandle { meta: Arc::clone(&one.meta), record };
        scan(&tier, everything(&schema(), vec![handle])).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_damage_gives_the_right_rows_or_corrupt(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        swap in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1usize..200)),
    ) {
        // One file for all cases: it is written anew each time.
        thread_local!(static STORED: Stored = stored(2_500));
        STORED.with(|stored| {
            let mut damaged = stored.bytes.clone();
            for (at, change) in &changes {
                let at = at.index(damaged.len());
                damaged[at] ^= change;
            }
            if let Some((a, b, len)) = swap {
                let (a, b) = (a.index(damaged.len() - len), b.index(damaged.len() - len));
                let piece = damaged[a..a + len].to_vec();
                damaged.copy_within(b..b + len, a);
                damaged[b..b + len].copy_from_slice(&piece);
            }
            match stored.with(&damaged) {
                Ok(rows) => prop_assert_eq!(&rows, &stored.rows),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corrupt),
            }
            Ok(())
        })?;
    }
}

#[test]
fn damage_that_a_scan_does_not_touch_does_not_hurt_it() {
    let stored = stored(60_000);
    // The first range holds the first row groups; the last host is far from it.
    let mut damaged = stored.bytes.clone();
    damaged[100] ^= 1;
    stored.machine.write_file(&stored.path, &damaged).unwrap();
    let host = Predicate::Compare {
        column: HOST,
        comparison: tsds_traits::Comparison::Equal,
        value: tsds_traits::Value::Text("host-002".into()),
    };
    let request = ScanRequest { predicate: Some(host), ..everything(&schema(), vec![stored.handle.clone()]) };
    let found = stored.machine.block_on(async { scan(&stored.tier, request).await.unwrap() });
    let found = rows_of(&found.into_iter().map(|batch| batch.rows).collect::<Vec<_>>());
    assert_eq!(found, stored.rows[40_000..]);
    assert_eq!(stored.scan().unwrap_err().kind(), ErrorKind::Corrupt);
}
