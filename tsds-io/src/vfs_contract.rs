//! The contract of [`Vfs`], promise by promise, for whoever implements one.
//!
//! Each case gets a file system and an empty directory on it, and leaves behind what it created. What a power cut leaves is
//! not covered: on a real machine that takes a power cut.

use std::io::{self, ErrorKind};
use std::path::Path;

use tsds_traits::{OpenMode, Vfs, VfsFile};

/// Fails with what was promised and not kept.
pub type Case = fn(&dyn Vfs, &Path) -> io::Result<()>;

/// Lists the cases, and runs each over the real and the simulated file system.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        /// Every promise by name.
        pub const CASES: &[(&str, Case)] = &[$((stringify!($case), $case)),*];

        #[cfg(test)]
        mod of_the_real_file_system {
            $(#[test] fn $case() { super::tests::on_the_real_file_system(super::$case) })*
        }

        #[cfg(test)]
        mod of_the_simulated_file_system {
            $(#[test] fn $case() { super::tests::on_the_simulated_file_system(super::$case) })*
        }
    };
}

contract![
    a_new_file_is_empty,
    a_file_that_must_be_new_may_not_exist,
    a_missing_file_is_not_found,
    opening_or_creating_keeps_what_is_there,
    a_directory_is_not_a_file,
    a_file_is_not_a_directory,
    bytes_read_back_as_written_across_page_borders,
    a_gap_before_a_write_reads_as_zeros,
    reads_end_with_the_file,
    an_empty_write_changes_nothing,
    a_cut_file_extends_with_zeros,
    allocation_extends_with_zeros_and_never_shortens,
    a_file_opened_to_read_cannot_change,
    all_handles_see_the_same_bytes,
    dropping_the_cache_keeps_synced_bytes,
    random_changes_read_back_as_in_a_model,
    a_rename_replaces_a_file_and_old_handles_keep_the_old_one,
    a_rename_of_what_is_missing_changes_nothing,
    a_directory_moves_with_its_contents,
    a_directory_that_is_not_empty_is_neither_replaced_nor_removed,
    a_removed_file_stays_readable_through_its_handle,
    removing_the_wrong_kind_fails,
    directories_are_created_with_all_above_them,
    a_directory_cannot_stand_where_a_file_stands,
    entries_are_listed_by_name_with_kind_and_length,
    a_directory_that_is_missing_cannot_be_synced_or_listed,
    a_lock_excludes_others_until_it_is_dropped,
    a_lock_file_names_its_holder,
    space_is_known_or_said_to_be_unknown,
    what_does_not_exist_yet_lies_where_its_directory_does,
];

fn check(kept: bool, promise: &str) -> io::Result<()> {
    if kept { Ok(()) } else { Err(io::Error::other(format!("broken promise: {promise}"))) }
}

fn check_kind<T>(result: io::Result<T>, kind: ErrorKind, promise: &str) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => {
            Err(io::Error::other(format!("broken promise: {promise}: {kind:?}, but got {error:?}")))
        }
        Ok(_) => Err(io::Error::other(format!("broken promise: {promise}: {kind:?}, but it succeeded"))),
    }
}

fn contents(file: &dyn VfsFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0xee; file.len()? as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn put(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = vfs.open(path, OpenMode::OpenOrCreate)?;
    file.set_len(0)?;
    file.write_all_at(bytes, 0)
}

fn get(vfs: &dyn Vfs, path: &Path) -> io::Result<Vec<u8>> {
    contents(&*vfs.open(path, OpenMode::Read)?)
}

fn a_new_file_is_empty(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("new"), OpenMode::CreateNew)?;
    check(file.len()? == 0 && file.is_empty()?, "no bytes")?;
    check(file.read_at(&mut [0; 8], 0)? == 0, "nothing to read")
}

fn a_file_that_must_be_new_may_not_exist(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("old"), b"kept")?;
    let again = vfs.open(&dir.join("old"), OpenMode::CreateNew);
    check_kind(again, ErrorKind::AlreadyExists, "CreateNew refuses an existing file")?;
    check(get(vfs, &dir.join("old"))? == b"kept", "the existing file is untouched")
}

