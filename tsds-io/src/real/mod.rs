//! The real world: the file system, clock, random source and threads of this machine.

mod allocator;
mod clock;
mod executor;
#[cfg(target_os = "linux")]
mod network;
mod platform;
mod runtime;
mod vfs;

use std::sync::Arc;

use tokio::runtime::Handle;
use tsds_traits::{Random, Result, World};

pub use allocator::share_freed_memory;
pub use clock::SystemClock;
pub use executor::TokioExecutor;
pub use runtime::Runtime;
pub use vfs::RealVfs;

/// The real world, with its tasks on a Tokio runtime, whose timer must be enabled.
pub fn real_world(handle: Handle) -> World {
    world_on(TokioExecutor::new(handle.clone()), handle)
}

fn world_on(executor: TokioExecutor, handle: Handle) -> World {
    World {
        vfs: Arc::new(RealVfs::new()),
        clock: Arc::new(SystemClock::new(handle)),
        random: Arc::new(SystemRandom),
        executor: Arc::new(executor),
    }
}

/// The random source of the operating system, fit for keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        platform::fill_random(bytes).map_err(|error| {
            tsds_traits::Error::new(
                tsds_traits::ErrorKind::Unavailable,
                "the operating system gives no random bytes",
            )
            .with_source(error)
        })
    }
}
