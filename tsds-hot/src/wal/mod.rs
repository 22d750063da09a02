//! The write-ahead log `tsds.wal.arrow`. On disk: `docs/formats/wal.md`; why: `docs/adr/0003-write-ahead-log.md`.

mod flush;
mod format;
mod open;
mod pause;
mod plugin;
mod prepare;
mod read;
mod release;
mod repair;
mod replay;
mod settings;
mod shared;
mod sink;
mod state;
mod verify;
mod write;

pub use plugin::plugin;
pub use repair::{RepairReport, repair};
pub use settings::WalSettings;
pub use sink::ArrowWal;
pub use verify::{FileReport, VerifyReport, WalDamage, verify};

/// The plugin's id.
pub(crate) const NAME: &str = "tsds.wal.arrow";

/// The version of what is on disk.
pub(crate) const FORMAT_VERSION: u16 = 1;
