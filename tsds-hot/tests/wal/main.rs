//! The write-ahead log in a simulated world: what is durable, what survives, what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod crash;
mod damage;
mod errors;
mod golden;
mod model;
mod repair;
mod space;
mod support;
