//! Parts of a database that do not belong together: an older catalog, a log that is lost, files that are missing. Opening
//! refuses what would lose rows, and removes nothing before it knows that catalog, files and log agree.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use redb::{ReadableTable, StorageBackend, TableDefinition};
use support::{PATH, Row, TABLE, batch, everything, small, sorted_ids};
use tsds_engine::config::Settings;
use tsds_engine::traits::ErrorKind;
use tsds_engine::{Database, TableSpec};
use tsds_io::SimWorld;

const CATALOG: &str = "/db/catalog.redb";
const OTHER: &str = "other";

type RawTable = TableDefinition<'static, &'static [u8], &'static [u8]>;

fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    ids.map(|id| Row { time: id * 1_000, host: "a".into(), value: Some(1.0), id }).collect()
}

async fn fresh(machine: &SimWorld) -> Database {
    let database = support::open(machine).await.unwrap();
    database.create_table(support::spec()).await.unwrap();
    database
}

async fn ingest(database: &Database, ids: std::ops::Range<i64>) {
    database.table(TABLE).unwrap().ingest(batch(&rows(ids))).await.unwrap();
}

/// Nothing moves by itself into cold files.
fn still() -> Settings {
    let mut settings = small();
    settings.warm_tier.evictor = Settings::default().warm_tier.evictor;
    settings
}

/// Every file but the lock and the catalog, with its contents.
fn files(machine: &SimWorld) -> BTreeMap<String, Vec<u8>> {
    let names = machine.list_files(PATH).unwrap().into_iter();
    names
        .filter(|name| name != "LOCK" && name != "catalog.redb")
        .map(|name| {
            let contents = machine.read_file(format!("{PATH}/{name}")).unwrap();
            (name, contents)
        })
        .collect()
}

fn segment_files(machine: &SimWorld) -> Vec<String> {
    let files = machine.list_files(PATH).unwrap().into_iter();
    files.filter(|name| name.starts_with("segments/")).collect()
}

/// A catalog in memory, to be changed in ways in which only damage changes one.
#[derive(Clone, Debug)]
struct InMemory(Arc<Mutex<Vec<u8>>>);

impl StorageBackend for InMemory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        out.copy_from_slice(&self.0.lock().unwrap()[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = offset as usize;
        self.0.lock().unwrap()[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Changes a table of a closed database's catalog.
fn change_catalog(
    machine: &SimWorld,
    table: &'static str,
    change: impl Fn(&mut redb::Table<'_, &'static [u8], &'static [u8]>),
) {
    let bytes = InMemory(Arc::new(Mutex::new(machine.read_file(CATALOG).unwrap())));
    let catalog = redb::Database::builder().create_with_backend(bytes.clone()).unwrap();
    let write = catalog.begin_write().unwrap();
    change(&mut write.open_table(RawTable::new(table)).unwrap());
    write.commit().unwrap();
    catalog.close().unwrap();
    machine.write_file(CATALOG, &bytes.0.lock().unwrap()).unwrap();
}

/// Changes the record about a closed database as a whole.
fn change_database_record(machine: &SimWorld, change: impl Fn(&mut serde_json::Value)) {
    change_catalog(machine, "database", |table| {
        let value = table.get(b"database".as_slice()).unwrap().unwrap().value().to_vec();
        let mut record = serde_json::from_slice(&value[5..]).unwrap();
        change(&mut record);
        let body = record.to_string();
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        for part in [b"\x01".as_slice(), b"database\0", &8u32.to_le_bytes(), b"database", body.as_bytes()] {
            digest.update(part);
        }
        let crc = (digest.finalize() as u32).to_le_bytes();
        let value = [b"\x01".as_slice(), &crc, body.as_bytes()].concat();
        table.insert(b"database".as_slice(), value.as_slice()).unwrap();
    });
}

#[test]
fn an_older_catalog_is_refused_and_not_a_byte_is_changed() {
    // Whether the log still has the rows that were sealed since, or forgot them.
    for later in [30, 30_000] {
        let machine = SimWorld::new(1);
        let (older, newer) = machine.block_on(async {
            let database = support::open_with(&machine, still()).await.unwrap();
            database.create_table(support::spec()).await.unwrap();
            ingest(&database, 0..30).await;
            database.flush().await.unwrap();
            let older = machine.read_file(CATALOG).unwrap();
            for first in (30..30 + later).step_by(3_000) {
                ingest(&database, first..(first + 3_000).min(30 + later)).await;
                database.flush().await.unwrap();
            }
            database.close().await.unwrap();
            (older, machine.read_file(CATALOG).unwrap())
        });
        let before = files(&machine);
        machine.write_file(CATALOG, &older).unwrap();
        for _ in 0..2 {
            let error = machine.block_on(support::open_with(&machine, still())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("put the newest catalog.redb back"), "{error}");
            assert!(error.to_string().contains("first=/db/segments/"), "{error}");
            assert!(files(&machine) == before, "a refused opening changed files");
        }
        machine.write_file(CATALOG, &newer).unwrap();
        machine.block_on(async {
            let database = support::open_with(&machine, still()).await.unwrap();
            assert_eq!(
                sorted_ids(&everything(&database).await.unwrap()),
                (0..30 + later).collect::<Vec<_>>()
            );
        });
    }
}

#[test]
fn a_catalog_of_an_earlier_session_is_refused_too() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        ingest(&database, 0..30).await;
        database.close().await.unwrap();
        let older = machine.read_file(CATALOG).unwrap();
        let database = support::open(&machine).await.unwrap();
        for first in (30..330).step_by(30) {
            ingest(&database, first..first + 30).await;
            database.settle().await.unwrap();
        }
        database.close().await.unwrap();
        let newer = machine.read_file(CATALOG).unwrap();
        let before = files(&machine);
        machine.write_file(CATALOG, &older).unwrap();
        assert!(support::open(&machine).await.is_err());
        assert!(files(&machine) == before);
        machine.write_file(CATALOG, &newer).unwrap();
        let database = support::open(&machine).await.unwrap();
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), (0..330).collect::<Vec<_>>());
    });
}

