//! Configuration: defaults < JSON file < environment < code.

mod layers;
mod settings;

pub use layers::{Layers, Origin};
pub use settings::{
    ColdTier, Debug, HotTier, Ingest, Logging, Performance, Query, Settings, Storage, Tables, Wal, WarmTier,
};
