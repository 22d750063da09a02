//! What a plugin is built with: live components, as opposed to its settings.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Codec, DatabaseId, Result, SegmentFiles, World};

/// Components that the engine hands to a plugin's factory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BuildContext {
    /// Files, time, randomness and tasks.
    pub world: World,
    /// The database.
    pub database: DatabaseId,
    /// The plugin's own directory. It exists only if the plugin creates it.
    pub directory: PathBuf,
    /// Finds codecs by the id stored with a block.
    pub codecs: Arc<dyn CodecLookup>,
    /// Finds the segment files of this database, where there are any.
    pub segment_files: Option<Arc<dyn SegmentFiles>>,
}

impl BuildContext {
    /// A context without segment files.
    pub fn new(world: World, database: DatabaseId, directory: PathBuf, codecs: Arc<dyn CodecLookup>) -> Self {
        Self { world, database, directory, codecs, segment_files: None }
    }

    /// Gives access to segment files.
    #[must_use]
    pub fn with_segment_files(self, files: Arc<dyn SegmentFiles>) -> Self {
        Self { segment_files: Some(files), ..self }
    }
}

/// Finds codecs by id.
pub trait CodecLookup: Debug + Send + Sync + 'static {
    /// The codec registered as `id`.
    ///
    /// # Errors
    ///
    /// `NotFound`, listing what is registered.
    fn codec(&self, id: &str) -> Result<Arc<dyn Codec>>;
}
