//! Opening and closing, step by step.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::channel::mpsc;
use tsds_segment::SegmentStore;
use tsds_traits::{
    CodecLookup, DatabaseId, Durability, Error, ErrorKind, Registry, Result, Sequence, TableSchema, VfsLock,
    WalOpen, WalSink, World,
};

use crate::batches::KnownBatches;
use crate::catalog::{COLD, Catalog, Contents, DatabaseRecord, Edit, FORMAT_VERSION, LOG, PluginRecord};
use crate::config::Settings;
use crate::core::{Core, Parts};
use crate::guard::{GuardedTier, Watch, guarded_codecs};
use crate::hot::{HotBudget, HotMemtable};
use crate::nolog::NoLog;
use crate::query::spill;
use crate::recovery::{self, Leftovers, RecoveryReport};
use crate::warm::Warm;
use crate::workshop::{Workshop, check_plugin_ids};
use crate::{ingest, mover};

const LOCK: &str = "LOCK";
pub(crate) const CATALOG: &str = "catalog.redb";
const SEGMENTS: &str = "segments";

/// The codec that segment files can always be written in.
pub(crate) const PLAIN_CODEC: &str = "tsds.plain";

/// Opens the database at `path`.
pub(crate) async fn open(
    world: World,
    path: PathBuf,
    settings: Settings,
    registry: Registry,
) -> Result<Arc<Core>> {
    let opened = open_writable(world, path.clone(), settings, registry).await;
    opened.map_err(|error| if error.kind() == ErrorKind::ReadOnly { read_only(&path, error) } else { error })
}

/// Opening takes a lock, may repair the log, and notes that the database is open: on what is read-only it cannot be.
fn read_only(path: &Path, error: Error) -> Error {
    Error::new(
        ErrorKind::ReadOnly,
        "the database cannot be written, and opening it writes; make its file system and directory writable, or open a copy",
    )
    .with("path", path.display())
    .with("cause", &error)
    .with_source(error)
}

async fn open_writable(
    world: World,
    path: PathBuf,
    mut settings: Settings,
    registry: Registry,
) -> Result<Arc<Core>> {
    settings.validate()?;
    check_plugin_ids(&settings, &registry)?;
    settings.storage.base_path = path.display().to_string();
    settings.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let (lock, catalog, contents) = {
        let (world, path, settings) = (world.clone(), path.clone(), settings.clone());
        let executor = Arc::clone(&world.executor);
        let job = move || {
            refuse_network(&world, &path, &settings)?;
            take(&world, &path)
        };
        (*executor).blocking(job).await?
    };
    let mut record = match &contents.database {
        Some(record) => record.clone(),
        None => new_database(&world)?,
    };
    let mut report =
        RecoveryReport { unclean: contents.database.is_some() && !record.closed, ..Default::default() };
    let (reclaim, garbage) = mpsc::unbounded();
    let budget = Arc::new(HotBudget::default());
    let mut version = recovery::version_of(&contents, &budget, &reclaim, world.clock.monotonic())?;

    let watch = Watch::new(world.clone(), settings.plugin_deadline());
    let codecs: Arc<dyn CodecLookup> = Arc::new(guarded_codecs(&registry, &settings.plugins, &watch).await?);
    let store = |codec: &str| {
        let codec = codecs.codec(codec).map_err(|error| error.with("key", "warm_tier.file_codec"))?;
        let (world, directory) = (world.clone(), path.join(SEGMENTS));
        let health = watch.health(codec.id(), "codec");
        let store = SegmentStore::new(world, directory, record.database, Arc::clone(&codecs), codec);
        Ok::<_, Error>((store, health))
    };
    let (segments, file_codec) = store(&settings.warm_tier.file_codec)?;
    let (plain_segments, _) = store(PLAIN_CODEC)?;
    let workshop = Workshop {
        world: world.clone(),
        path: path.clone(),
        settings: settings.clone(),
        registry: registry.clone(),
        watch: Arc::clone(&watch),
        database: record.database,
        codecs,
        files: Arc::new(segments.clone()),
    };
    let warm = Warm::open(workshop.clone()).await?;
    let cold = workshop.cold().await?;
    check_needs(&warm, &cold)?;
    let log_name =
        if settings.hot_tier.wal_enabled { settings.wal.backend.as_str() } else { "tsds.wal.none" };
    check_plugins(&mut record, &registry, log_name, cold.name())?;
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
    let wal = open_log(&workshop, open).await?;
    let batches = Arc::new(KnownBatches::new(settings.ingest.remembered_batches, &contents.batches));
    let memtable = |schema: &Arc<TableSchema>, after| {
        HotMemtable::new(Arc::clone(schema), after, Arc::clone(&budget), world.clock.monotonic())
    };
    report.replayed_rows = recovery::replay(&*wal, sequences.floor, &mut version, &batches, memtable).await?;
    report.torn_bytes = wal.usage().torn_bytes;
    // Catalog, files and log agree: only now is anything removed.
    let mut edits = leftovers.remove(&segments, &cold, &mut report).await?;
    // Before a new write: nobody uses these sequences again.
    record.sequences_reserved = Sequence(sequences.next.0.saturating_add(ingest::SEQUENCE_BLOCK));
    record.note_durable(&*wal);
    record.closed = false;
    record.format = FORMAT_VERSION;
    edits.push(Edit::SetDatabase(record.clone()));
    commit(&world, &catalog, edits).await?;
    if report.unclean {
        tracing::info!(?report, "recovered after an unclean stop");
    }
    let evictor = workshop.evictor().await?;
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
        batches,
        budget,
        segments,
        plain_segments,
        file_codec,
        watch,
        warm: Arc::new(warm),
        cold,
        evictor,
        reclaim,
        recovery: report,
        lock,
    }));
    mover::start(&core, garbage);
    Ok(core)
}

