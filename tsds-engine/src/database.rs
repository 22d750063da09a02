//! An open database.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use tsds_traits::{DatabaseId, Durability, Error, ErrorKind, Registry, Result, World};

use crate::config::{Reload, Settings, Sources};
use crate::core::Core;
use crate::ingest::Receipt;
use crate::open;
use crate::query::Snapshot;
use crate::recovery::RecoveryReport;
use crate::reload;
use crate::repair::{AcceptLoss, RepairReport};
use crate::stats::{ResidentStats, Stats, TierCounts};
use crate::storage_stats::{TableStorage, storage_stats};
use crate::table::{Table, TableSpec};
use crate::verify::{self, VerifyReport};

/// An open database. Cheap to clone; close it once when done.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Float64Array, RecordBatch, TimestampMicrosecondArray};
/// use arrow_schema::{DataType, Field, Schema, TimeUnit};
/// use tsds_engine::query::col;
/// use tsds_engine::{Database, TableSpec};
///
/// # let directory = std::env::temp_dir().join(format!("tsds-doc-{}", std::process::id()));
/// let runtime = tsds_io::Runtime::new(None)?;
/// runtime.block_on(async {
///     let database = Database::builder(&directory).world(runtime.world()).open().await?;
///     let schema = Arc::new(Schema::new(vec![
///         Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
///         Field::new("load", DataType::Float64, true),
///     ]));
///     let table = database.create_table(TableSpec::new("metrics", Arc::clone(&schema), "time")).await?;
///     let rows = RecordBatch::try_new(
///         schema,
///         vec![
///             Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3])),
///             Arc::new(Float64Array::from(vec![0.5, 0.7, 0.9])),
///         ],
///     )?;
///     let receipt = table.ingest(rows).await?; // durable now
///     assert_eq!(receipt.rows, 3);
///     let busy = table.query().filter(col("load").gt(0.6)).collect().await?;
///     assert_eq!(busy.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
///     database.close().await
/// })?;
/// # Ok::<(), tsds_traits::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Database {
    core: Arc<Core>,
    _handle: Arc<LastHandle>,
}

/// Ends background work when the last handle of a database that was not closed is dropped.
#[derive(Debug)]
struct LastHandle(Arc<Core>);

impl Drop for LastHandle {
    fn drop(&mut self) {
        self.0.begin_closing();
    }
}

/// Opens a database.
#[derive(Debug)]
pub struct DatabaseBuilder {
    path: PathBuf,
    settings: Settings,
    registry: Option<Registry>,
    world: Option<World>,
}

impl DatabaseBuilder {
    /// Sets the settings. `storage.base_path` is replaced by the builder's path.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Sets which plugins there are. Default: [`crate::builtin_registry`].
    #[must_use]
    pub fn registry(self, registry: Registry) -> Self {
        Self { registry: Some(registry), ..self }
    }

    /// Sets the world. Default: the real one, on the tokio runtime of the caller.
    #[must_use]
    pub fn world(self, world: World) -> Self {
        Self { world: Some(world), ..self }
    }

