//! What a power cut and a kill leave of file contents.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tsds_io::{SimWorld, Survival};
use tsds_traits::{OpenMode, VfsFile};

/// A machine with one durable file `/file` of these contents, and a handle to it.
fn machine_with_file(seed: u64, contents: &[u8]) -> (SimWorld, Arc<dyn VfsFile>) {
    let machine = SimWorld::new(seed);
    machine.write_file("/file", contents).unwrap();
    let file = machine.world().vfs.open(Path::new("/file"), OpenMode::ReadWrite).unwrap();
    (machine, file)
}

/// What `/file` may be after a power cut now, over many possible ones.
fn outcomes(machine: &SimWorld) -> Vec<Vec<u8>> {
    (0..400)
        .map(|variant| machine.possible_crash(Survival::Random, variant).read_file("/file").unwrap())
        .collect()
}

#[test]
fn synced_bytes_survive_every_power_cut() {
    let (machine, file) = machine_with_file(1, b"");
    file.write_all_at(&[7; 10_000], 0).unwrap();
    file.sync_data().unwrap();
    assert!(outcomes(&machine).iter().all(|bytes| *bytes == [7; 10_000]));
}

#[test]
fn of_unsynced_overwrites_any_sectors_survive_and_no_sector_is_mixed() {
    let (machine, file) = machine_with_file(2, &[1; 8192]);
    file.write_all_at(&[2; 8192], 0).unwrap();
    let mut patterns = BTreeSet::new();
    for bytes in outcomes(&machine) {
        assert_eq!(bytes.len(), 8192);
        let pattern: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
        assert!(
            bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])),
            "a torn sector"
        );
        assert!(pattern.iter().all(|byte| matches!(byte, 1 | 2)));
        patterns.insert(pattern);
    }
    assert!(patterns.contains(&vec![1; 16]), "nothing survives");
    assert!(patterns.contains(&vec![2; 16]), "everything survives");
    let holes = patterns.iter().any(|pattern| pattern[0] == 1 && pattern[15] == 2);
    assert!(holes, "later sectors survive without earlier ones");
    let pages = patterns.iter().any(|p| p[..8] == [1; 8] && p[8..] == [2; 8]);
    assert!(pages, "whole pages survive alone");
    assert!(patterns.len() > 30, "only {} outcomes", patterns.len());
}

#[test]
fn a_file_that_grew_unsynced_ends_anywhere_with_data_zeros_or_garbage() {
    let (machine, file) = machine_with_file(3, &[1; 1000]);
    machine.write_file("/other", &[9; 4096]).unwrap();
    file.write_all_at(&[2; 7000], 1000).unwrap();
    let (mut lengths, mut zeros, mut garbage, mut foreign) = (BTreeSet::new(), false, false, false);
    for bytes in outcomes(&machine) {
        assert!((1000..=8000).contains(&bytes.len()));
        assert_eq!(bytes[..1000], [1; 1000], "synced bytes before the growth");
        lengths.insert(bytes.len());
        let grown = &bytes[1000..];
        zeros |= grown.contains(&0);
        foreign |= grown.chunks(512).any(|sector| sector.iter().all(|byte| *byte == 9));
        garbage |= grown.iter().any(|byte| !matches!(byte, 0 | 1 | 2 | 9));
    }
    assert!(lengths.contains(&1000) && lengths.contains(&8000));
    assert!(lengths.len() > 4, "only the lengths {lengths:?}");
    assert!(zeros && garbage && foreign, "zeros {zeros}, garbage {garbage}, foreign {foreign}");
}

#[test]
fn an_unsynced_cut_happens_or_not() {
    let (machine, file) = machine_with_file(4, &[1; 5000]);
    file.set_len(10).unwrap();
    let lengths: BTreeSet<usize> = outcomes(&machine).iter().map(Vec::len).collect();
    assert_eq!(lengths, BTreeSet::from([10, 5000]));
    assert!(outcomes(&machine).iter().all(|bytes| bytes.iter().all(|byte| *byte == 1)));
    file.sync_data().unwrap();
    assert!(outcomes(&machine).iter().all(|bytes| bytes.len() == 10));
}

#[test]
fn an_overwritten_unsynced_version_may_be_the_one_that_survives() {
    let (machine, file) = machine_with_file(5, &[1; 512]);
    for version in 2..40 {
        file.write_all_at(&[version; 512], 0).unwrap();
    }
    let survivors: BTreeSet<u8> = outcomes(&machine).iter().map(|bytes| bytes[0]).collect();
    assert!(survivors.contains(&1) && survivors.contains(&39));
    assert!(survivors.len() > 2, "only {survivors:?}");
}

