//! Listing: objects are files with names that a [`Path`] can hold; everything else in the directory is none of ours.

use std::io;

use object_store::path::{Path, PathPart};
use object_store::{ListResult, ObjectMeta, Result};
use tsds_traits::DirEntry;

use super::files::Files;
use crate::store::errors::io_error;
use crate::store::staging::STAGING;

impl Files {
    /// Every object under `prefix`, ascending by path.
    pub(super) fn list(&self, prefix: &Path) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        let mut pending = vec![prefix.clone()];
        while let Some(directory) = pending.pop() {
            for (location, entry) in self.entries(&directory)? {
                if entry.is_dir {
                    pending.push(location);
                } else {
                    found.push(Self::object_meta(location, entry.len));
                }
            }
        }
        found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok(found)
    }

    /// The objects directly under `prefix`, and the directories there that hold objects somewhere.
    pub(super) fn list_one_level(&self, prefix: &Path) -> Result<ListResult> {
        let mut result = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        for (location, entry) in self.entries(prefix)? {
            if !entry.is_dir {
                result.objects.push(Self::object_meta(location, entry.len));
            } else if self.holds_objects(&location)? {
                result.common_prefixes.push(location);
            }
        }
        result.objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        result.common_prefixes.sort_unstable();
        Ok(result)
    }

    fn holds_objects(&self, directory: &Path) -> Result<bool> {
        let mut pending = vec![directory.clone()];
        while let Some(directory) = pending.pop() {
            for (location, entry) in self.entries(&directory)? {
                if !entry.is_dir {
                    return Ok(true);
                }
                pending.push(location);
            }
        }
        Ok(false)
    }

    /// The entries of a directory that can be objects or hold some. A directory that is not there has none.
    fn entries(&self, directory: &Path) -> Result<Vec<(Path, DirEntry)>> {
        let path = directory.parts().fold(self.root().to_path_buf(), |path, part| path.join(part.as_ref()));
        let entries = match self.world.vfs.read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(io_error(directory, error)),
        };
        let at_root = directory.is_root();
        let visible = entries.into_iter().filter(|entry| !(at_root && entry.name == STAGING));
        Ok(visible
            .filter_map(|entry| {
                let part = PathPart::parse(&entry.name).ok()?;
                Some((directory.clone().join(part), entry))
            })
            .collect())
    }
}
