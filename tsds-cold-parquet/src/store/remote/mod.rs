//! [`RemoteStore`]: an object store on a server, made fit for what the tier needs to know.

mod explain;
mod leftovers;
mod task;
mod upload;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};
use tsds_traits::World;

use explain::Explain;
use task::{in_task, pumped};
use upload::Upload;

/// How many ranges of one object are asked for at the same time.
const RANGES_AT_ONCE: usize = 8;

/// An object store on a server, such as S3.
///
/// - Every request runs as a task of the world's executor, since a client of a server needs the reactor there; whoever
///   waits for it may be polled anywhere. Dropping a future or stream ends its request.
/// - An upload in parts leaves a note under `_staging/` until it is completed or aborted, so that
///   [`RemoteStore::sweep_staging`] finds what a dead process left: servers keep parts, and charge for them, until told.
///   A dropped upload is aborted.
/// - Ranges are fetched as they are asked for: gaps between them are not, however small.
/// - Errors name the store, the key and the request, and say what to do; they carry no response of the server in which a
///   credential could stand.
///
/// Retries are the business of the store inside.
#[derive(Clone)]
pub struct RemoteStore {
    objects: Arc<dyn ObjectStore>,
    parts: Arc<dyn MultipartStore>,
    world: World,
    explain: Explain,
}

impl RemoteStore {
    /// The objects of `objects`. `name` is how errors call the store: its URL, without credentials.
    pub fn new<T: ObjectStore + MultipartStore>(objects: T, name: impl Into<String>, world: World) -> Self {
        let objects = Arc::new(objects);
        let parts: Arc<dyn MultipartStore> = objects.clone();
        Self { objects, parts, world, explain: Explain::new(name.into()) }
    }

    /// Runs a request on the objects as a task, and explains its failure.
    async fn request<T, F>(
        &self,
        name: &'static str,
        location: &Path,
        request: impl FnOnce(Arc<dyn ObjectStore>) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let outcome = in_task(&self.world.executor, request(Arc::clone(&self.objects))).await;
        outcome.map_err(|error| self.explain.error(name, location, error))
    }

    fn explained<T: Send + 'static>(
        &self,
        name: &'static str,
        location: &Path,
        items: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let (explain, location) = (self.explain.clone(), location.clone());
        pumped(&self.world.executor, items)
            .map_err(move |error| explain.error(name, &location, error))
            .boxed()
    }
}

impl fmt::Display for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain.store())
    }
}

impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the store inside: it may show its credentials.
        f.debug_struct("RemoteStore").field("store", &self.explain.store()).finish_non_exhaustive()
    }
}

#[async_trait]
impl ObjectStore for RemoteStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let here = location.clone();
        let put =
            |objects: Arc<dyn ObjectStore>| async move { objects.put_opts(&here, payload, options).await };
        self.request("put", location, put).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return Err(object_store::Error::NotImplemented {
                operation: "put_multipart_opts with attributes".into(),
                implementer: "RemoteStore".into(),
            });
        }
        Ok(Box::new(Upload::begin(self, location).await?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (here, head) = (location.clone(), options.head);
        let get = |objects: Arc<dyn ObjectStore>| async move { objects.get_opts(&here, options).await };
        let found = self.request(if head { "head" } else { "get" }, location, get).await?;
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let body = match head {
            true => stream::empty().boxed(),
            false => self.explained("get", location, found.into_stream()),
        };
        Ok(GetResult { payload: GetResultPayload::Stream(body), meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (here, ranges) = (location.clone(), ranges.to_vec());
        let get = |objects: Arc<dyn ObjectStore>| async move {
            let one = |range: Range<u64>| {
                let (objects, here) = (Arc::clone(&objects), here.clone());
                async move { objects.get_range(&here, range).await }
            };
            stream::iter(ranges).map(one).buffered(RANGES_AT_ONCE).try_collect().await
        };
        self.request("get", location, get).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.explained("delete", &Path::default(), self.objects.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let location = prefix.cloned().unwrap_or_default();
        self.explained("list", &location, self.objects.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (location, prefix) = (prefix.cloned().unwrap_or_default(), prefix.cloned());
        let list =
            |objects: Arc<dyn ObjectStore>| async move { objects.list_with_delimiter(prefix.as_ref()).await };
        self.request("list", &location, list).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (source, target) = (from.clone(), to.clone());
        let copy =
            |objects: Arc<dyn ObjectStore>| async move { objects.copy_opts(&source, &target, options).await };
        self.request("copy", to, copy).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (source, target) = (from.clone(), to.clone());
        let rename = |objects: Arc<dyn ObjectStore>| async move {
            objects.rename_opts(&source, &target, options).await
        };
        self.request("rename", to, rename).await
    }
}
