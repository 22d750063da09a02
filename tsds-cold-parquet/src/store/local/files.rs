//! The blocking half of the store: what happens to files and directories, in which order, and what is synced when.

use std::collections::HashSet;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::path::Path;
use object_store::{Error, ObjectMeta, Result};
use tsds_traits::{ErrorKind, OpenMode, VfsFile, World};

use crate::store::errors::{already_exists, carried, io_error};
use crate::store::staging::{STAGING, new_name, staged_at};

/// Files of one store. Every method blocks.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) world: World,
    root: PathBuf,
    names: Mutex<Names>,
}

/// What this process knows of the names in the store. The lock is held while names change, so that "create unless it
/// exists" is atomic: the file system interface has no such rename, and one process owns the store.
#[derive(Debug, Default)]
struct Names {
    /// Directories whose own names are known to be synced.
    durable_directories: HashSet<PathBuf>,
    /// Directories whose own names could not be synced, and could not be taken back: what lies in them may vanish.
    lost_directories: HashSet<PathBuf>,
    /// Files whose last sync failed: they are visible, and may be gone after a power cut.
    uncertain: HashSet<PathBuf>,
    /// Staging files that an upload of this process is writing.
    live: HashSet<String>,
}

/// A file under the staging directory.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) file: Arc<dyn VfsFile>,
    name: String,
}

/// An object that is open for reading: it stays readable when its name goes.
#[derive(Clone, Debug)]
pub(super) struct OpenObject {
    pub(super) file: Arc<dyn VfsFile>,
    pub(super) len: u64,
}

/// What is done if the target of a publication exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfExists {
    Replace,
    Fail,
}

impl Files {
    pub(super) fn new(world: World, root: PathBuf) -> Self {
        Self { world, root, names: Mutex::default() }
    }

    /// The file behind `location`, which lies under the root by construction: a [`Path`] has no `..` and no empty parts.
    pub(super) fn file_path(&self, location: &Path) -> Result<PathBuf> {
        let mut parts = location.parts().peekable();
        match parts.peek() {
            None => return Err(Error::NotSupported { source: "the root is no object".into() }),
            Some(first) if first.as_ref() == STAGING => {
                return Err(Error::NotSupported { source: "paths under _staging are reserved".into() });
            }
            Some(_) => {}
        }
        Ok(parts.fold(self.root.clone(), |path, part| path.join(part.as_ref())))
    }

    /// A new staging file.
    pub(super) fn stage(&self) -> Result<Staged> {
        let staging = self.staging_directory();
        let here = Path::from(STAGING);
        self.create_directory(&mut self.names(), &staging, &here)?;
        let name = new_name(&self.world).map_err(carried)?;
        self.names().live.insert(name.clone());
        let opened = self.world.vfs.open(&staging.join(&name), OpenMode::CreateNew);
        let file = opened.map_err(|error| {
            self.names().live.remove(&name);
            io_error(&here, error)
        })?;
        Ok(Staged { file, name })
    }

    /// Gives a staged file its name: contents first, then the name, then every directory that was touched. When this
    /// returns, the object survives a power cut. The staged file is gone whatever happens.
    pub(super) fn publish(&self, staged: Staged, location: &Path, if_exists: IfExists) -> Result<()> {
        let published = self.publish_staged(&staged, location, if_exists);
        if published.is_err() {
            self.discard(staged);
        } else {
            self.names().live.remove(&staged.name);
        }
        published
    }

    fn publish_staged(&self, staged: &Staged, location: &Path, if_exists: IfExists) -> Result<()> {
        let target = self.file_path(location)?;
        staged.file.sync_all().map_err(|error| io_error(location, error))?;
        let mut names = self.names();
        if if_exists == IfExists::Fail && self.open_file(&target, location).is_ok() {
            return Err(already_exists(location));
        }
        let staging = self.staging_directory();
        self.move_name(&mut names, &staging.join(&staged.name), &target, location)
    }

