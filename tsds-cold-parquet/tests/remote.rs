//! Files on a server that fails, lags and forgets: nothing is lost, doubled or left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::test_store::TestStore;
use common::*;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tsds_cold_parquet::{ParquetSettings, ParquetTier, RemoteStore, plugin};
use tsds_io::SimWorld;
use tsds_traits::{
    Durability, Error, ErrorKind, Factory, Registry, Result, Retry, SegmentId, SegmentSource, StoredSegment,
    Tier, World,
};

/// More tries than any seed needs.
const TRIES: usize = 500;

fn server() -> TestStore<InMemory> {
    TestStore::new(InMemory::new())
}

fn remote(server: &TestStore<InMemory>, world: &World) -> RemoteStore {
    RemoteStore::new(server.clone(), "test://bucket", world.clone())
}

async fn open(server: &TestStore<InMemory>, world: &World) -> Result<Arc<ParquetTier>> {
    ParquetTier::open(Arc::new(remote(server, world)), settings(), context(world)).await
}

/// Repeats what may succeed later.
async fn until_done<T>(mut call: impl AsyncFnMut() -> Result<T>) -> T {
    for _ in 0..TRIES {
        match call().await {
            Ok(done) => return done,
            Err(error) => assert_eq!(error.retry(), Retry::Later, "{error:?}"),
        }
    }
    panic!("not done after {TRIES} tries");
}

async fn names(store: &dyn ObjectStore) -> Vec<String> {
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    let mut names: Vec<_> = objects.into_iter().map(|object| object.location.to_string()).collect();
    names.sort();
    names
}

fn stored(id: u64, record: &tsds_traits::Stored) -> StoredSegment {
    StoredSegment { id: SegmentId::new(id), record: record.record.clone() }
}

#[test]
fn with_one_request_in_ten_failing_every_segment_is_stored_and_removed_once() {
    for seed in 0..60 {
        let (machine, world) = sim(seed);
        let server = server();
        server.state.fail(seed, 10);
        machine.block_on(async {
            let tier = until_done(async || open(&server, &world).await).await;
            let sources: Vec<_> = (1..=5).map(|id| MemorySource::sample(id, 400 * id as usize)).collect();
            let mut records = Vec::new();
            for source in &sources {
                records.push(until_done(async || put(&tier, source).await).await);
            }
            for (source, record) in sources.iter().zip(&records) {
                let request = || everything(&source.schema, vec![handle(source, record)]);
                let found = until_done(async || scan(&tier, request()).await).await;
                let found: Vec<_> = found.into_iter().map(|batch| batch.rows).collect();
                assert_eq!(rows_of(&found), rows_of(&source.batches), "seed {seed}");
            }
            let removed = [stored(2, &records[1]), stored(4, &records[3])];
            until_done(async || tier.remove(&removed).await).await;
            let mut listed = until_done(async || tier.list().await).await;
            listed.sort_by_key(|segment| segment.id);
            let listed: Vec<_> = listed.into_iter().map(|segment| segment.id.id).collect();
            assert_eq!(listed, [1, 3, 5], "seed {seed}");
            assert_eq!(tier.usage().segments, 3);
            server.state.heal();
            assert_eq!(names(&server).await.len(), 1 + 3, "seed {seed}: the owner and three files");
        });
    }
}

#[test]
fn an_upload_in_parts_that_fails_anywhere_is_published_whole_or_not_at_all() {
    let (mut published, mut absent) = (0, 0);
    for seed in 0..300 {
        let (machine, world) = sim(seed);
        let server = server();
        let location = Path::from("7/a.parquet");
        let whole: Vec<u8> = (0..50u8).flat_map(|part| [part; 100]).collect();
        machine.block_on(async {
            let store = remote(&server, &world);
            server.state.fail(seed, 30);
            let done: object_store::Result<()> = async {
                let mut upload = store.put_multipart(&location).await?;
                for part in whole.chunks(100) {
                    if let Err(error) = upload.put_part(PutPayload::from(part.to_vec())).await {
                        let _ = upload.abort().await;
                        return Err(error);
                    }
                }
                let completed = upload.complete().await.map(|_| ());
                if completed.is_err() {
                    let _ = upload.abort().await;
                }
                completed
            }
            .await;
            server.state.heal();
            match server.get(&location).await {
                Ok(found) => {
                    assert_eq!(found.bytes().await.unwrap(), whole, "seed {seed}");
                    published += 1;
                }
                Err(object_store::Error::NotFound { .. }) => {
                    assert!(done.is_err(), "seed {seed}: acknowledged and not there");
                    absent += 1;
                }
                Err(error) => panic!("{error}"),
            }
            // What was dropped is aborted meanwhile.
            world.clock.sleep(Duration::from_secs(1)).await;
            store.sweep_staging(Duration::ZERO).await.unwrap();
            assert_eq!(server.state.open_uploads(), 0, "seed {seed}");
            let expected =
                if server.head(&location).await.is_ok() { vec![location.to_string()] } else { vec![] };
            assert_eq!(names(&server).await, expected, "seed {seed}");
        });
    }
    assert!(published > 30 && absent > 30, "{published} published, {absent} not: the faults prove nothing");
}

