//! Object stores: local files that are synced, and servers whose answers are explained.

mod errors;
mod local;
mod remote;
mod root;
mod staging;

pub use local::{FromDisk, VfsObjectStore};
pub use remote::RemoteStore;

pub(crate) use errors::from_store;
pub(crate) use root::{Root, belongs_to};
