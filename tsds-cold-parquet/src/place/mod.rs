//! Where cold files lie: a directory, or what the URL of an object store names.

#[cfg(feature = "azure")]
mod azure;
mod environment;
#[cfg(feature = "gcs")]
mod gcs;
mod options;
#[cfg(feature = "s3")]
mod profile;
#[cfg(feature = "s3")]
mod s3;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreScheme};
use tsds_traits::{Durability, Error, ErrorKind, Result, World};
use url::Url;

pub use environment::Environment;
pub(crate) use options::StoreOptions;

use crate::settings::ParquetSettings;
use crate::store::{RemoteStore, VfsObjectStore};

/// A store that is ready for use.
#[derive(Debug)]
pub(crate) struct OpenedStore {
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// What its acknowledgements survive.
    pub(crate) durability: Durability,
}

/// Opens the store of `settings.url`, or of local files in `directory`, and removes what interrupted uploads left there.
///
/// # Errors
///
/// `ConfigInvalid` for a URL or options that mean nothing, or credentials in them; `Unsupported` for a store that this
/// build has no client of; as for I/O.
pub(crate) async fn open(
    settings: &ParquetSettings,
    directory: PathBuf,
    environment: &Environment,
    world: &World,
) -> Result<OpenedStore> {
    let grace = Duration::from_secs(settings.staging_grace_seconds);
    let server = match &settings.url {
        None => return open_directory(directory, grace, world).await,
        Some(text) => Server::parse(text)?,
    };
    let remote = match server.scheme {
        ObjectStoreScheme::Local => {
            let path = server.url.to_file_path();
            let path =
                path.map_err(|()| server.refuse("file URL names no local path; write file:///path"))?;
            return open_directory(path, grace, world).await;
        }
        _ => RemoteStore::connect(settings, environment, world).await?,
    };
    let swept = remote.sweep_staging(grace).await;
    report(swept.unwrap_or_else(|error| {
        tracing::warn!(%error, "uploads that were interrupted could not be looked for");
        0
    }));
    let volatile = server.scheme == ObjectStoreScheme::Memory;
    let durability = if volatile { Durability::Volatile } else { Durability::Power };
    Ok(OpenedStore { objects: Arc::new(remote), durability })
}

async fn open_directory(directory: PathBuf, grace: Duration, world: &World) -> Result<OpenedStore> {
    let store = VfsObjectStore::new(world.clone(), directory);
    report(store.sweep_staging(grace).await?);
    Ok(OpenedStore { objects: Arc::new(store), durability: Durability::Power })
}

fn report(swept: u64) {
    if swept > 0 {
        tracing::info!(uploads = swept, "removed what interrupted uploads to the cold tier left behind");
    }
}

impl RemoteStore {
    /// A client of the store that `settings.url` names. Options come from `settings.object_store`, over a profile, over
    /// the environment. Does not ask the store for anything.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a URL or options that mean nothing, credentials in them, or a profile that is not there;
    /// `Unsupported` for a store that this build has no client of, and for local files, which are [`VfsObjectStore`]'s.
    pub async fn connect(
        settings: &ParquetSettings,
        environment: &Environment,
        world: &World,
    ) -> Result<Self> {
        let text = settings.url.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::ConfigInvalid, "object store has no URL").with("key", "url")
        })?;
        let server = Server::parse(text)?;
        let options = StoreOptions::read(&settings.object_store)?;
        server.connect(&options, environment, world).await
    }
}

/// A URL that was understood.
#[derive(Clone, Debug)]
struct Server {
    url: Url,
    scheme: ObjectStoreScheme,
    /// What stands before every key.
    #[cfg_attr(
        not(any(feature = "s3", feature = "gcs", feature = "azure")),
        allow(dead_code, reason = "no client needs it")
    )]
    prefix: Path,
}

