//! Plugins that misbehave in one way each, and otherwise do what the built-in one does.

mod codec;
mod evictor;
mod tier;
mod wal;

use std::time::Duration;

use tsds_engine::traits::{Factory, Plugin, Presence, Registry};

pub use codec::CodecFault;
pub use evictor::EvictorFault;
pub use tier::TierFault;
pub use wal::WalFault;

use super::support;

/// Scans of queries ask for batches of this size, those of the engine itself do not: saboteurs tell them apart by it.
pub const QUERY_BATCH_ROWS: usize = 7;
/// A write of this many rows makes a log misbehave.
pub const FATAL_ROWS: u32 = 13;
/// For how long a saboteur blocks its thread.
pub const BLOCKED: Duration = Duration::from_secs(3);

pub const WARM: &str = "test.warm";
pub const COLD: &str = "test.cold";
pub const WAL: &str = "test.wal";
pub const CODEC: &str = "test.codec";
pub const EVICTOR: &str = "test.evictor";

/// One build function for each fault: a plugin is made of constants, so the fault is one too.
macro_rules! build_functions {
    ($fault:expr, $faults:ident { $($name:ident),* $(,)? }, $build:ident) => {
        match $fault {
            $($faults::$name => $build::<{ $faults::$name as u8 }>,)*
        }
    };
}
pub(crate) use build_functions;

/// The built-in plugins, a tight evictor, and one saboteur.
pub fn registry(id: &'static str, factory: Factory) -> Registry {
    let mut registry = support::registry();
    let plugin = Plugin {
        id,
        crate_version: "0",
        format_version: 1,
        reads_from: 1,
        factory,
        probe: || Presence::Present(String::new()),
    };
    registry.register(plugin).unwrap();
    registry
}

/// What no code should do on a thread that others need.
#[allow(clippy::disallowed_methods, reason = "misbehaves on purpose")]
fn block() {
    std::thread::sleep(BLOCKED);
}
