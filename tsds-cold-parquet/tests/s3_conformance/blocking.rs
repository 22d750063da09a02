//! A store that has its answer before anybody is polled again: a simulated machine does not wait for a real one.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::waiting::block_on;

#[derive(Debug)]
pub(crate) struct Blocking<S>(pub(crate) S);

impl<S: fmt::Display> fmt::Display for Blocking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Blocking<S> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        block_on(self.0.put_opts(location, payload, options))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = block_on(self.0.put_multipart_opts(location, options))?;
        Ok(Box::new(BlockingUpload(upload)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let found = block_on(self.0.get_opts(location, options))?;
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let body = match head {
            true => Vec::new(),
            false => block_on(found.into_stream().collect::<Vec<_>>()),
        };
        let payload = GetResultPayload::Stream(stream::iter(body).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        block_on(self.0.get_ranges(location, ranges))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let deleted = self.0.delete_stream(locations);
        stream::once(async move { stream::iter(block_on(deleted.collect::<Vec<_>>())) }).flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.0.list(prefix);
        stream::once(async move { stream::iter(block_on(listed.collect::<Vec<_>>())) }).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        block_on(self.0.list_with_delimiter(prefix))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        block_on(self.0.copy_opts(from, to, options))
    }
}

#[derive(Debug)]
struct BlockingUpload(Box<dyn MultipartUpload>);

#[async_trait]
impl MultipartUpload for BlockingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.0.put_part(data);
        Box::pin(async move { block_on(part) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        block_on(self.0.complete())
    }

    async fn abort(&mut self) -> Result<()> {
        block_on(self.0.abort())
    }
}
