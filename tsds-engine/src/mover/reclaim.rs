//! Removal of copies that no version names any more.

use std::sync::Weak;

use futures::channel::mpsc::UnboundedReceiver;
use futures::stream::StreamExt;
use tsds_traits::Result;

use crate::catalog::{Edit, Home, RemovalRecord};
use crate::core::Core;
use crate::guard::GuardedTier;

/// Removes what arrives until the database closes. What is left then is removed at the next start.
pub(super) async fn run(weak: Weak<Core>, mut garbage: UnboundedReceiver<RemovalRecord>) {
    while let Some(first) = garbage.next().await {
        let Some(core) = weak.upgrade().filter(|core| !core.is_closing()) else { return };
        let mut batch = vec![first];
        while let Ok(more) = garbage.try_recv() {
            batch.push(more);
        }
        if let Err(error) = core.remove_garbage(&batch).await
            && !core.is_closing()
        {
            tracing::warn!(%error, copies = batch.len(), "old copies are left for the next start");
        }
    }
}

impl Core {
    /// Removes copies that the catalog lists as garbage, then takes them off the list.
    async fn remove_garbage(&self, garbage: &[RemovalRecord]) -> Result<()> {
        let _one_at_a_time = self.mover.removing.lock().await;
        self.check_open()?;
        remove_copies(self, &self.cold, garbage).await?;
        let edits = garbage.iter().map(|copy| Edit::RemoveGarbage(copy.segment)).collect();
        self.commit(edits, |_| {}).await
    }
}

async fn remove_copies(core: &Core, cold: &GuardedTier, garbage: &[RemovalRecord]) -> Result<()> {
    let (files, tiers): (Vec<_>, Vec<_>) = garbage.iter().partition(|copy| copy.home == Home::File);
    for copy in files {
        core.segments.remove(copy.segment).await?;
    }
    let stored: Vec<_> = tiers.into_iter().map(RemovalRecord::stored).collect();
    if stored.is_empty() { Ok(()) } else { cold.remove(&stored).await }
}
