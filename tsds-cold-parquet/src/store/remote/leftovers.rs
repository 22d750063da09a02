//! What an upload leaves on the server when its process dies, and how it is found again.
//!
//! Parts of an upload are objects of no name: only whoever knows the upload's id can remove them. So the id is noted in an
//! object of its own under `_staging/`, before the first part is sent. A listing that lags hides a note until the next
//! sweep; nothing else depends on it.

use std::time::Duration;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, ObjectStoreExt, PutPayload, Result};
use serde::{Deserialize, Serialize};
use tsds_traits::Error;

use super::RemoteStore;
use super::task::in_task;
use crate::store::errors::{carried, from_store};
use crate::store::staging::{STAGING, new_name, staged_at};

/// The format version of notes.
const FORMAT: u64 = 1;
/// No note is longer.
const MAX_BYTES: u64 = 16_384;

/// An upload that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) path: Path,
    pub(super) upload: MultipartId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u64,
    path: String,
    upload: String,
}

impl Note {
    /// Writes the note, and returns where.
    pub(super) async fn write(&self, store: &RemoteStore) -> Result<Path> {
        let note = Path::from_iter([STAGING, &new_name(&store.world).map_err(carried)?]);
        store.put(&note, PutPayload::from(self.encode()?)).await?;
        Ok(note)
    }

    /// Removes a note that is not needed any more. Best effort: a sweep finds what stays.
    pub(super) async fn forget(store: &RemoteStore, note: &Path) {
        if note.is_root() {
            return;
        }
        if let Err(error) = store.delete(note).await {
            tracing::debug!(%error, %note, "the note of an upload stays until the next sweep");
        }
    }

    /// Ends an upload. One that the server does not know has ended before.
    pub(super) async fn abort(store: &RemoteStore, path: &Path, upload: &MultipartId) -> Result<()> {
        let (parts, here, id) = (store.parts.clone(), path.clone(), upload.clone());
        let aborted =
            in_task(&store.world.executor, async move { parts.abort_multipart(&here, &id).await }).await;
        match aborted {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(store.explain.error("abort_upload", path, error)),
        }
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let stored = Stored { format: FORMAT, path: self.path.to_string(), upload: self.upload.clone() };
        serde_json::to_vec(&stored).map_err(|error| {
            carried(Error::internal("note of an upload cannot be written").with("cause", error))
        })
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        let path = Path::parse(&stored.path).ok()?;
        (stored.format == FORMAT).then_some(Self { path, upload: stored.upload })
    }
}

impl RemoteStore {
    /// Ends the uploads that dead processes left if they are at least `age` old by the wall clock, and returns how many
    /// that were. Call it while no other process uploads to the store.
    ///
    /// # Errors
    ///
    /// As for requests.
    pub async fn sweep_staging(&self, age: Duration) -> tsds_traits::Result<u64> {
        let nanos = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        let newest_to_remove = self.world.clock.wall_nanos().saturating_sub(nanos);
        let staged: Vec<_> = self.list(Some(&Path::from(STAGING))).try_collect().await.map_err(from_store)?;
        let mut removed = 0;
        for object in staged {
            let begun = object.location.filename().and_then(staged_at);
            if begun.is_some_and(|begun| begun <= newest_to_remove) {
                self.sweep_one(&object.location, object.size).await.map_err(from_store)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn sweep_one(&self, location: &Path, size: u64) -> Result<()> {
        let note = match self.get(location).await {
            _ if size > MAX_BYTES => None,
            Ok(found) => Note::decode(&found.bytes().await?),
            // The listing lags: somebody has removed it.
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        match note {
            Some(note) => Note::abort(self, &note.path, &note.upload).await?,
            None => tracing::warn!(%location, "removed a staged object that is no note of an upload"),
        }
        match self.delete(location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_of_a_note_is_frozen() {
        let note = Note { path: Path::from("7/year=2013/a.parquet"), upload: "abc".into() };
        let stored = br#"{"format":1,"path":"7/year=2013/a.parquet","upload":"abc"}"#;
        assert_eq!(note.encode().unwrap(), stored);
        assert_eq!(Note::decode(stored), Some(note));
    }

    #[test]
    fn other_bytes_are_no_note() {
        for bytes in [
            &b""[..],
            b"{}",
            br#"{"format":2,"path":"a","upload":"b"}"#,
            br#"{"format":1,"path":"a/../b","upload":"c"}"#,
        ] {
            assert_eq!(Note::decode(bytes), None);
        }
    }
}
