//! A database whose cold files lie on S3, as a server of somebody else speaks it.
//!
//! The trial is ignored, with the reason, where there is no such server. Credentials and endpoint come from the environment, as
//! they do for users, so the database runs in a process of its own.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tsds-cold-parquet/tests/s3/server.rs"]
mod server;
mod support;

use std::process::Command;

use libtest_mimic::{Arguments, Trial};
use server::Server;
use support::{Row, TABLE};
use tsds_engine::Database;
use tsds_engine::query::Aggregation;
use tsds_io::Runtime;

/// Set in the process that has the database: its directory.
const DIRECTORY: &str = "TSDS_DATABASE_WITH_S3";
const BUCKET: &str = "cold";
const ROWS: i64 = 300;

fn main() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return rows_are_counted_once(&directory);
    }
    let arguments = Arguments::from_args();
    let name = "rows_that_moved_to_s3_are_counted_once_also_after_reopening";
    let trial = match server::absent() {
        None => Trial::test(name, || {
            run_with_server();
            Ok(())
        }),
        Some(why) => {
            Trial::test(name, || Ok(())).with_kind(format!("ignored: {why}")).with_ignored_flag(true)
        }
    };
    libtest_mimic::run(&arguments, vec![trial]).exit();
}

fn run_with_server() {
    let server = Server::start();
    server.make_bucket(BUCKET);
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .env(DIRECTORY, directory.path())
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "HIDDEN")
        .env("AWS_REGION", "eu-central-1")
        .env_remove("AWS_PROFILE")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("HIDDEN"), "{said}");
    assert_eq!(server.open_uploads(BUCKET), 0);
}

async fn open(runtime: &Runtime, directory: &str) -> Database {
    let mut settings = support::small();
    settings.storage.cold_path = Some(format!("s3://{BUCKET}/databases/one"));
    let builder = Database::builder(directory).world(runtime.world()).registry(support::registry());
    builder.settings(settings).open().await.unwrap()
}

async fn check(database: &Database) {
    let mut rows = support::everything(database).await.unwrap();
    rows.sort_by_key(|row| row.id);
    assert_eq!(support::ids(&rows), (0..ROWS).collect::<Vec<_>>());
    let counts = database.tier_counts();
    assert!(counts.cold > 0, "{counts:?}");
    assert_eq!(counts.total(), ROWS as u64, "{counts:?}");
    let table = database.table(TABLE).unwrap();
    let counted = table.query().aggregate(Aggregation::new().count()).collect().await.unwrap();
    let counted = counted[0].column(0).to_data().buffers()[0].typed_data::<i64>()[0];
    assert_eq!(counted, ROWS);
}

fn rows_are_counted_once(directory: &str) {
    let runtime = Runtime::new(Some(2)).unwrap();
    runtime.block_on(async {
        let database = open(&runtime, directory).await;
        let table = database.create_table(support::spec()).await.unwrap();
        let row = |id: i64| Row { time: id * 60_000, host: format!("host-{}", id % 3), value: Some(0.5), id };
        for start in (0..ROWS).step_by(10) {
            table.ingest(support::batch(&(start..start + 10).map(row).collect::<Vec<_>>())).await.unwrap();
        }
        database.settle().await.unwrap();
        check(&database).await;
        let cold = database.tier_counts().cold;
        database.close().await.unwrap();
        let database = open(&runtime, directory).await;
        assert_eq!(database.tier_counts().cold, cold);
        check(&database).await;
        database.close().await.unwrap();
    });
}
