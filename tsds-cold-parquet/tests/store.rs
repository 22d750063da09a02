//! The object store of local files: durable, atomic, invisible until whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Extensions, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use tsds_cold_parquet::{FromDisk, VfsObjectStore};
use tsds_io::{Fault, Operation, SimWorld, Survival};

const ROOT: &str = "/db/cold";

fn store(machine: &SimWorld) -> VfsObjectStore {
    VfsObjectStore::new(machine.world(), ROOT)
}

fn listed(machine: &SimWorld) -> Vec<String> {
    let store = store(machine);
    let listed = machine.block_on(async { store.list(None).try_collect::<Vec<_>>().await.unwrap() });
    listed.into_iter().map(|object| object.location.to_string()).collect()
}

fn staged(machine: &SimWorld) -> usize {
    let files = machine.list_files(ROOT).unwrap_or_default();
    files.iter().filter(|file| file.starts_with("_staging/")).count()
}

fn read(machine: &SimWorld, path: &str) -> Option<Vec<u8>> {
    let store = store(machine);
    let path = Path::from(path);
    match machine.block_on(async { store.get(&path).await?.bytes().await }) {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

async fn upload(store: &VfsObjectStore, path: &str, parts: &[&'static [u8]]) -> object_store::Result<()> {
    let mut upload = store.put_multipart_opts(&Path::from(path), PutMultipartOptions::default()).await?;
    for part in parts {
        upload.put_part(PutPayload::from_static(part)).await?;
    }
    upload.complete().await.map(|_| ())
}

#[test]
fn a_power_cut_at_any_moment_leaves_an_object_whole_or_absent_and_keeps_what_was_acknowledged() {
    for kind in ["put", "multipart", "copy", "rename"] {
        let run = |machine: &SimWorld| {
            let store = store(machine);
            let (from, to) = (Path::from("7/from"), Path::from("7/year=2013/to"));
            machine.run_until_power_cut(async move {
                match kind {
                    "put" => store.put(&to, PutPayload::from_static(b"whole")).await.map(|_| ()),
                    "multipart" => upload(&store, to.as_ref(), &[b"wh", b"ole"]).await,
                    "copy" => store.copy(&from, &to).await,
                    _ => store.rename(&from, &to).await,
                }
                .is_ok()
            })
        };
        let prepared = |seed| {
            let machine = SimWorld::new(seed);
            machine.write_file(format!("{ROOT}/7/from"), b"whole").unwrap();
            machine
        };
        let rehearsal = prepared(1);
        assert_eq!(run(&rehearsal), Some(true));
        let operations = rehearsal.operations();
        assert!(operations >= 3, "{kind}");
        for cut in 1..=operations {
            for seed in 0..6 {
                let machine = prepared(seed);
                machine.faults().crash_at_operation(cut);
                let acknowledged = run(&machine) == Some(true);
                let machine = machine.crash();
                let found = read(&machine, "7/year=2013/to");
                let at = format!("{kind}, cut at {cut} of {operations}, seed {seed}");
                assert!(found.as_deref().is_none_or(|bytes| bytes == b"whole"), "torn: {at}");
                assert!(!acknowledged || found.is_some(), "lost: {at}");
                if kind == "rename" {
                    assert!(found.is_some() || read(&machine, "7/from").is_some(), "lost both: {at}");
                }
                assert!(listed(&machine).iter().all(|path| path.starts_with("7/")), "visible: {at}");
            }
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_that_spares_nothing_unsynced() {
    let machine = SimWorld::new(3);
    let files = store(&machine);
    machine.block_on(async { upload(&files, "7/a/b/c", &[b"one", b"two"]).await }).unwrap();
    let machine = machine.crash_with(Survival::Nothing);
    assert_eq!(read(&machine, "7/a/b/c").unwrap(), b"onetwo");
    let files = store(&machine);
    machine.block_on(async { files.delete(&Path::from("7/a/b/c")).await }).unwrap();
    let machine = machine.crash_with(Survival::Nothing);
    assert_eq!(read(&machine, "7/a/b/c"), None);
}

#[test]
fn an_upload_that_is_not_completed_is_invisible_and_goes_when_dropped_or_aborted() {
    let machine = SimWorld::new(4);
    let store = store(&machine);
    machine.block_on(async {
        for abort in [true, false] {
            let mut upload = store.put_multipart(&Path::from("7/x")).await.unwrap();
            upload.put_part(PutPayload::from_static(b"part")).await.unwrap();
            assert!(store.list(None).next().await.is_none());
            assert_eq!(staged(&machine), 1);
            if abort {
                upload.abort().await.unwrap();
            }
            drop(upload);
            // The job that removes the file runs before the next one is done.
            let _ = store.head(&Path::from("7/x")).await;
            machine.world().clock.sleep(Duration::from_secs(1)).await;
            assert_eq!(staged(&machine), 0);
        }
    });
}

#[test]
fn parts_may_be_written_in_any_order() {
    let machine = SimWorld::new(5);
    let files = store(&machine);
    machine.block_on(async {
        let mut upload = files.put_multipart(&Path::from("7/x")).await.unwrap();
        let first = upload.put_part(PutPayload::from_static(b"first "));
        let second = upload.put_part(PutPayload::from_static(b"second"));
        second.await.unwrap();
        first.await.unwrap();
        upload.complete().await.unwrap();
    });
    assert_eq!(read(&machine, "7/x").unwrap(), b"first second");
}

#[test]
fn an_upload_with_a_hole_is_not_published() {
    let machine = SimWorld::new(6);
    let files = store(&machine);
    machine.block_on(async {
        let mut upload = files.put_multipart(&Path::from("7/x")).await.unwrap();
        drop(upload.put_part(PutPayload::from_static(b"never written")));
        upload.put_part(PutPayload::from_static(b"written")).await.unwrap();
        assert!(upload.complete().await.is_err());
    });
    assert_eq!(read(&machine, "7/x"), None);
    assert_eq!(staged(&machine), 0);
}

#[test]
fn creating_never_replaces() {
    let machine = SimWorld::new(7);
    let files = store(&machine);
    let path = Path::from("7/x");
    let create = || PutOptions::from(PutMode::Create);
    machine.block_on(async {
        files.put_opts(&path, PutPayload::from_static(b"first"), create()).await.unwrap();
        let again = files.put_opts(&path, PutPayload::from_static(b"second"), create()).await;
        assert!(matches!(again, Err(object_store::Error::AlreadyExists { .. })), "{again:?}");
        assert!(matches!(
            files.copy_if_not_exists(&path, &path).await,
            Err(object_store::Error::AlreadyExists { .. })
        ));
    });
    assert_eq!(read(&machine, "7/x").unwrap(), b"first");
    assert_eq!(staged(&machine), 0);
}

#[test]
fn one_of_many_creators_wins() {
    let machine = SimWorld::new(8);
    let store = Arc::new(store(&machine));
    let won = machine.block_on(async {
        let creators = (0..8u8).map(|creator| {
            let store = Arc::clone(&store);
            async move {
                let payload = PutPayload::from(vec![creator; 10]);
                store.put_opts(&Path::from("7/x"), payload, PutMode::Create.into()).await.is_ok()
            }
        });
        futures::future::join_all(creators).await
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = won.iter().position(|won| *won).unwrap() as u8;
    assert_eq!(read(&machine, "7/x").unwrap(), [winner; 10]);
}

#[test]
fn the_staging_directory_is_reserved() {
    let machine = SimWorld::new(9);
    let store = store(&machine);
    machine.block_on(async {
        for path in ["_staging", "_staging/x"] {
            let put = store.put(&Path::from(path), PutPayload::from_static(b"x")).await;
            assert!(matches!(put, Err(object_store::Error::NotSupported { .. })), "{put:?}");
        }
        assert!(store.put(&Path::from("7/_staging/x"), PutPayload::from_static(b"x")).await.is_ok());
    });
}

#[test]
fn a_sweep_removes_what_is_old_and_nothing_that_is_being_written() {
    let machine = SimWorld::new(10);
    let dying = store(&machine);
    machine.block_on(async {
        let mut upload = dying.put_multipart(&Path::from("7/x")).await.unwrap();
        upload.put_part(PutPayload::from_static(b"part")).await.unwrap();
        std::mem::forget(upload);
    });
    let machine = machine.kill();
    assert_eq!(staged(&machine), 1);
    let store = store(&machine);
    machine.block_on(async {
        let hour = Duration::from_secs(3_600);
        assert_eq!(store.sweep_staging(hour).await.unwrap(), 0, "too young");
        machine.world().clock.sleep(hour * 2).await;
        let mut upload = store.put_multipart(&Path::from("7/y")).await.unwrap();
        upload.put_part(PutPayload::from_static(b"part")).await.unwrap();
        machine.world().clock.sleep(hour * 2).await;
        assert_eq!(store.sweep_staging(hour).await.unwrap(), 1, "the upload of the dead process");
        upload.complete().await.unwrap();
    });
    assert_eq!(read(&machine, "7/y").unwrap(), b"part");
}

#[test]
fn empty_directories_go_with_their_last_object() {
    let machine = SimWorld::new(11);
    let store = store(&machine);
    machine.block_on(async {
        for path in ["7/year=2013/month=03/a", "7/year=2013/b"] {
            store.put(&Path::from(path), PutPayload::from_static(b"x")).await.unwrap();
        }
        store.delete(&Path::from("7/year=2013/month=03/a")).await.unwrap();
        let under = |prefix: &'static str| {
            let store = store.clone();
            async move { store.list_with_delimiter(Some(&Path::from(prefix))).await.unwrap() }
        };
        let left = under("7/year=2013").await;
        assert!(left.common_prefixes.is_empty());
        assert_eq!(left.objects.len(), 1);
        store.delete(&Path::from("7/year=2013/b")).await.unwrap();
        store.put(&Path::from("7/year=2013/b"), PutPayload::from_static(b"again")).await.unwrap();
    });
    let machine = machine.crash_with(Survival::Nothing);
    assert_eq!(read(&machine, "7/year=2013/b").unwrap(), b"again");
}

#[test]
fn a_full_disk_is_retryable_and_leaves_nothing() {
    let machine = SimWorld::new(12);
    machine.faults().set_capacity(Some(64 * 1024));
    let files = store(&machine);
    let error = machine.block_on(async {
        files.put(&Path::from("7/x"), PutPayload::from(vec![1; 256 * 1024])).await.unwrap_err()
    });
    let object_store::Error::Generic { source, .. } = &error else { panic!("{error}") };
    let own = source.downcast_ref::<tsds_traits::Error>().unwrap();
    assert_eq!(own.kind(), tsds_traits::ErrorKind::NoSpace);
    assert_eq!(staged(&machine), 0);
    assert!(listed(&machine).is_empty());
    machine.faults().set_capacity(None);
    machine.block_on(async {
        files.put(&Path::from("7/x"), PutPayload::from(vec![1; 256 * 1024])).await.unwrap();
    });
}

#[test]
fn what_is_written_after_a_failure_of_any_kind_survives_if_it_is_acknowledged() {
    let (before, path) = (Path::from("7/year=2013/day=01/x"), Path::from("7/year=2013/day=02/x"));
    for first in [true, false] {
        for nth in 1.. {
            let machine = SimWorld::new(nth);
            let files = store(&machine);
            let put = |path: &Path| {
                let (files, path) = (files.clone(), path.clone());
                machine.block_on(async move { files.put(&path, PutPayload::from_static(b"x")).await })
            };
            if first {
                put(&before).unwrap();
            }
            machine.faults().inject(Fault::on_any_change(std::io::ErrorKind::Other).nth(nth));
            let failed = put(&path).is_err();
            let struck = machine.faults().struck() > 0;
            machine.faults().clear();
            let acknowledged = put(&path).is_ok();
            let machine = machine.crash_with(Survival::Nothing);
            let found = read(&machine, path.as_ref());
            let at = format!("operation {nth} failed, first {first}, noticed {failed}");
            assert!(acknowledged, "{at}");
            assert_eq!(found.as_deref(), Some(&b"x"[..]), "{at}");
            assert!(!first || read(&machine, before.as_ref()).is_some(), "{at}");
            if !struck {
                break;
            }
        }
    }
}

#[test]
fn a_directory_whose_name_cannot_be_vouched_for_takes_nothing_more() {
    let mut refused = 0;
    for nth in 1..6 {
        let machine = SimWorld::new(16);
        machine.write_file(format!("{ROOT}/7/a"), b"of another process").unwrap();
        let files = store(&machine);
        let put = |path: &'static str| {
            let files = files.clone();
            machine.block_on(async move { files.put(&Path::from(path), PutPayload::from_static(b"x")).await })
        };
        // One of these syncs is the first one of the name of directory 7, which this process did not create.
        let fault = Fault::on(Operation::SyncDir, std::io::ErrorKind::Other).on_paths_with("cold").nth(nth);
        machine.faults().inject(fault);
        let _ = put("7/b");
        machine.faults().clear();
        match put("7/c") {
            Ok(_) => {
                let machine = machine.crash_with(Survival::Nothing);
                assert!(read(&machine, "7/c").is_some(), "sync {nth}");
            }
            Err(error) => {
                assert!(error.to_string().contains("restart on a healthy disk"), "{error}");
                refused += 1;
                put("8/c").unwrap();
            }
        }
    }
    assert_eq!(refused, 1);
}

#[test]
fn a_name_whose_sync_failed_is_not_vouched_for_until_it_is_written_again() {
    let machine = SimWorld::new(13);
    let files = store(&machine);
    let path = Path::from("7/x");
    let from_disk = || {
        let mut extensions = Extensions::new();
        extensions.insert(FromDisk);
        GetOptions::new().with_extensions(extensions)
    };
    machine.block_on(async {
        files.put(&Path::from("7/first"), PutPayload::from_static(b"makes the directory")).await.unwrap();
        let fault = Fault::on(Operation::SyncDir, std::io::ErrorKind::Other).on_paths_with("cold/7");
        machine.faults().inject(fault);
        assert!(files.put(&path, PutPayload::from_static(b"x")).await.is_err());
        assert!(files.head(&path).await.is_ok(), "visible");
        let error = files.get_opts(&path, from_disk()).await.unwrap_err();
        assert!(error.to_string().contains("write it again"), "{error}");
        files.put(&path, PutPayload::from_static(b"x")).await.unwrap();
        assert!(files.get_opts(&path, from_disk()).await.is_ok());
    });
    let machine = machine.crash_with(Survival::Nothing);
    assert_eq!(read(&machine, "7/x").unwrap(), b"x");
}

#[test]
fn what_a_killed_process_published_without_syncing_is_made_durable_on_demand() {
    let path = Path::from("7/x");
    let rehearsal = SimWorld::new(14);
    let files = store(&rehearsal);
    rehearsal.block_on(async { files.put(&path, PutPayload::from_static(b"x")).await.unwrap() });
    let mut covered = 0;
    for cut in 1..=rehearsal.operations() {
        let machine = SimWorld::new(14);
        let files = store(&machine);
        machine.faults().crash_at_operation(cut);
        // A power cut stops the process here; what follows looks at the moment as if it had been a kill.
        machine.run_until_power_cut(async { files.put(&path, PutPayload::from_static(b"x")).await.is_ok() });
        let machine = machine.possible_kill(1);
        if read(&machine, "7/x").is_none() {
            continue;
        }
        covered += 1;
        let files = store(&machine);
        machine.block_on(async {
            let mut extensions = Extensions::new();
            extensions.insert(FromDisk);
            files.get_opts(&path, GetOptions::new().with_extensions(extensions)).await.unwrap();
        });
        let machine = machine.crash_with(Survival::Nothing);
        assert_eq!(read(&machine, "7/x").unwrap(), b"x", "cut at {cut}");
    }
    assert!(covered > 0);
}

#[test]
fn a_removed_object_stays_readable_where_it_is_open() {
    let machine = SimWorld::new(15);
    let store = store(&machine);
    machine.block_on(async {
        store.put(&Path::from("7/x"), PutPayload::from(vec![5; 3 << 20])).await.unwrap();
        let open = store.get(&Path::from("7/x")).await.unwrap();
        store.delete(&Path::from("7/x")).await.unwrap();
        assert_eq!(open.bytes().await.unwrap().len(), 3 << 20);
        assert!(store.get(&Path::from("7/x")).await.is_err());
    });
}

/// The suite that `object_store` has for its implementations, on the real file system; without the parts about entity
/// tags, attributes and times, which the store does not have.
#[test]
fn it_passes_object_stores_own_suite() {
    use object_store::integration;
    let directory = tempfile::tempdir().unwrap();
    let runtime = tsds_io::Runtime::new(Some(2)).unwrap();
    let store = VfsObjectStore::new(runtime.world(), directory.path().join("store"));
    runtime.block_on(async {
        integration::put_get_delete_list(&store).await;
        integration::put_opts(&store, false).await;
        integration::list_uses_directories_correctly(&store).await;
        integration::list_with_delimiter(&store).await;
        integration::list_with_offset_exclusivity(&store).await;
        integration::rename_and_copy(&store).await;
        integration::copy_if_not_exists(&store).await;
        integration::copy_rename_nonexistent_object(&store).await;
        integration::stream_get(&store).await;
        integration::multipart_out_of_order(&store).await;
    });
}