    /// Looks for damage that no recovery can heal, and gives up what is damaged as far as that is accepted.
    /// The database is opened to look at its segments, and closed again; not if its log is damaged and that is not accepted. `progress` is called with the segments that were
    /// checked and how many there are.
    ///
    /// Of the log, every whole record is kept. A segment with a damaged block is given up whole. What is given up is not
    /// destroyed: damaged log files get the ending `.damaged`, segment files go to the directory `damaged` of the database,
    /// and cold files stay where they are; the report is written to `damaged`, too. A batch that was written with an id and is
    /// lost counts as written: write its rows under another id.
    ///
    /// # Errors
    ///
    /// As [`DatabaseBuilder::open`], but for damage; `Conflict` if not one segment of a tier can be read, unless everything may
    /// be given up; whatever keeps a segment from being judged, in which case none is given up.
    pub async fn repair(
        self,
        accept: AcceptLoss,
        progress: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<RepairReport> {
        let (world, path, settings) = (self.own_world()?, self.path.clone(), self.settings.clone());
        let mut report = crate::repair::repair_log(&world, &path, &settings, accept).await?;
        if !report.accepted && !report.is_whole() {
            return Ok(report);
        }
        let database = self.open().await?;
        let repaired = crate::repair::repair_segments(&database.core, accept, &progress, &mut report).await;
        let closed = database.close().await;
        repaired?;
        closed?;
        Ok(report)
    }

    fn own_world(&self) -> Result<World> {
        match &self.world {
            Some(world) => Ok(world.clone()),
            None => Ok(tsds_io::real_world(tokio::runtime::Handle::try_current().map_err(|error| {
                Error::invalid_input("no world was given, and there is no tokio runtime to make one")
                    .with_source(error)
            })?)),
        }
    }

    /// Opens the database, creating it if there is none, and recovers what a crash left.
    ///
    /// # Errors
    ///
    /// `Locked` if another process has it open; `ConfigInvalid` if the settings are impossible or do not fit what is stored;
    /// `Corrupt` if something stored is damaged, naming file and place; `ReadOnly` if the directory cannot be written.
    pub async fn open(self) -> Result<Database> {
        let world = self.own_world()?;
        let registry = match self.registry {
            Some(registry) => registry,
            None => crate::builtin_registry()?,
        };
        let core = open::open(world, self.path, self.settings, registry).await?;
        Ok(Database { _handle: Arc::new(LastHandle(Arc::clone(&core))), core })
    }
}

impl Database {
    /// Begins opening the database in this directory.
    pub fn builder(path: impl Into<PathBuf>) -> DatabaseBuilder {
        DatabaseBuilder { path: path.into(), settings: Settings::default(), registry: None, world: None }
    }

    /// The id that the database got when it was made. All of its files carry it.
    pub fn id(&self) -> DatabaseId {
        self.core.database
    }

    /// The settings in effect now; [`Database::reload`] may change them.
    pub fn settings(&self) -> Arc<Settings> {
        self.core.settings()
    }

    /// Changes settings while the database is open, all at once: whoever reads them sees the old ones or the new ones. What can
    /// only change when a database is opened ([`RELOADED`](crate::config::RELOADED) lists what can change before) stays as it is
    /// and is named in the answer; `storage.base_path` is not looked at.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if the settings are impossible: nothing has changed then. `Closed` once the database is closed.
    pub fn reload(&self, settings: Settings) -> Result<Reload> {
        self.core.check_open()?;
        self.core.reload(settings)
    }

    /// Watches a configuration file for as long as the database is open, and applies what changes in it within a second, as
    /// [`Database::reload`] does. A file that cannot be read or says something impossible changes nothing: the log and
    /// [`Stats::config`] say why. `applied` is called after each change.
    pub fn follow(&self, sources: Sources, applied: impl Fn(&Settings, &Reload) + Send + Sync + 'static) {
        reload::follow(&self.core, sources, applied);
    }

    /// The plugins that can be used.
    pub fn registry(&self) -> &Registry {
        &self.core.registry
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.core.recovery
    }

    /// Creates a table, durably.
    ///
    /// # Errors
    ///
    /// `Conflict` if there is one of this name; `Unsupported` for a column type that cannot be stored; `InvalidInput` for a
    /// description that cannot be.
    pub async fn create_table(&self, spec: TableSpec) -> Result<Table> {
        let core = Arc::clone(&self.core);
        let created = self.core.detached(async move { core.create_table(&spec).await }).await;
        let id = created.map_err(|error| error.during("create table"))?;
        let name = self.core.table(id)?.record.name.clone();
        Ok(Table::new(Arc::clone(&self.core), id, &name))
    }

    /// A table by name.
    ///
    /// # Errors
    ///
    /// `NotFound`, listing the tables there are.
    pub fn table(&self, name: &str) -> Result<Table> {
        self.core.check_open()?;
        let version = self.core.version.load();
        let table = version.table_named(name).ok_or_else(|| {
            let names: Vec<_> = version.names.keys().map(String::as_str).collect();
            Error::new(ErrorKind::NotFound, "no such table")
                .with("table", name)
                .with("tables", names.join(","))
        })?;
        Ok(Table::new(Arc::clone(&self.core), table.record.id, name))
    }

