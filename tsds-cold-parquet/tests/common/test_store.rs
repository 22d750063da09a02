//! A store that counts what is asked of it, and fails, forgets or lags when told to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// A store around another one. Clones share everything.
#[derive(Debug)]
pub struct TestStore<T> {
    inner: Arc<T>,
    pub state: Arc<State>,
}

/// What was asked, and what goes wrong.
#[derive(Debug, Default)]
pub struct State {
    requests: Mutex<Vec<String>>,
    bytes_read: AtomicU64,
    faults: Mutex<Option<Dice>>,
    lag: Mutex<Option<Vec<ObjectMeta>>>,
    /// With how many parts each has.
    uploads: Mutex<BTreeMap<MultipartId, usize>>,
}

/// Fails one request in so many, half of them after they were carried out.
#[derive(Debug)]
struct Dice {
    state: u64,
    one_in: u64,
}

impl Dice {
    /// A number below `below`. xorshift64*, by Vigna.
    fn roll(&mut self, below: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }
}

impl State {
    /// From now on one request in `one_in` fails, as the seed has it.
    pub fn fail(&self, seed: u64, one_in: u64) {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        *self.faults.lock().unwrap() = Some(Dice { state, one_in });
    }

    pub fn heal(&self) {
        *self.faults.lock().unwrap() = None;
    }

    /// From now on a listing shows what was there at the listing before.
    pub fn lag(&self) {
        *self.lag.lock().unwrap() = Some(Vec::new());
    }

    pub fn catch_up(&self) {
        *self.lag.lock().unwrap() = None;
    }

    /// The requests since the last call, each as its name and what it was for.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// The bytes that were read since the last call.
    pub fn take_bytes_read(&self) -> u64 {
        self.bytes_read.swap(0, Ordering::SeqCst)
    }

    /// Uploads with parts that were neither completed nor aborted: what a server keeps, and charges for.
    pub fn open_uploads(&self) -> usize {
        self.uploads.lock().unwrap().values().filter(|parts| **parts > 0).count()
    }

    fn before(&self, request: String) -> Result<()> {
        self.requests.lock().unwrap().push(request);
        self.chance()
    }

    fn chance(&self) -> Result<()> {
        let mut faults = self.faults.lock().unwrap();
        let fails = faults.as_mut().is_some_and(|dice| dice.roll(dice.one_in * 2) == 0);
        if !fails {
            return Ok(());
        }
        Err(Error::Generic { store: "test", source: "connection reset by a test".into() })
    }

    fn after<V>(&self, outcome: Result<V>) -> Result<V> {
        let outcome = outcome?;
        self.chance().map(|()| outcome)
    }
}

impl<T> TestStore<T> {
    pub fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner), state: Arc::default() }
    }
}

impl<T> Clone for TestStore<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), state: Arc::clone(&self.state) }
    }
}

impl<T: fmt::Display> fmt::Display for TestStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestStore({})", self.inner)
    }
}

#[async_trait]
impl<T: ObjectStore> ObjectStore for TestStore<T> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.state.before(format!("put {location}"))?;
        self.state.after(self.inner.put_opts(location, payload, options).await)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        self.state.before(format!("{} {location} {:?}", if head { "head" } else { "get" }, options.range))?;
        let found = self.state.after(self.inner.get_opts(location, options).await)?;
        if !head {
            self.state.bytes_read.fetch_add(found.range.end - found.range.start, Ordering::SeqCst);
        }
        Ok(found)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut found = Vec::with_capacity(ranges.len());
        for range in ranges {
            found.push(self.get_range(location, range.clone()).await?);
        }
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, state) = (Arc::clone(&self.inner), Arc::clone(&self.state));
        let delete = move |location: Result<Path>| {
            let (inner, state) = (Arc::clone(&inner), Arc::clone(&state));
            async move {
                let location = location?;
                state.before(format!("delete {location}"))?;
                state.after(inner.delete(&location).await.map(|()| location))
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, state, prefix) = (Arc::clone(&self.inner), Arc::clone(&self.state), prefix.cloned());
        let listing = async move {
            state.before(format!("list {}", prefix.clone().unwrap_or_default()))?;
            let now: Vec<ObjectMeta> = inner.list(None).try_collect().await?;
            let mut lag = state.lag.lock().unwrap();
            let shown = match &mut *lag {
                Some(before) => std::mem::replace(before, now),
                None => now,
            };
            let under = |object: &ObjectMeta| match &prefix {
                Some(prefix) => object.location.prefix_matches(prefix),
                None => true,
            };
            let shown: Vec<Result<ObjectMeta>> = shown.into_iter().filter(under).map(Ok).collect();
            Ok::<_, Error>(stream::iter(shown))
        };
        stream::once(listing).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.state.before("list_with_delimiter".into())?;
        self.state.after(self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.state.before(format!("copy {from} {to}"))?;
        self.state.after(self.inner.copy_opts(from, to, options).await)
    }
}

#[async_trait]
impl<T: MultipartStore> MultipartStore for TestStore<T> {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.state.before(format!("create_multipart {path}"))?;
        let id = self.inner.create_multipart(path).await?;
        let id = self.state.after(Ok(id))?;
        self.state.uploads.lock().unwrap().insert(id.clone(), 0);
        Ok(id)
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        self.state.before(format!("put_part {path} {index}"))?;
        let part = self.inner.put_part(path, id, index, data).await?;
        *self.state.uploads.lock().unwrap().entry(id.clone()).or_default() += 1;
        self.state.after(Ok(part))
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.state.before(format!("complete_multipart {path}"))?;
        let completed = self.inner.complete_multipart(path, id, parts).await?;
        self.state.uploads.lock().unwrap().remove(id);
        self.state.after(Ok(completed))
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.state.before(format!("abort_multipart {path}"))?;
        if !self.state.uploads.lock().unwrap().contains_key(id) {
            return Err(Error::NotFound { path: path.to_string(), source: "no such upload".into() });
        }
        self.inner.abort_multipart(path, id).await?;
        self.state.uploads.lock().unwrap().remove(id);
        self.state.after(Ok(()))
    }
}
