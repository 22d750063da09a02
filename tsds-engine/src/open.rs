//! Opening and closing, step by step.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::channel::mpsc;
use serde_json::{Value as Json, json};
use tsds_segment::SegmentStore;
use tsds_traits::{
    BuildContext, CodecLookup, DatabaseId, Durability, Error, ErrorKind, Registry, Result, SegmentFiles,
    Sequence, VfsLock, WalOpen, WalSink, World,
};

use crate::builtin::plugin_settings;
use crate::catalog::{COLD, Catalog, Contents, DatabaseRecord, Edit, FORMAT_VERSION, LOG, PluginRecord};
use crate::config::Settings;
use crate::core::{Core, Parts};
use crate::guard::{GuardedEvictor, GuardedTier, GuardedWal, Health, Watch, guarded_codecs};
use crate::hot::HotBudget;
use crate::nolog::NoLog;
use crate::recovery::{self, Leftovers, RecoveryReport};
use crate::{ingest, mover};

const LOCK: &str = "LOCK";
const CATALOG: &str = "catalog.redb";
const SEGMENTS: &str = "segments";
/// The fallback for what no device holds, and the warm tier where there is no device.
const CPU_TIER: &str = "tsds.warm.cpu";

/// The codec that segment files can always be written in.
pub(crate) const PLAIN_CODEC: &str = "tsds.plain";

/// Opens the database at `path`.
pub(crate) async fn open(
    world: World,
    path: PathBuf,
    mut settings: Settings,
    registry: Registry,
) -> Result<Arc<Core>> {
    settings.validate()?;
    settings.storage.base_path = path.display().to_string();
    settings.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let (lock, catalog, contents) = {
        let (world, path) = (world.clone(), path.clone());
        let executor = Arc::clone(&world.executor);
        (*executor).blocking(move || take(&world, &path)).await?
    };
    let mut record = match &contents.database {
        Some(record) => record.clone(),
        None => new_database(&world)?,
    };
    let mut report =
        RecoveryReport { unclean: contents.database.is_some() && !record.closed, ..Default::default() };
    let (reclaim, garbage) = mpsc::unbounded();
    let budget = Arc::new(HotBudget::default());
    let version = recovery::version_of(&contents, &budget, &reclaim, world.clock.monotonic())?;

    let watch = Watch::new(world.clone(), settings.plugin_deadline());
    let codecs: Arc<dyn CodecLookup> = Arc::new(guarded_codecs(&registry, &watch).await?);
    let store = |codec: &str| {
        let codec = codecs.codec(codec).map_err(|error| error.with("key", "warm_tier.file_codec"))?;
        let (world, directory) = (world.clone(), path.join(SEGMENTS));
        let health = watch.health(codec.id(), "codec");
        let store = SegmentStore::new(world, directory, record.database, Arc::clone(&codecs), codec);
        Ok::<_, Error>((store, health))
    };
    let (segments, file_codec) = store(&settings.warm_tier.file_codec)?;
    let (plain_segments, _) = store(PLAIN_CODEC)?;
    let house = House { world: &world, path: &path, settings: &settings, registry: &registry, watch: &watch };
    let tiers = open_tiers(house, record.database, &codecs, &segments).await?;
    let log_name =
        if settings.hot_tier.wal_enabled { settings.wal.backend.as_str() } else { "tsds.wal.none" };
    check_plugins(&mut record, &registry, log_name, tiers.cold.name())?;
    let leftovers = Leftovers::find(&contents, &segments).await?;
    // Up to here nothing is changed.
    if contents.database.is_none() {
        // Whatever is written belongs to a database that the catalog knows.
        commit(&world, &catalog, vec![Edit::SetDatabase(record.clone())]).await?;
    }

    let sequences = record.sequences();
    let open = WalOpen {
        database: record.database,
        floor: sequences.floor,
        known_durable: sequences.known_durable,
        next: sequences.next,
    };
    let wal = open_log(house, open, &codecs).await?;
    report.replayed_rows = recovery::replay(&*wal, sequences.floor, &version).await?;
    report.torn_bytes = wal.usage().torn_bytes;
    // Catalog, files and log agree: only now is anything removed.
    let mut edits = leftovers.remove(&segments, &tiers.cold, &mut report).await?;
    // Before a new write: nobody uses these sequences again.
    record.sequences_reserved = Sequence(sequences.next.0.saturating_add(ingest::SEQUENCE_BLOCK));
    record.note_durable(&*wal);
    record.closed = false;
    edits.push(Edit::SetDatabase(record.clone()));
    commit(&world, &catalog, edits).await?;
    if report.unclean {
        tracing::info!(?report, "recovered after an unclean stop");
    }
    let evictor = open_evictor(house).await?;
    let core = Arc::new(Core::new(Parts {
        world,
        settings,
        registry,
        path,
        catalog,
        record,
        version,
        wal,
        next_sequence: sequences.next,
        budget,
        segments,
        plain_segments,
        file_codec,
        watch,
        warm: tiers.warm,
        fallback: tiers.fallback,
        cold: tiers.cold,
        evictor,
        reclaim,
        recovery: report,
        lock,
    }));
    mover::start(&core, garbage);
    Ok(core)
}