fn a_missing_file_is_not_found(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    for mode in [OpenMode::Read, OpenMode::ReadWrite] {
        check_kind(vfs.open(&dir.join("nothing"), mode), ErrorKind::NotFound, "no file")?;
    }
    for mode in [OpenMode::Read, OpenMode::CreateNew, OpenMode::OpenOrCreate] {
        check_kind(vfs.open(&dir.join("no/dir"), mode), ErrorKind::NotFound, "no directory")?;
    }
    check_kind(vfs.remove_file(&dir.join("nothing")), ErrorKind::NotFound, "nothing to remove")
}

fn opening_or_creating_keeps_what_is_there(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("file");
    vfs.open(&path, OpenMode::OpenOrCreate)?.write_all_at(b"abc", 0)?;
    vfs.open(&path, OpenMode::OpenOrCreate)?.write_all_at(b"d", 3)?;
    vfs.open(&path, OpenMode::ReadWrite)?.write_all_at(b"A", 0)?;
    check(get(vfs, &path)? == b"Abcd", "contents are kept")
}

fn a_directory_is_not_a_file(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    for mode in [OpenMode::Read, OpenMode::ReadWrite, OpenMode::OpenOrCreate] {
        check_kind(vfs.open(dir, mode), ErrorKind::IsADirectory, "a directory does not open")?;
    }
    Ok(())
}

fn a_file_is_not_a_directory(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("file"), b"")?;
    let below = vfs.open(&dir.join("file/below"), OpenMode::OpenOrCreate);
    check_kind(below, ErrorKind::NotADirectory, "nothing is below a file")?;
    check_kind(vfs.read_dir(&dir.join("file")), ErrorKind::NotADirectory, "a file has no entries")?;
    check_kind(vfs.sync_dir(&dir.join("file")), ErrorKind::NotADirectory, "a file has no names")
}

fn bytes_read_back_as_written_across_page_borders(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    let bytes: Vec<u8> = (0..20_000_u32).map(|i| (i * 7 / 3) as u8).collect();
    file.write_all_at(&bytes, 0)?;
    file.write_all_at(b"across the border", 4090)?;
    let mut piece = [0; 17];
    file.read_exact_at(&mut piece, 4090)?;
    check(&piece == b"across the border", "the new bytes are there")?;
    let all = contents(&*file)?;
    check(all[..4090] == bytes[..4090] && all[4107..] == bytes[4107..], "the others are untouched")
}

fn a_gap_before_a_write_reads_as_zeros(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    file.write_all_at(b"x", 0)?;
    file.write_all_at(b"y", 10_000)?;
    let all = contents(&*file)?;
    check(all.len() == 10_001 && all[1..10_000].iter().all(|byte| *byte == 0), "zeros in the gap")
}

fn reads_end_with_the_file(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    file.write_all_at(b"0123456789", 0)?;
    let mut buffer = [0xee; 8];
    check(file.read_at(&mut buffer, 7)? == 3 && buffer[..3] == *b"789", "a short read at the end")?;
    check(file.read_at(&mut buffer, 10)? == 0 && file.read_at(&mut buffer, 1 << 40)? == 0, "then nothing")?;
    check(file.read_at(&mut [], 0)? == 0, "nothing is asked for, nothing is read")?;
    check_kind(file.read_exact_at(&mut buffer, 7), ErrorKind::UnexpectedEof, "no eight bytes there")
}

fn an_empty_write_changes_nothing(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    file.write_all_at(b"", 100)?;
    check(file.len()? == 0, "the file is not extended")
}

fn a_cut_file_extends_with_zeros(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    file.write_all_at(&[7; 9000], 0)?;
    file.sync_all()?;
    file.set_len(100)?;
    check(contents(&*file)? == [7; 100], "cut")?;
    file.set_len(9000)?;
    let all = contents(&*file)?;
    check(all[..100] == [7; 100] && all[100..].iter().all(|byte| *byte == 0), "what was cut stays cut")
}

