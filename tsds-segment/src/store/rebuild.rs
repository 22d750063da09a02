//! Finds out from the files alone which segments there are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tsds_traits::{DatabaseId, Error, Result, SegmentMeta, TableSchema, Vfs};

use super::{files_under, id_of};
use crate::read::{open_file, read_footer};

/// A segment file, by what it says of itself.
#[derive(Clone, Debug)]
pub struct FoundSegment {
    /// The file.
    pub path: PathBuf,
    /// The segment.
    pub meta: Arc<SegmentMeta>,
    /// The schema of its rows.
    pub schema: Arc<TableSchema>,
}

/// What a directory of segment files says.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// The intact files, by segment id.
    pub segments: Vec<FoundSegment>,
    /// The others, and why they are not used.
    pub damaged: Vec<(PathBuf, Error)>,
}

/// Reads header and footer of every segment file under `directory`, the directory of a [`super::SegmentStore`], so that a
/// lost catalog can be rebuilt. Blocking. Reads no block: verify the segments that are taken over. Whether one segment was
/// merged into another shows in their sequence intervals.
///
/// # Errors
///
/// As for I/O on directories. A file that cannot be read is listed, not an error.
pub fn rebuild(vfs: &dyn Vfs, directory: &Path, database: DatabaseId) -> Result<Rebuilt> {
    let mut rebuilt = Rebuilt::default();
    for path in files_under(vfs, directory)? {
        let Some(id) = id_of(&path) else { continue };
        let opened = open_file(vfs, &path).and_then(|file| read_footer(&*file, Some(database)));
        match opened {
            Ok(opened) if opened.footer.meta.id == id => {
                let (meta, schema) = (opened.footer.meta, opened.footer.schema);
                rebuilt.segments.push(FoundSegment { path, meta, schema });
            }
            Ok(opened) => {
                let error = Error::corrupt("segment file has the name of another segment")
                    .with("segment", opened.footer.meta.id)
                    .with("file", path.display());
                rebuilt.damaged.push((path, error));
            }
            Err(error) => {
                let error = error.with("file", path.display());
                rebuilt.damaged.push((path, error));
            }
        }
    }
    rebuilt.segments.sort_unstable_by_key(|found| found.meta.id);
    rebuilt.damaged.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(rebuilt)
}
