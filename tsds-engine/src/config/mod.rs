//! Configuration: defaults < JSON file < environment < code; and what can change of it while a database is open.

mod json;
mod layers;
mod live;
#[cfg(feature = "config-schema")]
mod schema;
mod settings;
mod sources;

pub use layers::{Layers, Origin};
pub(crate) use live::LiveSettings;
pub use live::{Change, ConfigStats, RELOADED, Reload};
#[cfg(feature = "config-schema")]
pub use schema::schema;
pub use settings::{
    ColdTier, Debug, HotTier, Ingest, Logging, Performance, Query, Settings, Storage, Tables, Wal, WarmTier,
};
pub use sources::Sources;
