//! The simulated disk as a [`Vfs`].

use std::io;
use std::path::Path;
use std::sync::Arc;

use tsds_traits::{DirEntry, OpenMode, Vfs, VfsFile, VfsLock};

use super::content::Content;
use super::names::{Entries, InodeId};
use super::pages::PAGE;
use super::state::{Admission, DiskState, Inode};
use super::{SharedDisk, invalid, parts, shown};
use crate::sim::faults::{Operation, power_cut};

/// No file is longer: far beyond what memory holds, far below what overflows.
const LONGEST_FILE: u64 = 1 << 46;

#[derive(Clone, Debug)]
pub(crate) struct SimVfs {
    disk: Arc<SharedDisk>,
}

impl SimVfs {
    pub(crate) fn new(disk: Arc<SharedDisk>) -> Self {
        Self { disk }
    }
}

impl Vfs for SimVfs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let parts = parts(path)?;
        let path = shown(&parts);
        let mut state = self.disk.state();
        let existing = state.find(&parts);
        let creates = match mode {
            OpenMode::Read | OpenMode::ReadWrite => false,
            OpenMode::CreateNew | OpenMode::OpenOrCreate => existing.is_err(),
        };
        let writable = mode != OpenMode::Read;
        // Handles lock the disk when dropped: they are made only when the gate is passed.
        let inode = state.perform(Operation::Open, creates, &[&path], |state| {
            if writable && state.read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            let inode = match existing {
                Ok(_) if mode == OpenMode::CreateNew => return Err(io::ErrorKind::AlreadyExists.into()),
                Ok(inode) => {
                    state.file(inode)?;
                    inode
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && creates => {
                    let (directory, name) = state.find_parent(&parts)?;
                    state.create(directory, name, empty_file())?
                }
                Err(error) => return Err(error),
            };
            Ok(inode)
        })?;
        state.retain_handle(inode);
        drop(state);
        Ok(Arc::new(SimFile { disk: Arc::clone(&self.disk), inode, path, writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (parts(from)?, parts(to)?);
        self.disk.state().perform(Operation::Rename, true, &[&shown(&from), &shown(&to)], |state| {
            let inode = state.find(&from)?;
            let from_place = state.find_parent(&from)?;
            let to_place = state.find_parent(&to)?;
            let is_dir = state.entries(inode).is_ok();
            if is_dir && to.len() > from.len() && to.starts_with(&from) {
                return Err(invalid("a directory cannot move into itself"));
            }
            match state.find(&to) {
                Ok(same) if same == inode => return Ok(()),
                Ok(replaced) => match (is_dir, state.entries(replaced)) {
                    (false, Ok(_)) => return Err(io::ErrorKind::IsADirectory.into()),
                    (true, Err(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                    (true, Ok(entries)) if !entries.is_empty() => {
                        return Err(io::ErrorKind::DirectoryNotEmpty.into());
                    }
                    _ => {}
                },
                Err(_) => {}
            }
            state.relink(from_place, to_place)
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let parts = parts(path)?;
        self.disk.state().perform(Operation::Remove, true, &[&shown(&parts)], |state| {
            state.file(state.find(&parts)?)?;
            let (directory, name) = state.find_parent(&parts)?;
            state.unlink(directory, name)
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let parts = parts(path)?;
        let mut state = self.disk.state();
        let existing =
            (0..=parts.len()).rev().find(|&depth| state.find(&parts[..depth]).is_ok()).unwrap_or(0);
        state.entries(state.find(&parts[..existing])?)?;
        // Whoever created the deepest one that exists may have died before its name was durable.
        for depth in existing..=parts.len() {
            if depth > existing {
                let path = shown(&parts[..depth]);
                state.perform(Operation::CreateDir, true, &[&path], |state| {
                    let (directory, name) = state.find_parent(&parts[..depth])?;
                    state.create(directory, name, Inode::Directory(Entries::new()))
                })?;
            }
            let parent = &parts[..depth.saturating_sub(1)];
            if depth > 0 && !(depth == existing && state.read_only) {
                sync_dir(&mut state, parent)?;
            }
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let parts = parts(path)?;
        self.disk.state().perform(Operation::Remove, true, &[&shown(&parts)], |state| {
            if !state.entries(state.find(&parts)?)?.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let (directory, name) = state.find_parent(&parts)?;
            state.unlink(directory, name)
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let parts = parts(path)?;
        self.disk.state().perform(Operation::ReadDir, false, &[&shown(&parts)], |state| {
            let entries = state.entries(state.find(&parts)?)?;
            Ok(entries
                .iter()
                .map(|(name, inode)| {
                    let file = state.file(*inode).ok();
                    DirEntry { name: name.clone(), is_dir: file.is_none(), len: file.map_or(0, Content::len) }
                })
                .collect())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        sync_dir(&mut self.disk.state(), &parts(path)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        let parts = parts(path)?;
        let mut state = self.disk.state();
        let writes = !state.read_only;
        let inode = state.perform(Operation::Lock, writes, &[&shown(&parts)], |state| {
            let inode = match state.find(&parts) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let (directory, name) = state.find_parent(&parts)?;
                    if !writes {
                        return Err(io::ErrorKind::ReadOnlyFilesystem.into());
                    }
                    state.create(directory, name, empty_file())?
                }
                found => found?,
            };
            state.file(inode)?;
            if !state.locks.insert(inode) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            if writes {
                let (content, numbers) = state.file_mut(inode)?;
                content.set_len(0, numbers);
                content.write(b"1\n", 0, numbers);
            }
            Ok(inode)
        })?;
        drop(state);
        Ok(Box::new(SimLock { disk: Arc::clone(&self.disk), inode }))
    }

    fn available_space(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.disk.state();
        if state.dead {
            return Err(power_cut());
        }
        state.find(&parts(path)?)?;
        Ok(state.capacity.map(|_| state.free_pages() * PAGE))
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<String>> {
        let state = self.disk.state();
        if state.dead {
            return Err(power_cut());
        }
        let is_far = state.network.as_ref().is_some_and(|directory| path.starts_with(directory));
        Ok(is_far.then(|| "nfs".into()))
    }
}

fn empty_file() -> Inode {
    Inode::File { content: Content::default(), handles: 0, linked: true }
}

fn sync_dir(state: &mut DiskState, parts: &[&str]) -> io::Result<()> {
    let directory = state.find(parts);
    match state.admit(Operation::SyncDir, !state.read_only, &[&shown(parts)]) {
        Admission::Go => {
            let directory = directory?;
            state.entries(directory)?;
            state.names.sync(directory);
            Ok(())
        }
        Admission::LastBreath => {
            directory.into_iter().for_each(|directory| state.names.sync(directory));
            Err(power_cut())
        }
        Admission::Strike(error) => {
            directory.into_iter().for_each(|directory| state.names.fail_sync(directory));
            Err(error)
        }
        Admission::Refuse(error) => Err(error),
    }
}

#[derive(Debug)]
struct SimFile {
    disk: Arc<SharedDisk>,
    inode: InodeId,
    path: String,
    writable: bool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(bad_descriptor()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let changes = !state.read_only;
        let admission = state.admit(Operation::Sync, changes, &[&self.path]);
        let (content, _) = state.file_mut(self.inode)?;
        match admission {
            Admission::Go => {
                content.sync();
                Ok(())
            }
            Admission::LastBreath => {
                content.sync();
                Err(power_cut())
            }
            Admission::Strike(error) => {
                content.fail_sync();
                Err(error)
            }
            Admission::Refuse(error) => Err(error),
        }
    }
}

/// What writing to a file opened for reading says on Linux (EBADF).
fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(9)
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.state().perform(Operation::Read, false, &[&self.path], |state| {
            Ok(state.file(self.inode)?.read(buffer, offset))
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        check_end(offset, bytes.len() as u64)?;
        let mut state = self.disk.state();
        let (wanted, error) = match state.admit(Operation::Write, true, &[&self.path]) {
            Admission::Go => (bytes.len(), None),
            Admission::LastBreath => (bytes.len(), Some(power_cut())),
            Admission::Strike(error) => (state.numbers.index(bytes.len().max(1)), Some(error)),
            Admission::Refuse(error) => (0, Some(error)),
        };
        let fits = fitting(&state, self.inode, offset, wanted)?;
        state.note(offset);
        state.note(fits as u64);
        let (content, numbers) = state.file_mut(self.inode)?;
        content.write(&bytes[..fits], offset, numbers);
        match error {
            Some(error) => Err(error),
            None if fits < bytes.len() => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        check_end(len, 0)?;
        self.disk.state().perform(Operation::SetLen, true, &[&self.path], |state| {
            state.note(len);
            let (content, numbers) = state.file_mut(self.inode)?;
            content.set_len(len, numbers);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        if state.dead { Err(power_cut()) } else { Ok(state.file(self.inode)?.len()) }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        check_end(len, 0)?;
        self.disk.state().perform(Operation::Allocate, true, &[&self.path], |state| {
            let free = state.free_pages();
            let (content, numbers) = state.file_mut(self.inode)?;
            let (reservation, full) = content.reservation(len.div_ceil(PAGE), free);
            content.reserve(reservation);
            let len = if full { len.min(reservation * PAGE) } else { len };
            if len > content.len() {
                content.set_len(len, numbers);
            }
            if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.disk.state().perform(Operation::DropCache, false, &[&self.path], |state| {
            let (content, _) = state.file_mut(self.inode)?;
            content.drop_cache();
            Ok(())
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.state().release_handle(self.inode);
    }
}

fn check_end(offset: u64, len: u64) -> io::Result<()> {
    match offset.checked_add(len) {
        Some(end) if end <= LONGEST_FILE => Ok(()),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// How many of `wanted` bytes at `offset` the disk has room for.
fn fitting(state: &DiskState, inode: InodeId, offset: u64, wanted: usize) -> io::Result<usize> {
    if state.capacity.is_none() {
        return Ok(wanted);
    }
    let mut free = state.free_pages();
    let mut end = offset;
    for missing in state.file(inode)?.pages_missing(offset, wanted as u64) {
        if missing && free == 0 {
            break;
        }
        free -= u64::from(missing);
        end = (end / PAGE + 1) * PAGE;
    }
    Ok(end.saturating_sub(offset).min(wanted as u64) as usize)
}

#[derive(Debug)]
struct SimLock {
    disk: Arc<SharedDisk>,
    inode: InodeId,
}

impl VfsLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.inode);
    }
}
