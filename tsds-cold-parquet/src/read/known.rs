//! What is known of files that were read: footers, page indexes and bloom filters, kept for the next request.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tsds_traits::{Executor, Result, TableSchema};

use super::fetch::VerifiedFile;
use super::footer::{Detail, Footer};

/// A file by what its bytes are.
type Key = [u8; 32];

/// Decoded footers up to a limit; those that were not used for longest go first.
#[derive(Debug)]
pub(crate) struct KnownFiles {
    limit_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<Key, Entry>,
    /// Keys by when they were used last.
    order: BTreeMap<u64, Key>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    used: u64,
    bytes: usize,
}

/// Where one footer is, or will be: whoever comes first reads it.
type Slot = tokio::sync::Mutex<Option<Arc<Footer>>>;

impl KnownFiles {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, kept: Mutex::default() }
    }

    /// The footer of a file with what is asked for, read where it is not known.
    ///
    /// # Errors
    ///
    /// As [`Footer::load`].
    pub(super) async fn footer(
        &self,
        file: &VerifiedFile,
        schema: &Arc<TableSchema>,
        detail: Detail,
        executor: &Arc<dyn Executor>,
    ) -> Result<Arc<Footer>> {
        let key = file.record().checksums.sha256;
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let loaded = match &*slot {
            Some(known) if known.has(detail) => return Ok(Arc::clone(known)),
            Some(known) => Arc::new(known.with_index(file, executor).await?),
            None => Arc::new(Footer::load(file, schema, detail, executor).await?),
        };
        *slot = Some(Arc::clone(&loaded));
        drop(slot);
        self.note_size(key, loaded.memory_bytes());
        Ok(loaded)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut kept = self.kept();
        kept.clock += 1;
        let now = kept.clock;
        let entry =
            kept.files.entry(key).or_insert_with(|| Entry { slot: Arc::default(), used: now, bytes: 0 });
        let before = std::mem::replace(&mut entry.used, now);
        let slot = Arc::clone(&entry.slot);
        kept.order.remove(&before);
        kept.order.insert(now, key);
        slot
    }

    /// Counts what a footer takes, and lets others go where that is too much.
    fn note_size(&self, key: Key, bytes: usize) {
        let mut kept = self.kept();
        let Some(entry) = kept.files.get_mut(&key) else { return };
        let before = std::mem::replace(&mut entry.bytes, bytes);
        kept.bytes = kept.bytes.saturating_sub(before).saturating_add(bytes);
        while kept.bytes > self.limit_bytes {
            let Some((_, oldest)) = kept.order.pop_first() else { return };
            if let Some(gone) = kept.files.remove(&oldest) {
                kept.bytes = kept.bytes.saturating_sub(gone.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(known: &KnownFiles) -> Vec<u8> {
        let mut keys: Vec<u8> = known.kept().files.keys().map(|key| key[0]).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let known = KnownFiles::new(100);
        for key in [1, 2, 3] {
            known.slot([key; 32]);
            known.note_size([key; 32], 40);
            known.slot([1; 32]);
        }
        assert_eq!(keys(&known), [1, 3]);
        known.note_size([3; 32], 400);
        assert_eq!(keys(&known), [1], "a footer that is larger than everything is not kept");
        let kept = known.kept();
        assert_eq!((kept.bytes, kept.order.len()), (40, 1));
    }
}
