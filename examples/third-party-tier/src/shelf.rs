//! Which files there are, and how they come and go.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tsds_traits::{
    BuildContext, Error, ErrorKind, Put, Result, SegmentId, Stored, StoredSegment, TierUsage, World,
};

use crate::IpcSettings;
use crate::tier::ID;

/// A complete file. Its name says all of this but its length, so that opening a tier reads no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The checksum of the file's footer, which has those of everything else.
    pub(crate) footer: u32,
}

impl Held {
    pub(crate) fn name(self, id: SegmentId) -> String {
        format!("{id}.{}.{:08x}.arrow", self.rows, self.footer)
    }

    /// What [`Held::name`] says of a file of this length; `None` for the name of something else.
    fn parse(name: &str, bytes: u64) -> Option<(SegmentId, Self)> {
        let mut parts = name.strip_suffix(".arrow")?.split('.');
        let id: SegmentId = parts.next()?.parse().ok()?;
        let held = Self {
            rows: parts.next()?.parse().ok()?,
            bytes,
            footer: u32::from_str_radix(parts.next()?, 16).ok()?,
        };
        (held.name(id) == name).then_some((id, held))
    }

    /// The record is the name, for people: the tier knows its files by id.
    fn stored(self, id: SegmentId) -> Put {
        Put::Stored(Stored { bytes: self.bytes, record: Bytes::from(self.name(id)) })
    }
}

#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) world: World,
    directory: PathBuf,
    limit: Option<u64>,
    state: Mutex<State>,
    /// Held by jobs that publish or remove, one at a time. Never by async code.
    changing: Mutex<()>,
    drafts: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    held: BTreeMap<SegmentId, Held>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one assignment: what a panic left behind is sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    /// Finds the files that are there. Blocking.
    pub(crate) fn open(settings: &IpcSettings, context: BuildContext) -> Result<Self> {
        let (world, directory) = (context.world, context.directory);
        world.vfs.create_dir_all(&directory)?;
        let mut held = BTreeMap::new();
        for entry in world.vfs.read_dir(&directory)? {
            if entry.name.ends_with(".draft") {
                // Of a put that a crash cut short.
                world.vfs.remove_file(&directory.join(&entry.name))?;
            } else if let Some((id, file)) = Held::parse(&entry.name, entry.len)
                && let Some(double) = held.insert(id, file)
            {
                // A put could neither sync its name nor take it back, and was repeated. Both files are whole.
                world.vfs.remove_file(&directory.join(double.name(id)))?;
            }
        }
        Ok(Self {
            world,
            directory,
            limit: settings.max_memory_mb.map(|mib| mib.saturating_mul(1 << 20)),
            state: Mutex::new(State { closed: false, held }),
            changing: Mutex::default(),
            drafts: AtomicU64::new(0),
        })
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>> {
        let state = lock(&self.state);
        if state.closed { Err(Error::new(ErrorKind::Closed, "tier is closed")) } else { Ok(state) }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        self.open_state().map(drop)
    }

    /// What a put of this segment would return, if there has been one.
    pub(crate) fn stored(&self, id: SegmentId) -> Result<Option<Put>> {
        Ok(self.open_state()?.held.get(&id).map(|held| held.stored(id)))
    }

    /// The file of a segment.
    ///
    /// # Errors
    ///
    /// `NotFound`, naming the segment.
    pub(crate) fn find(&self, id: SegmentId) -> Result<Held> {
        self.open_state()?.held.get(&id).copied().ok_or_else(|| absent(id))
    }

    pub(crate) fn path(&self, id: SegmentId, held: Held) -> PathBuf {
        self.directory.join(held.name(id))
    }

    /// A name for a file that is being written: nobody else writes to it.
    pub(crate) fn draft_path(&self, id: SegmentId) -> PathBuf {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        self.directory.join(format!("{id}.{number}.draft"))
    }

    /// Gives a finished, synced draft its name, durably. Blocking.
    pub(crate) fn publish(&self, draft: &std::path::Path, id: SegmentId, held: Held) -> Result<Put> {
        let _one_at_a_time = lock(&self.changing);
        if let Some(stored) = self.stored(id)? {
            return Ok(stored);
        }
        if let Some(limit) = self.limit {
            let used = self.usage().bytes;
            if held.bytes > limit {
                return Ok(Put::Declined(format!(
                    "file of {} bytes is larger than the tier, {limit}",
                    held.bytes
                )));
            }
            if used.saturating_add(held.bytes) > limit {
                return Err(Error::new(
                    ErrorKind::NoSpace,
                    "tier is full; raise its limit or remove segments",
                )
                .with("used", used)
                .with("needed", held.bytes)
                .with("limit", limit));
            }
        }
        let path = self.path(id, held);
        self.world.vfs.rename(draft, &path)?;
        if let Err(error) = self.world.vfs.sync_dir(&self.directory) {
            // Nobody knows now whether the name is durable. Syncing again would lie, a new file will not.
            let _ = self.world.vfs.remove_file(&path);
            return Err(error.into());
        }
        self.open_state()?.held.insert(id, held);
        Ok(held.stored(id))
    }

    /// Blocking.
    pub(crate) fn remove(&self, ids: &[SegmentId]) -> Result<()> {
        let _one_at_a_time = lock(&self.changing);
        let mut removed = false;
        for id in ids {
            let Some(held) = self.open_state()?.held.get(id).copied() else { continue };
            match self.world.vfs.remove_file(&self.path(*id, held)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => lock(&self.state).held.remove(id),
            };
            removed = true;
        }
        if removed { Ok(self.world.vfs.sync_dir(&self.directory)?) } else { Ok(()) }
    }

    pub(crate) fn list(&self) -> Result<Vec<StoredSegment>> {
        let state = self.open_state()?;
        let stored =
            |(id, held): (&SegmentId, &Held)| StoredSegment { id: *id, record: Bytes::from(held.name(*id)) };
        Ok(state.held.iter().map(stored).collect())
    }

    pub(crate) fn usage(&self) -> TierUsage {
        let state = lock(&self.state);
        let held = state.held.values();
        TierUsage {
            segments: held.len() as u64,
            rows: held.clone().map(|held| held.rows).sum(),
            bytes: held.map(|held| held.bytes).sum(),
            limit_bytes: self.limit,
            ..TierUsage::default()
        }
    }

    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
    }

    /// Waits for the job that publishes or removes, if there is one. Blocking.
    pub(crate) fn settle(&self) {
        drop(lock(&self.changing));
    }
}

pub(crate) fn absent(id: SegmentId) -> Error {
    Error::new(ErrorKind::NotFound, "tier does not hold the segment").with("segment", id).in_plugin(ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_the_file_is() {
        let (id, held) = (SegmentId { id: 7, generation: 2 }, Held { rows: 40, bytes: 99, footer: 0xbeef });
        assert_eq!(held.name(id), "0000000000000007-00000002.40.0000beef.arrow");
        assert_eq!(Held::parse(&held.name(id), 99), Some((id, held)));
        for other in ["", "notes.arrow", "0000000000000007-00000002.040.0000beef.arrow", "7-2.40.beef.arrow"]
        {
            assert_eq!(Held::parse(other, 99), None, "{other}");
        }
    }
}
