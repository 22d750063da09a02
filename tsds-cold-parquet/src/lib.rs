//! The cold tier of TSDS: date-partitioned Parquet files on any object store.
//!
//! [`ParquetTier`] (plugin `tsds.cold.parquet`) keeps every segment as one Parquet file that DuckDB, Spark, Polars and
//! pyarrow read too. Plain Parquet has no checksums that its writers fill in, so every file comes with a record of CRC32C
//! sums that the catalog keeps, and no byte reaches a decoder before it was compared with them.
//!
//! [`VfsObjectStore`] is the object store for local files: it goes through the world's file system and syncs what it
//! acknowledges, which `object_store`'s own does not. [`RemoteStore`] is one for everything else: S3 (feature `s3`),
//! Google Cloud Storage (`gcs`), Azure (`azure`), or any other that uploads in parts.
//!
//! Formats: `docs/formats/cold-file.md` and `docs/formats/cold-record.md`; decisions: `docs/adr/0006-cold-files.md` and
//! `docs/adr/0019-cold-object-stores.md`.

mod checksum;
#[cfg(feature = "conformance")]
pub mod conformance;
mod inventory;
mod layout;
mod location;
mod note;
mod path;
mod place;
mod read;
mod record;
mod settings;
mod store;
mod tier;
mod write;

pub use path::check_column_names;
pub use place::Environment;
pub use settings::ParquetSettings;
pub use store::{FromDisk, RemoteStore, VfsObjectStore};
pub use tier::{ParquetTier, plugin};

/// What the tests in `tests/` use, for those that need to see the inside.
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;

#[cfg(test)]
extern crate self as tsds_cold_parquet;