/// Takes the lock, then opens the catalog.
fn take(world: &World, path: &Path) -> Result<(Box<dyn VfsLock>, Arc<Catalog>, Contents)> {
    let named = |error: io::Error| Error::from(error).with("path", path.display()).during("open");
    world.vfs.create_dir_all(path).map_err(named)?;
    let lock = world.vfs.lock(&path.join(LOCK)).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::new(
            ErrorKind::Locked,
            "the database is in use by another process, or open twice in this one",
        )
        .with("path", path.display()),
        _ => named(error),
    })?;
    let entries = world.vfs.read_dir(path).map_err(named)?;
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    if has(SEGMENTS) && !has(CATALOG) {
        return Err(Error::corrupt(
            "directory has segments but no catalog; restore catalog.redb from a copy",
        )
        .with("path", path.display()));
    }
    let catalog = Arc::new(Catalog::open(&world.vfs, &path.join(CATALOG))?);
    let contents = catalog.load()?;
    Ok((lock, catalog, contents))
}

fn new_database(world: &World) -> Result<DatabaseRecord> {
    let mut id = [0; 16];
    world.random.fill(&mut id)?;
    Ok(DatabaseRecord {
        format: FORMAT_VERSION,
        database: DatabaseId(id),
        sequences_reserved: Sequence::ZERO,
        segments_reserved: 0,
        next_table: 1,
        wal_floor: Sequence::ZERO,
        known_durable: Sequence::ZERO,
        closed: true,
        plugins: BTreeMap::new(),
    })
}

async fn commit(world: &World, catalog: &Arc<Catalog>, edits: Vec<Edit>) -> Result<()> {
    let catalog = Arc::clone(catalog);
    (*world.executor).blocking(move || catalog.commit(&edits)).await
}

struct Tiers {
    warm: GuardedTier,
    fallback: GuardedTier,
    cold: GuardedTier,
}

/// What every plugin is built from.
#[derive(Clone, Copy)]
struct House<'a> {
    world: &'a World,
    path: &'a Path,
    settings: &'a Settings,
    registry: &'a Registry,
    watch: &'a Arc<Watch>,
}

impl House<'_> {
    /// The health of a plugin that is about to be built.
    fn health(&self, id: &str, role: &'static str) -> Result<Arc<Health>> {
        Ok(self.watch.health(self.registry.get(id)?.id, role))
    }

    async fn tier(&self, id: &str, settings: Json, context: BuildContext) -> Result<GuardedTier> {
        let health = self.health(id, "tier")?;
        let (registry, id) = (self.registry.clone(), health.id());
        let built = async move { registry.tier(id, settings, context).await };
        GuardedTier::new(self.watch.call(&health, "build", built).await?, self.watch, &health)
    }
}

async fn open_tiers(
    house: House<'_>,
    database: DatabaseId,
    codecs: &Arc<dyn CodecLookup>,
    segments: &SegmentStore,
) -> Result<Tiers> {
    let House { world, path, settings, .. } = house;
    let files: Arc<dyn SegmentFiles> = Arc::new(segments.clone());
    let context = |directory: PathBuf| {
        BuildContext::new(world.clone(), database, directory, Arc::clone(codecs))
            .with_segment_files(Arc::clone(&files))
    };
    let memory = plugin_settings([("max_memory_mb", json!(settings.warm_tier.max_memory_mb))]);
    let fallback = house.tier(CPU_TIER, memory.clone(), context(path.join("warm"))).await?;
    let warm = match settings.warm_tier.backend.as_str() {
        "auto" | CPU_TIER | "cpu" => fallback.clone(),
        id => {
            let warm = house.tier(id, memory, context(path.join("warm"))).await?;
            warm.health().set_replaceable();
            warm
        }
    };
    let cold_path =
        settings.storage.cold_path.as_ref().map_or_else(|| path.join("cold"), |given| path.join(given));
    let cold_settings = plugin_settings([
        ("compression", json!(settings.cold_tier.compression)),
        ("max_concurrent_files", json!(settings.query.max_concurrent_files)),
    ]);
    let cold = house.tier(&settings.cold_tier.backend, cold_settings, context(cold_path)).await?;
    let unmet = [warm.unmet_needs("warm", Durability::Volatile), cold.unmet_needs("cold", Durability::Power)]
        .concat();
    if !unmet.is_empty() {
        return Err(Error::new(ErrorKind::ConfigInvalid, "tiers cannot do what their roles need")
            .with("unmet", unmet.join("; ")));
    }
    Ok(Tiers { warm, fallback, cold })
}

