//! The catalog: the durable record of tables, segments and their homes, in a redb database on our own file system.
//!
//! Everything that must change together changes in one [`Catalog::commit`]. The state in memory is derived from what was
//! committed, never the other way round.

mod change;
mod contents;
#[cfg(test)]
mod crash_tests;
mod envelope;
#[cfg(test)]
mod golden_tests;
mod records;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::TableDefinition;
use tsds_traits::{
    Durability, Error, ErrorKind, OpenMode, Result, SegmentId, Sequence, TableId, Vfs, WalSink, panic_text,
};

use change::Change;
pub(crate) use contents::Contents;
pub(crate) use records::{
    BatchRecord, COLD, DatabaseRecord, FORMAT_VERSION, Home, LOG, PluginRecord, RemovalRecord, SealRecord,
    SegmentRecord, TableRecord,
};

const DATABASE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("database");
const TABLES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("tables");
const SEALS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("seals");
const BATCHES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("batches");
const SEGMENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("segments");
const INTENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("intents");
const GARBAGE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("garbage");

const ALL_TABLES: [&str; 7] = ["database", "tables", "seals", "batches", "segments", "intents", "garbage"];

const DATABASE_KEY: &[u8] = b"database";
const CACHE_BYTES: usize = 16 << 20;

/// One change to the catalog; a commit applies a list of them or none.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    SetDatabase(DatabaseRecord),
    PutTable(TableRecord),
    PutSeal(TableId, SealRecord),
    PutBatch(TableId, BatchRecord),
    /// The batch of a sequence is forgotten.
    RemoveBatch(TableId, Sequence),
    PutSegment(SegmentRecord),
    RemoveSegment(SegmentId),
    /// A physical write is about to begin.
    PutIntent(RemovalRecord),
    RemoveIntent(SegmentId),
    /// A copy is no longer needed.
    PutGarbage(RemovalRecord),
    RemoveGarbage(SegmentId),
}

/// The open catalog. Blocking throughout.
pub(crate) struct Catalog {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    /// Whether the header was written since the last commit began.
    header_written: Arc<AtomicBool>,
    /// Held by whoever commits, until it is known what became of it.
    committing: Mutex<()>,
    state: Mutex<State>,
}

enum State {
    Open(redb::Database),
    /// There was no space for a commit. redb takes no more work after a failed write, so it is opened again before the next.
    Stalled,
    Closed,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Catalog {
    /// Opens or creates the catalog at `path`, verifying every page.
    ///
    /// A new catalog is built under a temporary name and renamed, so that a crash during creation leaves no half of one.
    pub(crate) fn open(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<Self> {
        let directory = path.parent().ok_or_else(|| Error::invalid_input("catalog path has no directory"))?;
        let header_written = Arc::default();
        let database = match open_existing(&**vfs, path, &header_written) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_empty(&**vfs, directory, path)?;
                open_existing(&**vfs, path, &header_written)?
            }
            opened => opened?,
        };
        let state = Mutex::new(State::Open(database));
        let (vfs, path, committing) = (Arc::clone(vfs), path.to_owned(), Mutex::default());
        Ok(Self { vfs, path, header_written, committing, state })
    }

