//! Which files are meant: those that are named, and those in directories.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tsds_traits::{Error, Result, Vfs};

use super::kind::has_known_ending;

/// Directories in each other beyond this are a link to itself.
const MAX_DEPTH: usize = 64;

/// The files of an import.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// In the order in which they are read.
    pub(crate) files: Vec<PathBuf>,
    /// What was left out of directories since it is hidden.
    pub(crate) hidden: Vec<PathBuf>,
    /// What was left out of directories since nobody knows its ending.
    pub(crate) unknown: Vec<PathBuf>,
    /// What was named more than once, and is taken once.
    pub(crate) repeated: Vec<PathBuf>,
}

/// Finds the files that are meant by `paths`: a directory stands for the files in it and in the directories in it, by path.
/// Blocking.
///
/// # Errors
///
/// `InvalidInput` for a directory without files to import; as the file system's.
pub(crate) fn find_files(vfs: &Arc<dyn Vfs>, paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        // What is no directory is a file, or will be found missing when it is opened.
        let Ok(_) = vfs.read_dir(path) else {
            found.files.push(path.clone());
            continue;
        };
        let before = found.files.len();
        walk(&**vfs, path, 0, &mut found)?;
        let Some(new) = found.files.get_mut(before..).filter(|new| !new.is_empty()) else {
            return Err(Error::invalid_input("the directory holds no file whose ending is known")
                .with("directory", path.display()));
        };
        new.sort();
    }
    let mut seen = HashSet::new();
    let (once, repeated) = std::mem::take(&mut found.files)
        .into_iter()
        .partition(|path| seen.insert(path.strip_prefix(".").unwrap_or(path).to_owned()));
    (found.files, found.repeated) = (once, repeated);
    Ok(found)
}

fn walk(vfs: &dyn Vfs, directory: &Path, depth: usize, found: &mut Found) -> Result<()> {
    let failed = |error| Error::from(error).with("directory", directory.display());
    if depth > MAX_DEPTH {
        return Err(Error::invalid_input("directories lie too deep in each other")
            .with("directory", directory.display()));
    }
    for entry in vfs.read_dir(directory).map_err(failed)? {
        let path = directory.join(&entry.name);
        if entry.name.starts_with('.') {
            found.hidden.push(path);
        } else if entry.is_dir {
            walk(vfs, &path, depth + 1, found)?;
        } else if has_known_ending(&entry.name) {
            found.files.push(path);
        } else {
            found.unknown.push(path);
        }
    }
    Ok(())
}

impl Found {
    /// What is to be said about files that are not read, or not twice.
    pub(crate) fn notes(&self) -> Vec<String> {
        let what = [
            ("hidden", &self.hidden),
            ("whose ending is unknown", &self.unknown),
            ("named twice, taken once", &self.repeated),
        ];
        let notes = what.into_iter().filter_map(|(why, paths)| {
            let first = paths.first()?.display();
            Some(match paths.len() {
                1 => format!("left out: {first} ({why})"),
                more => format!("left out: {more} files ({why}), such as {first}"),
            })
        });
        notes.collect()
    }
}

#[cfg(test)]
mod tests {
    use tsds_io::RealVfs;
    use tsds_traits::OpenMode;

    use super::*;

    #[test]
    fn a_directory_stands_for_its_files_by_path() {
        let directory = tempfile::TempDir::new().unwrap();
        let root = directory.path();
        let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
        for name in ["b/2.csv", "b/1.CSV", "a.parquet", ".hidden.csv", ".git/x.csv", "b/notes.md", "_SUCCESS"]
        {
            let path = root.join(name);
            vfs.create_dir_all(path.parent().unwrap()).unwrap();
            vfs.open(&path, OpenMode::CreateNew).unwrap();
        }
        let found = find_files(&vfs, &[root.join("b/2.csv"), root.to_owned()]).unwrap();
        let names = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
        };
        assert_eq!(names(&found.files), ["b/2.csv", "a.parquet", "b/1.CSV"]);
        assert_eq!(names(&found.repeated), ["b/2.csv"]);
        let (mut hidden, mut unknown) = (names(&found.hidden), names(&found.unknown));
        hidden.sort();
        unknown.sort();
        assert_eq!(
            (hidden, unknown),
            (vec![".git".into(), ".hidden.csv".into()], vec!["_SUCCESS".into(), "b/notes.md".into()])
        );
        assert_eq!(found.notes().len(), 3);
    }

    #[test]
    fn a_directory_without_files_is_refused() {
        let directory = tempfile::TempDir::new().unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(RealVfs::new());
        let error = find_files(&vfs, &[directory.path().to_owned()]).unwrap_err();
        assert!(
            error.to_string().starts_with("the directory holds no file whose ending is known"),
            "{error}"
        );
    }
}
