//! Where the bytes of a file go: a file of one part in one request, a larger one in an upload that is completed at its end.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use tsds_traits::Result;

use crate::store::from_store;

/// How many parts are on their way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// A file that grows. Nothing of it is visible before it is published; dropping it leaves nothing.
pub(super) struct Target<'a> {
    store: &'a Arc<dyn ObjectStore>,
    path: &'a Path,
    upload: Option<Box<dyn MultipartUpload>>,
    /// The last part so far: if it stays the only one, there is no need of an upload.
    held: Option<Bytes>,
}

impl<'a> Target<'a> {
    pub(super) fn new(store: &'a Arc<dyn ObjectStore>, path: &'a Path) -> Self {
        Self { store, path, upload: None, held: None }
    }

    /// Takes the next parts of the file.
    pub(super) async fn send(&mut self, parts: Vec<Bytes>) -> Result<()> {
        let mut ready = Vec::with_capacity(parts.len());
        for part in parts {
            ready.extend(self.held.replace(part));
        }
        self.put_parts(ready).await
    }

    async fn put_parts(&mut self, parts: Vec<Bytes>) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => none.insert(self.store.put_multipart(self.path).await.map_err(from_store)?),
        };
        let sending: Vec<_> = parts.into_iter().map(|part| upload.put_part(PutPayload::from(part))).collect();
        let sent = stream::iter(sending).buffer_unordered(PARTS_AT_ONCE);
        sent.try_collect::<()>().await.map_err(from_store)
    }

    /// Gives the file its name, in one step. After an error nobody knows whether it has it.
    pub(super) async fn publish(&mut self) -> Result<()> {
        let last = self.held.take();
        if self.upload.is_none() {
            let whole = PutPayload::from(last.unwrap_or_default());
            return self.store.put(self.path, whole).await.map(|_| ()).map_err(from_store);
        }
        self.put_parts(last.into_iter().collect()).await?;
        match &mut self.upload {
            Some(upload) => upload.complete().await.map(|_| ()).map_err(from_store),
            None => Ok(()),
        }
    }

    /// Gives the file up. If it is not published by now, it will not be.
    pub(super) async fn abandon(self) {
        let Some(mut upload) = self.upload else { return };
        if let Err(error) = upload.abort().await {
            tracing::debug!(%error, path = %self.path, "an upload that was given up stays until the next sweep");
        }
    }
}
