//! Azure Blob Storage.

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use tsds_traits::{Result, World};

use super::options::unknown_option;
use super::{Environment, Server, StoreOptions};
use crate::store::RemoteStore;

/// A client from the environment, and the options over it.
pub(super) fn connect(
    server: &Server,
    options: &StoreOptions,
    environment: &Environment,
    world: &World,
) -> Result<RemoteStore> {
    let mut builder = MicrosoftAzureBuilder::new().with_url(server.url.as_str()).with_retry(options.retry());
    for (name, value) in environment.with_prefix("AZURE_") {
        if let Ok(key) = name.parse::<AzureConfigKey>()
            && key != AzureConfigKey::ContainerName
        {
            builder = builder.with_config(key, value);
        }
    }
    for (name, value) in &options.client {
        let key = name.parse::<AzureConfigKey>().ok().filter(|key| *key != AzureConfigKey::ContainerName);
        builder = builder.with_config(key.ok_or_else(|| unknown_option(name))?, value);
    }
    let objects = builder.build().map_err(|error| server.not_configured(error))?;
    Ok(server.remote(objects, world))
}
