//! Profiles of the files that AWS's tools read: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use object_store::aws::AmazonS3ConfigKey;
use tsds_traits::{Error, ErrorKind, OpenMode, Result, World};

use super::{Environment, StoreOptions};

/// A longer file is none of these.
const MAX_BYTES: u64 = 1 << 20;
/// The profile of whoever names none.
const DEFAULT: &str = "default";
/// Keys that say that credentials come from somewhere else.
const INDIRECT: [&str; 5] =
    ["role_arn", "source_profile", "sso_session", "sso_start_url", "credential_process"];

/// The settings of one profile.
pub(super) struct Profile {
    name: String,
    /// Named by the configuration, which is over the environment.
    explicit: bool,
    values: BTreeMap<String, String>,
}

impl Profile {
    /// The profile that is asked for: by the option `profile`, by `AWS_PROFILE`, or else `default` where there is one.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if a profile that is named is not there; as for I/O.
    pub(super) async fn load(
        options: &StoreOptions,
        environment: &Environment,
        world: &World,
    ) -> Result<Option<Self>> {
        let explicit = options.profile.is_some();
        let named = options.profile.as_deref().or_else(|| environment.get("AWS_PROFILE"));
        let name = named.unwrap_or(DEFAULT).to_owned();
        let home = environment.get("HOME").or_else(|| environment.get("USERPROFILE")).map(PathBuf::from);
        let file = |variable: &str, own: &str| {
            let own = home.as_ref().map(|home| home.join(".aws").join(own));
            environment.get(variable).map(PathBuf::from).or(own)
        };
        let files = [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
        let (own, wanted) = (world.clone(), name.clone());
        let read = move || {
            let mut values: Option<BTreeMap<String, String>> = None;
            for path in files.into_iter().flatten() {
                let Some(text) = read_text(&own, &path)? else { continue };
                if let Some(found) = section(&text, &wanted) {
                    // Credentials of the second file are over those of the first.
                    values.get_or_insert_default().extend(found);
                }
            }
            Ok(values)
        };
        let values = (*world.executor).blocking(read).await?;
        match values {
            Some(values) => Ok(Some(Self { name, explicit, values })),
            None if named.is_none() => Ok(None),
            None => Err(Error::new(
                ErrorKind::ConfigInvalid,
                "AWS profile is not in the files where profiles are; check its name, HOME, AWS_CONFIG_FILE and \
                 AWS_SHARED_CREDENTIALS_FILE",
            )
            .with("profile", name)),
        }
    }

    /// What of the profile counts beside the environment.
    ///
    /// # Errors
    ///
    /// `Unsupported` if its credentials come from somewhere else.
    pub(super) fn settings(&self, environment: &Environment) -> Result<Vec<(AmazonS3ConfigKey, String)>> {
        use AmazonS3ConfigKey as Key;
        let in_environment =
            |names: &[&str]| !self.explicit && names.iter().any(|name| environment.get(name).is_some());
        let mut settings = Vec::new();
        let mut take = |key: Key, name: &str| {
            settings.extend(self.values.get(name).map(|value| (key, value.clone())));
        };
        if !in_environment(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
            take(Key::Region, "region");
        }
        if !in_environment(&["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"]) {
            take(Key::Endpoint, "endpoint_url");
        }
        let elsewhere = [
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ];
        if in_environment(&elsewhere) {
            return Ok(settings);
        }
        if self.values.contains_key("aws_access_key_id") {
            take(Key::AccessKeyId, "aws_access_key_id");
            take(Key::SecretAccessKey, "aws_secret_access_key");
            take(Key::Token, "aws_session_token");
            return Ok(settings);
        }
        if self.values.contains_key("web_identity_token_file") {
            take(Key::WebIdentityTokenFile, "web_identity_token_file");
            take(Key::RoleArn, "role_arn");
            take(Key::RoleSessionName, "role_session_name");
            return Ok(settings);
        }
        match INDIRECT.iter().find(|name| self.values.contains_key(**name)) {
            None => Ok(settings),
            Some(name) => Err(Error::unsupported(
                "AWS profile fetches its credentials in a way that is not supported; put them into the environment with \
                 aws configure export-credentials --format env",
            )
            .with("profile", &self.name)
            .with("by", name)),
        }
    }
}

/// The file's text; `None` without the file.
fn read_text(world: &World, path: &Path) -> Result<Option<String>> {
    let failed = |error: std::io::Error| Error::from(error).with("file", path.display());
    let file = match world.vfs.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let not_text = |why: &'static str| Error::new(ErrorKind::ConfigInvalid, why).with("file", path.display());
    let len = file.len().map_err(failed)?;
    let len = usize::try_from(len).ok().filter(|_| len <= MAX_BYTES);
    let mut bytes = vec![0; len.ok_or_else(|| not_text("AWS file is longer than 1 MiB"))?];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    String::from_utf8(bytes).map(Some).map_err(|_| not_text("AWS file is not text"))
}

/// The keys of a profile: of `[name]`, or `[profile name]` as the configuration file has it.
fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut inside = false;
    for line in text.lines() {
        // What is indented belongs to the key before.
        if line.trim().is_empty() || line.starts_with(['#', ';', ' ', '\t']) {
            continue;
        }
        if let Some(title) = line.trim_end().strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let title = title.trim();
            inside = title.strip_prefix("profile ").map_or(title, str::trim) == name;
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            found.get_or_insert_default().insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sim;
    use serde_json::json;

    const CONFIG: &str = "\
# comment
[default]
region = eu-west-1
s3 =
  addressing_style = path
[profile cold]
region=eu-central-1
endpoint_url = http://minio:9000
[profile far]
role_arn = arn:aws:iam::1:role/x
source_profile = default
";
    const CREDENTIALS: &str = "\
[default]
aws_access_key_id = A
aws_secret_access_key = B
[cold]
aws_access_key_id = C
aws_secret_access_key = D
aws_session_token = E
";

    fn settings(
        options: serde_json::Value,
        variables: &[(&str, &str)],
    ) -> Result<Option<BTreeMap<String, String>>> {
        let (machine, world) = sim(1);
        for (path, text) in [("/home/.aws/config", CONFIG), ("/elsewhere", CREDENTIALS)] {
            world.vfs.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
            let file = world.vfs.open(Path::new(path), OpenMode::CreateNew).unwrap();
            file.write_all_at(text.as_bytes(), 0).unwrap();
        }
        let own = [("HOME", "/home"), ("AWS_SHARED_CREDENTIALS_FILE", "/elsewhere")];
        let environment: Environment = own.into_iter().chain(variables.iter().copied()).collect();
        let options = StoreOptions::read(&serde_json::from_value(options).unwrap())?;
        machine.block_on(async move {
            let Some(profile) = Profile::load(&options, &environment, &world).await? else { return Ok(None) };
            let settings = profile.settings(&environment)?.into_iter();
            Ok(Some(settings.map(|(key, value)| (key.as_ref().to_owned(), value)).collect()))
        })
    }

    fn of<const N: usize>(pairs: [(&str, &str); N]) -> Option<BTreeMap<String, String>> {
        Some(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    #[test]
    fn both_files_make_up_a_profile() {
        let cold = of([
            ("aws_region", "eu-central-1"),
            ("aws_endpoint", "http://minio:9000"),
            ("aws_access_key_id", "C"),
            ("aws_secret_access_key", "D"),
            ("aws_session_token", "E"),
        ]);
        assert_eq!(settings(json!({}), &[("AWS_PROFILE", "cold")]).unwrap(), cold);
        assert_eq!(settings(json!({"profile": "cold"}), &[("AWS_PROFILE", "default")]).unwrap(), cold);
    }

    #[test]
    fn the_environment_is_over_a_profile_unless_the_configuration_names_it() {
        let variables = [("AWS_ACCESS_KEY_ID", "X"), ("AWS_REGION", "us-east-2")];
        assert_eq!(settings(json!({}), &variables).unwrap(), of([]));
        let named = settings(json!({"profile": "default"}), &variables).unwrap();
        let default =
            of([("aws_region", "eu-west-1"), ("aws_access_key_id", "A"), ("aws_secret_access_key", "B")]);
        assert_eq!(named, default);
    }

    #[test]
    fn a_profile_that_is_named_and_not_there_is_refused() {
        let error = settings(json!({}), &[("AWS_PROFILE", "none")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains("profile=none"), "{error}");
    }

    #[test]
    fn credentials_from_elsewhere_are_unsupported_and_say_what_to_do() {
        let error = settings(json!({"profile": "far"}), &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("export-credentials"), "{error}");
    }
}