#[test]
fn a_dropped_upload_is_aborted() {
    let (machine, world) = sim(1);
    let server = server();
    machine.block_on(async {
        let store = remote(&server, &world);
        let mut upload = store.put_multipart(&Path::from("7/a.parquet")).await.unwrap();
        upload.put_part(PutPayload::from("abc")).await.unwrap();
        assert_eq!(server.state.open_uploads(), 1);
        drop(upload);
        world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(server.state.open_uploads(), 0);
        assert!(names(&server).await.is_empty());
    });
}

/// Leaves an upload as a process does that dies.
async fn die_while_uploading(store: &RemoteStore) {
    let mut upload = store.put_multipart(&Path::from("7/a.parquet")).await.unwrap();
    upload.put_part(PutPayload::from("abc")).await.unwrap();
    std::mem::forget(upload);
}

#[test]
fn what_a_dead_process_left_is_swept_when_it_is_old_enough() {
    let (machine, world) = sim(1);
    let server = server();
    machine.block_on(async {
        let store = remote(&server, &world);
        die_while_uploading(&store).await;
        let grace = Duration::from_secs(3_600);
        assert_eq!(store.sweep_staging(grace).await.unwrap(), 0);
        assert_eq!(server.state.open_uploads(), 1, "it may be somebody's who is alive");
        world.clock.sleep(grace).await;
        assert_eq!(store.sweep_staging(grace).await.unwrap(), 1);
        assert_eq!(server.state.open_uploads(), 0);
        assert!(names(&server).await.is_empty());
    });
}

#[test]
fn a_note_of_an_upload_that_was_completed_does_no_harm() {
    let (machine, world) = sim(1);
    let server = server();
    machine.block_on(async {
        let store = remote(&server, &world);
        let mut upload = store.put_multipart(&Path::from("7/a.parquet")).await.unwrap();
        upload.put_part(PutPayload::from("abc")).await.unwrap();
        let note = names(&server).await.pop().unwrap();
        let copy = server.get(&Path::from(note.as_str())).await.unwrap().bytes().await.unwrap();
        upload.complete().await.unwrap();
        // As if removing it had failed.
        server.put(&Path::from(note), copy.into()).await.unwrap();
        assert_eq!(store.sweep_staging(Duration::ZERO).await.unwrap(), 1);
        assert_eq!(names(&server).await, ["7/a.parquet"]);
    });
}

#[test]
fn staged_objects_that_are_no_notes_go_and_others_stay() {
    let (machine, world) = sim(1);
    let server = server();
    machine.block_on(async {
        let store = remote(&server, &world);
        world.clock.sleep(Duration::from_secs(1)).await;
        for name in ["_staging/0000000000000000-0000000000000001", "_staging/keep", "7/year=2013/b.parquet"] {
            server.put(&Path::from(name), "no note".into()).await.unwrap();
        }
        assert_eq!(store.sweep_staging(Duration::ZERO).await.unwrap(), 1);
        assert_eq!(names(&server).await, ["7/year=2013/b.parquet", "_staging/keep"]);
    });
}

