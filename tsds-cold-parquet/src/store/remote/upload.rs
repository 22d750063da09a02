//! Uploads in parts, each with a note that outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{MultipartId, MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tsds_traits::Error;

use super::RemoteStore;
use super::leftovers::Note;
use super::task::in_task;
use crate::store::errors::carried;

/// One upload. Nothing of it is visible before it is completed; the server publishes it in one step.
#[derive(Debug)]
pub(super) struct Upload {
    store: RemoteStore,
    location: Path,
    id: MultipartId,
    note: Path,
    begun: usize,
    done: Arc<Mutex<BTreeMap<usize, PartId>>>,
    /// Completed or aborted: the server has nothing of it any more but what it published.
    settled: bool,
}

impl Upload {
    /// Begins an upload, and notes it. What is begun and not noted when the process dies has no parts yet.
    pub(super) async fn begin(store: &RemoteStore, location: &Path) -> Result<Self> {
        let (parts, here) = (Arc::clone(&store.parts), location.clone());
        let create = async move { parts.create_multipart(&here).await };
        let id = in_task(&store.world.executor, create).await;
        let id = id.map_err(|error| store.explain.error("begin_upload", location, error))?;
        let note = Note { path: location.clone(), upload: id.clone() };
        let mut upload = Self {
            store: store.clone(),
            location: location.clone(),
            id,
            note: Path::default(),
            begun: 0,
            done: Arc::default(),
            settled: false,
        };
        upload.note = note.write(store).await?;
        Ok(upload)
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<usize, PartId>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_open(&self) -> Result<()> {
        if !self.settled {
            return Ok(());
        }
        Err(carried(Error::internal("upload was completed or aborted before").with("file", &self.location)))
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let index = self.begun;
        self.begun += 1;
        let (store, location, id) = (self.store.clone(), self.location.clone(), self.id.clone());
        let (open, done) = (self.check_open(), Arc::clone(&self.done));
        Box::pin(async move {
            open?;
            let (parts, here) = (Arc::clone(&store.parts), location.clone());
            let put = async move { parts.put_part(&here, &id, index, data).await };
            let part = in_task(&store.world.executor, put).await;
            let part = part.map_err(|error| store.explain.error("put_part", &location, error))?;
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(index, part);
            Ok(())
        })
    }

    /// After a failure nobody knows whether the object is published. Whoever finds that it is not calls
    /// [`MultipartUpload::abort`]: then it is not published later either.
    async fn complete(&mut self) -> Result<PutResult> {
        self.check_open()?;
        let done: Vec<PartId> = self.parts().values().cloned().collect();
        if done.len() != self.begun {
            let error = Error::internal("a part of the upload was not written").with("file", &self.location);
            return Err(carried(error));
        }
        let (parts, here, id) = (Arc::clone(&self.store.parts), self.location.clone(), self.id.clone());
        let complete = async move { parts.complete_multipart(&here, &id, done).await };
        let published = in_task(&self.store.world.executor, complete).await;
        let published =
            published.map_err(|error| self.store.explain.error("complete_upload", &self.location, error))?;
        self.settled = true;
        Note::forget(&self.store, &self.note).await;
        Ok(published)
    }

    async fn abort(&mut self) -> Result<()> {
        self.check_open()?;
        Note::abort(&self.store, &self.location, &self.id).await?;
        self.settled = true;
        Note::forget(&self.store, &self.note).await;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let (store, location) = (self.store.clone(), self.location.clone());
        let (id, note) = (std::mem::take(&mut self.id), std::mem::take(&mut self.note));
        self.store.world.executor.spawn(Box::pin(async move {
            match Note::abort(&store, &location, &id).await {
                Ok(()) => Note::forget(&store, &note).await,
                Err(error) => tracing::debug!(%error, %location, "an upload stays until the next sweep"),
            }
        }));
    }
}
