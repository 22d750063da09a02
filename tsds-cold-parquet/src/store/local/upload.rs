//! Multipart uploads: parts go straight to their place in a staging file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};
use tsds_traits::Error;

use super::files::{Files, IfExists, Staged};
use super::run;
use crate::store::errors::{carried, io_error};

/// One upload. Dropping it removes what was staged.
#[derive(Debug)]
pub(super) struct Upload {
    files: Arc<Files>,
    location: Path,
    staged: Option<Staged>,
    parts: u64,
    len: u64,
    /// Parts that lie whole in the file. Fewer than `parts` at completion means a hole.
    written: Arc<AtomicU64>,
}

impl Upload {
    pub(super) fn new(files: Arc<Files>, location: Path, staged: Staged) -> Self {
        Self { files, location, staged: Some(staged), parts: 0, len: 0, written: Arc::default() }
    }

    fn take_staged(&mut self) -> Result<Staged> {
        let finished =
            || Error::internal("upload was completed or aborted before").with("file", &self.location);
        self.staged.take().ok_or_else(|| carried(finished()))
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let offset = self.len;
        self.len = self.len.saturating_add(data.content_length() as u64);
        self.parts += 1;
        let file = self.staged.as_ref().map(|staged| Arc::clone(&staged.file));
        let (location, written) = (self.location.clone(), Arc::clone(&self.written));
        let files = Arc::clone(&self.files);
        Box::pin(async move {
            let Some(file) = file else {
                let error = Error::internal("part of a finished upload").with("file", &location);
                return Err(carried(error));
            };
            run(&files, move |_| {
                write_payload(&*file, &data, offset).map_err(|error| io_error(&location, error))?;
                written.fetch_add(1, Ordering::AcqRel);
                Ok(())
            })
            .await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.take_staged()?;
        let whole = self.written.load(Ordering::Acquire) == self.parts;
        let location = self.location.clone();
        run(&self.files, move |files| {
            if !whole {
                files.discard(staged);
                let error = Error::internal("a part of the upload was not written").with("file", &location);
                return Err(carried(error));
            }
            files.publish(staged, &location, IfExists::Replace)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        let staged = self.take_staged()?;
        run(&self.files, move |files| {
            files.discard(staged);
            Ok(())
        })
        .await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(staged) = self.staged.take() {
            let files = Arc::clone(&self.files);
            self.files.world.executor.spawn_blocking(Box::new(move || files.discard(staged)));
        }
    }
}

/// Writes every piece of `data`, the first one at `offset`.
pub(super) fn write_payload(
    file: &dyn tsds_traits::VfsFile,
    data: &PutPayload,
    mut offset: u64,
) -> std::io::Result<()> {
    for piece in data {
        file.write_all_at(piece, offset)?;
        offset = offset.saturating_add(piece.len() as u64);
    }
    Ok(())
}
