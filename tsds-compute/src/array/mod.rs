//! Arrow columns by physical class: one view over the many Arrow types that TSDS stores.

mod batch;
mod build;
mod cast;
mod changes;
mod coded;
mod decimals;
mod interner;
mod pick;
mod row_bytes;
mod view;

pub(crate) use batch::Columns;
pub(crate) use build::{from_decimals, from_texts, nulls_of};
pub use build::{from_keys, relabelled};
pub(crate) use cast::record_batch;
pub use cast::{conform, conform_batch};
pub(crate) use changes::{changes, views};
pub use coded::code_text;
pub(crate) use decimals::{Decimals, ranks as decimal_ranks};
pub(crate) use interner::{Interner, fixed_hasher};
pub(crate) use pick::pick;
pub(crate) use row_bytes::plain_row_bytes;
pub use row_bytes::{BatchSize, RowBytes};
pub(crate) use view::{Codes, Column, Native, Text, Values, with_values};
