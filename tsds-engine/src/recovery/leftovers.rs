//! What a crash left behind: found before anything is changed, removed once everything else is known to be sound.
//!
//! Every write of a segment is noted in the catalog before it is begun, so a file that the catalog does not name is no
//! leftover: it belongs to a newer catalog than the one that is there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tsds_segment::SegmentStore;
use tsds_traits::{Error, Result, SegmentId};

use super::RecoveryReport;
use crate::catalog::{Contents, Edit, Home, RemovalRecord};
use crate::guard::GuardedTier;

/// What opening has to remove.
#[derive(Debug)]
pub(crate) struct Leftovers {
    intents: Vec<RemovalRecord>,
    garbage: Vec<RemovalRecord>,
    /// Segments whose file is not there.
    missing: Vec<SegmentId>,
}

impl Leftovers {
    /// Compares the segment files with the catalog. Changes nothing.
    ///
    /// # Errors
    ///
    /// `Corrupt` if there are files that the catalog does not name.
    pub(crate) async fn find(contents: &Contents, store: &SegmentStore) -> Result<Self> {
        let files: BTreeSet<SegmentId> = store.list().await?.into_iter().collect();
        let homes = contents.segments.iter().filter(|segment| segment.home == Home::File);
        let homes: BTreeSet<SegmentId> = homes.map(|segment| segment.meta.id).collect();
        let copies = contents.intents.iter().chain(&contents.garbage);
        let copies: BTreeSet<SegmentId> =
            copies.filter(|copy| copy.home == Home::File).map(|copy| copy.segment).collect();
        let mut unnamed = files.iter().filter(|file| !homes.contains(file) && !copies.contains(file));
        if let Some(first) = unnamed.next() {
            let path: PathBuf = store.path(*first);
            return Err(Error::corrupt(
                "there are segment files that the catalog does not name, so it is older than they are; \
                 nothing was changed: put the newest catalog.redb back, or move these files away to do without their rows",
            )
            .with("files", 1 + unnamed.count())
            .with("first", path.display()));
        }
        Ok(Self {
            intents: contents.intents.clone(),
            garbage: contents.garbage.clone(),
            missing: homes.difference(&files).copied().collect(),
        })
    }

    /// Removes what was begun and what nobody needs any more, and returns what takes it off the catalog's lists. Can be
    /// repeated.
    ///
    /// # Errors
    ///
    /// As removing from the tiers.
    pub(crate) async fn remove(
        self,
        store: &SegmentStore,
        cold: &GuardedTier,
        report: &mut RecoveryReport,
    ) -> Result<Vec<Edit>> {
        report.missing_files = self.missing.len() as u64;
        if let Some(first) = self.missing.first() {
            // An older catalog would name files that have moved on, and list as unneeded what is needed by now.
            tracing::error!(
                files = self.missing.len(),
                first = %store.path(*first).display(),
                "segment files are missing; their rows cannot be read, and nothing is cleaned up"
            );
            return Ok(Vec::new());
        }
        store.sweep_temporary().await?;
        let (files, tiers): (Vec<_>, Vec<_>) =
            self.intents.iter().chain(&self.garbage).partition(|copy| copy.home == Home::File);
        for copy in files {
            store.remove(copy.segment).await?;
        }
        if !tiers.is_empty() {
            let tiers: Vec<_> = tiers.into_iter().map(RemovalRecord::stored).collect();
            cold.remove(&tiers).await?;
        }
        report.undone_writes = self.intents.len() as u64;
        report.removed_copies = self.garbage.len() as u64;
        let intents = self.intents.iter().map(|copy| Edit::RemoveIntent(copy.segment));
        Ok(intents.chain(self.garbage.iter().map(|copy| Edit::RemoveGarbage(copy.segment))).collect())
    }
}