/// What wrote to the database before must be what is configured now; what is new is noted.
fn check_plugins(record: &mut DatabaseRecord, registry: &Registry, log: &str, cold: &str) -> Result<()> {
    if let Some(other) = record.plugins.keys().find(|name| ![LOG, COLD].contains(&name.as_str())) {
        return Err(Error::new(ErrorKind::ConfigInvalid, "the database has a tier that is not set up")
            .with("tier", other)
            .with("set_up", COLD));
    }
    for (role, configured) in [(LOG, log), (COLD, cold)] {
        let version = registry.get(configured).map_or(1, |plugin| plugin.format_version);
        let reads_from = registry.get(configured).map_or(1, |plugin| plugin.reads_from);
        if let Some(persisted) = record.plugins.get(role) {
            let nothing_left = role == LOG && record.closed && record.known_durable <= record.wal_floor;
            let readable = (reads_from..=version).contains(&persisted.format_version);
            if !nothing_left && (persisted.id != configured || !readable) {
                return Err(Error::new(
                    ErrorKind::ConfigInvalid,
                    "the database was written with another plugin than is configured",
                )
                .with("role", role)
                .with("persisted", format!("{} (format {})", persisted.id, persisted.format_version))
                .with("configured", format!("{configured} (format {version})")));
            }
        }
        record.plugins.insert(role.into(), PluginRecord { id: configured.into(), format_version: version });
    }
    Ok(())
}

async fn open_evictor(house: House<'_>) -> Result<GuardedEvictor> {
    let health = house.health(&house.settings.warm_tier.evictor, "evictor")?;
    let (registry, id) = (house.registry.clone(), health.id());
    let built = house.watch.job(&health, "build", move || registry.evictor(id, &json!({})));
    Ok(GuardedEvictor::new(built.await?, house.watch, &health))
}

async fn open_log(
    house: House<'_>,
    open: WalOpen,
    codecs: &Arc<dyn CodecLookup>,
) -> Result<Arc<dyn WalSink>> {
    let House { world, path, settings, registry, watch } = house;
    if !settings.hot_tier.wal_enabled {
        return Ok(Arc::new(NoLog::new(open.next)));
    }
    let context =
        BuildContext::new(world.clone(), open.database, log_directory(path, settings), Arc::clone(codecs));
    let file_bytes = plugin_settings([("file_bytes", json!(settings.wal.file_mb * 1_000_000))]);
    let health = house.health(&settings.wal.backend, "wal")?;
    let (registry, id) = (registry.clone(), health.id());
    let opened = async move { registry.wal(id, file_bytes, context, open).await };
    // Which directory, since a volume that is not mounted looks like a log that is lost.
    let directory = log_directory(path, settings);
    let named = |error: Error| error.with("directory", directory.display());
    let log = watch.call(&health, "build", opened).await.map_err(named)?;
    Ok(Arc::new(GuardedWal::new(log, watch, &health)?))
}

/// Where the log is.
pub(crate) fn log_directory(path: &Path, settings: &Settings) -> PathBuf {
    settings.storage.wal_path.as_ref().map_or_else(|| path.join("wal"), |given| path.join(given))
}

/// Closes what is open, in an order in which a crash at any point loses nothing.
pub(crate) async fn close(core: &Arc<Core>) -> Result<()> {
    // A move that is cut short would only be undone at the next start.
    let _quiet = core.mover.quiesce().await;
    let logged = core.wal.close().await;
    let last = core.writer.last().await;
    let clean = logged.is_ok() && core.check_writable().is_ok();
    let recorded = if clean {
        core.commit(vec![], |record| {
            record.sequences_reserved = last;
            record.closed = true;
        })
        .await
    } else {
        Ok(())
    };
    let closings = [core.warm.close().await, core.fallback.close().await, core.cold.close().await];
    let tiers: Result<()> = closings.into_iter().collect();
    let catalog = Arc::clone(&core.catalog);
    let closed = core.blocking(move || catalog.close()).await;
    core.release_lock();
    logged.and(recorded).and(tiers).and(closed)
}
