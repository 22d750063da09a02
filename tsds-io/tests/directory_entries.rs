//! What a power cut leaves of names.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tsds_io::{DirectoryOrder, SimWorld, Survival};
use tsds_traits::{OpenMode, Vfs};

fn create(vfs: &Arc<dyn Vfs>, path: &str, contents: &[u8]) {
    let file = vfs.open(Path::new(path), OpenMode::CreateNew).unwrap();
    file.write_all_at(contents, 0).unwrap();
    file.sync_all().unwrap();
}

/// The sets of files that power cuts now can leave.
fn outcomes(machine: &SimWorld) -> BTreeSet<Vec<String>> {
    (0..300)
        .map(|variant| machine.possible_crash(Survival::Random, variant).list_files("/").unwrap())
        .collect()
}

fn set(of: &[&[&str]]) -> BTreeSet<Vec<String>> {
    of.iter().map(|names| names.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn a_synced_file_without_a_synced_name_may_vanish() {
    let machine = SimWorld::new(1);
    create(&machine.world().vfs, "/file", b"synced");
    assert_eq!(outcomes(&machine), set(&[&[], &["file"]]));
    machine.world().vfs.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&machine), set(&[&["file"]]));
}

#[test]
fn a_rename_without_a_directory_sync_may_roll_back_but_never_half() {
    let machine = SimWorld::new(2);
    let vfs = machine.world().vfs;
    machine.write_file("/current", b"old").unwrap();
    create(&vfs, "/next", b"new");
    vfs.sync_dir(Path::new("/")).unwrap();
    vfs.rename(Path::new("/next"), Path::new("/current")).unwrap();
    assert_eq!(outcomes(&machine), set(&[&["current", "next"], &["current"]]));
    for variant in 0..50 {
        let after = machine.possible_crash(Survival::Random, variant);
        let renamed = after.list_files("/").unwrap().len() == 1;
        assert_eq!(after.read_file("/current").unwrap(), if renamed { b"new" } else { b"old" });
    }
}

#[test]
fn a_removal_without_a_directory_sync_may_roll_back_with_its_contents() {
    let machine = SimWorld::new(3);
    machine.write_file("/file", b"contents").unwrap();
    machine.world().vfs.remove_file(Path::new("/file")).unwrap();
    assert_eq!(outcomes(&machine), set(&[&[], &["file"]]));
    let back = machine.possible_crash(Survival::Nothing, 0);
    assert_eq!(back.read_file("/file").unwrap(), b"contents");
}

#[test]
fn a_journal_keeps_the_order_of_names() {
    let machine = SimWorld::new(4);
    machine.faults().set_directory_order(DirectoryOrder::Journal);
    for name in ["/a", "/b", "/c"] {
        create(&machine.world().vfs, name, b"");
    }
    assert_eq!(outcomes(&machine), set(&[&[], &["a"], &["a", "b"], &["a", "b", "c"]]));
}

#[test]
fn without_a_journal_any_of_the_names_survive() {
    let machine = SimWorld::new(5);
    machine.faults().set_directory_order(DirectoryOrder::AnySubset);
    for name in ["/a", "/b", "/c"] {
        create(&machine.world().vfs, name, b"");
    }
    assert_eq!(outcomes(&machine).len(), 8);
}

#[test]
fn changes_of_one_name_keep_their_order_everywhere() {
    let machine = SimWorld::new(6);
    machine.faults().set_directory_order(DirectoryOrder::AnySubset);
    let vfs = machine.world().vfs;
    machine.write_file("/log", b"first").unwrap();
    vfs.rename(Path::new("/log"), Path::new("/log.1")).unwrap();
    create(&vfs, "/log", b"second");
    let mut seen = BTreeSet::new();
    for variant in 0..200 {
        let after = machine.possible_crash(Survival::Random, variant);
        let contents =
            |path| after.read_file(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        seen.insert((contents("/log"), contents("/log.1")));
    }
    let some = |text: &str| Some(text.to_owned());
    let possible = [(some("first"), None), (None, some("first")), (some("second"), some("first"))];
    assert_eq!(seen, BTreeSet::from(possible));
}

#[test]
fn a_rename_between_directories_leaves_the_file_in_one_of_them() {
    let machine = SimWorld::new(7);
    let vfs = machine.world().vfs;
    machine.write_file("/staging/file", b"x").unwrap();
    vfs.create_dir_all(Path::new("/final")).unwrap();
    vfs.rename(Path::new("/staging/file"), Path::new("/final/file")).unwrap();
    assert_eq!(outcomes(&machine), set(&[&["staging/file"], &["final/file"]]));
    vfs.sync_dir(Path::new("/final")).unwrap();
    assert_eq!(outcomes(&machine), set(&[&["final/file"]]));
}

#[test]
fn created_directories_are_durable_at_once() {
    let machine = SimWorld::new(8);
    machine.world().vfs.create_dir_all(Path::new("/a/b/c")).unwrap();
    let after = machine.crash_with(Survival::Nothing);
    assert!(after.world().vfs.read_dir(Path::new("/a/b/c")).unwrap().is_empty());
}

#[test]
fn creating_a_directory_again_makes_durable_what_a_killed_process_left() {
    for seed in 0..20 {
        let machine = SimWorld::new(seed);
        // The kill comes after the creation of `/a`, and before or after the sync of its name.
        machine.faults().crash_at_operation(2);
        machine.world().vfs.create_dir_all(Path::new("/a")).unwrap_err();
        let machine = machine.kill();
        machine.world().vfs.create_dir_all(Path::new("/a/b")).unwrap();
        let after = machine.crash_with(Survival::Nothing);
        assert!(after.world().vfs.read_dir(Path::new("/a/b")).is_ok(), "seed {seed}");
    }
}

#[test]
fn a_directory_whose_name_vanishes_takes_its_files_along() {
    let machine = SimWorld::new(10);
    let vfs = machine.world().vfs;
    vfs.create_dir_all(Path::new("/old")).unwrap();
    vfs.rename(Path::new("/old"), Path::new("/new")).unwrap();
    create(&vfs, "/new/file", b"");
    vfs.sync_dir(Path::new("/new")).unwrap();
    assert_eq!(outcomes(&machine), set(&[&["old/file"], &["new/file"]]));
}

#[test]
fn many_created_and_removed_files_leave_nothing_behind() {
    let machine = SimWorld::new(11);
    let vfs = machine.world().vfs;
    machine.faults().set_capacity(Some(64 * 4096));
    machine.write_file("/kept", b"kept").unwrap();
    create(&vfs, "/open", b"still open");
    let open = vfs.open(Path::new("/open"), OpenMode::Read).unwrap();
    vfs.remove_file(Path::new("/open")).unwrap();
    for round in 0..2000 {
        let path = format!("/{round}");
        create(&vfs, &path, &[1; 3 * 4096]);
        vfs.remove_file(Path::new(&path)).unwrap();
        if round % 7 == 0 {
            vfs.sync_dir(Path::new("/")).unwrap();
        }
    }
    vfs.sync_dir(Path::new("/")).unwrap();
    let mut bytes = [0; 10];
    open.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"still open");
    drop(open);
    assert_eq!(vfs.available_space(Path::new("/")).unwrap(), Some(63 * 4096));
    assert_eq!(machine.crash().read_file("/kept").unwrap(), b"kept");
}
