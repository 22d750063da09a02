//! What the real file system promises beyond the contract.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};

use tsds_io::RealVfs;
use tsds_traits::{OpenMode, Vfs};

#[test]
fn files_and_directories_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let vfs = RealVfs::new();
    vfs.create_dir_all(&dir.path().join("a/b")).unwrap();
    vfs.open(&dir.path().join("a/b/file"), OpenMode::CreateNew).unwrap();
    let _lock = vfs.lock(&dir.path().join("a/b/LOCK")).unwrap();
    let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("a"), mode("a/b")], [0o700; 2]);
    assert_eq!([mode("a/b/file"), mode("a/b/LOCK")], [0o600; 2]);
}

#[test]
fn a_symbolic_link_in_place_of_a_file_is_refused_and_a_directory_link_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let vfs = RealVfs::new();
    std::fs::write(dir.path().join("target"), b"secret").unwrap();
    symlink(dir.path().join("target"), dir.path().join("link")).unwrap();
    symlink(dir.path().join("nothing"), dir.path().join("dangling")).unwrap();
    for name in ["link", "dangling"] {
        for mode in [OpenMode::Read, OpenMode::ReadWrite, OpenMode::OpenOrCreate] {
            let error = vfs.open(&dir.path().join(name), mode).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name} {mode:?}");
        }
        assert_eq!(vfs.lock(&dir.path().join(name)).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(!dir.path().join("nothing").exists());
    std::fs::create_dir(dir.path().join("real")).unwrap();
    symlink(dir.path().join("real"), dir.path().join("elsewhere")).unwrap();
    vfs.open(&dir.path().join("elsewhere/file"), OpenMode::CreateNew).unwrap();
    assert!(dir.path().join("real/file").exists());
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_its_other_end() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = RealVfs::new().open(&pipe, OpenMode::Read).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_lock_file_holds_the_id_of_this_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("LOCK");
    let _lock = RealVfs::new().lock(&path).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap().trim(), std::process::id().to_string());
}

#[test]
fn allocation_reserves_blocks() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    RealVfs::new().open(&path, OpenMode::CreateNew).unwrap().allocate(1 << 20).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), 1 << 20);
    assert!(metadata.blocks() * 512 >= 1 << 20, "{} blocks", metadata.blocks());
}