#[test]
fn a_seal_that_is_cut_short_anywhere_leaves_no_file_behind() {
    let operations = {
        let machine = SimWorld::new(1);
        machine.block_on(async {
            let database = support::open_with(&machine, still()).await.unwrap();
            database.create_table(support::spec()).await.unwrap();
            ingest(&database, 0..15).await;
            let before = machine.operations();
            database.flush().await.unwrap();
            machine.operations() - before
        })
    };
    let mut undone = 0;
    for cut in 1..=operations {
        let machine = SimWorld::new(1);
        let _ = machine.run_until_power_cut(async {
            let database = support::open_with(&machine, still()).await.unwrap();
            database.create_table(support::spec()).await.unwrap();
            ingest(&database, 0..15).await;
            machine.faults().crash_at_operation(machine.operations() + cut);
            let _ = database.flush().await;
        });
        let machine = machine.crash();
        machine.block_on(async {
            let database = support::open_with(&machine, still()).await.unwrap();
            undone += database.recovery().undone_writes;
            assert_eq!(sorted_ids(&everything(&database).await.unwrap()), (0..15).collect::<Vec<_>>());
            let segments = database.stats().await.unwrap().tiers.warm.segments;
            assert_eq!(segment_files(&machine).len() as u64, segments, "operation {cut}");
            database.close().await.unwrap();
        });
    }
    assert!(undone > 0, "no cut came between the beginning and the end of a seal");
}

#[test]
fn a_seal_that_fails_leaves_neither_files_nor_notes() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = support::open_with(&machine, still()).await.unwrap();
        database.create_table(support::spec()).await.unwrap();
        ingest(&database, 0..15).await;
        let fault = tsds_io::Fault::on(tsds_io::Operation::Rename, io::ErrorKind::Other);
        machine.faults().inject(fault.on_paths_with("/segments/"));
        assert!(database.flush().await.is_err());
        assert!(segment_files(&machine).is_empty(), "{:?}", segment_files(&machine));
        database.flush().await.unwrap();
        database.close().await.unwrap();
        let database = support::open_with(&machine, still()).await.unwrap();
        assert_eq!(database.recovery().undone_writes, 0);
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), (0..15).collect::<Vec<_>>());
    });
}

#[test]
fn a_missing_segment_file_is_reported_and_nothing_is_cleaned_up() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = support::open_with(&machine, still()).await.unwrap();
        database.create_table(support::spec()).await.unwrap();
        for first in [0, 10] {
            ingest(&database, first..first + 10).await;
            database.flush().await.unwrap();
        }
        database.close().await.unwrap();
    });
    let path = format!("{PATH}/{}", segment_files(&machine)[0]);
    let contents = machine.read_file(&path).unwrap();
    machine.remove_file(&path).unwrap();
    machine.write_file(format!("{path}.tmp"), b"what a crash left").unwrap();
    machine.block_on(async {
        let database = support::open_with(&machine, still()).await.unwrap();
        assert_eq!(database.recovery().missing_files, 1);
        let error = everything(&database).await.unwrap_err();
        assert!(error.to_string().contains("segment"), "{error}");
        database.close().await.unwrap();
        assert!(machine.read_file(format!("{path}.tmp")).is_ok());
        machine.write_file(&path, &contents).unwrap();
        let database = support::open_with(&machine, still()).await.unwrap();
        assert_eq!(database.recovery().missing_files, 0);
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), (0..20).collect::<Vec<_>>());
        assert!(machine.read_file(format!("{path}.tmp")).is_err());
    });
}

/// A database that was not closed: rows of one table are sealed, those of another only in the log.
fn with_rows_in_the_log() -> SimWorld {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let mut settings = still();
        settings.hot_tier.max_records = 900;
        let database = support::open_with(&machine, settings).await.unwrap();
        database.create_table(support::spec()).await.unwrap();
        let other = TableSpec::new(OTHER, support::schema(), "time").series(["host"]).chunk_interval("1h");
        let other = database.create_table(other).await.unwrap();
        other.ingest(batch(&rows(0..5))).await.unwrap();
        // Nothing notes that these rows are durable but the commit of the seal that follows.
        ingest(&database, 0..5).await;
        // Enough to be sealed, and without the others.
        other.ingest(batch(&rows(5..900))).await.unwrap();
        database.settle().await.unwrap();
        let counts = database.tier_counts();
        assert_eq!((counts.hot, counts.warm), (5, 900));
    });
    machine.crash()
}