/// Takes the lock, then opens the catalog.
pub(crate) fn take(world: &World, path: &Path) -> Result<(Box<dyn VfsLock>, Arc<Catalog>, Contents)> {
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
    spill::clean(&*world.vfs, path)?;
    let catalog = Arc::new(Catalog::open(&world.vfs, &path.join(CATALOG))?);
    let contents = catalog.load()?;
    Ok((lock, catalog, contents))
}

/// Refuses directories whose locks and syncs another machine makes good, or does not. Cold files may lie there: they are written
/// whole, read back before anything else is removed, and checked whenever they are read. Blocking.
fn refuse_network(world: &World, path: &Path, settings: &Settings) -> Result<()> {
    if settings.storage.allow_network_file_system {
        return Ok(());
    }
    let log = settings.hot_tier.wal_enabled.then(|| log_directory(path, settings));
    let places = [("storage.base_path", Some(path.to_owned())), ("storage.wal_path", log)];
    for (key, directory) in places {
        let Some(directory) = directory else { continue };
        // Where nobody can say, what follows will say why.
        let Ok(Some(name)) = world.vfs.network_file_system(&directory) else { continue };
        return Err(Error::new(
            ErrorKind::ConfigInvalid,
            "the directory is on a network file system, which may lose what was acknowledged and let in a second process; \
             use a local disk, or accept that with storage.allow_network_file_system",
        )
        .with("key", key)
        .with("path", directory.display())
        .with("file_system", name)
        .during("open"));
    }
    Ok(())
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

/// Refuses tiers that cannot do what their roles need, all of them in one error.
fn check_needs(warm: &Warm, cold: &GuardedTier) -> Result<()> {
    let warm = warm.serving().tier.unmet_needs("warm", Durability::Volatile);
    let unmet = [warm, cold.unmet_needs("cold", Durability::Power)].concat();
    if unmet.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::ConfigInvalid, "tiers cannot do what their roles need")
        .with("unmet", unmet.join("; ")))
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

async fn open_log(workshop: &Workshop, open: WalOpen) -> Result<Arc<dyn WalSink>> {
    let Workshop { path, settings, .. } = workshop;
    if !settings.hot_tier.wal_enabled {
        return Ok(Arc::new(NoLog::new(open.next)));
    }
    workshop.log(log_directory(path, settings), open).await
}

/// Where the log is.
pub(crate) fn log_directory(path: &Path, settings: &Settings) -> PathBuf {
    settings.storage.wal_path.as_ref().map_or_else(|| path.join("wal"), |given| path.join(given))
}

/// Closes what is open, in an order in which a crash at any point loses nothing.
pub(crate) async fn close(core: &Arc<Core>) -> Result<()> {
    // A move that is cut short would only be undone at the next start.
    let _quiet = core.mover.quiesce().await;
    // A table that is being made or altered is so in the catalog, or not at all.
    let _records = core.records.lock().await;
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
    let closings = [core.warm.close().await, core.cold.close().await];
    let tiers: Result<()> = closings.into_iter().collect();
    let catalog = Arc::clone(&core.catalog);
    let closed = core.blocking(move || catalog.close()).await;
    core.release_lock();
    logged.and(recorded).and(tiers).and(closed)
}
