//! Databases on network file systems: refused unless that is asked for.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{PATH, Row, batch, everything, open_with, sorted_ids};
use tsds_engine::traits::ErrorKind;
use tsds_io::SimWorld;

fn row() -> Row {
    Row { time: 1, host: "a".into(), value: None, id: 1 }
}

#[test]
fn a_directory_on_a_network_file_system_is_refused_by_name_and_nothing_is_made_there() {
    let machine = SimWorld::new(1);
    machine.faults().set_network_directory(Some(PATH.into()));
    machine.block_on(async {
        let error = open_with(&machine, support::small()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        for part in
            ["path=/db", "file_system=nfs", "key=storage.base_path", "storage.allow_network_file_system"]
        {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    });
    assert!(machine.world().vfs.read_dir(PATH.as_ref()).is_err(), "the directory was made");
}

#[test]
fn who_accepts_that_gets_a_database() {
    let machine = SimWorld::new(2);
    machine.faults().set_network_directory(Some(PATH.into()));
    let mut settings = support::small();
    settings.storage.allow_network_file_system = true;
    machine.block_on(async {
        let database = open_with(&machine, settings).await.unwrap();
        let table = database.create_table(support::spec()).await.unwrap();
        table.ingest(batch(&[row()])).await.unwrap();
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), [1]);
        database.close().await.unwrap();
    });
}

#[test]
fn the_log_needs_a_local_disk_too_and_cold_files_do_not() {
    let machine = SimWorld::new(3);
    machine.faults().set_network_directory(Some("/far".into()));
    machine.block_on(async {
        let mut settings = support::small();
        settings.storage.wal_path = Some("/far/wal".into());
        let error = open_with(&machine, settings).await.unwrap_err();
        assert!(error.to_string().contains("key=storage.wal_path"), "{error}");
        let mut settings = support::small();
        settings.storage.cold_path = Some("/far/cold".into());
        let database = open_with(&machine, settings).await.unwrap();
        let table = database.create_table(support::spec()).await.unwrap();
        let rows: Vec<Row> = (0..200).map(|id| Row { time: id * 400_000, id, ..row() }).collect();
        table.ingest(batch(&rows)).await.unwrap();
        database.flush().await.unwrap();
        database.settle().await.unwrap();
        assert_eq!(everything(&database).await.unwrap().len(), 200);
        database.close().await.unwrap();
    });
}
