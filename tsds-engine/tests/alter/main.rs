//! Tables whose columns change while they are written, read and moved between tiers.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod concurrent;
mod crashes;
mod model;
mod reads;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod writes;
