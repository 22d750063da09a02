//! A store belongs to one database: segment numbers begin anew in every one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::*;
use tsds_cold_parquet::{ParquetTier, VfsObjectStore};
use tsds_io::{SimWorld, Survival};
use tsds_traits::{
    BuildContext, CodecSet, DatabaseId, Error, ErrorKind, SegmentId, StoredSegment, Tier, World,
};

const OTHER: DatabaseId = DatabaseId([9; 16]);

fn context_of(database: DatabaseId, world: &World) -> BuildContext {
    BuildContext::new(world.clone(), database, COLD.into(), Arc::new(CodecSet::default()))
}

fn tier_of(database: DatabaseId, world: &World) -> Arc<ParquetTier> {
    let store = Arc::new(VfsObjectStore::new(world.clone(), COLD));
    ParquetTier::new(store, settings(), context_of(database, world)).unwrap()
}

async fn open_as(database: DatabaseId, world: &World) -> Result<Arc<ParquetTier>, Error> {
    let store = Arc::new(VfsObjectStore::new(world.clone(), COLD));
    ParquetTier::open(store, settings(), context_of(database, world)).await
}

fn is_conflict(error: &Error) {
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{text}");
    assert!(text.contains(&DATABASE.to_string()) && text.contains(&OTHER.to_string()), "{text}");
    assert!(text.contains("cold_path"), "{text}");
}

/// A machine whose store holds segment 1 of [`DATABASE`], and the bytes of its file.
fn taken() -> (SimWorld, World, Vec<u8>) {
    let (machine, world) = sim(1);
    machine.block_on(async { put(&tier(&world), &MemorySource::sample(1, 500)).await.unwrap() });
    let bytes = file_bytes(&machine);
    (machine, world, bytes)
}

fn file_bytes(machine: &SimWorld) -> Vec<u8> {
    let files = segment_files(machine);
    assert_eq!(files.len(), 1, "{files:?}");
    machine.read_file(format!("{COLD}/{}", files[0])).unwrap()
}

#[test]
fn the_first_put_says_whose_the_store_is_and_that_survives_a_power_cut() {
    let (machine, world) = sim(2);
    machine.block_on(async {
        let tier = open_as(DATABASE, &world).await.unwrap();
        assert!(machine.list_files(COLD).unwrap_or_default().is_empty(), "opening writes nothing");
        put(&tier, &MemorySource::sample(1, 100)).await.unwrap();
    });
    let machine = machine.crash_with(Survival::Nothing);
    assert!(machine.list_files(COLD).unwrap().contains(&ROOT_OBJECT.to_owned()));
    let world = machine.world();
    machine.block_on(async {
        assert_eq!(open_as(DATABASE, &world).await.unwrap().list().await.unwrap().len(), 1);
        is_conflict(&open_as(OTHER, &world).await.unwrap_err());
    });
}

#[test]
fn a_store_of_another_database_is_neither_written_nor_removed_from() {
    let (machine, world, before) = taken();
    let other = tier_of(OTHER, &world);
    machine.block_on(async {
        is_conflict(&put(&other, &MemorySource::sample(1, 700)).await.unwrap_err());
        is_conflict(&put(&other, &MemorySource::sample(2, 700)).await.unwrap_err());
        is_conflict(&other.list().await.unwrap_err());
        // What an interrupted move leaves to be undone: a number and nothing else.
        let intent = StoredSegment { id: SegmentId::new(1), record: bytes::Bytes::new() };
        is_conflict(&other.remove(&[intent]).await.unwrap_err());
    });
    assert_eq!(file_bytes(&machine), before);
}

#[test]
fn two_databases_that_opened_an_empty_store_do_not_both_write_to_it() {
    let (machine, world) = sim(3);
    machine.block_on(async {
        let (own, other) = (open_as(DATABASE, &world).await.unwrap(), open_as(OTHER, &world).await.unwrap());
        put(&own, &MemorySource::sample(1, 300)).await.unwrap();
        is_conflict(&put(&other, &MemorySource::sample(2, 300)).await.unwrap_err());
        assert_eq!(own.list().await.unwrap().len(), 1);
    });
}

#[test]
fn a_file_of_another_database_in_an_own_store_is_left_alone() {
    let (machine, world, before) = taken();
    let path = format!("{COLD}/{}", segment_files(&machine)[0]);
    // The store becomes another's, with a file that was copied here.
    machine.remove_file(format!("{COLD}/{ROOT_OBJECT}")).unwrap();
    machine.remove_file(&path).unwrap();
    let other = tier_of(OTHER, &world);
    machine.block_on(async { put(&other, &MemorySource::sample(2, 300)).await.unwrap() });
    machine.write_file(&path, &before).unwrap();
    machine.block_on(async {
        is_conflict(&put(&other, &MemorySource::sample(1, 500)).await.unwrap_err());
        let intent = StoredSegment { id: SegmentId::new(1), record: bytes::Bytes::new() };
        other.remove(&[intent]).await.unwrap();
        let reopened = open_as(OTHER, &world).await.unwrap();
        assert_eq!(reopened.usage().segments, 1, "what is not the database's does not count");
    });
    assert_eq!(machine.read_file(&path).unwrap(), before);
}

#[test]
fn without_the_root_object_the_files_say_whose_the_store_is() {
    let (machine, world, _) = taken();
    machine.remove_file(format!("{COLD}/{ROOT_OBJECT}")).unwrap();
    machine.block_on(async {
        let error = open_as(OTHER, &world).await.unwrap_err();
        is_conflict(&error);
        assert!(error.to_string().contains(".parquet"), "{error}");
        let tier = open_as(DATABASE, &world).await.unwrap();
        put(&tier, &MemorySource::sample(1, 500)).await.unwrap();
    });
    assert!(machine.list_files(COLD).unwrap().contains(&ROOT_OBJECT.to_owned()), "a repeated put heals it");
}

#[test]
fn a_damaged_root_object_is_corrupt_and_says_what_to_do() {
    let (machine, world, _) = taken();
    machine.corrupt(format!("{COLD}/{ROOT_OBJECT}"), 30, 1).unwrap();
    let error = machine.block_on(async { open_as(DATABASE, &world).await.unwrap_err() });
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(ROOT_OBJECT) && error.to_string().contains("copy"), "{error}");
}
