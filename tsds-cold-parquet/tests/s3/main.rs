//! The tier over S3, as a server of somebody else speaks it.
//!
//! Trials are ignored, with the reason, where there is no such server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod server;
mod waiting;

use std::sync::Arc;

use common::*;
use futures::TryStreamExt;
use libtest_mimic::{Arguments, Trial};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde_json::json;
use server::Server;
use tempfile::TempDir;
use tsds_cold_parquet::{Environment, ParquetSettings, ParquetTier, RemoteStore};
use tsds_io::Runtime;
use tsds_traits::{
    BuildContext, CodecSet, DatabaseId, Error, ErrorKind, Result, Retry, SegmentId, StoredSegment, Tier,
};

type Case = fn(&Bench);

const CASES: [(&str, Case); 12] = [
    ("a_segment_is_stored_scanned_and_removed", a_segment_is_stored_scanned_and_removed),
    ("a_large_file_goes_up_in_parts_and_leaves_nothing", a_large_file_goes_up_in_parts_and_leaves_nothing),
    ("what_a_process_that_died_left_is_swept", what_a_process_that_died_left_is_swept),
    ("a_second_tier_finds_what_the_first_stored", a_second_tier_finds_what_the_first_stored),
    ("a_store_belongs_to_one_database", a_store_belongs_to_one_database),
    ("an_object_is_created_only_where_there_is_none", an_object_is_created_only_where_there_is_none),
    ("two_prefixes_of_a_bucket_are_two_stores", two_prefixes_of_a_bucket_are_two_stores),
    ("requests_may_be_awaited_outside_of_the_runtime", requests_may_be_awaited_outside_of_the_runtime),
    ("a_bucket_that_is_not_there_is_named", a_bucket_that_is_not_there_is_named),
    ("credentials_that_nobody_knows_are_refused", credentials_that_nobody_knows_are_refused),
    ("an_endpoint_that_does_not_answer_is_unavailable", an_endpoint_that_does_not_answer_is_unavailable),
    ("a_damaged_file_is_corrupt", a_damaged_file_is_corrupt),
];

fn main() {
    let arguments = Arguments::from_args();
    let absent = server::absent();
    let bench = absent.is_none().then(|| Arc::new(Bench::new()));
    let trials = CASES.map(|(name, case)| match (&bench, &absent) {
        (Some(bench), _) => {
            let bench = Arc::clone(bench);
            Trial::test(name, move || {
                case(&bench);
                Ok(())
            })
        }
        (None, why) => {
            let kind = format!("ignored: {}", why.clone().unwrap_or_default());
            Trial::test(name, || Ok(())).with_kind(kind).with_ignored_flag(true)
        }
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    drop(bench);
    conclusion.exit();
}

/// A server, and a machine whose programs use it.
struct Bench {
    server: Server,
    runtime: Runtime,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let server = Server::start();
        Self { server, runtime: Runtime::new(Some(2)).unwrap(), directory: TempDir::new().unwrap() }
    }

    fn context(&self, database: DatabaseId) -> BuildContext {
        let codecs = Arc::new(CodecSet::default());
        BuildContext::new(self.runtime.world(), database, self.directory.path().join("cold"), codecs)
    }

    /// Settings for a prefix of a bucket of its own.
    fn settings(&self, bucket: &str) -> ParquetSettings {
        self.server.make_bucket(bucket);
        at(&self.server.endpoint(), &format!("s3://{bucket}/a/b"))
    }

    async fn connect(&self, settings: &ParquetSettings) -> Result<RemoteStore> {
        RemoteStore::connect(settings, &credentials(), &self.runtime.world()).await
    }

    async fn open_as(&self, settings: &ParquetSettings, database: DatabaseId) -> Result<Arc<ParquetTier>> {
        let store = Arc::new(self.connect(settings).await?);
        ParquetTier::open(store, settings.clone(), self.context(database)).await
    }

    async fn open(&self, settings: &ParquetSettings) -> Result<Arc<ParquetTier>> {
        self.open_as(settings, DATABASE).await
    }
}

fn credentials() -> Environment {
    Environment::from_iter([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "HIDDEN")])
}