fn allocation_extends_with_zeros_and_never_shortens(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    file.write_all_at(b"head", 0)?;
    file.allocate(100_000)?;
    let all = contents(&*file)?;
    check(all.len() == 100_000 && all.starts_with(b"head"), "extended")?;
    check(all[4..].iter().all(|byte| *byte == 0), "with zeros")?;
    file.allocate(10)?;
    file.allocate(0)?;
    check(file.len()? == 100_000, "never shortened")
}

fn a_file_opened_to_read_cannot_change(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("file"), b"kept")?;
    let file = vfs.open(&dir.join("file"), OpenMode::Read)?;
    check(file.write_all_at(b"lost", 0).is_err(), "writing fails")?;
    check(file.set_len(0).is_err(), "cutting fails")?;
    check(file.allocate(10).is_err(), "allocating fails")?;
    check(contents(&*file)? == b"kept", "nothing changed")
}

fn all_handles_see_the_same_bytes(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let one = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    let two = vfs.open(&dir.join("file"), OpenMode::Read)?;
    one.write_all_at(b"seen at once", 0)?;
    check(contents(&*two)? == b"seen at once", "before any sync")
}

fn dropping_the_cache_keeps_synced_bytes(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    file.write_all_at(&[3; 5000], 0)?;
    file.sync_data()?;
    file.write_all_at(&[4; 10], 100)?;
    file.drop_cache()?;
    let all = contents(&*file)?;
    check(all.len() == 5000 && all[..100] == [3; 100] && all[110..] == [3; 4890], "synced bytes stay")?;
    check(all[100..110] == [4; 10], "and so do those that are not synced")
}

fn random_changes_read_back_as_in_a_model(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let file = vfs.open(&dir.join("file"), OpenMode::CreateNew)?;
    let mut model: Vec<u8> = Vec::new();
    let mut state = 1_u64;
    let mut next = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    for step in 0..400 {
        match next(10) {
            0 => {
                let len = next(30_000);
                file.set_len(len)?;
                model.resize(len as usize, 0);
            }
            1 => {
                let len = next(30_000);
                file.allocate(len)?;
                model.resize(model.len().max(len as usize), 0);
            }
            2 => file.sync_data()?,
            3 => file.drop_cache()?,
            _ => {
                let (offset, len) = (next(25_000) as usize, next(9_000) as usize + 1);
                let bytes: Vec<u8> = (0..len).map(|i| (i as u64 ^ step) as u8 | 1).collect();
                file.write_all_at(&bytes, offset as u64)?;
                model.resize(model.len().max(offset + len), 0);
                model[offset..offset + len].copy_from_slice(&bytes);
            }
        }
        check(file.len()? == model.len() as u64, "the length of the model")?;
    }
    check(contents(&*file)? == model, "the bytes of the model")
}

fn a_rename_replaces_a_file_and_old_handles_keep_the_old_one(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let (one, two) = (dir.join("one"), dir.join("two"));
    put(vfs, &one, b"first")?;
    put(vfs, &two, b"second")?;
    let old = vfs.open(&two, OpenMode::Read)?;
    let moved = vfs.open(&one, OpenMode::ReadWrite)?;
    vfs.rename(&one, &two)?;
    check(get(vfs, &two)? == b"first", "replaced")?;
    check_kind(vfs.open(&one, OpenMode::Read), ErrorKind::NotFound, "the old name is gone")?;
    check(contents(&*old)? == b"second", "the old file lives on in its handle")?;
    moved.write_all_at(b"F", 0)?;
    check(get(vfs, &two)? == b"First", "a handle follows its file")?;
    vfs.rename(&two, &two)?;
    check(get(vfs, &two)? == b"First", "a rename to itself changes nothing")
}

