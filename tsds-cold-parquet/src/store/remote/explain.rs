//! What a server's refusal means, and what to do about it.
//!
//! A response can hold what was sent, credentials included: of its body only the code and the message are repeated.

use std::sync::Arc;

use object_store::path::Path;
use tsds_traits::{Error, ErrorKind, Retry};

use crate::store::errors::{carried, is_carried};

/// How much of a server's message is repeated, in characters.
const CAUSE_CHARS: usize = 300;

/// Explains the errors of one store.
#[derive(Clone, Debug)]
pub(super) struct Explain {
    store: Arc<str>,
}

impl Explain {
    pub(super) fn new(store: String) -> Self {
        Self { store: store.into() }
    }

    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// The error of a request. What a caller acts on, such as an object that is not there, stays what it is.
    pub(super) fn error(
        &self,
        request: &'static str,
        location: &Path,
        error: object_store::Error,
    ) -> object_store::Error {
        use object_store::Error as Store;
        if is_carried(&error) {
            return error;
        }
        let answer = Answer::of(&error);
        match &error {
            Store::NotFound { .. } if !answer.lacks_bucket() => return error,
            Store::AlreadyExists { .. }
            | Store::Precondition { .. }
            | Store::NotModified { .. }
            | Store::InvalidPath { .. }
            | Store::NotSupported { .. }
            | Store::NotImplemented { .. }
            | Store::UnknownConfigurationKey { .. } => return error,
            _ => {}
        }
        let fault = answer.fault(&error);
        let (kind, message) = fault.meaning();
        let retry = if fault.may_pass() { Retry::Later } else { Retry::Never };
        let explained = Error::new(kind, message)
            .with_retry(retry)
            .with("store", &self.store)
            .with("key", location)
            .with("request", request)
            .with("cause", answer.cause(&error));
        carried(explained)
    }
}

/// What an error says of the server's answer.
#[derive(Debug, Default)]
struct Answer {
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    transport: Option<Transport>,
    /// No credentials are configured: the machine was asked for some, as if it were one of the provider's.
    of_metadata: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Connect,
    Timeout,
    Other,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Unreachable,
    Silent,
    NoCredentials,
    Credentials,
    Expired,
    Clock,
    Denied,
    Bucket,
    Region,
    Full,
    Failed,
}

impl Answer {
    fn of(error: &object_store::Error) -> Self {
        let text = error.to_string();
        let between = |open: &str, close: &str| {
            let (_, rest) = text.split_once(open)?;
            let (found, _) = rest.split_once(close)?;
            Some(found.trim().to_owned())
        };
        let status = between("status code: ", ":").or_else(|| between("status code: ", " "));
        Self {
            status: status.and_then(|status| status.get(..3)?.parse().ok()),
            code: between("<Code>", "</Code>").or_else(|| between("(code: ", ")")),
            message: between("<Message>", "</Message>"),
            transport: transport(error),
            of_metadata: text.contains("http://169.254.") || text.contains("metadata.google.internal"),
        }
    }

    fn lacks_bucket(&self) -> bool {
        matches!(self.code.as_deref(), Some("NoSuchBucket" | "ContainerNotFound"))
    }

    fn fault(&self, error: &object_store::Error) -> Fault {
        if self.of_metadata {
            return Fault::NoCredentials;
        }
        let by_code = self.code.as_deref().and_then(|code| match code {
            "NoSuchBucket" | "ContainerNotFound" => Some(Fault::Bucket),
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "InvalidClientTokenId"
            | "AuthFailure"
            | "AuthenticationFailed"
            | "InvalidAuthenticationInfo"
            | "InvalidSecurity" => Some(Fault::Credentials),
            "ExpiredToken" | "TokenRefreshRequired" => Some(Fault::Expired),
            "RequestTimeTooSkewed" => Some(Fault::Clock),
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => Some(Fault::Region),
            "AccessDenied"
            | "AllAccessDisabled"
            | "AccountProblem"
            | "AuthorizationFailure"
            | "AuthorizationPermissionMismatch"
            | "InsufficientAccountPermissions" => Some(Fault::Denied),
            "QuotaExceeded" | "XMinioStorageFull" | "InsufficientCapacity" | "StorageFull" => {
                Some(Fault::Full)
            }
            _ => None,
        });
        let by_variant = || match error {
            object_store::Error::Unauthenticated { .. } => Some(Fault::Credentials),
            object_store::Error::PermissionDenied { .. } => Some(Fault::Denied),
            _ => None,
        };
        let by_status = || match self.status? {
            301 | 307 => Some(Fault::Region),
            401 => Some(Fault::Credentials),
            403 => Some(Fault::Denied),
            507 => Some(Fault::Full),
            _ => None,
        };
        let by_transport = || match self.transport? {
            Transport::Connect => Some(Fault::Unreachable),
            Transport::Timeout => Some(Fault::Silent),
            Transport::Other => None,
        };
        let redirect = || error.to_string().contains("redirect without LOCATION").then_some(Fault::Region);
        by_code
            .or_else(by_variant)
            .or_else(by_status)
            .or_else(by_transport)
            .or_else(redirect)
            .unwrap_or(Fault::Failed)
    }

    /// What the server or the network said, in few words.
    fn cause(&self, error: &object_store::Error) -> String {
        let text = match (&self.code, &self.message, self.status) {
            (Some(code), Some(message), _) => format!("{code}: {message}"),
            (Some(code), None, _) => code.clone(),
            (None, _, Some(status)) => format!("status {status}"),
            (None, _, None) => innermost(error),
        };
        let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = words.char_indices().nth(CAUSE_CHARS) {
            words.truncate(end);
        }
        words
    }
}

