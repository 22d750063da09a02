//! Options of an object store, as a configuration has them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tsds_traits::{Error, ErrorKind, Result};

/// What a client does when nothing else is said.
const RETRIES: usize = 10;
const RETRY_DEADLINE: Duration = Duration::from_secs(45);
/// The longest that can be asked for: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// Options, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoreOptions {
    /// How often a request is repeated.
    pub(crate) max_retries: usize,
    /// How long after its first try a request is not repeated any more.
    pub(crate) retry_deadline: Duration,
    /// Whose credentials, region and endpoint of the AWS files are used.
    pub(crate) profile: Option<String>,
    /// What the client itself understands, by names in lower case.
    pub(crate) client: BTreeMap<String, String>,
}

impl StoreOptions {
    /// Reads options.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid`, naming the key, for a credential, and for a value that cannot be one. Values are not repeated.
    pub(crate) fn read(map: &BTreeMap<String, Json>) -> Result<Self> {
        let mut options = Self {
            max_retries: RETRIES,
            retry_deadline: RETRY_DEADLINE,
            profile: None,
            client: BTreeMap::new(),
        };
        for (name, value) in map {
            let lower = name.to_ascii_lowercase();
            if is_credential(&lower) {
                return Err(refused(
                    "credentials do not belong to a configuration; set them in the environment, or name a profile",
                    name,
                ));
            }
            match lower.as_str() {
                "max_retries" => {
                    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
                    options.max_retries = count.ok_or_else(|| refused("must be a whole number", name))?;
                }
                "retry_deadline_seconds" => {
                    let seconds = value.as_f64().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
                    let seconds = seconds.ok_or_else(|| refused("must be seconds, at most a day", name))?;
                    options.retry_deadline = Duration::from_secs_f64(seconds);
                }
                _ => {
                    let text = match value {
                        Json::String(text) => text.clone(),
                        Json::Bool(flag) => flag.to_string(),
                        Json::Number(number) => number.to_string(),
                        _ => return Err(refused("must be text, a number, true or false", name)),
                    };
                    if has_password(&text) {
                        return Err(refused(
                            "a URL with a password does not belong to a configuration",
                            name,
                        ));
                    }
                    match lower.as_str() {
                        "profile" => options.profile = Some(text),
                        _ => {
                            options.client.insert(lower, text);
                        }
                    }
                }
            }
        }
        Ok(options)
    }

    /// Refuses options that a client does not have.
    pub(crate) fn expect_none_but(&self, known: &[&str]) -> Result<()> {
        let mut unknown = self.client.keys().filter(|name| !known.contains(&name.as_str()));
        match unknown.next() {
            None => Ok(()),
            Some(name) => Err(unknown_option(name)),
        }
    }
}

/// What the options say to clients.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
impl StoreOptions {
    pub(crate) fn retry(&self) -> object_store::RetryConfig {
        object_store::RetryConfig {
            max_retries: self.max_retries,
            retry_timeout: self.retry_deadline,
            ..object_store::RetryConfig::default()
        }
    }

    /// Tells a client's builder what the options say.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for an option that the client does not have, and for the `place`, a bucket or container, which is that
    /// of the URL.
    pub(super) fn tell<B, K: std::str::FromStr + PartialEq>(
        &self,
        builder: B,
        place: &K,
        with: impl Fn(B, K, &str) -> B,
    ) -> Result<B> {
        self.client.iter().try_fold(builder, |builder, (name, value)| {
            let key = name.parse().ok().filter(|key| key != place).ok_or_else(|| unknown_option(name))?;
            Ok(with(builder, key, value))
        })
    }
}

pub(crate) fn unknown_option(name: &str) -> Error {
    refused("object store has no such option", name)
}

fn refused(why: &'static str, name: &str) -> Error {
    Error::new(ErrorKind::ConfigInvalid, why).with("key", format!("cold_tier.object_store.{name}"))
}

/// Whether a client would take the option for a credential.
fn is_credential(name: &str) -> bool {
    // Files in which credentials lie are none themselves.
    if name.ends_with("_file") || name.ends_with("_path") || name.ends_with("_uri") {
        return false;
    }
    let secret =
        ["secret", "token", "password", "access_key", "account_key", "master_key", "customer_key", "sas_"];
    secret.iter().any(|word| name.contains(word)) || name.ends_with("service_account_key")
}

fn has_password(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.password().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(options: Json) -> Result<StoreOptions> {
        StoreOptions::read(&serde_json::from_value(options).unwrap())
    }

    #[test]
    fn own_options_are_taken_out_and_the_others_are_the_clients() {
        let options = json!({"max_retries": 2, "retry_deadline_seconds": 0.5, "profile": "cold", "Region": "x", "allow_http": true});
        let read = read(options).unwrap();
        assert_eq!((read.max_retries, read.retry_deadline), (2, Duration::from_millis(500)));
        assert_eq!(read.profile.as_deref(), Some("cold"));
        assert_eq!(
            read.client,
            BTreeMap::from([("region".into(), "x".into()), ("allow_http".into(), "true".into())])
        );
    }

    #[test]
    fn credentials_are_refused_by_name_and_not_repeated() {
        let names = [
            "aws_secret_access_key",
            "access_key_id",
            "AWS_SESSION_TOKEN",
            "token",
            "account_key",
            "azure_storage_sas_key",
            "google_service_account_key",
            "client_secret",
            "sse_customer_key_base64",
            "bearer_token",
        ];
        for name in names {
            let error = read(json!({ name: "HIDDEN" })).unwrap_err();
            let text = format!("{error:?}");
            assert!(
                text.contains(name) && text.contains("environment") && !text.contains("HIDDEN"),
                "{text}"
            );
        }
        let error = read(json!({"proxy_url": "http://user:HIDDEN@proxy"})).unwrap_err();
        assert!(!format!("{error:?}").contains("HIDDEN"), "{error}");
    }

    #[test]
    fn files_with_credentials_may_be_named() {
        let options = json!({"google_application_credentials": "/a.json", "federated_token_file": "/b"});
        assert_eq!(read(options).unwrap().client.len(), 2);
    }

    #[test]
    fn values_that_cannot_be_options_are_refused_by_name() {
        for (name, value) in
            [("max_retries", json!(-1)), ("retry_deadline_seconds", json!("x")), ("region", json!({}))]
        {
            let error = read(json!({ name: value })).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