fn at(endpoint: &str, url: &str) -> ParquetSettings {
    let options = json!({"endpoint": endpoint, "max_retries": 1, "retry_deadline_seconds": 5});
    let settings = json!({"url": url, "object_store": options, "row_group_rows": 1_024, "part_mb": 5});
    ParquetSettings::from_json(settings).unwrap()
}

async fn scanned(
    tier: &Arc<ParquetTier>,
    source: &MemorySource,
    record: &tsds_traits::Stored,
) -> Result<Vec<String>> {
    let found = scan(tier, everything(&source.schema, vec![handle(source, record)])).await?;
    Ok(rows_of(&found.into_iter().map(|batch| batch.rows).collect::<Vec<_>>()))
}

fn a_segment_is_stored_scanned_and_removed(bench: &Bench) {
    let settings = bench.settings("basic");
    bench.runtime.block_on(async {
        let tier = bench.open(&settings).await.unwrap();
        let source = MemorySource::sample(1, 5_000);
        let record = put(&tier, &source).await.unwrap();
        assert_eq!(put(&tier, &source).await.unwrap(), record, "once more is the same");
        assert_eq!(scanned(&tier, &source, &record).await.unwrap(), rows_of(&source.batches));
        let listed = tier.list().await.unwrap();
        assert_eq!(listed.iter().map(|segment| segment.id).collect::<Vec<_>>(), [SegmentId::new(1)]);
        tier.remove(&listed).await.unwrap();
        tier.remove(&listed).await.unwrap();
        assert!(tier.list().await.unwrap().is_empty());
        assert_eq!(scanned(&tier, &source, &record).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

fn a_large_file_goes_up_in_parts_and_leaves_nothing(bench: &Bench) {
    let settings = bench.settings("large");
    bench.runtime.block_on(async {
        let tier = bench.open(&settings).await.unwrap();
        let source = noisy(1, 1_500_000);
        let record = put(&tier, &source).await.unwrap();
        assert!(record.bytes > 2 * (5 << 20), "{} bytes are no three parts", record.bytes);
        assert_eq!(scanned(&tier, &source, &record).await.unwrap().len(), 1_500_000);
        let store = bench.connect(&settings).await.unwrap();
        let names: Vec<_> =
            store.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
        assert_eq!(names.len(), 2, "{names:?}");
    });
    assert_eq!(bench.server.open_uploads("large"), 0);
}

fn what_a_process_that_died_left_is_swept(bench: &Bench) {
    let settings = bench.settings("staged");
    bench.runtime.block_on(async {
        let store = bench.connect(&settings).await.unwrap();
        let mut upload = store.put_multipart(&Path::from("7/a.parquet")).await.unwrap();
        upload.put_part(PutPayload::from(vec![1; 1_000])).await.unwrap();
        std::mem::forget(upload);
        assert_eq!(bench.server.open_uploads("staged"), 1);
        let hour = std::time::Duration::from_secs(3_600);
        assert_eq!(store.sweep_staging(hour).await.unwrap(), 0, "it may be alive");
        assert_eq!(store.sweep_staging(std::time::Duration::ZERO).await.unwrap(), 1);
        assert_eq!(bench.server.open_uploads("staged"), 0);
        assert!(store.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
        // The path is as free as ever.
        let tier = bench.open(&settings).await.unwrap();
        put(&tier, &MemorySource::sample(1, 100)).await.unwrap();
    });
}

fn a_second_tier_finds_what_the_first_stored(bench: &Bench) {
    let settings = bench.settings("reopened");
    bench.runtime.block_on(async {
        let source = MemorySource::sample(1, 3_000);
        let first = bench.open(&settings).await.unwrap();
        let record = put(&first, &source).await.unwrap();
        let usage = first.usage();
        first.close().await.unwrap();
        let second = bench.open(&settings).await.unwrap();
        assert_eq!(second.usage(), usage);
        assert_eq!(put(&second, &source).await.unwrap(), record, "found by encoding once more");
        assert_eq!(scanned(&second, &source, &record).await.unwrap(), rows_of(&source.batches));
    });
}

fn a_store_belongs_to_one_database(bench: &Bench) {
    let settings = bench.settings("owned");
    bench.runtime.block_on(async {
        let tier = bench.open(&settings).await.unwrap();
        put(&tier, &MemorySource::sample(1, 100)).await.unwrap();
        let error = bench.open_as(&settings, DatabaseId([9; 16])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    });
}

fn an_object_is_created_only_where_there_is_none(bench: &Bench) {
    let settings = bench.settings("conditional");
    bench.runtime.block_on(async {
        let store = bench.connect(&settings).await.unwrap();
        let one = Path::from("one");
        let create = || store.put_opts(&one, "abc".into(), PutMode::Create.into());
        create().await.unwrap();
        assert!(matches!(create().await.unwrap_err(), object_store::Error::AlreadyExists { .. }));
    });
}

fn two_prefixes_of_a_bucket_are_two_stores(bench: &Bench) {
    let one = bench.settings("shared");
    let other = at(&bench.server.endpoint(), "s3://shared/a/c");
    bench.runtime.block_on(async {
        let source = MemorySource::sample(1, 100);
        let tier = bench.open(&one).await.unwrap();
        put(&tier, &source).await.unwrap();
        let second = bench.open_as(&other, DatabaseId([9; 16])).await.unwrap();
        assert!(second.list().await.unwrap().is_empty());
        put(&second, &source).await.unwrap();
        let listed = second.list().await.unwrap();
        second.remove(&listed).await.unwrap();
        assert_eq!(tier.list().await.unwrap().len(), 1);
    });
}

fn requests_may_be_awaited_outside_of_the_runtime(bench: &Bench) {
    let settings = bench.settings("outside");
    waiting::block_on(async {
        let tier = bench.open(&settings).await.unwrap();
        let source = MemorySource::sample(1, 2_000);
        let record = put(&tier, &source).await.unwrap();
        assert_eq!(scanned(&tier, &source, &record).await.unwrap(), rows_of(&source.batches));
        tier.remove(&[StoredSegment { id: source.meta.id, record: record.record }]).await.unwrap();
    });
}

/// The error of opening a tier there, which must show no credentials.
fn refused(bench: &Bench, settings: &ParquetSettings) -> Error {
    let error = bench.runtime.block_on(bench.open(settings)).unwrap_err();
    assert!(!format!("{error:?}").contains("HIDDEN"), "{error:?}");
    error
}

fn a_bucket_that_is_not_there_is_named(bench: &Bench) {
    let error = refused(bench, &at(&bench.server.endpoint(), "s3://nowhere/a/b"));
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConfigInvalid, Retry::Never), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("bucket does not exist") && text.contains("s3://nowhere/a/b"), "{text}");
}

fn credentials_that_nobody_knows_are_refused(bench: &Bench) {
    let strict = Server::start_strict();
    strict.make_bucket("strict");
    let error = refused(bench, &at(&strict.endpoint(), "s3://strict/a"));
    assert_eq!((error.kind(), error.retry()), (ErrorKind::ConfigInvalid, Retry::Never), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("does not know the credentials") && text.contains("InvalidAccessKeyId"), "{text}");
}

fn an_endpoint_that_does_not_answer_is_unavailable(bench: &Bench) {
    // Nobody listens on a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(bench, &at(&format!("http://{free}"), "s3://bucket/a"));
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("cannot be reached") && text.contains("store=s3://bucket/a"), "{text}");
}

fn a_damaged_file_is_corrupt(bench: &Bench) {
    let settings = bench.settings("damaged");
    bench.runtime.block_on(async {
        let tier = bench.open(&settings).await.unwrap();
        let source = MemorySource::sample(1, 3_000);
        let record = put(&tier, &source).await.unwrap();
        let store = bench.connect(&settings).await.unwrap();
        let objects: Vec<_> = store.list(Some(&Path::from("7"))).try_collect().await.unwrap();
        let file = &objects[0].location;
        let mut bytes = store.get(file).await.unwrap().bytes().await.unwrap().to_vec();
        bytes[100] ^= 1;
        store.put(file, bytes.clone().into()).await.unwrap();
        assert_eq!(scanned(&tier, &source, &record).await.unwrap_err().kind(), ErrorKind::Corrupt);
        bytes.truncate(bytes.len() / 2);
        store.put(file, bytes.into()).await.unwrap();
        assert_eq!(scanned(&tier, &source, &record).await.unwrap_err().kind(), ErrorKind::Corrupt);
    });
}
