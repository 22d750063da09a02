//! Google Cloud Storage.

use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use tsds_traits::{Result, World};

use super::{Environment, Server, StoreOptions};
use crate::store::RemoteStore;

/// A client from the environment, and the options over it.
pub(super) fn connect(
    server: &Server,
    options: &StoreOptions,
    environment: &Environment,
    world: &World,
) -> Result<RemoteStore> {
    let builder = GoogleCloudStorageBuilder::new().with_url(server.url.as_str()).with_retry(options.retry());
    let place = &GoogleConfigKey::Bucket;
    let with = |builder: GoogleCloudStorageBuilder, key, value: &str| builder.with_config(key, value);
    let builder = options.tell(environment.tell("GOOGLE_", builder, place, with), place, with)?;
    let objects = builder.build().map_err(|error| server.not_configured(error))?;
    Ok(server.remote(objects, world))
}
