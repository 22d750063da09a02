use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value as Json;
use tsds_traits::{BuildContext, Error, ErrorKind, Factory, Plugin, Presence, Result, WalOpen, WalSink};

use super::{ArrowWal, FORMAT_VERSION, NAME, WalSettings};

/// The plugin `tsds.wal.arrow`. Its settings are a [`WalSettings`]; its files are in the directory of the context.
pub fn plugin() -> Plugin {
    Plugin {
        id: NAME,
        crate_version: env!("CARGO_PKG_VERSION"),
        format_version: FORMAT_VERSION,
        reads_from: FORMAT_VERSION,
        factory: Factory::Wal(build),
        probe: || Presence::Present(String::new()),
    }
}

fn build(
    settings: Json,
    context: BuildContext,
    open: WalOpen,
) -> BoxFuture<'static, Result<Arc<dyn WalSink>>> {
    Box::pin(async move {
        let settings = match settings {
            Json::Null => WalSettings::default(),
            settings => WalSettings::deserialize(settings).map_err(|error| {
                Error::new(ErrorKind::ConfigInvalid, "settings of the write-ahead log are not valid")
                    .with("cause", &error)
            })?,
        };
        let wal = ArrowWal::open(settings, context.world, context.directory, open).await?;
        Ok(wal as Arc<dyn WalSink>)
    })
}
