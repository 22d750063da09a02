//! Where an export goes: under another name until it is whole.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use tsds_traits::{Error, Result, Vfs};

use crate::result::{FileWriter, Format, ResultWriter, writer};

/// What the names of the files in a directory begin with.
const PART: &str = "part-";

/// One file, or a directory of files of so many rows.
pub(super) struct Target {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    format: Format,
    split_rows: Option<u64>,
    open: Option<Part>,
    written: Written,
}

/// What has been written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) format: Format,
    pub(super) rows: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The file that is being written.
struct Part {
    file: FileWriter,
    writer: Box<dyn ResultWriter + Send>,
    rows: u64,
}

impl Clone for Target {
    /// The same place, with nothing written.
    fn clone(&self) -> Self {
        Self::new(&self.vfs, &self.path, self.format, self.split_rows)
    }
}

impl Target {
    pub(super) fn new(vfs: &Arc<dyn Vfs>, path: &Path, format: Format, split_rows: Option<u64>) -> Self {
        let written = Written { format, rows: 0, files: 0, bytes: 0 };
        // `a/` and `a` are the same place; names without a directory are in this one.
        let path = path.components().collect();
        Self { vfs: Arc::clone(vfs), path, format, split_rows, open: None, written }
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Takes what it has out of it.
    pub(super) fn take(&mut self) -> Self {
        let empty = self.clone();
        std::mem::replace(self, empty)
    }

    /// Refuses a place that is taken. Blocking.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for what is there, unless `force` allows to replace it: a file by a file, or a directory that holds
    /// nothing but an earlier export.
    pub(super) fn check_free(&self, force: bool) -> Result<()> {
        let taken =
            |message: &'static str| Err(Error::invalid_input(message).with("target", self.path.display()));
        if self.path.file_name().is_none() {
            return Err(Error::invalid_input("the target has no name").with("target", self.path.display()));
        }
        match (self.state()?, self.split_rows.is_some()) {
            (State::Free, _) => Ok(()),
            (State::Directory(_), false) => taken("the target is a directory; give a file, or --split-rows"),
            (State::File, true) => taken("the target is a file, and --split-rows writes a directory"),
            (State::Directory(names), true) if force && !names.iter().all(|name| is_part(name)) => {
                taken("the target holds other files than those of an export, which --force does not remove")
            }
            _ if force => Ok(()),
            _ => taken("the target exists; write elsewhere, or replace it with --force"),
        }
    }

    fn state(&self) -> Result<State> {
        match self.vfs.read_dir(&self.path) {
            Ok(entries) => {
                return Ok(State::Directory(entries.into_iter().map(|entry| entry.name).collect()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Ok(State::File),
        }
        let entries = match self.vfs.read_dir(&self.directory()) {
            Ok(entries) => entries,
            Err(error) => {
                return Err(Error::from(error).with("directory", self.directory().display()));
            }
        };
        let is_there =
            entries.iter().any(|entry| self.path.file_name().is_some_and(|name| *name == *entry.name));
        Ok(if is_there { State::File } else { State::Free })
    }

    fn directory(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// A name beside the target.
    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(ending);
        self.directory().join(name)
    }

    /// What it is called until it is whole.
    fn unfinished(&self) -> PathBuf {
        self.beside(".unfinished")
    }

    /// Writes rows. Blocking.
    pub(super) fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch) -> io::Result<()> {
        let mut done = 0;
        while done < batch.num_rows() {
            let limit = self.split_rows;
            let part = self.part(schema)?;
            let left = batch.num_rows() - done;
            let room = limit.map_or(left, |limit| {
                usize::try_from(limit.saturating_sub(part.rows)).map_or(left, |room| room.min(left))
            });
            part.writer.write(&batch.slice(done, room))?;
            part.rows += room as u64;
            done += room;
            if limit.is_some_and(|limit| part.rows >= limit) {
                self.end_part()?;
            }
        }
        Ok(())
    }

    /// Makes a file without rows if there were none. Blocking.
    pub(super) fn start_if_none(&mut self, schema: &SchemaRef) -> io::Result<()> {
        if self.written.files == 0 { self.part(schema).map(|_| ()) } else { Ok(()) }
    }

    /// The file to go on with.
    fn part(&mut self, schema: &SchemaRef) -> io::Result<&mut Part> {
        let part = match self.open.take() {
            Some(part) => part,
            None => {
                let path = match self.split_rows {
                    None => self.unfinished(),
                    Some(_) => {
                        let directory = self.unfinished();
                        if self.written.files == 0 {
                            // What an export that was killed left is of no use.
                            remove_parts(&*self.vfs, &directory)?;
                            self.vfs.create_dir_all(&directory)?;
                        }
                        directory.join(format!("{PART}{:05}.{}", self.written.files, self.format.ending()))
                    }
                };
                let file = FileWriter::open(&*self.vfs, &path)?;
                let writer = writer(self.format, schema, file.buffered())?;
                Part { file, writer, rows: 0 }
            }
        };
        Ok(self.open.insert(part))
    }

    fn end_part(&mut self) -> io::Result<()> {
        let Some(mut part) = self.open.take() else { return Ok(()) };
        part.writer.finish()?;
        part.file.sync()?;
        self.written.rows += part.rows;
        self.written.files += 1;
        self.written.bytes += part.file.written();
        Ok(())
    }

    /// Makes what was written durable, and gives it its name. Blocking.
    ///
    /// # Errors
    ///
    /// As the file system's; what was there is then still there, and nothing half-written.
    pub(super) fn finish(mut self, force: bool) -> Result<Written> {
        let name = self.name();
        let failed = |error: io::Error| {
            Error::from(io::Error::from(error.kind())).with("target", &name).with("cause", error)
        };
        let outcome = self.end_part().map_err(failed).and_then(|()| {
            // Somebody else may have been there meanwhile.
            self.check_free(force)?;
            self.name_it().map_err(failed)
        });
        if let Err(error) = outcome {
            self.discard();
            return Err(error);
        }
        Ok(self.written)
    }

    fn name_it(&self) -> io::Result<()> {
        let unfinished = self.unfinished();
        if self.split_rows.is_some() {
            self.vfs.sync_dir(&unfinished)?;
            if self.vfs.read_dir(&self.path).is_ok() {
                let replaced = self.beside(".replaced");
                remove_parts(&*self.vfs, &replaced)?;
                self.vfs.rename(&self.path, &replaced)?;
                self.vfs.rename(&unfinished, &self.path)?;
                self.vfs.sync_dir(&self.directory())?;
                return remove_parts(&*self.vfs, &replaced);
            }
        }
        self.vfs.rename(&unfinished, &self.path)?;
        self.vfs.sync_dir(&self.directory())
    }

    /// Removes what was written, as far as that is possible. Blocking.
    pub(super) fn discard(self) {
        let unfinished = self.unfinished();
        drop(self.open);
        let _ = match self.split_rows {
            Some(_) => remove_parts(&*self.vfs, &unfinished),
            None => self.vfs.remove_file(&unfinished),
        };
    }
}

/// What is at the target.
enum State {
    Free,
    File,
    Directory(Vec<String>),
}

/// Whether a file is one of an export, by its name.
fn is_part(name: &str) -> bool {
    let number = name.strip_prefix(PART).and_then(|rest| rest.split_once('.'));
    number.is_some_and(|(number, _)| number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Removes a directory of an export, if there is one.
fn remove_parts(vfs: &dyn Vfs, directory: &Path) -> io::Result<()> {
    let entries = match vfs.read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries.iter().filter(|entry| is_part(&entry.name)) {
        vfs.remove_file(&directory.join(&entry.name))?;
    }
    vfs.remove_dir(directory)
}