impl Server {
    fn parse(text: &str) -> Result<Self> {
        let refuse =
            |why: &str| Error::new(ErrorKind::ConfigInvalid, why.to_owned()).with("key", "storage.cold_path");
        // The text is not repeated: it may hold a password.
        let url = Url::parse(text)
            .map_err(|error| refuse("cold files lie at a URL that is none").with("cause", error))?;
        let container = url.scheme().starts_with("abfs") || url.scheme() == "az";
        if url.password().is_some() || (!url.username().is_empty() && !container) {
            return Err(refuse("URL of cold files holds credentials; set them in the environment"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse(
                "URL of cold files has a query or fragment; options belong to cold_tier.object_store, and \
                 credentials to the environment",
            ));
        }
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(|_| {
            refuse("URL of cold files has an unknown scheme; use s3, gs, az, abfss, https, file or memory")
                .with("url", &url)
        })?;
        Ok(Self { url, scheme, prefix })
    }

    fn refuse(&self, why: &'static str) -> Error {
        Error::new(ErrorKind::ConfigInvalid, why).with("url", &self.url)
    }

    async fn connect(
        &self,
        options: &StoreOptions,
        environment: &Environment,
        world: &World,
    ) -> Result<RemoteStore> {
        match self.scheme {
            ObjectStoreScheme::Memory => {
                options.expect_none_but(&[])?;
                Ok(self.remote(InMemory::new(), world))
            }
            ObjectStoreScheme::AmazonS3 => self.connect_s3(options, environment, world).await,
            ObjectStoreScheme::GoogleCloudStorage => self.connect_gcs(options, environment, world),
            ObjectStoreScheme::MicrosoftAzure => self.connect_azure(options, environment, world),
            ObjectStoreScheme::Local => Err(Error::unsupported("local files are no remote store")
                .with("url", &self.url)),
            _ => Err(Error::unsupported(
                "a plain web server cannot create an object only where there is none; for a server that speaks S3 use \
                 s3://bucket/prefix with cold_tier.object_store.endpoint, for Azure or S3 themselves their own https URLs",
            )
            .with("url", &self.url)),
        }
    }

    #[cfg(feature = "s3")]
    async fn connect_s3(
        &self,
        options: &StoreOptions,
        environment: &Environment,
        world: &World,
    ) -> Result<RemoteStore> {
        s3::connect(self, options, environment, world).await
    }

    #[cfg(not(feature = "s3"))]
    async fn connect_s3(&self, _: &StoreOptions, _: &Environment, _: &World) -> Result<RemoteStore> {
        Err(self.not_built("s3"))
    }

    #[cfg(feature = "gcs")]
    fn connect_gcs(
        &self,
        options: &StoreOptions,
        environment: &Environment,
        world: &World,
    ) -> Result<RemoteStore> {
        gcs::connect(self, options, environment, world)
    }

    #[cfg(not(feature = "gcs"))]
    fn connect_gcs(&self, _: &StoreOptions, _: &Environment, _: &World) -> Result<RemoteStore> {
        Err(self.not_built("gcs"))
    }

    #[cfg(feature = "azure")]
    fn connect_azure(
        &self,
        options: &StoreOptions,
        environment: &Environment,
        world: &World,
    ) -> Result<RemoteStore> {
        azure::connect(self, options, environment, world)
    }

    #[cfg(not(feature = "azure"))]
    fn connect_azure(&self, _: &StoreOptions, _: &Environment, _: &World) -> Result<RemoteStore> {
        Err(self.not_built("azure"))
    }

    #[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
    fn not_built(&self, feature: &'static str) -> Error {
        Error::unsupported("this build has no client of the object store; build with its feature")
            .with("feature", feature)
            .with("url", &self.url)
    }

    /// The objects under the prefix of the URL.
    fn remote<T>(&self, objects: T, world: &World) -> RemoteStore
    where
        T: ObjectStore + MultipartStore,
    {
        let objects = PrefixStore::new(objects, self.prefix.clone());
        RemoteStore::new(objects, self.url.as_str().trim_end_matches('/'), world.clone())
    }

    /// What a builder says of its options.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    fn not_configured(&self, error: object_store::Error) -> Error {
        Error::new(ErrorKind::ConfigInvalid, "object store cannot be used as it is configured")
            .with("url", &self.url)
            .with("cause", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(ObjectStoreScheme, String)> {
        Server::parse(text).map(|server| (server.scheme, server.prefix.to_string()))
    }

    #[test]
    fn each_scheme_is_understood_with_its_prefix() {
        let cases = [
            ("s3://bucket/a/b", ObjectStoreScheme::AmazonS3, "a/b"),
            ("s3://bucket", ObjectStoreScheme::AmazonS3, ""),
            ("https://s3.eu-central-1.amazonaws.com/bucket/a", ObjectStoreScheme::AmazonS3, "a"),
            ("gs://bucket/a", ObjectStoreScheme::GoogleCloudStorage, "a"),
            ("az://container/a", ObjectStoreScheme::MicrosoftAzure, "a"),
            ("abfss://container@account.dfs.core.windows.net/a", ObjectStoreScheme::MicrosoftAzure, "a"),
            ("memory:///", ObjectStoreScheme::Memory, ""),
            ("file:///var/cold", ObjectStoreScheme::Local, "var/cold"),
            ("https://example.org/a", ObjectStoreScheme::Http, "a"),
        ];
        for (text, scheme, prefix) in cases {
            assert_eq!(parse(text).unwrap(), (scheme, prefix.into()), "{text}");
        }
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_repeated() {
        for text in [
            "s3://key:SECRET@bucket/a",
            "s3://SECRET@bucket",
            "az://container/a?sig=SECRET",
            "s3://b/#SECRET",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
    }

    #[test]
    fn an_unknown_scheme_names_the_known_ones() {
        let error = parse("ftp://host/a").unwrap_err();
        assert!(error.to_string().contains("use s3, gs, az"), "{error}");
        assert!(parse("s3:/").is_err());
    }
}