impl Fault {
    /// Whether the same request may succeed later by itself.
    fn may_pass(self) -> bool {
        matches!(self, Self::Unreachable | Self::Silent | Self::Full | Self::Failed | Self::Expired)
    }

    fn meaning(self) -> (ErrorKind, &'static str) {
        match self {
            Self::Unreachable => (
                ErrorKind::Unavailable,
                "object store cannot be reached; check the endpoint, the network and the proxy",
            ),
            Self::Silent => (
                ErrorKind::Unavailable,
                "object store did not answer in time; if it is slow and not gone, raise cold_tier.object_store.timeout",
            ),
            Self::NoCredentials => (
                ErrorKind::ConfigInvalid,
                "no credentials for the object store; set them in the environment (AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, say), or name a profile",
            ),
            Self::Credentials => (
                ErrorKind::ConfigInvalid,
                "object store does not know the credentials; check the key, the secret and the account they belong to",
            ),
            Self::Expired => (
                ErrorKind::Unavailable,
                "credentials for the object store have expired; fetch new ones, and restart if they come from the environment",
            ),
            Self::Clock => (
                ErrorKind::ConfigInvalid,
                "object store finds the clock of this machine wrong, and refuses signatures; set the clock",
            ),
            Self::Denied => (
                ErrorKind::ReadOnly,
                "object store denied access; the credentials need to read, write, delete and list under the prefix",
            ),
            Self::Bucket => {
                (ErrorKind::ConfigInvalid, "bucket does not exist; create it, or correct storage.cold_path")
            }
            Self::Region => (
                ErrorKind::ConfigInvalid,
                "bucket is in another region or at another endpoint; set AWS_REGION or cold_tier.object_store.region",
            ),
            Self::Full => (
                ErrorKind::NoSpace,
                "object store is full or its quota is used up; make room or raise the quota",
            ),
            Self::Failed => (ErrorKind::Unavailable, "object store failed"),
        }
    }
}

/// What the last of the errors behind `error` says.
fn innermost(error: &object_store::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Whether the answer did not come at all.
fn transport(error: &object_store::Error) -> Option<Transport> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        if let Some(transport) = transport_of(current) {
            return Some(transport);
        }
        cause = current.source();
    }
    None
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn transport_of(error: &(dyn std::error::Error + 'static)) -> Option<Transport> {
    use object_store::client::{HttpError, HttpErrorKind};
    Some(match error.downcast_ref::<HttpError>()?.kind() {
        HttpErrorKind::Connect => Transport::Connect,
        HttpErrorKind::Timeout => Transport::Timeout,
        _ => Transport::Other,
    })
}

#[cfg(not(any(feature = "s3", feature = "gcs", feature = "azure")))]
fn transport_of(error: &(dyn std::error::Error + 'static)) -> Option<Transport> {
    match error.downcast_ref::<std::io::Error>()?.kind() {
        std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotConnected => Some(Transport::Connect),
        std::io::ErrorKind::TimedOut => Some(Transport::Timeout),
        _ => Some(Transport::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::errors::from_store;

    fn explained(error: object_store::Error) -> Error {
        let explain = Explain::new("s3://bucket/prefix".into());
        from_store(explain.error("put", &Path::from("7/a.parquet"), error))
    }

    fn answer(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    fn xml(code: &str) -> String {
        format!(
            "Error performing PUT http://h/b in 1ms - Server returned non-2xx status code: 400 Bad Request: \
             <Error><Code>{code}</Code><Message>what it\n says</Message><StringToSign>SECRET</StringToSign></Error>"
        )
    }

    #[test]
    fn a_refusal_names_store_key_request_and_cause_and_nothing_else_of_the_answer() {
        let error = explained(answer(&xml("InvalidAccessKeyId")));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::ConfigInvalid, Retry::Never));
        let text = format!("{error:?}");
        let expected =
            "store=s3://bucket/prefix key=7/a.parquet request=put cause=InvalidAccessKeyId: what it says";
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[test]
    fn each_code_has_its_kind_and_retry() {
        let cases = [
            ("SlowDown", ErrorKind::Unavailable, Retry::Later),
            ("AuthorizationHeaderMalformed", ErrorKind::ConfigInvalid, Retry::Never),
            ("RequestTimeTooSkewed", ErrorKind::ConfigInvalid, Retry::Never),
            ("ExpiredToken", ErrorKind::Unavailable, Retry::Later),
            ("AccessDenied", ErrorKind::ReadOnly, Retry::Never),
            ("XMinioStorageFull", ErrorKind::NoSpace, Retry::Later),
            ("NoSuchBucket", ErrorKind::ConfigInvalid, Retry::Never),
        ];
        for (code, kind, retry) in cases {
            let error = explained(answer(&xml(code)));
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{code}");
        }
    }

    #[test]
    fn a_missing_bucket_is_not_taken_for_a_missing_object() {
        let missing = |code: &str| object_store::Error::NotFound {
            path: "7/a.parquet".into(),
            source: xml(code).into(),
        };
        assert_eq!(explained(missing("NoSuchKey")).kind(), ErrorKind::NotFound);
        assert_eq!(explained(missing("NoSuchBucket")).kind(), ErrorKind::ConfigInvalid);
    }

    #[test]
    fn a_bare_redirect_is_another_region() {
        let error = explained(answer("Received redirect without LOCATION, this normally indicates"));
        assert!(error.to_string().contains("another region"), "{error}");
    }

    #[test]
    fn asking_the_machine_for_credentials_in_vain_says_that_there_are_none() {
        let error = explained(answer("Error performing PUT http://169.254.169.254/latest/api/token in 3s"));
        assert!(error.to_string().contains("no credentials"), "{error}");
    }
}
