//! Plugins that block their thread: real threads, a short deadline, and a thread that comes back after a while.

use std::path::Path;
use std::time::Duration;

use tsds_engine::config::Settings;
use tsds_engine::traits::{ErrorKind, Registry, World};
use tsds_engine::{Database, PluginStats};
use tsds_io::Runtime;

use super::saboteurs::{
    BLOCKED, CODEC, COLD, CodecFault, EVICTOR, EvictorFault, FATAL_ROWS, TierFault, WAL, WARM, WalFault,
};
use super::{assert_names, assert_whole, evictor, found, plugin, rows, settings, write};
use crate::support::{self, TABLE, batch};

const ROWS: i64 = 240;

fn impatient(mut settings: Settings) -> Settings {
    settings.performance.plugin_deadline_seconds = 0.5;
    settings
}

async fn open(world: &World, path: &Path, registry: Registry, settings: Settings) -> Database {
    let builder = Database::builder(path).world(world.clone()).registry(registry);
    builder.settings(impatient(settings)).open().await.unwrap()
}

async fn filled(world: &World, path: &Path, registry: Registry, settings: Settings) -> Database {
    let database = open(world, path, registry, settings).await;
    database.create_table(support::spec()).await.unwrap();
    write(&database, 0..ROWS).await;
    database.flush().await.unwrap();
    database
}

/// The thread is counted, and counted no more once it has come back; the plugin stays off.
async fn comes_back(world: &World, database: &Database, id: &str, abandoned: &PluginStats) {
    assert!(abandoned.timeouts >= 1 && abandoned.abandoned_threads >= 1, "{abandoned:?}");
    assert!(abandoned.disabled.is_some(), "{abandoned:?}");
    for _ in 0..100 {
        world.clock.sleep(Duration::from_millis(100)).await;
        if plugin(database, id).await.abandoned_threads == 0 {
            assert!(plugin(database, id).await.disabled.is_some());
            return;
        }
    }
    panic!("the thread came back after {BLOCKED:?} and is still counted");
}

fn in_real_time(test: impl AsyncFnOnce(World, &Path)) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(Some(2)).unwrap();
    runtime.block_on(test(runtime.world(), directory.path()));
}

#[test]
fn a_warm_tier_that_blocks_is_abandoned_and_its_segments_are_read_from_files() {
    in_real_time(async |world, path| {
        let mut settings = settings();
        settings.warm_tier.backend = WARM.into();
        let database = filled(&world, path, TierFault::ScanBlocks.warm(), settings).await;
        assert_whole(&database, 0..ROWS).await;
        let stats = plugin(&database, WARM).await;
        comes_back(&world, &database, WARM, &stats).await;
        assert_whole(&database, 0..ROWS).await;
        database.close().await.unwrap();
    });
}

#[test]
fn a_cold_tier_that_blocks_fails_the_query_and_is_not_asked_again() {
    in_real_time(async |world, path| {
        let mut settings = settings();
        settings.cold_tier.backend = COLD.into();
        settings.warm_tier.evictor = "test.evict.tight".into();
        let database = filled(&world, path, TierFault::ScanBlocks.cold(), settings.clone()).await;
        database.settle().await.unwrap();
        assert!(database.tier_counts().cold > 0);
        assert_names(&found(&database).await.unwrap_err(), COLD, "scan");
        let stats = plugin(&database, COLD).await;
        let error = found(&database).await.unwrap_err();
        assert_names(&error, COLD, "scan");
        assert!(error.to_string().contains("plugin is disabled"), "{error}");
        comes_back(&world, &database, COLD, &stats).await;
        database.close().await.unwrap();
        drop(database);
        let database = open(&world, path, TierFault::None.cold(), settings).await;
        assert_whole(&database, 0..ROWS).await;
        database.close().await.unwrap();
    });
}

#[test]
fn a_cold_tier_that_blocks_in_a_put_leaves_the_rows_where_they_are() {
    in_real_time(async |world, path| {
        let mut settings = settings();
        settings.cold_tier.backend = COLD.into();
        settings.warm_tier.evictor = "test.evict.tight".into();
        let database = filled(&world, path, TierFault::PutBlocks.cold(), settings.clone()).await;
        assert_names(&database.settle().await.unwrap_err(), COLD, "put");
        assert_eq!(database.tier_counts().cold, 0);
        assert_whole(&database, 0..ROWS).await;
        let stats = plugin(&database, COLD).await;
        comes_back(&world, &database, COLD, &stats).await;
        database.close().await.unwrap();
        drop(database);
        let database = open(&world, path, TierFault::None.cold(), settings).await;
        database.settle().await.unwrap();
        assert!(database.tier_counts().cold > 0);
        assert_whole(&database, 0..ROWS).await;
        database.close().await.unwrap();
    });
}