#[test]
fn a_listing_that_lags_loses_and_doubles_nothing() {
    let (machine, world) = sim(1);
    let server = server();
    server.state.lag();
    machine.block_on(async {
        let tier = open(&server, &world).await.unwrap();
        let sources: Vec<_> = (1..=3).map(|id| MemorySource::sample(id, 300)).collect();
        let mut records = Vec::new();
        for source in &sources {
            records.push(put(&tier, source).await.unwrap());
        }
        // The listing knows of none of them; opened again, and by their records, they are all there.
        let tier = open(&server, &world).await.unwrap();
        for (source, record) in sources.iter().zip(&records) {
            assert_eq!(put(&tier, source).await.unwrap(), *record, "stored already");
            let found = scan(&tier, everything(&source.schema, vec![handle(source, record)])).await.unwrap();
            assert_eq!(found.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 300);
        }
        tier.remove(&[stored(2, &records[1])]).await.unwrap();
        // The listing still has what is gone: removing it once more is harmless.
        let listed = tier.list().await.unwrap();
        tier.remove(&listed.into_iter().filter(|segment| segment.id.id == 2).collect::<Vec<_>>())
            .await
            .unwrap();
        server.state.catch_up();
        let listed: Vec<_> = tier.list().await.unwrap().into_iter().map(|segment| segment.id.id).collect();
        assert_eq!(listed, [1, 3]);
        assert_eq!(names(&server).await.len(), 1 + 2);
    });
}

#[test]
fn a_small_file_is_one_request_and_a_large_one_goes_up_in_parts() {
    let (machine, world) = sim(1);
    let server = server();
    machine.block_on(async {
        let settings =
            ParquetSettings { part_mb: 5, compression: "none".into(), ..ParquetSettings::default() };
        let store = Arc::new(remote(&server, &world));
        let tier = ParquetTier::open(store, settings, context(&world)).await.unwrap();
        put(&tier, &MemorySource::sample(1, 300)).await.unwrap();
        let of = |requests: &[String], name: &str| requests.iter().filter(|r| r.starts_with(name)).count();
        let requests = server.state.take_requests();
        assert_eq!((of(&requests, "put "), of(&requests, "create_multipart")), (2, 0), "{requests:?}");
        let large = noisy(2, 1_500_000);
        let record = put(&tier, &large).await.unwrap();
        let requests = server.state.take_requests();
        assert_eq!(of(&requests, "put_part") as u64, record.bytes.div_ceil(5 << 20), "{requests:?}");
        assert!(of(&requests, "put_part") >= 2);
        assert_eq!((of(&requests, "complete_multipart"), of(&requests, "abort")), (1, 0));
        assert_eq!(server.state.open_uploads(), 0);
        assert_eq!(names(&server).await.len(), 1 + 2);
        let found = scan(&tier, everything(&large.schema, vec![handle(&large, &record)])).await.unwrap();
        assert_eq!(found.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 1_500_000);
    });
}

#[test]
fn every_request_is_a_task_so_that_anybody_may_wait_for_it() {
    // Nothing but the machine's own tasks makes progress while nobody polls the main future.
    let (machine, world): (SimWorld, World) = sim(1);
    let server = server();
    let store = remote(&server, &world);
    let found = machine.block_on(async {
        store.put(&Path::from("a"), "abc".into()).await.unwrap();
        let found = store.get(&Path::from("a")).await.unwrap();
        found.bytes().await.unwrap()
    });
    assert_eq!(found, "abc");
    assert_eq!(server.state.take_requests().len(), 2);
}

fn build(settings: serde_json::Value) -> Result<Arc<dyn Tier>> {
    let (machine, world) = sim(1);
    let mut registry = Registry::new();
    registry.register(plugin()).unwrap();
    machine.block_on(async move { registry.tier("tsds.cold.parquet", settings, context(&world)).await })
}

#[test]
fn a_store_in_memory_does_not_claim_to_survive_anything() {
    let tier = build(serde_json::json!({"url": "memory:///"})).unwrap();
    assert_eq!(tier.capabilities().durability, Durability::Volatile);
}

#[test]
fn a_file_url_is_a_directory() {
    let (machine, world) = sim(1);
    let Factory::Tier(build) = plugin().factory else { panic!("not a tier") };
    let settings = serde_json::json!({"url": "file:///elsewhere/cold"});
    machine.block_on(async {
        let tier = build(settings, context(&world)).await.unwrap();
        let source: Arc<dyn SegmentSource> = MemorySource::sample(1, 100);
        tier.put(source).await.unwrap();
    });
    assert_eq!(machine.list_files("/elsewhere/cold").unwrap().len(), 2);
}

#[test]
fn a_plain_web_server_is_refused_and_says_what_to_use() {
    let error: Error = build(serde_json::json!({"url": "https://example.org/cold"})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("s3://bucket/prefix"), "{error}");
}
