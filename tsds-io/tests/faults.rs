//! Faults strike where and when they were told to.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tsds_io::{Fault, Operation, SimWorld, Survival, is_power_cut};
use tsds_traits::{OpenMode, Vfs};

const PAGE: u64 = 4096;

fn machine_with_file(contents: &[u8]) -> (SimWorld, std::sync::Arc<dyn tsds_traits::VfsFile>) {
    let machine = SimWorld::new(1);
    machine.write_file("/file", contents).unwrap();
    let file = machine.world().vfs.open(Path::new("/file"), OpenMode::ReadWrite).unwrap();
    (machine, file)
}

#[test]
fn only_the_nth_operation_of_its_kind_fails_and_only_once() {
    let (machine, file) = machine_with_file(b"");
    machine.faults().inject(Fault::on(Operation::Write, ErrorKind::TimedOut).nth(3));
    let failed: Vec<bool> = (0..6).map(|_| file.write_all_at(b"x", 0).is_err()).collect();
    assert_eq!(failed, [false, false, true, false, false, false]);
    assert_eq!(machine.faults().struck(), 1);
}

#[test]
fn a_sticky_fault_goes_on_until_it_is_cleared() {
    let (machine, file) = machine_with_file(b"");
    machine.faults().inject(Fault::on(Operation::SetLen, ErrorKind::Other).nth(2).sticky());
    let failed: Vec<bool> = (0..4).map(|len| file.set_len(len).is_err()).collect();
    assert_eq!(failed, [false, true, true, true]);
    machine.faults().clear();
    file.set_len(9).unwrap();
}