#[test]
fn a_log_that_blocks_in_a_sync_stops_writes() {
    in_real_time(async |world, path| {
        let mut settings = settings();
        settings.wal.backend = WAL.into();
        let database = filled(&world, path, WalFault::SyncBlocks.registry(), settings.clone()).await;
        let table = database.table(TABLE).unwrap();
        let error = table.ingest(batch(&rows(ROWS..ROWS + i64::from(FATAL_ROWS)))).await.unwrap_err();
        assert_names(&error, WAL, "sync");
        assert_eq!(error.kind(), ErrorKind::NotDurable);
        assert_eq!(table.ingest(batch(&rows(900..901))).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_whole(&database, 0..ROWS).await;
        let stats = plugin(&database, WAL).await;
        comes_back(&world, &database, WAL, &stats).await;
        assert_names(&database.close().await.unwrap_err(), WAL, "close");
        drop(database);
        let database = open(&world, path, WalFault::None.registry(), settings).await;
        let found = found(&database).await.unwrap();
        assert!(found.len() == ROWS as usize || found.len() == (ROWS + i64::from(FATAL_ROWS)) as usize);
        database.close().await.unwrap();
    });
}

#[test]
fn an_evictor_that_blocks_is_abandoned_and_the_least_recently_used_segments_leave() {
    in_real_time(async |world, path| {
        let database = open(&world, path, EvictorFault::Blocks.registry(), evictor::with_evictor()).await;
        evictor::overfill(&database).await;
        let stats = plugin(&database, EVICTOR).await;
        comes_back(&world, &database, EVICTOR, &stats).await;
        database.close().await.unwrap();
    });
}

#[test]
fn a_codec_that_blocks_while_encoding_is_abandoned_and_rows_are_written_plain() {
    in_real_time(async |world, path| {
        let mut settings = settings();
        settings.warm_tier.file_codec = CODEC.into();
        let database = filled(&world, path, CodecFault::EncodeBlocks.registry(), settings).await;
        let stats = plugin(&database, CODEC).await;
        assert_eq!(database.tier_counts().warm, ROWS as u64);
        assert_whole(&database, 0..ROWS).await;
        comes_back(&world, &database, CODEC, &stats).await;
        assert_whole(&database, 0..ROWS).await;
        database.close().await.unwrap();
        drop(database);
        let database = open(&world, path, support::registry(), super::settings()).await;
        assert_whole(&database, 0..ROWS).await;
        database.close().await.unwrap();
    });
}

#[test]
fn many_queries_that_hang_at_once_leave_threads_for_everybody_else() {
    in_real_time(async |world, path| {
        let mut settings = settings();
        settings.warm_tier.file_codec = CODEC.into();
        let database = filled(&world, path, CodecFault::None.registry(), settings.clone()).await;
        database.close().await.unwrap();
        drop(database);
        let database = open(&world, path, CodecFault::DecodeBlocks.registry(), settings).await;
        let begin = world.clock.monotonic();
        let queries = (0..64).map(|_| found(&database));
        for outcome in futures::future::join_all(queries).await {
            assert_eq!(outcome.unwrap_err().plugin(), Some(CODEC));
        }
        assert!(plugin(&database, CODEC).await.abandoned_threads > 0, "every thread has come back already");
        write(&database, ROWS..ROWS + 20).await;
        assert!(world.clock.monotonic() - begin < BLOCKED, "writers waited for the threads");
        database.close().await.unwrap();
    });
}

#[test]
fn a_codec_that_blocks_while_decoding_fails_the_query_by_name() {
    in_real_time(async |world, path| {
        let mut settings = settings();
        settings.warm_tier.file_codec = CODEC.into();
        let database = filled(&world, path, CodecFault::None.registry(), settings.clone()).await;
        database.close().await.unwrap();
        drop(database);
        let database = open(&world, path, CodecFault::DecodeBlocks.registry(), settings.clone()).await;
        let before = world.clock.monotonic();
        let error = found(&database).await.unwrap_err();
        assert!(world.clock.monotonic() - before < BLOCKED, "the query waited for the thread");
        assert_eq!(error.plugin(), Some(CODEC), "{error}");
        world.clock.sleep(Duration::from_millis(700)).await;
        let stats = plugin(&database, CODEC).await;
        comes_back(&world, &database, CODEC, &stats).await;
        database.close().await.unwrap();
        drop(database);
        let database = open(&world, path, CodecFault::None.registry(), settings).await;
        assert_whole(&database, 0..ROWS).await;
        database.close().await.unwrap();
    });
}
