//! The world that TSDS lives in, twice: the real one, and one that tests can break.
//!
//! TSDS reaches files, time, randomness and threads only through a [`World`](tsds_traits::World). [`real_world`] and
//! [`Runtime`] give the machine's own; [`SimWorld`] gives a machine made of a seed, whose power can be cut at any operation,
//! whose disk tears, lies, fills up and rots, and whose tasks run in an order that the seed decides. The same engine code
//! runs in both.
//!
//! ```
//! use std::path::Path;
//! use tsds_io::{SimWorld, Survival};
//! use tsds_traits::OpenMode;
//!
//! let machine = SimWorld::new(42);
//! let world = machine.world();
//! machine.block_on(async {
//!     let vfs = world.vfs.clone();
//!     let job = move || {
//!         let file = vfs.open(Path::new("/log"), OpenMode::CreateNew)?;
//!         vfs.sync_dir(Path::new("/"))?;
//!         file.write_all_at(b"synced", 0)?;
//!         file.sync_data()?;
//!         file.write_all_at(b", not synced", 6)?;
//!         Ok(())
//!     };
//!     (*world.executor).blocking(job).await
//! })?;
//!
//! let machine = machine.crash_with(Survival::Nothing);
//! assert_eq!(machine.read_file("/log")?, b"synced");
//! # Ok::<(), tsds_traits::Error>(())
//! ```
//!
//! A test that wants every power cut counts the operations of one run ([`SimWorld::operations`]) and repeats it with
//! [`Faults::crash_at_operation`] for each of them.

mod real;
mod sim;
#[cfg(any(test, feature = "vfs-contract"))]
pub mod vfs_contract;

pub use real::{RealVfs, Runtime, SystemClock, SystemRandom, TokioExecutor, real_world, share_freed_memory};
pub use sim::{DirectoryOrder, Fault, Faults, Operation, SimWorld, Survival, is_power_cut};
