//! S3, and servers that speak like it.

use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use tsds_traits::{Result, World};

use super::profile::Profile;
use super::{Environment, Server, StoreOptions};
use crate::store::RemoteStore;

/// A client from the environment, then a profile, then the options, each over the one before. As AWS's own tools have it,
/// a profile that is not asked for in the configuration gives way to keys in the environment.
pub(super) async fn connect(
    server: &Server,
    options: &StoreOptions,
    environment: &Environment,
    world: &World,
) -> Result<RemoteStore> {
    let builder = AmazonS3Builder::new().with_url(server.url.as_str()).with_retry(options.retry());
    let place = &AmazonS3ConfigKey::Bucket;
    let with = |builder: AmazonS3Builder, key, value: &str| builder.with_config(key, value);
    let mut builder = environment.tell("AWS_", builder, place, with);
    if let Some(profile) = Profile::load(options, environment, world).await? {
        for (key, value) in profile.settings(environment)? {
            builder = builder.with_config(key, value);
        }
    }
    builder = options.tell(builder, place, with)?;
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    let endpoint = endpoint.iter().find_map(|key| builder.get_config_value(key));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        // Whoever writes http:// means it; signatures do not travel as secrets.
        builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true");
    }
    let objects = builder.build().map_err(|error| server.not_configured(error))?;
    Ok(server.remote(objects, world))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sim;
    use crate::settings::ParquetSettings;
    use serde_json::json;

    fn connected(options: serde_json::Value, environment: &Environment) -> Result<RemoteStore> {
        let settings = json!({"url": "s3://bucket/cold/", "object_store": options});
        let settings = ParquetSettings::from_json(settings).unwrap();
        let (machine, world) = sim(1);
        let environment = environment.clone();
        machine.block_on(async move { RemoteStore::connect(&settings, &environment, &world).await })
    }

    #[test]
    fn a_store_is_called_by_its_url_and_shows_no_credentials() {
        let environment =
            Environment::from_iter([("AWS_ACCESS_KEY_ID", "HIDDEN"), ("AWS_SECRET_ACCESS_KEY", "HIDDEN")]);
        let store = connected(json!({}), &environment).unwrap();
        assert_eq!(store.to_string(), "s3://bucket/cold");
        assert!(!format!("{store:?}").contains("HIDDEN"), "{store:?}");
    }

    #[test]
    fn an_option_that_the_client_does_not_have_is_refused_by_name() {
        let error = connected(json!({"regoin": "x"}), &Environment::default()).unwrap_err();
        assert!(error.to_string().contains("cold_tier.object_store.regoin"), "{error}");
        let error = connected(json!({"bucket": "x"}), &Environment::default()).unwrap_err();
        assert!(error.to_string().contains("cold_tier.object_store.bucket"), "{error}");
    }

    #[test]
    fn half_of_a_credential_is_refused() {
        let environment = Environment::from_iter([("AWS_ACCESS_KEY_ID", "HIDDEN")]);
        let error = connected(json!({}), &environment).unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains("SecretAccessKey") && !text.contains("HIDDEN"), "{text}");
    }
}