#[test]
fn preallocated_space_that_was_synced_keeps_its_length_and_reads_as_zeros() {
    let (machine, file) = machine_with_file(6, b"");
    file.allocate(20_000).unwrap();
    file.sync_all().unwrap();
    file.write_all_at(&[5; 600], 0).unwrap();
    for bytes in outcomes(&machine) {
        assert_eq!(bytes.len(), 20_000);
        assert!(bytes[1024..].iter().all(|byte| *byte == 0));
        assert!(bytes[..512].iter().all(|byte| *byte == bytes[0]) && matches!(bytes[0], 0 | 5));
    }
}

#[test]
fn nothing_and_everything_can_be_asked_for() {
    let (machine, file) = machine_with_file(7, &[1; 100]);
    file.write_all_at(&[2; 9000], 50).unwrap();
    let nothing = machine.possible_crash(Survival::Nothing, 0);
    assert_eq!(nothing.read_file("/file").unwrap(), [1; 100]);
    let everything = machine.crash_with(Survival::Everything);
    assert_eq!(everything.read_file("/file").unwrap(), [[1; 50].as_slice(), &[2; 9000]].concat());
}

#[test]
fn a_kill_loses_nothing_but_what_it_left_unsynced_is_still_unsynced() {
    let (machine, file) = machine_with_file(8, b"old");
    file.write_all_at(b"new", 0).unwrap();
    let machine = machine.kill();
    assert_eq!(machine.read_file("/file").unwrap(), b"new");
    assert_eq!(machine.crash_with(Survival::Nothing).read_file("/file").unwrap(), b"old");
}

#[test]
fn the_same_moment_and_variant_give_the_same_outcome() {
    let (machine, file) = machine_with_file(9, &[1; 50_000]);
    file.write_all_at(&[2; 50_000], 10_000).unwrap();
    assert_eq!(outcomes(&machine), outcomes(&machine));
    let first = machine.possible_crash(Survival::Random, 0).read_file("/file").unwrap();
    assert_eq!(machine.crash().read_file("/file").unwrap(), first);
}

#[test]
fn whoever_still_holds_the_crashed_world_gets_a_power_cut() {
    let (machine, file) = machine_with_file(10, b"bytes");
    let world = machine.world();
    let next = machine.crash();
    assert!(tsds_io::is_power_cut(&file.write_all_at(b"late", 0).unwrap_err()));
    assert!(tsds_io::is_power_cut(&file.read_at(&mut [0; 4], 0).unwrap_err()));
    assert!(tsds_io::is_power_cut(&world.vfs.open(Path::new("/file"), OpenMode::Read).unwrap_err()));
    assert_eq!(next.read_file("/file").unwrap(), b"bytes");
}

#[test]
fn a_lock_is_free_after_a_crash_and_after_a_kill() {
    let machine = SimWorld::new(11);
    let first = machine.world().vfs.lock(Path::new("/LOCK")).unwrap();
    machine.world().vfs.sync_dir(Path::new("/")).unwrap();
    let machine = machine.kill();
    let second = machine.world().vfs.lock(Path::new("/LOCK")).unwrap();
    let machine = machine.crash();
    let third = machine.world().vfs.lock(Path::new("/LOCK")).unwrap();
    drop((first, second));
    assert!(machine.world().vfs.lock(Path::new("/LOCK")).is_err(), "old guards do not free the new lock");
    drop(third);
}

#[test]
fn lives_draw_different_random_bytes_and_keep_the_wall_clock() {
    let machine = SimWorld::new(12);
    machine.set_wall_nanos(5_000);
    let mut drawn = BTreeSet::new();
    let mut draw = |machine: &SimWorld| {
        let mut bytes = [0; 32];
        machine.world().random.fill(&mut bytes).unwrap();
        assert!(drawn.insert(bytes), "the same bytes twice");
    };
    draw(&machine);
    draw(&machine);
    draw(&machine.possible_crash(Survival::Random, 1));
    draw(&machine.possible_kill(1));
    draw(&machine.possible_kill(2));
    let sleep = machine.world().clock.sleep(std::time::Duration::from_secs(9));
    machine.block_on(sleep);
    let killed = machine.possible_kill(0);
    assert_eq!(killed.now().as_secs(), 9, "the monotonic clock is the machine's, not the process's");
    let rebooted = machine.crash();
    draw(&rebooted);
    assert_eq!(rebooted.now().as_secs(), 0);
    assert_eq!(rebooted.world().clock.wall_nanos(), 9_000_005_000);
}