    /// Moves a name and syncs both directories. `target`'s directory is created.
    fn move_name(&self, names: &mut Names, from: &FsPath, target: &FsPath, location: &Path) -> Result<()> {
        let vfs = &self.world.vfs;
        let directory = target.parent().unwrap_or(&self.root);
        self.create_directory(names, directory, location)?;
        vfs.rename(from, target).map_err(|error| io_error(location, error))?;
        names.uncertain.insert(target.to_path_buf());
        let sync = || {
            vfs.sync_dir(directory)?;
            from.parent().map_or(Ok(()), |source| vfs.sync_dir(source))
        };
        sync().map_err(|error| not_durable(location, error))?;
        self.sync_ancestors(names, directory, location)?;
        names.uncertain.remove(from);
        names.uncertain.remove(target);
        Ok(())
    }

    /// Creates a directory with a durable name. A name whose sync failed is taken back: a second sync would succeed
    /// without writing it.
    fn create_directory(&self, names: &mut Names, directory: &FsPath, location: &Path) -> Result<()> {
        let vfs = &self.world.vfs;
        if directory.ancestors().any(|above| names.lost_directories.contains(above)) {
            let error = tsds_traits::Error::new(
                ErrorKind::NotDurable,
                "directory may vanish in a power cut since syncing its name failed; restart on a healthy disk",
            );
            return Err(carried(error.with("directory", directory.display())));
        }
        let exists = |path: &FsPath| !matches!(vfs.open(path, OpenMode::Read), Err(error) if error.kind() == std::io::ErrorKind::NotFound);
        let known = names.durable_directories.contains(directory);
        let missing: Vec<_> =
            directory.ancestors().take_while(|path| !known && !exists(path)).map(PathBuf::from).collect();
        match vfs.create_dir_all(directory) {
            Ok(()) => {
                // Created, and therefore synced.
                names.durable_directories.extend(missing);
                Ok(())
            }
            Err(error) => {
                for path in missing {
                    if vfs.remove_dir(&path).is_err() && exists(&path) {
                        names.lost_directories.insert(path);
                    }
                }
                Err(io_error(location, error))
            }
        }
    }

    /// Makes the names of `directory` and of everything above it durable, once in the life of the store: a process
    /// that was killed between creating a directory and syncing the one above leaves a name that nobody would sync.
    fn sync_ancestors(&self, names: &mut Names, directory: &FsPath, location: &Path) -> Result<()> {
        for current in directory.ancestors().take_while(|path| path.starts_with(&self.root)) {
            if names.durable_directories.contains(current) {
                continue;
            }
            // The directory above the root belongs to whoever created it, and is synced for the name of the root.
            let Some(above) = current.parent() else { break };
            if let Err(error) = self.world.vfs.sync_dir(above) {
                names.lost_directories.insert(current.to_path_buf());
                return Err(not_durable(location, error));
            }
            names.durable_directories.insert(current.to_path_buf());
        }
        Ok(())
    }

    /// Opens an object for reading what a power cut would leave of it: makes it durable, as far as a sync can, and drops
    /// what is cached.
    pub(super) fn open_from_disk(&self, location: &Path) -> Result<OpenObject> {
        let path = self.file_path(location)?;
        let object = self.open_file(&path, location)?;
        let contents = object.file.sync_all();
        let mut names = self.names();
        if names.uncertain.contains(&path) {
            // A sync of this name failed; another one would succeed without having written anything.
            let error = tsds_traits::Error::new(
                ErrorKind::NotDurable,
                "file may vanish in a power cut since a sync of it failed; write it again",
            );
            return Err(carried(error.with("file", location)));
        }
        let directory = path.parent().unwrap_or(&self.root);
        if let Err(error) = contents.and_then(|()| self.world.vfs.sync_dir(directory)) {
            names.uncertain.insert(path);
            return Err(not_durable(location, error));
        }
        self.sync_ancestors(&mut names, directory, location)?;
        object.file.drop_cache().map_err(|error| io_error(location, error))?;
        Ok(object)
    }

    /// Removes a staged file that is not wanted any more. Best effort: a sweep finds what stays.
    pub(super) fn discard(&self, staged: Staged) {
        let path = self.staging_directory().join(&staged.name);
        if let Err(error) = self.world.vfs.remove_file(&path) {
            tracing::debug!(%error, file = staged.name, "staging file stays until the next sweep");
        }
        self.names().live.remove(&staged.name);
    }