    /// All tables, by name.
    pub fn tables(&self) -> Vec<Table> {
        let version = self.core.version.load();
        version.names.iter().map(|(name, id)| Table::new(Arc::clone(&self.core), *id, name)).collect()
    }

    /// Writes a batch to a table, which is created from the batch if `tables.auto_create` allows it.
    ///
    /// # Errors
    ///
    /// As [`Table::ingest`] and [`Database::create_table`]; `NotFound` if the table does not exist and may not be created.
    pub async fn ingest(&self, table: &str, batch: RecordBatch) -> Result<Receipt> {
        let found = match self.table(table) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.core.settings().tables.auto_create => {
                let spec = TableSpec::from_batch(table, &batch.schema(), &self.core.settings().tables);
                match self.create_table(spec).await {
                    // Somebody else was faster; the batch must now fit their table.
                    Err(error) if error.kind() == ErrorKind::Conflict => self.table(table)?,
                    created => created?,
                }
            }
            found => found?,
        };
        found.ingest(batch).await
    }

    /// One moment of the database, for queries that must agree with each other.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.core)
    }

    /// Waits until nothing is left to be sealed or moved. If the caller stops waiting, the work goes on.
    ///
    /// # Errors
    ///
    /// The first failure of a step.
    pub async fn settle(&self) -> Result<()> {
        let core = Arc::clone(&self.core);
        self.core.detached(async move { core.settle().await }).await
    }

    /// Seals everything in memory into segments. If the caller stops waiting, the work goes on.
    ///
    /// # Errors
    ///
    /// The first failure of a step.
    pub async fn flush(&self) -> Result<()> {
        let core = Arc::clone(&self.core);
        self.core.detached(async move { core.flush().await }).await
    }

    /// How many rows each tier has, at once and cheaply.
    pub fn tier_counts(&self) -> TierCounts {
        self.core.tier_counts()
    }

    /// What the database holds, exactly.
    ///
    /// # Errors
    ///
    /// `Closed` once the database is closed.
    pub async fn stats(&self) -> Result<Stats> {
        self.core.check_open()?;
        self.core.set_gauges();
        Ok(self.core.stats())
    }

    /// What the tier that answers for segment files holds now, in memory or on a device. Costs next to nothing.
    pub fn resident(&self) -> ResidentStats {
        self.core.resident_stats()
    }

    /// How the segment files of every table are encoded, column by column. Reads indexes and blocks of some files of each: see
    /// [`TableStorage`]. A file that cannot be read is counted, and no error.
    ///
    /// # Errors
    ///
    /// `Closed` once the database is closed.
    pub async fn storage_stats(&self) -> Result<Vec<TableStorage>> {
        self.core.check_open()?;
        storage_stats(&self.core).await
    }

    /// Reads everything that is stored and checks every checksum. `progress` is called with what is done and what there is.
    ///
    /// # Errors
    ///
    /// `Closed`; damage is no error but part of the report.
    pub async fn verify(&self, progress: impl Fn(u64, u64) + Send + Sync) -> Result<VerifyReport> {
        self.core.check_open()?;
        verify::verify(&self.core, &progress).await
    }

    /// Makes everything durable, stops background work and lets other processes open the database. Idempotent. Other handles
    /// then give `Closed`.
    ///
    /// # Errors
    ///
    /// If the last writes cannot be made durable; the database is closed all the same.
    pub async fn close(&self) -> Result<()> {
        let core = Arc::clone(&self.core);
        let closed = async move {
            if core.wal.durability() == Durability::Volatile && !core.is_closing() {
                // Without a log, segments are all that survives.
                core.flush().await?;
            }
            if !core.begin_closing() {
                return Ok(());
            }
            open::close(&core).await
        };
        self.core.detached(closed).await
    }
}
