//! The real world, in a directory that vanishes.

use std::future::Future;
use std::path::{Path, PathBuf};

use tsds_io::Runtime;
use tsds_traits::{BuildContext, Vfs, World};

use crate::fixture::build_context_in;
use crate::{CaseResult, Failure};

/// This machine: real threads and real files, in a temporary directory that is removed in the end.
#[derive(Debug)]
pub struct RealMachine {
    runtime: Runtime,
    directory: PathBuf,
}

impl RealMachine {
    /// Four threads and an empty directory.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new() -> CaseResult<Self> {
        let runtime =
            Runtime::new(Some(4)).map_err(|error| Failure::from(error).during("starting threads"))?;
        let world = runtime.world();
        let mut number = [0; 8];
        world.random.fill(&mut number)?;
        let name = format!("tsds-conformance-{:016x}", u64::from_le_bytes(number));
        let directory = std::env::temp_dir().join(name);
        world.vfs.create_dir_all(&directory)?;
        Ok(Self { runtime, directory })
    }

    /// The world.
    pub fn world(&self) -> World {
        self.runtime.world()
    }

    /// What a backend is opened with on this machine: always the same directory.
    pub fn context(&self) -> BuildContext {
        build_context_in(self.world(), self.directory.join("plugin"))
    }

    /// Runs a future to its end.
    ///
    /// # Errors
    ///
    /// Those of the future.
    pub fn run<T>(&self, future: impl Future<Output = CaseResult<T>>) -> CaseResult<T> {
        self.runtime.block_on(future)
    }
}

impl Drop for RealMachine {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever cleans the temporary directory.
        let _ = remove_all(&*self.world().vfs, &self.directory);
    }
}

fn remove_all(vfs: &dyn Vfs, directory: &Path) -> std::io::Result<()> {
    for entry in vfs.read_dir(directory)? {
        let path = directory.join(&entry.name);
        if entry.is_dir { remove_all(vfs, &path)? } else { vfs.remove_file(&path)? }
    }
    vfs.remove_dir(directory)
}