    /// Removes an object durably, and directories that are empty without it.
    pub(super) fn delete(&self, location: &Path) -> Result<()> {
        let path = self.file_path(location)?;
        let mut names = self.names();
        let vfs = &self.world.vfs;
        vfs.remove_file(&path).map_err(|error| io_error(location, error))?;
        names.uncertain.remove(&path);
        let mut directory = path.parent().unwrap_or(&self.root);
        vfs.sync_dir(directory).map_err(|error| not_durable(location, error))?;
        while directory != self.root && vfs.remove_dir(directory).is_ok() {
            // Whether that survives a power cut does not matter: an empty directory may come back.
            names.durable_directories.remove(directory);
            let Some(above) = directory.parent() else { break };
            directory = above;
        }
        Ok(())
    }

    /// Moves an object to another name.
    pub(super) fn rename(&self, from: &Path, to: &Path, if_exists: IfExists) -> Result<()> {
        let (source, target) = (self.file_path(from)?, self.file_path(to)?);
        let mut names = self.names();
        self.open_file(&source, from)?;
        if if_exists == IfExists::Fail && self.open_file(&target, to).is_ok() {
            return Err(already_exists(to));
        }
        self.move_name(&mut names, &source, &target, to)
    }

    /// Opens an object for reading.
    pub(super) fn open(&self, location: &Path) -> Result<OpenObject> {
        self.open_file(&self.file_path(location)?, location)
    }

    fn open_file(&self, path: &FsPath, location: &Path) -> Result<OpenObject> {
        let file = self.world.vfs.open(path, OpenMode::Read).map_err(|error| io_error(location, error))?;
        // A directory opens like a file on some systems, and fails at the first read.
        match file.read_at(&mut [0], 0) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error(location, error)),
        }
        let len = file.len().map_err(|error| io_error(location, error))?;
        Ok(OpenObject { file, len })
    }

    /// Removes staging files older than `age_nanos` that no upload of this process is writing.
    pub(super) fn sweep(&self, age_nanos: i64) -> Result<u64> {
        let staging = self.staging_directory();
        let here = Path::from(STAGING);
        let entries = match self.world.vfs.read_dir(&staging) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(io_error(&here, error)),
        };
        let newest_to_remove = self.world.clock.wall_nanos().saturating_sub(age_nanos);
        let names = self.names();
        let mut removed = 0;
        for entry in entries {
            let old = staged_at(&entry.name).is_some_and(|at| at <= newest_to_remove);
            if entry.is_dir || !old || names.live.contains(&entry.name) {
                continue;
            }
            self.world.vfs.remove_file(&staging.join(&entry.name)).map_err(|e| io_error(&here, e))?;
            removed += 1;
        }
        if removed > 0 {
            self.world.vfs.sync_dir(&staging).map_err(|error| io_error(&here, error))?;
        }
        Ok(removed)
    }

    /// The metadata of an object. File times are not part of the file system interface: every object is as old as the
    /// epoch.
    pub(super) fn object_meta(location: Path, size: u64) -> ObjectMeta {
        ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None }
    }

    pub(super) fn root(&self) -> &FsPath {
        &self.root
    }

    fn staging_directory(&self) -> PathBuf {
        self.root.join(STAGING)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenObject {
    /// Bytes of the object; the range lies inside of it.
    pub(super) fn read(&self, location: &Path, range: std::ops::Range<u64>) -> Result<bytes::Bytes> {
        let len = range.end.checked_sub(range.start).filter(|_| range.end <= self.len);
        let Some(len) = len.and_then(|len| usize::try_from(len).ok()) else {
            let error = tsds_traits::Error::invalid_input("range lies outside of the object")
                .with("file", location)
                .with("range", format!("{}..{}", range.start, range.end))
                .with("size", self.len);
            return Err(carried(error));
        };
        let mut buffer = vec![0; len];
        self.file.read_exact_at(&mut buffer, range.start).map_err(|error| io_error(location, error))?;
        Ok(buffer.into())
    }
}

fn not_durable(location: &Path, error: std::io::Error) -> Error {
    let own = tsds_traits::Error::new(ErrorKind::NotDurable, "syncing a directory or file failed")
        .with("file", location)
        .with("cause", &error)
        .with_source(error);
    carried(own)
}
