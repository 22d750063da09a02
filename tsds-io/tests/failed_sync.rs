//! A failed sync, as Linux does it: the cache forgets that the bytes are not on the disk.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use tsds_io::{Fault, Operation, SimWorld, Survival};
use tsds_traits::{OpenMode, VfsFile};

fn contents(file: &Arc<dyn VfsFile>) -> Vec<u8> {
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// `/file` was `old`, is `new`, and its sync has failed.
fn after_failed_sync() -> (SimWorld, Arc<dyn VfsFile>) {
    let machine = SimWorld::new(1);
    machine.write_file("/file", b"old").unwrap();
    let file = machine.world().vfs.open(Path::new("/file"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(b"new", 0).unwrap();
    machine.faults().inject(Fault::on(Operation::Sync, ErrorKind::Other));
    assert_eq!(file.sync_data().unwrap_err().kind(), ErrorKind::Other);
    (machine, file)
}

#[test]
fn the_next_sync_succeeds_and_still_does_not_write_the_bytes() {
    let (machine, file) = after_failed_sync();
    file.sync_data().unwrap();
    file.sync_all().unwrap();
    assert_eq!(contents(&file), b"new", "the cache shows the new bytes");
    for survival in [Survival::Nothing, Survival::Everything, Survival::Random] {
        let after = machine.possible_crash(survival, 0);
        assert_eq!(after.read_file("/file").unwrap(), b"old");
    }
}

#[test]
fn reading_back_after_a_restart_of_the_process_lies_until_the_cache_is_dropped() {
    let (machine, _) = after_failed_sync();
    let machine = machine.kill();
    let file = machine.world().vfs.open(Path::new("/file"), OpenMode::Read).unwrap();
    assert_eq!(contents(&file), b"new");
    file.drop_cache().unwrap();
    assert_eq!(contents(&file), b"old");
}

#[test]
fn dropping_the_cache_tells_the_truth_at_once() {
    let (_machine, file) = after_failed_sync();
    file.drop_cache().unwrap();
    assert_eq!(contents(&file), b"old");
}

#[test]
fn dropping_the_cache_keeps_what_was_written_since() {
    let (machine, file) = after_failed_sync();
    file.write_all_at(b"N", 0).unwrap();
    file.drop_cache().unwrap();
    assert_eq!(contents(&file), b"New", "the page is dirty again, and stays as it is");
    file.sync_data().unwrap();
    assert_eq!(machine.crash_with(Survival::Nothing).read_file("/file").unwrap(), b"New");
}

#[test]
fn writing_the_bytes_again_makes_them_durable() {
    let (machine, file) = after_failed_sync();
    file.write_all_at(b"new", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(machine.crash_with(Survival::Nothing).read_file("/file").unwrap(), b"new");
}

#[test]
fn a_file_that_grew_in_a_failed_sync_ends_up_long_and_empty() {
    let machine = SimWorld::new(2);
    machine.write_file("/file", b"").unwrap();
    let file = machine.world().vfs.open(Path::new("/file"), OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[7; 5000], 0).unwrap();
    machine.faults().inject(Fault::on(Operation::Sync, ErrorKind::Other));
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(contents(&file), [7; 5000]);
    assert_eq!(machine.crash_with(Survival::Nothing).read_file("/file").unwrap(), [0; 5000]);
}

#[test]
fn a_failed_directory_sync_is_not_made_good_by_the_next() {
    let machine = SimWorld::new(3);
    let vfs = machine.world().vfs;
    vfs.open(Path::new("/lost"), OpenMode::CreateNew).unwrap();
    machine.faults().inject(Fault::on(Operation::SyncDir, ErrorKind::Other));
    vfs.sync_dir(Path::new("/")).unwrap_err();
    vfs.open(Path::new("/kept"), OpenMode::CreateNew).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    assert_eq!(machine.list_files("/").unwrap(), ["kept", "lost"]);
    assert_eq!(machine.crash_with(Survival::Everything).list_files("/").unwrap(), ["kept"]);
}

#[test]
fn a_file_that_moved_on_after_a_failed_directory_sync_is_not_left_in_two_places() {
    let machine = SimWorld::new(5);
    let vfs = machine.world().vfs;
    machine.write_file("/z/file", b"x").unwrap();
    for directory in ["/a", "/m"] {
        vfs.create_dir_all(Path::new(directory)).unwrap();
    }
    vfs.rename(Path::new("/z/file"), Path::new("/m/file")).unwrap();
    machine.faults().inject(Fault::on(Operation::SyncDir, ErrorKind::Other));
    vfs.sync_dir(Path::new("/m")).unwrap_err();
    vfs.rename(Path::new("/m/file"), Path::new("/a/file")).unwrap();
    vfs.sync_dir(Path::new("/a")).unwrap();
    assert_eq!(machine.crash_with(Survival::Nothing).list_files("/").unwrap(), ["a/file"]);
}

#[test]
fn a_new_name_for_a_file_that_a_failed_directory_sync_lost_can_become_durable() {
    let machine = SimWorld::new(4);
    let vfs = machine.world().vfs;
    machine.write_file("/a", b"x").unwrap();
    vfs.rename(Path::new("/a"), Path::new("/b")).unwrap();
    machine.faults().inject(Fault::on(Operation::SyncDir, ErrorKind::Other));
    vfs.sync_dir(Path::new("/")).unwrap_err();
    assert_eq!(machine.possible_crash(Survival::Everything, 0).list_files("/").unwrap(), ["a"]);
    vfs.rename(Path::new("/b"), Path::new("/c")).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    assert_eq!(machine.crash_with(Survival::Nothing).list_files("/").unwrap(), ["c"]);
}
