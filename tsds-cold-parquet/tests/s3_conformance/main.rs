//! The conformance suite over S3: the tier on simulated machines, its files on a server of this one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod blocking;
#[path = "../s3/server.rs"]
mod server;
#[path = "../s3/waiting.rs"]
mod waiting;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use blocking::Blocking;
use serde_json::json;
use server::Server;
use tsds_cold_parquet::{Environment, ParquetSettings, ParquetTier, RemoteStore};
use tsds_conformance::Suite;
use tsds_conformance::fixture::TierFixture;
use tsds_io::Runtime;
use tsds_traits::{BuildContext, OpenMode, Presence, Result, Tier, World};

const BUCKET: &str = "conformance";
/// Every request is answered by an interpreter: properties are tried with few inputs.
const INPUTS: u32 = 3;

/// One server, and for each machine a prefix of its own.
struct OverS3 {
    server: Option<Server>,
    runtime: Runtime,
    prefixes: AtomicU64,
}

impl OverS3 {
    fn new() -> Self {
        let server = server::absent().is_none().then(Server::start);
        server.iter().for_each(|server| server.make_bucket(BUCKET));
        Self { server, runtime: Runtime::new(Some(2)).unwrap(), prefixes: AtomicU64::new(0) }
    }

    /// The prefix of a machine, which its disk remembers.
    fn prefix(&self, world: &World, directory: PathBuf) -> std::io::Result<u64> {
        let path = directory.join("prefix");
        if let Ok(file) = world.vfs.open(&path, OpenMode::Read) {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, 0)?;
            return Ok(u64::from_le_bytes(bytes));
        }
        let prefix = self.prefixes.fetch_add(1, Ordering::Relaxed);
        world.vfs.create_dir_all(&directory)?;
        let file = world.vfs.open(&path, OpenMode::CreateNew)?;
        file.write_all_at(&prefix.to_le_bytes(), 0)?;
        file.sync_all()?;
        world.vfs.sync_dir(&directory)?;
        Ok(prefix)
    }
}

#[async_trait]
impl TierFixture for OverS3 {
    fn id(&self) -> String {
        "tsds.cold.parquet+s3".into()
    }

    fn probe(&self) -> Presence {
        match server::absent() {
            None => Presence::Present("moto".into()),
            Some(why) => Presence::Absent(why),
        }
    }

    fn stores_elsewhere(&self) -> bool {
        true
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>> {
        let prefix = self.prefix(&context.world, context.directory.clone())?;
        let endpoint = self.server.as_ref().map(Server::endpoint);
        let options = json!({"endpoint": endpoint});
        let url = format!("s3://{BUCKET}/{prefix}");
        let settings = ParquetSettings::from_json(json!({"url": url, "object_store": options}))?;
        let anybody = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let (environment, world) = (Environment::from_iter(anybody), self.runtime.world());
        let store = Blocking(waiting::block_on(RemoteStore::connect(&settings, &environment, &world))?);
        Ok(ParquetTier::open(Arc::new(store), settings, context).await?)
    }
}

fn main() -> ExitCode {
    let fixture = Arc::new(OverS3::new());
    Suite::new().with_inputs(INPUTS).tier(fixture).main()
}
