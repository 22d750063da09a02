//! Guarded handles: what the engine holds of every plugin.
//!
//! A plugin is somebody else's code. A guard checks capabilities before a call and cheap post-conditions after it, catches
//! panics, and does not wait for ever; it does nothing else: fallbacks are the engine's. An error that a guard makes names
//! the plugin and the operation, and [`Health`] counts it.
//!
//! - **Panics** are caught wherever plugin code runs: in calls, in polls, in destructors.
//! - **Calls that wait** (tier, log) are cancelled once the plugin has shown no sign of life for the deadline: neither an
//!   answer nor a wake-up. See [`watched`].
//! - **Calls that block** never run on a thread that others need, unless the plugin ships with the engine and is known not to
//!   block: they run as jobs. One that does not return by the deadline is reported, its plugin is disabled until the database
//!   is opened again, and its thread is abandoned and counted; the pool runs another job in its place.
//! - **Codecs** are called once for each block in the middle of decoding loops, where a thread switch would cost more than the
//!   work: they run where they are called, and a watchdog sees those that do not return. What waits for such a call is told by
//!   its own deadline, and names the codec. So do the few questions that a tier or log answers at once (usage, durable).
//! - **A lost device** ends whatever runs on its tier, at once: see [`loss`].
//! - **Broken promises** are found by what is cheap: schema, order of segments, numbers of rows. What ships is checked by the
//!   conformance suite besides; any other plugin is also checked row by row: times within bounds, and every put is read back.

mod codec;
mod evictor;
mod health;
mod loss;
mod readback;
mod scan;
mod states;
mod tier;
mod wal;
mod watch;
mod watched;

pub(crate) use codec::guarded_codecs;
pub(crate) use evictor::{GuardedEvictor, OwnedView};
pub use health::PluginStats;
pub(crate) use health::{Health, is_broken_promise};
pub(crate) use loss::Losses;
pub(crate) use tier::GuardedTier;
pub(crate) use wal::GuardedWal;
pub(crate) use watch::Watch;
