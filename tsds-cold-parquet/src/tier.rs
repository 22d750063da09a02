//! [`ParquetTier`]: the plugin.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value as Json;
use tsds_traits::{
    AggregateRequest, BuildContext, DatabaseId, Durability, Error, ErrorKind, Factory, Plugin, Presence, Put,
    Result, ScanRequest, SegmentBatch, SegmentId, SegmentSource, StoredSegment, Tier, TierCapabilities,
    TierUsage, World,
};

use crate::inventory::Inventory;
use crate::note::{self, FORMAT_VERSION};
use crate::path::segment_at;
use crate::place::{self, Environment};
use crate::read::KnownFiles;
use crate::settings::ParquetSettings;
use crate::store::{Root, belongs_to, from_store};
use crate::{location, read, write};

/// The id under which the tier is registered.
const NAME: &str = "tsds.cold.parquet";
/// How many files are asked at the same time for their number of rows when the tier is opened.
const COUNTED_AT_ONCE: usize = 32;

/// The cold tier: one Parquet file per segment on any object store.
///
/// A store belongs to one database: the first put writes `_tsds.json` at its root, and nobody else uses the store from
/// then on. `new` does no I/O; [`ParquetTier::open`] also makes sure that the store is no other database's, and counts
/// what is there, for [`Tier::usage`].
pub struct ParquetTier {
    shared: Arc<Shared>,
    capabilities: TierCapabilities,
    closed: AtomicBool,
    /// One lock per segment that is being put or removed, so that calls on one segment act one after the other.
    busy: Mutex<HashMap<SegmentId, Weak<tokio::sync::Mutex<()>>>>,
}

/// What the parts of the tier need of each other.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) settings: ParquetSettings,
    pub(crate) world: World,
    pub(crate) database: DatabaseId,
    root: Root,
    pub(crate) inventory: Inventory,
    /// Footers of files that were read.
    pub(crate) known: KnownFiles,
}

impl Shared {
    /// Refuses a store of another database.
    pub(crate) async fn check_owner(&self) -> Result<bool> {
        self.root.check(&*self.store, self.database).await
    }

    /// Makes the store that of this database. Before anything is published in it.
    pub(crate) async fn claim_store(&self) -> Result<()> {
        self.root.claim(&*self.store, self.database).await
    }
}

impl ParquetTier {
    /// A tier on `store`, whose acknowledgements survive a power cut. Of the context it uses the world and the database,
    /// and of the settings neither `url` nor `object_store`: where the files lie is the caller's matter.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for settings out of range.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        settings: ParquetSettings,
        context: BuildContext,
    ) -> Result<Arc<Self>> {
        Self::with_durability(store, Durability::Power, settings, context)
    }

    fn with_durability(
        store: Arc<dyn ObjectStore>,
        durability: Durability,
        settings: ParquetSettings,
        context: BuildContext,
    ) -> Result<Arc<Self>> {
        settings.validate()?;
        if !settings.staging_enabled {
            tracing::warn!("cold_tier.staging_enabled = false has no effect: files are always staged");
        }
        Ok(Arc::new(Self {
            shared: Arc::new(Shared {
                known: KnownFiles::new(settings.footer_cache_mb << 20),
                store,
                settings,
                world: context.world,
                database: context.database,
                root: Root::default(),
                inventory: Inventory::default(),
            }),
            capabilities: TierCapabilities::new(durability).with_all_pushdown(),
            closed: AtomicBool::new(false),
            busy: Mutex::default(),
        }))
    }

    /// [`ParquetTier::new`], and counts the segments, rows and bytes that are there by listing the store and reading
    /// the end of every file. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`ParquetTier::new`]; `Conflict`, naming both, if the store or the files in it belong to another database; as
    /// for I/O.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        settings: ParquetSettings,
        context: BuildContext,
    ) -> Result<Arc<Self>> {
        let tier = Self::new(store, settings, context)?;
        tier.take_inventory().await?;
        Ok(tier)
    }

    async fn take_inventory(&self) -> Result<()> {
        let shared = &self.shared;
        let owned = shared.check_owner().await?;
        let files = list_files(&*shared.store).await?;
        let counting = stream::iter(files).map(|file| async move {
            let note = match note::read(&*shared.store, &file.path, file.size).await {
                Ok(note) => note,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            let foreign = note.as_ref().filter(|note| !note.is_of(shared.database));
            match foreign {
                None => shared.inventory.insert(file.id, note.map_or(0, |note| note.rows()), file.size),
                Some(_) if owned => {
                    tracing::warn!(path = %file.path, "ignored a cold file of another database")
                }
                // Nothing says whose the store is but its files.
                Some(note) => {
                    return Err(belongs_to(note.database(), shared.database).with("file", &file.path));
                }
            }
            Ok(())
        });
        counting.buffer_unordered(COUNTED_AT_ONCE).try_collect().await
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "cold tier is closed"));
        }
        Ok(())
    }

    fn lock_of(&self, id: SegmentId) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = busy.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        busy.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        busy.insert(id, Arc::downgrade(&lock));
        lock
    }

    /// The path in the record, or where a search finds the file. A record that names another segment is not believed, and
    /// neither is a file of another database; in one database the number of a segment is enough.
    async fn locate(&self, segment: &StoredSegment) -> Result<Vec<Path>> {
        if let Some(path) = location::path_of(&segment.record) {
            return match segment_at(&path) {
                Some((_, id)) if id == segment.id => Ok(vec![path]),
                _ => Err(Error::corrupt("record of a cold file names another segment")
                    .with("segment", segment.id)
                    .with("file", &path)),
            };
        }
        let mut found = Vec::new();
        for file in list_files(&*self.shared.store).await? {
            if file.id != segment.id {
                continue;
            }
            let note = match note::read(&*self.shared.store, &file.path, file.size).await {
                Ok(note) => note,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if note.is_none_or(|note| note.is_of(self.shared.database)) {
                found.push(file.path);
            }
        }
        Ok(found)
    }

    async fn remove_one(&self, segment: &StoredSegment) -> Result<()> {
        let lock = self.lock_of(segment.id);
        let _guard = lock.lock().await;
        for path in self.locate(segment).await? {
            match self.shared.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(from_store(error).with("file", &path)),
            }
        }
        self.shared.inventory.remove(segment.id);
        Ok(())
    }
}

