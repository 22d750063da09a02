//! What a test does to a disk behind the back of the program: no operation is counted, no fault strikes, all is durable.

use std::io;
use std::path::Path;

use super::content::Content;
use super::names::{Entries, InodeId};
use super::state::{DiskState, Inode};
use super::{SharedDisk, invalid, parts};

impl SharedDisk {
    pub(crate) fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let content = state.file(state.find(&parts(path)?)?)?;
        let mut bytes = vec![0; content.len() as usize];
        content.read(&mut bytes, 0);
        Ok(bytes)
    }

    pub(crate) fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let parts = parts(path)?;
        let (_, directories) = parts.split_last().ok_or_else(|| invalid("a file needs a name"))?;
        for depth in 1..=directories.len() {
            make(&mut state, &parts[..depth], || Inode::Directory(Entries::new()))?;
        }
        let empty = || Inode::File { content: Content::default(), handles: 0, linked: true };
        let inode = make(&mut state, &parts, empty)?;
        let (content, numbers) = state.file_mut(inode)?;
        content.set_len(0, numbers);
        content.write(bytes, 0, numbers);
        content.sync();
        Ok(())
    }

    pub(crate) fn corrupt(&self, path: &Path, offset: u64, xor: u8) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(&parts(path)?)?;
        let (content, _) = state.file_mut(inode)?;
        if offset >= content.len() {
            return Err(invalid("there is no byte to corrupt at this offset"));
        }
        content.corrupt(offset, xor);
        Ok(())
    }

    pub(crate) fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(&parts(path)?)?;
        let (content, numbers) = state.file_mut(inode)?;
        content.set_len(len, numbers);
        content.sync();
        Ok(())
    }

    pub(crate) fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let parts = parts(path)?;
        state.file(state.find(&parts)?)?;
        let (directory, name) = state.find_parent(&parts)?;
        state.unlink(directory, name)?;
        state.names.sync(directory);
        Ok(())
    }

    pub(crate) fn list_files(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let root = state.find(&parts(directory)?)?;
        let mut found = Vec::new();
        collect(&state, root, "", &mut found)?;
        found.sort();
        Ok(found)
    }
}

/// What is at a path, created and made durable if absent.
fn make(state: &mut DiskState, parts: &[&str], node: impl FnOnce() -> Inode) -> io::Result<InodeId> {
    match state.find(parts) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (directory, name) = state.find_parent(parts)?;
            let inode = state.create(directory, name, node())?;
            state.names.sync(directory);
            Ok(inode)
        }
        found => found,
    }
}

fn collect(state: &DiskState, directory: InodeId, prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    for (name, inode) in state.entries(directory)? {
        if state.file(*inode).is_ok() {
            found.push(format!("{prefix}{name}"));
        } else {
            collect(state, *inode, &format!("{prefix}{name}/"), found)?;
        }
    }
    Ok(())
}
