//! The hot tier of TSDS: what makes rows durable before they are acknowledged, and what holds them until they are sealed.
//!
//! - [`ArrowWal`], the write-ahead log `tsds.wal.arrow`, a [`tsds_traits::WalSink`]; [`verify`] looks at one without
//!   changing it, [`repair`] accepts the loss of what is damaged.
//! - [`encode_rows`] and [`decode_rows`]: rows as the payload of a record.
//! - [`Memtable`]: rows in order of arrival, readable while they come.
//! - [`seal`]: the rows of a memtable as the rows of segments.

#[cfg(feature = "conformance")]
pub mod conformance;
mod dictionary;
mod memtable;
mod payload;
mod seal;
mod wal;

pub use memtable::{Memtable, MemtableSnapshot};
pub use payload::{decode_rows, encode_rows};
pub use seal::{SealedRows, seal};
pub use wal::{
    ArrowWal, FileReport, RepairReport, VerifyReport, WalDamage, WalSettings, plugin, repair, verify,
};
