//! One run of a command: the world, the settings and the database.

use std::path::PathBuf;
use std::sync::Arc;

use tsds_engine::config::{Layers, Sources};
use tsds_engine::{Database, DatabaseBuilder};
use tsds_traits::{Clock, Executor, Registry, Result as EngineResult, World};

use crate::arguments::Common;
use crate::failure::{Failure, Result};
use crate::logging::{self, LogLevel};
use crate::output::Output;
use crate::settings::{database_path, layers, sources};

/// The file without which a directory holds no database.
const CATALOG: &str = "catalog.redb";

/// What a command works with.
pub(crate) struct Session {
    pub(crate) world: World,
    pub(crate) output: Output,
    pub(crate) layers: Layers,
    sources: Sources,
    log_level: LogLevel,
    common: Common,
    registry: Registry,
}

impl Session {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub(crate) async fn new(
        world: World,
        output: Output,
        common: Common,
        registry: Registry,
    ) -> Result<Self> {
        let (vfs, sources) = (Arc::clone(&world.vfs), sources(&common));
        let job = move || Ok((layers(&sources, &*vfs), sources));
        let (layers, sources) = (*world.executor).blocking(job).await?;
        let layers = layers?;
        let log_level = logging::start(&layers.settings()?, &common, &output, &world);
        Ok(Self { world, output, layers, sources, log_level, common, registry })
    }

    /// The directory of the database.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        Ok(database_path(&self.common, &self.layers.settings()?))
    }

    /// Opens the database, creating it if there is none.
    ///
    /// # Errors
    ///
    /// What opening says.
    pub(crate) async fn open_or_create(&self) -> Result<Database> {
        let database = self.builder()?.open().await?;
        if self.sources.file.is_some() {
            // The level of the log is the only setting that is this program's own.
            let level = self.log_level.clone();
            database.follow(self.sources.clone(), move |settings, _| level.set(settings));
        }
        let recovery = database.recovery();
        if recovery.unclean {
            self.output.note(&format!(
                "the database was not closed the last time: {} came back from the log",
                crate::output::counted(recovery.replayed_rows, "row")
            ));
        }
        Ok(database)
    }

    /// Sets what is not configured: now, and whenever the configuration is read again.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a key that there is not.
    pub(crate) fn set(&mut self, key: &str, value: u64) -> Result<()> {
        self.layers.code(key, value)?;
        self.sources.code.push((key.to_owned(), value.into()));
        Ok(())
    }

    /// The database, not opened yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings.
    pub(crate) fn builder(&self) -> Result<DatabaseBuilder> {
        let builder = Database::builder(self.path()?).settings(self.layers.settings()?);
        Ok(builder.registry(self.registry.clone()).world(self.world.clone()))
    }

    /// Opens the database if there is one.
    ///
    /// # Errors
    ///
    /// What opening says.
    pub(crate) async fn open_if_exists(&self) -> Result<Option<Database>> {
        let (vfs, path) = (Arc::clone(&self.world.vfs), self.path()?);
        let job = move || match vfs.read_dir(&path) {
            Ok(entries) => Ok(entries.iter().any(|entry| entry.name == CATALOG)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(tsds_traits::Error::from(error).with("path", path.display())),
        };
        if self.blocking(job).await? { self.open_or_create().await.map(Some) } else { Ok(None) }
    }

    /// Opens the database that is there.
    ///
    /// # Errors
    ///
    /// If there is none, and what opening says.
    pub(crate) async fn open_existing(&self) -> Result<Database> {
        match self.open_if_exists().await? {
            Some(database) => Ok(database),
            None => Err(Failure::failed("there is no database here")
                .value("path", self.path()?.display())
                .hint("give its directory as --path, or make one with `tsds import` or `tsds demo`")),
        }
    }

    /// Runs a blocking job.
    ///
    /// # Errors
    ///
    /// What the job says.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> EngineResult<T> + Send + 'static,
    ) -> Result<T> {
        Ok((*self.world.executor).blocking(job).await?)
    }

    /// The clock.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.world.clock
    }

    /// Where work runs.
    pub(crate) fn executor(&self) -> &Arc<dyn Executor> {
        &self.world.executor
    }
}
