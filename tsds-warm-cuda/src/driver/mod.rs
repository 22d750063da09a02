//! The CUDA driver: its functions, and what it gives, each thing released when it is dropped.

mod api;
mod context;
mod memory;
mod module;
mod stream;

pub(crate) use api::{Api, driver};
pub(crate) use context::{Context, Entered};
pub(crate) use memory::{Memory, Pinned};
pub(crate) use module::{Function, Module};
pub(crate) use stream::{Event, Stream};