struct ListedFile {
    id: SegmentId,
    path: Path,
    size: u64,
}

/// The files of segments, ascending by segment, one for each.
async fn list_files(store: &dyn ObjectStore) -> Result<Vec<ListedFile>> {
    let objects: Vec<_> = store.list(None).try_collect().await.map_err(from_store)?;
    let files = objects.into_iter().filter_map(|object| {
        let (_, id) = segment_at(&object.location)?;
        Some(ListedFile { id, path: object.location, size: object.size })
    });
    let mut files: Vec<_> = files.collect();
    files.sort_unstable_by(|a, b| (a.id, &a.path).cmp(&(b.id, &b.path)));
    Ok(files)
}

#[async_trait]
impl Tier for ParquetTier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> &TierCapabilities {
        &self.capabilities
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        let put = async {
            self.check_open()?;
            let lock = self.lock_of(source.meta().id);
            let _guard = lock.lock().await;
            write::put(&self.shared, &source).await
        };
        put.await.map_err(|error| error.during("put").in_plugin(NAME))
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let rows = match self.check_open() {
            Ok(()) => read::scan(Arc::clone(&self.shared), request),
            Err(error) => stream::iter([Err(error)]).boxed(),
        };
        rows.map_err(|error| error.during("scan").in_plugin(NAME)).boxed()
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        let states = match self.check_open() {
            Ok(()) => read::aggregate(Arc::clone(&self.shared), request),
            Err(error) => stream::iter([Err(error)]).boxed(),
        };
        states.map_err(|error| error.during("aggregate").in_plugin(NAME)).boxed()
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        let remove = async {
            self.check_open()?;
            self.shared.check_owner().await?;
            for segment in segments {
                self.remove_one(segment).await?;
            }
            Ok(())
        };
        remove.await.map_err(|error: Error| error.during("remove").in_plugin(NAME))
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        let list = async {
            self.check_open()?;
            self.shared.check_owner().await?;
            let mut files = list_files(&*self.shared.store).await?;
            files.dedup_by_key(|file| file.id);
            let listed = files.into_iter();
            Ok(listed
                .map(|file| StoredSegment { id: file.id, record: location::encode(&file.path) })
                .collect())
        };
        list.await.map_err(|error: Error| error.during("list").in_plugin(NAME))
    }

    fn usage(&self) -> TierUsage {
        self.shared.inventory.usage()
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}

impl fmt::Debug for ParquetTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetTier")
            .field("store", &self.shared.store)
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

/// The plugin `tsds.cold.parquet`: a tier on the store that its setting `url` names, or else on local files under the
/// directory of its build context.
pub fn plugin() -> Plugin {
    Plugin {
        id: NAME,
        crate_version: env!("CARGO_PKG_VERSION"),
        format_version: FORMAT_VERSION,
        reads_from: 1,
        factory: Factory::Tier(|settings, context| Box::pin(build(settings, context))),
        probe: || Presence::Present(String::new()),
    }
}

async fn build(settings: Json, context: BuildContext) -> Result<Arc<dyn Tier>> {
    let settings = ParquetSettings::from_json(settings)?;
    let environment = Environment::of_process();
    let opened = place::open(&settings, context.directory.clone(), &environment, &context.world).await?;
    let tier = ParquetTier::with_durability(opened.objects, opened.durability, settings, context)?;
    tier.take_inventory().await?;
    Ok(tier)
}