#[test]
fn a_fault_on_some_paths_counts_and_fails_only_those() {
    let machine = SimWorld::new(1);
    let vfs = machine.world().vfs;
    let fault = Fault::on(Operation::Open, ErrorKind::Other).on_paths_with("wal").nth(2);
    machine.faults().inject(fault);
    let open = |path| vfs.open(Path::new(path), OpenMode::OpenOrCreate).map(|_| ());
    open("/other").unwrap();
    open("/wal-1").unwrap();
    open("/other").unwrap();
    assert_eq!(open("/wal-2").unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(machine.list_files("/").unwrap(), ["other", "wal-1"]);
}

#[test]
fn each_kind_of_operation_can_fail_and_then_changes_nothing() {
    type Attempt = fn(&dyn Vfs) -> std::io::Result<()>;
    let cases: [(Operation, Attempt); 11] = [
        (Operation::Open, |vfs| vfs.open(Path::new("/new"), OpenMode::CreateNew).map(drop)),
        (Operation::Read, |vfs| vfs.open(Path::new("/file"), OpenMode::Read)?.read_at(&mut [0], 0).map(drop)),
        (Operation::SetLen, |vfs| vfs.open(Path::new("/file"), OpenMode::ReadWrite)?.set_len(1)),
        (Operation::Allocate, |vfs| vfs.open(Path::new("/file"), OpenMode::ReadWrite)?.allocate(99)),
        (Operation::Sync, |vfs| vfs.open(Path::new("/file"), OpenMode::ReadWrite)?.sync_all()),
        (Operation::SyncDir, |vfs| vfs.sync_dir(Path::new("/"))),
        (Operation::Rename, |vfs| vfs.rename(Path::new("/file"), Path::new("/moved"))),
        (Operation::Remove, |vfs| vfs.remove_file(Path::new("/file"))),
        (Operation::CreateDir, |vfs| vfs.create_dir_all(Path::new("/directory"))),
        (Operation::ReadDir, |vfs| vfs.read_dir(Path::new("/")).map(drop)),
        (Operation::Lock, |vfs| vfs.lock(Path::new("/LOCK")).map(drop)),
    ];
    let kind = ErrorKind::HostUnreachable;
    for (operation, attempt) in cases {
        let (machine, _file) = machine_with_file(b"contents");
        machine.faults().inject(Fault::on(operation, kind));
        let error = attempt(&*machine.world().vfs).unwrap_err();
        assert_eq!(error.kind(), kind, "{operation:?}");
        assert_eq!(machine.list_files("/").unwrap(), ["file"], "{operation:?}");
        assert_eq!(machine.read_file("/file").unwrap(), b"contents", "{operation:?}");
        attempt(&*machine.world().vfs).unwrap();
    }
}

#[test]
fn a_failed_write_leaves_a_prefix() {
    let mut prefixes = std::collections::BTreeSet::new();
    let (machine, file) = machine_with_file(&[1; 100]);
    machine.faults().inject(Fault::on(Operation::Write, ErrorKind::Other).sticky());
    for _ in 0..50 {
        file.write_all_at(&[2; 100], 0).unwrap_err();
        let bytes = machine.read_file("/file").unwrap();
        let written = bytes.iter().take_while(|byte| **byte == 2).count();
        assert!(bytes[written..].iter().all(|byte| *byte == 1) && written < 100);
        prefixes.insert(written);
        machine.write_file("/file", &[1; 100]).unwrap();
    }
    assert!(prefixes.len() > 10);
}

#[test]
fn any_change_can_be_the_one_that_fails() {
    let (machine, file) = machine_with_file(b"");
    machine.faults().inject(Fault::on_any_change(ErrorKind::Other).nth(3));
    file.read_at(&mut [0], 0).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.len().unwrap();
    file.sync_data().unwrap();
    assert!(machine.world().vfs.rename(Path::new("/file"), Path::new("/moved")).is_err());
    file.write_all_at(b"x", 0).unwrap();
}

#[test]
fn a_full_disk_takes_what_fits_and_works_again_when_space_is_freed() {
    let (machine, file) = machine_with_file(&[1; PAGE as usize]);
    let vfs = machine.world().vfs;
    machine.faults().set_capacity(Some(3 * PAGE));
    assert_eq!(vfs.available_space(Path::new("/")).unwrap(), Some(2 * PAGE));
    let error = file.write_all_at(&[2; 4 * PAGE as usize], 100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 3 * PAGE, "what fits is written");
    assert_eq!(vfs.available_space(Path::new("/")).unwrap(), Some(0));
    file.write_all_at(&[3; PAGE as usize], 0).unwrap();
    let other = vfs.open(Path::new("/other"), OpenMode::CreateNew).unwrap();
    assert_eq!(other.write_all_at(b"x", 0).unwrap_err().kind(), ErrorKind::StorageFull);
    file.set_len(2 * PAGE).unwrap();
    other.write_all_at(b"x", 0).unwrap();
    vfs.remove_file(Path::new("/file")).unwrap();
    assert_eq!(vfs.available_space(Path::new("/")).unwrap(), Some(0), "an open file keeps its space");
    drop(file);
    assert_eq!(vfs.available_space(Path::new("/")).unwrap(), Some(2 * PAGE));
}

#[test]
fn reserved_space_cannot_run_out() {
    let (machine, file) = machine_with_file(b"");
    machine.faults().set_capacity(Some(4 * PAGE));
    file.allocate(3 * PAGE).unwrap();
    let vfs = machine.world().vfs;
    let other = vfs.open(Path::new("/other"), OpenMode::CreateNew).unwrap();
    assert_eq!(other.write_all_at(&[1; 5000], 0).unwrap_err().kind(), ErrorKind::StorageFull);
    file.write_all_at(&[1; 3 * PAGE as usize], 0).unwrap();
    assert_eq!(file.write_all_at(&[1], 3 * PAGE).unwrap_err().kind(), ErrorKind::StorageFull);
}

#[test]
fn an_allocation_that_does_not_fit_reserves_what_does() {
    let (machine, file) = machine_with_file(b"");
    machine.faults().set_capacity(Some(4 * PAGE));
    assert_eq!(file.allocate(10 * PAGE).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 4 * PAGE);
    assert_eq!(machine.world().vfs.available_space(Path::new("/")).unwrap(), Some(0));
    file.set_len(0).unwrap();
    assert_eq!(machine.world().vfs.available_space(Path::new("/")).unwrap(), Some(4 * PAGE));
}

#[test]
fn a_read_only_disk_reads_locks_and_refuses_to_change() {
    let (machine, file) = machine_with_file(b"contents");
    let vfs = machine.world().vfs;
    machine.write_file("/LOCK", b"").unwrap();
    machine.faults().set_read_only(true);
    let read_only = |result: std::io::Result<()>| {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    };
    read_only(file.write_all_at(b"x", 0));
    read_only(file.set_len(0));
    read_only(file.allocate(100));
    read_only(vfs.rename(Path::new("/file"), Path::new("/moved")));
    read_only(vfs.remove_file(Path::new("/file")));
    read_only(vfs.create_dir_all(Path::new("/new")));
    read_only(vfs.open(Path::new("/file"), OpenMode::ReadWrite).map(drop));
    read_only(vfs.open(Path::new("/new"), OpenMode::OpenOrCreate).map(drop));
    read_only(vfs.lock(Path::new("/new")).map(drop));
    let lock = vfs.lock(Path::new("/LOCK")).unwrap();
    assert!(vfs.lock(Path::new("/LOCK")).is_err());
    drop(lock);
    vfs.create_dir_all(Path::new("/")).unwrap();
    let file = vfs.open(Path::new("/file"), OpenMode::Read).unwrap();
    assert_eq!(file.len().unwrap(), 8);
    assert_eq!(machine.operations(), 7, "each refusal counts, reading does not");
}

#[test]
fn after_the_power_cut_everything_fails_until_the_machine_is_crashed() {
    let (machine, file) = machine_with_file(b"");
    let vfs = machine.world().vfs;
    machine.faults().crash_at_operation(3);
    file.write_all_at(b"a", 0).unwrap();
    file.sync_data().unwrap();
    assert!(is_power_cut(&file.write_all_at(b"b", 1).unwrap_err()));
    assert!(is_power_cut(&file.read_at(&mut [0], 0).unwrap_err()));
    assert!(is_power_cut(&file.len().unwrap_err()));
    assert!(is_power_cut(&file.sync_data().unwrap_err()));
    assert!(is_power_cut(&vfs.read_dir(Path::new("/")).unwrap_err()));
    assert!(is_power_cut(&vfs.available_space(Path::new("/")).unwrap_err()));
    let machine = machine.crash_with(Survival::Nothing);
    assert_eq!(machine.read_file("/file").unwrap(), b"a");
    assert_eq!(machine.operations(), 0);
    machine.world().vfs.open(Path::new("/new"), OpenMode::CreateNew).unwrap();
}

#[test]
fn the_operation_at_which_the_power_goes_happens_or_not() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let machine = SimWorld::new(seed);
        machine.faults().crash_at_operation(1);
        machine.world().vfs.open(Path::new("/file"), OpenMode::CreateNew).unwrap_err();
        seen.insert(machine.crash_with(Survival::Everything).list_files("/").unwrap().len());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_run_stops_at_the_power_cut_even_if_the_program_ignores_it() {
    let machine = SimWorld::new(1);
    machine.faults().crash_at_operation(1);
    let world = machine.world();
    let stopped = machine.run_until_power_cut(async {
        let _ = world.vfs.create_dir_all(Path::new("/a"));
        world.clock.sleep(Duration::from_secs(1)).await;
        "acknowledged"
    });
    assert_eq!(stopped, None);
    let machine = SimWorld::new(1);
    assert_eq!(machine.run_until_power_cut(async { "done" }), Some("done"));
}

#[test]
fn delays_pass_on_the_simulated_clock() {
    let (machine, file) = machine_with_file(b"");
    machine.faults().set_delay(Operation::Sync, Duration::from_millis(30));
    file.sync_data().unwrap();
    file.sync_data().unwrap();
    file.write_all_at(b"x", 0).unwrap();
    assert_eq!(machine.now(), Duration::from_millis(60));
}

#[test]
fn corruption_changes_one_byte_for_readers_and_on_the_disk() {
    let (machine, file) = machine_with_file(&[0; 9000]);
    machine.corrupt("/file", 5000, 0b100).unwrap();
    assert!(machine.corrupt("/file", 9000, 1).is_err());
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5000).unwrap();
    assert_eq!(byte, [0b100]);
    file.drop_cache().unwrap();
    let machine = machine.crash();
    let bytes = machine.read_file("/file").unwrap();
    assert_eq!(bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 0b100);
    machine.truncate("/file", 10).unwrap();
    machine.remove_file("/file").unwrap();
    assert!(machine.crash_with(Survival::Nothing).list_files("/").unwrap().is_empty());
}