#[test]
fn a_log_that_is_lost_is_missed() {
    let machine = with_rows_in_the_log();
    let logs = machine.list_files("/db/wal").unwrap();
    for name in &logs {
        machine.remove_file(format!("/db/wal/{name}")).unwrap();
    }
    let error = machine.block_on(support::open(&machine)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let text = error.to_string();
    assert!(text.contains("write-ahead log") && text.contains("missing"), "{text}");
    assert!(text.contains("evidence=catalog") && text.contains("directory=/db/wal"), "{text}");
}

#[test]
fn a_log_on_a_volume_that_is_not_mounted_is_missed() {
    let machine = with_rows_in_the_log();
    let mut settings = still();
    settings.storage.wal_path = Some("/mnt/log".into());
    let error = machine.block_on(support::open_with(&machine, settings)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("directory=/mnt/log"), "{error}");
    machine.block_on(async {
        let database = support::open_with(&machine, still()).await.unwrap();
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), (0..5).collect::<Vec<_>>());
    });
}

#[test]
fn what_was_replayed_is_known_to_be_durable_from_then_on() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = fresh(&machine).await;
        ingest(&database, 0..5).await;
    });
    let machine = machine.crash();
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        assert_eq!(database.recovery().replayed_rows, 5);
    });
    let machine = machine.crash();
    for name in machine.list_files("/db/wal").unwrap() {
        machine.remove_file(format!("/db/wal/{name}")).unwrap();
    }
    let error = machine.block_on(support::open(&machine)).unwrap_err();
    assert!(error.to_string().contains("evidence=catalog"), "{error}");
}

#[test]
fn a_catalog_that_lost_a_seal_and_its_segments_is_refused() {
    let sealed = || {
        let machine = SimWorld::new(1);
        machine.block_on(async {
            let database = support::open_with(&machine, still()).await.unwrap();
            database.create_table(support::spec()).await.unwrap();
            for first in [0, 10, 20] {
                ingest(&database, first..first + 10).await;
                database.flush().await.unwrap();
            }
            database.close().await.unwrap();
        });
        machine
    };
    for lost in 0..3 {
        let machine = sealed();
        let remove = |table: &mut redb::Table<'_, &'static [u8], &'static [u8]>| {
            let keys: Vec<_> = table.iter().unwrap().map(|entry| entry.unwrap().0.value().to_vec()).collect();
            assert_eq!(keys.len(), 3);
            table.remove(keys[lost].as_slice()).unwrap();
        };
        change_catalog(&machine, "seals", remove);
        change_catalog(&machine, "segments", remove);
        machine.remove_file(format!("{PATH}/{}", segment_files(&machine)[lost])).unwrap();
        let error = machine.block_on(support::open_with(&machine, still())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(format!("{error:?}").contains("seals of a table"), "{error:?}");
    }
    // The way in which the catalog is changed is not what is refused.
    let machine = sealed();
    change_catalog(&machine, "seals", |_| ());
    machine.block_on(support::open_with(&machine, still())).unwrap();
}

#[test]
fn files_say_which_table_they_are_of_whatever_becomes_of_the_catalog() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        // Also after a schema came from the catalog.
        fresh(&machine).await.close().await.unwrap();
        let database = support::open_with(&machine, still()).await.unwrap();
        ingest(&database, 0..10).await;
        database.flush().await.unwrap();
        let id = database.id();
        let found = tsds_segment::rebuild(&*machine.world().vfs, "/db/segments".as_ref(), id).unwrap();
        assert!(!found.segments.is_empty() && found.damaged.is_empty(), "{found:?}");
        assert!(found.segments.iter().all(|segment| segment.schema.name() == Some(TABLE)));
    });
}

#[test]
fn a_tier_that_is_not_set_up_is_named() {
    let machine = SimWorld::new(1);
    machine.block_on(async { fresh(&machine).await.close().await.unwrap() });
    change_database_record(&machine, |record| {
        record["plugins"]["archive"] = record["plugins"]["cold"].clone();
    });
    let error = machine.block_on(support::open(&machine)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
    assert!(error.to_string().contains("tier=archive"), "{error}");
}

#[test]
fn a_catalog_of_a_later_version_is_named_and_left_alone() {
    let machine = SimWorld::new(1);
    machine.block_on(async { fresh(&machine).await.close().await.unwrap() });
    change_database_record(&machine, |record| {
        *record = serde_json::json!({"format": 7, "what": "a later version keeps"});
    });
    change_catalog(&machine, "holds", |table| {
        table.insert(b"?".as_slice(), b"?".as_slice()).unwrap();
    });
    let before = files(&machine);
    let error = machine.block_on(support::open(&machine)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("format=7 supported=2"), "{error}");
    assert!(files(&machine) == before);
}