fn a_rename_of_what_is_missing_changes_nothing(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("kept"), b"kept")?;
    let missing = vfs.rename(&dir.join("nothing"), &dir.join("kept"));
    check_kind(missing, ErrorKind::NotFound, "nothing to rename")?;
    let nowhere = vfs.rename(&dir.join("kept"), &dir.join("no/dir"));
    check_kind(nowhere, ErrorKind::NotFound, "nowhere to rename to")?;
    check(get(vfs, &dir.join("kept"))? == b"kept", "the file is untouched")
}

fn a_directory_moves_with_its_contents(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    vfs.create_dir_all(&dir.join("from/inner"))?;
    vfs.create_dir_all(&dir.join("empty"))?;
    put(vfs, &dir.join("from/inner/file"), b"moved")?;
    vfs.rename(&dir.join("from"), &dir.join("to"))?;
    check(get(vfs, &dir.join("to/inner/file"))? == b"moved", "under the new name")?;
    check_kind(vfs.read_dir(&dir.join("from")), ErrorKind::NotFound, "not under the old name")?;
    vfs.rename(&dir.join("to"), &dir.join("empty"))?;
    check(get(vfs, &dir.join("empty/inner/file"))? == b"moved", "in place of an empty directory")?;
    let inside = vfs.rename(&dir.join("empty"), &dir.join("empty/inner/deeper"));
    check_kind(inside, ErrorKind::InvalidInput, "not into itself")
}

fn a_directory_that_is_not_empty_is_neither_replaced_nor_removed(
    vfs: &dyn Vfs,
    dir: &Path,
) -> io::Result<()> {
    vfs.create_dir_all(&dir.join("full"))?;
    vfs.create_dir_all(&dir.join("other"))?;
    put(vfs, &dir.join("full/file"), b"kept")?;
    put(vfs, &dir.join("file"), b"")?;
    let replaced = vfs.rename(&dir.join("other"), &dir.join("full"));
    check_kind(replaced, ErrorKind::DirectoryNotEmpty, "not replaced by a directory")?;
    let replaced = vfs.rename(&dir.join("file"), &dir.join("full"));
    check_kind(replaced, ErrorKind::IsADirectory, "not replaced by a file")?;
    let replaced = vfs.rename(&dir.join("other"), &dir.join("file"));
    check_kind(replaced, ErrorKind::NotADirectory, "a directory does not replace a file")?;
    check_kind(vfs.remove_dir(&dir.join("full")), ErrorKind::DirectoryNotEmpty, "not removed")?;
    check(get(vfs, &dir.join("full/file"))? == b"kept", "untouched")
}

fn a_removed_file_stays_readable_through_its_handle(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("file"), b"still here")?;
    let file = vfs.open(&dir.join("file"), OpenMode::ReadWrite)?;
    vfs.remove_file(&dir.join("file"))?;
    check_kind(vfs.open(&dir.join("file"), OpenMode::Read), ErrorKind::NotFound, "the name is gone")?;
    put(vfs, &dir.join("file"), b"another")?;
    file.write_all_at(b"S", 0)?;
    file.sync_all()?;
    check(contents(&*file)? == b"Still here", "the bytes are not")?;
    check(get(vfs, &dir.join("file"))? == b"another", "the new file is another one")
}

fn removing_the_wrong_kind_fails(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("file"), b"")?;
    vfs.create_dir_all(&dir.join("directory"))?;
    check_kind(vfs.remove_file(&dir.join("directory")), ErrorKind::IsADirectory, "not a file")?;
    check_kind(vfs.remove_dir(&dir.join("file")), ErrorKind::NotADirectory, "not a directory")?;
    check_kind(vfs.remove_dir(&dir.join("nothing")), ErrorKind::NotFound, "not there")?;
    vfs.remove_dir(&dir.join("directory"))?;
    check_kind(vfs.read_dir(&dir.join("directory")), ErrorKind::NotFound, "removed")
}

fn directories_are_created_with_all_above_them(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    vfs.create_dir_all(&dir.join("a/b/c"))?;
    put(vfs, &dir.join("a/b/c/file"), b"kept")?;
    vfs.create_dir_all(&dir.join("a/b/c"))?;
    vfs.create_dir_all(&dir.join("a"))?;
    check(get(vfs, &dir.join("a/b/c/file"))? == b"kept", "what exists is kept")
}

