//! The conformance suite of TSDS: what every tier, codec, write-ahead log, evictor and key provider must do.
//!
//! Whoever writes a plugin proves it with a test binary of a few lines:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! ```no_run
//! # use tsds_traits::{Evictor, Factory, Plugin, Presence, Result};
//! # use std::sync::Arc;
//! # fn build(_: &serde_json::Value) -> Result<Arc<dyn Evictor>> { Err(tsds_traits::Error::unsupported("example")) }
//! # const PLUGIN: Plugin = Plugin {
//! #     id: "acme.evict.random",
//! #     crate_version: "1.0.0",
//! #     format_version: 1,
//! #     reads_from: 1,
//! #     factory: Factory::Evictor(build),
//! #     probe: || Presence::Present(String::new()),
//! # };
//! tsds_conformance::conformance_main! {
//!     evictors: [tsds_conformance::fixture::PluginFixture::new(PLUGIN)],
//! }
//! ```
//!
//! There is nothing to list: every case of a trait reaches every backend of it. A case that does not apply is shown as
//! ignored, with the reason: `unsupported:<claim>` where the backend does not claim what the case needs, `claimed:<claim>`
//! where it claims what the case wants it not to, `absent:<why>` where it cannot run on this machine. Nothing passes by not
//! running: what does not apply fails when it is forced by `--include-ignored`, and `TSDS_REQUIRE=<id>,<id>` makes absence a
//! failure. [`Settings`] lists the environment; the run leaves its findings in `target/tsds-conformance.json`
//! ([`Report`]).
//!
//! | | |
//! |---|---|
//! | [`fixture`] | how the suite gets at a backend |
//! | [`model`] | what the right answer is, in the plainest way: no Arrow, no kernels, nothing shared with what is judged |
//! | [`data`] | what backends are fed with: edges of types, layouts of arrays, segments, queries |
//! | [`case`] | what a case is and works with: a bench, and machines whose power can be cut |
//! | [`Suite`] | backends and their cases, run as a test binary or from code |
//! | [`against`] | tiers held to each other's answers, with random tables and queries for as long as you like |
#![deny(missing_docs)]

pub mod against;
pub mod case;
pub mod cases;
pub mod claims;
pub mod data;
pub mod fixture;
mod main_macro;
mod meter;
pub mod model;
mod outcome;
mod property;
mod real_machine;
mod settings;
mod suite;
mod watched;

pub use meter::MemoryMeter;
pub use outcome::{CaseResult, Failure};
pub use property::for_all;
pub use settings::{DEFAULT_INPUTS, DEFAULT_SEED, Settings, parse_number};
pub use suite::{BackendReport, Outcome, Report, Suite};

/// The guide for plugin authors is a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/writing-a-plugin.md")]
struct WritingAPlugin;
