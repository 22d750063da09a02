//! A bounded number of open files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tsds_traits::{Result, Vfs, VfsFile};

use super::recent::Recent;
use crate::read::open_file;

/// Opens files to read them and keeps the most recently used ones open, so that any number of segments needs a bounded number
/// of file descriptors. Those in use are open beyond the bound.
pub(crate) struct OpenFiles {
    vfs: Arc<dyn Vfs>,
    recent: Mutex<Recent<PathBuf, Arc<dyn VfsFile>>>,
}

impl OpenFiles {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, most: u64) -> Self {
        Self { vfs, recent: Mutex::new(Recent::new(most)) }
    }

    /// The open file `path`. Blocking.
    pub(crate) fn get(&self, path: &Path) -> Result<Arc<dyn VfsFile>> {
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = recent().get(path) {
            return Ok(file);
        }
        // Without the lock: opening may take long. Two callers may then open the same file, which does no harm.
        let file = open_file(&*self.vfs, path)?;
        recent().insert(path.to_owned(), file.clone(), 1);
        Ok(file)
    }

    /// Closes `path`, once nobody reads it any more.
    pub(crate) fn forget(&self, path: &Path) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}

impl fmt::Debug for OpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFiles").finish_non_exhaustive()
    }
}