fn a_directory_cannot_stand_where_a_file_stands(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("file"), b"kept")?;
    check_kind(vfs.create_dir_all(&dir.join("file")), ErrorKind::NotADirectory, "in its place")?;
    check_kind(vfs.create_dir_all(&dir.join("file/below")), ErrorKind::NotADirectory, "below it")
}

fn entries_are_listed_by_name_with_kind_and_length(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    put(vfs, &dir.join("b"), b"12345")?;
    vfs.create_dir_all(&dir.join("c/deep"))?;
    put(vfs, &dir.join("a"), b"")?;
    let entries = vfs.read_dir(dir)?;
    let seen: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.is_dir)).collect();
    check(seen == [("a", false), ("b", false), ("c", true)], "by name, with kind, not below")?;
    let lengths: Vec<_> = entries.iter().filter(|entry| !entry.is_dir).map(|entry| entry.len).collect();
    check(lengths == [0, 5], "with length")
}

fn a_directory_that_is_missing_cannot_be_synced_or_listed(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    check_kind(vfs.sync_dir(&dir.join("nothing")), ErrorKind::NotFound, "nothing to sync")?;
    check_kind(vfs.read_dir(&dir.join("nothing")), ErrorKind::NotFound, "nothing to list")?;
    vfs.sync_dir(dir)
}

fn a_lock_excludes_others_until_it_is_dropped(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("LOCK");
    let lock = vfs.lock(&path)?;
    check_kind(vfs.lock(&path), ErrorKind::WouldBlock, "held")?;
    let other = vfs.lock(&dir.join("OTHER"))?;
    drop(lock);
    let again = vfs.lock(&path)?;
    check_kind(vfs.lock(&path), ErrorKind::WouldBlock, "held again")?;
    drop((again, other));
    check_kind(vfs.lock(&dir.join("no/LOCK")), ErrorKind::NotFound, "nowhere to put it")
}

fn a_lock_file_names_its_holder(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let path = dir.join("LOCK");
    put(vfs, &path, b"something much longer than any process id")?;
    let lock = vfs.lock(&path)?;
    check(vfs.lock(&path).is_err(), "who fails to lock does not touch the file")?;
    let text = String::from_utf8_lossy(&get(vfs, &path)?).into_owned();
    check(text.trim().parse::<u32>().is_ok_and(|pid| pid > 0), "a process id and nothing else")?;
    drop(lock);
    Ok(())
}

fn space_is_known_or_said_to_be_unknown(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    check(vfs.available_space(dir)?.is_none_or(|bytes| bytes < 1 << 60), "a plausible number of bytes")?;
    check_kind(vfs.available_space(&dir.join("nothing")), ErrorKind::NotFound, "no such place")
}

fn what_does_not_exist_yet_lies_where_its_directory_does(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    let (here, below) = (vfs.network_file_system(dir)?, vfs.network_file_system(&dir.join("not/yet"))?);
    check(here == below, "one file system")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RealVfs, SimWorld};

    pub(super) fn on_the_real_file_system(case: Case) {
        let dir = tempfile::tempdir().unwrap();
        case(&RealVfs::new(), dir.path()).unwrap();
    }

    pub(super) fn on_the_simulated_file_system(case: Case) {
        for seed in 0..8 {
            let machine = SimWorld::new(seed);
            let world = machine.world();
            world.vfs.create_dir_all(Path::new("/some/place")).unwrap();
            case(&*world.vfs, Path::new("/some/place")).unwrap();
        }
    }

    #[test]
    fn the_suite_notices_a_file_system_that_breaks_a_promise() {
        let machine = SimWorld::new(1);
        machine.faults().set_capacity(Some(8192));
        let failed = CASES.iter().filter(|(_, case)| case(&*machine.world().vfs, Path::new("/")).is_err());
        assert!(failed.count() > 3);
    }
}