    /// Closes the file. Every later call gives `Closed`.
    pub(crate) fn close(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Closed) {
            State::Open(database) => database.close().map_err(|error| self.failed(error.into())),
            State::Stalled | State::Closed => Ok(()),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&redb::Database) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Stalled) {
            *state = State::Open(open_existing(&*self.vfs, &self.path, &self.header_written)?);
        }
        let State::Open(database) = &*state else {
            return Err(
                Error::new(ErrorKind::Closed, "the catalog is closed").with("file", self.path.display())
            );
        };
        let outcome = work(database);
        if matches!(&outcome, Err(error) if error.kind() == ErrorKind::NoSpace) {
            *state = State::Stalled;
        }
        outcome
    }

    /// Reads everything, verifying each record.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a catalog of another version, naming both; `Corrupt` for one that is damaged.
    pub(crate) fn load(&self) -> Result<Contents> {
        self.with(|database| contents::read(database, &self.path))
    }

    /// Applies all edits durably, or none.
    ///
    /// After an error the outcome of this commit is unknown until the database is opened again, unless the kind is
    /// `NoSpace`: then nothing changed.
    pub(crate) fn commit(&self, edits: &[Edit]) -> Result<()> {
        let changes = edits.iter().map(Change::of).collect::<Result<Vec<_>>>()?;
        let _committing = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        self.header_written.store(false, Ordering::Release);
        let committed = self.with(|database| {
            let write = database.begin_write().map_err(|error| self.failed(error.into()))?;
            for change in &changes {
                change.apply(&write).map_err(|error| self.failed(error))?;
            }
            write.commit().map_err(|error| self.failed(error.into()))
        });
        match committed {
            // Without the header, what was written is not part of the catalog.
            Err(error)
                if error.kind() == ErrorKind::NoSpace && self.header_written.load(Ordering::Acquire) =>
            {
                self.settle(&changes, error)
            }
            committed => committed,
        }
    }

    /// Finds out what became of a commit that lacked space when its last pages were written: a file system that copies on write, or
    /// has quotas, may refuse any of them.
    fn settle(&self, changes: &[Change], error: Error) -> Result<()> {
        // Opened anew, the catalog shows what is on the disk; synced, that is what stays there.
        let made = self.with(|database| {
            let file = self.vfs.open(&self.path, OpenMode::ReadWrite)?;
            file.sync_data()?;
            change::are_made(database, changes).map_err(|error| self.failed(error))
        });
        match made {
            Ok(true) => Ok(()),
            Ok(false) => Err(error),
            Err(cause) => Err(Error::new(
                ErrorKind::NotDurable,
                "there was no space for a change of the catalog; whether it was made shows when the database is opened again",
            )
            .with("cause", cause)
            .with_source(error)),
        }
    }

    fn failed(&self, error: redb::Error) -> Error {
        catalog_error(error).with("file", self.path.display())
    }
}

fn open_existing(vfs: &dyn Vfs, path: &Path, header_written: &Arc<AtomicBool>) -> Result<redb::Database> {
    let failed = |error: Error| error.during("open catalog").with("file", path.display());
    let file = vfs.open(path, OpenMode::ReadWrite).map_err(|error| failed(error.into()))?;
    // What the page cache holds after a failed sync is not what the disk holds.
    file.drop_cache().map_err(|error| failed(error.into()))?;
    open_redb(storage::VfsBackend::new(file, Arc::clone(header_written))).map_err(failed)
}

fn create_empty(vfs: &dyn Vfs, directory: &Path, path: &Path) -> Result<()> {
    let temporary = path.with_extension("new");
    let file = vfs.open(&temporary, OpenMode::OpenOrCreate)?;
    file.set_len(0)?;
    open_redb(storage::VfsBackend::new(Arc::clone(&file), Arc::default()))?
        .close()
        .map_err(|error| catalog_error(error.into()))?;
    file.sync_all()?;
    vfs.rename(&temporary, path)?;
    vfs.sync_dir(directory)?;
    Ok(())
}

fn open_redb(backend: storage::VfsBackend) -> Result<redb::Database> {
    let open = || {
        redb::Database::builder()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create_with_backend(backend)
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(open))
        .map_err(|panic| Error::corrupt("catalog cannot be read").with("panic", panic_text(&*panic)))?
        .map_err(|error| catalog_error(error.into()))
}

fn catalog_error(error: redb::Error) -> Error {
    match error {
        redb::Error::Io(error) => Error::from(error).during("catalog"),
        redb::Error::Corrupted(what) => Error::corrupt("catalog is damaged").with("what", what),
        redb::Error::UpgradeRequired(version) => Error::unsupported(
            "the catalog was written by another version of TSDS; open it with that version",
        )
        .with("redb_format", version),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            Error::new(ErrorKind::Closed, "catalog stopped after a failed write; open the database again")
        }
        other => Error::internal("catalog operation failed").with("cause", other),
    }
}

/// The state of the sequences that the catalog vouches for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SequenceState {
    pub floor: Sequence,
    pub known_durable: Sequence,
    pub next: Sequence,
}

impl DatabaseRecord {
    /// Notes how far the log is durable, so that a log that lacks any of it is known to be damaged or lost. Goes along with
    /// commits that happen anyway. Of a log that a power cut may take nothing is promised.
    pub(crate) fn note_durable(&mut self, log: &dyn WalSink) {
        if log.durability() == Durability::Power {
            self.known_durable = self.known_durable.max(log.durable());
        }
    }

    /// Where the log begins, what must be in it, and the first sequence that was surely never used.
    pub(crate) fn sequences(&self) -> SequenceState {
        SequenceState {
            floor: self.wal_floor,
            known_durable: self.known_durable.max(self.wal_floor),
            next: self.sequences_reserved.next(),
        }
    }
}
