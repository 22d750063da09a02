//! Errors on their way through `object_store`, whose own error type has no room for a kind or a retry hint.

use std::io;

use object_store::path::Path;
use tsds_traits::{Error, ErrorKind, Retry};

/// The name under which the store reports errors.
pub(super) const STORE: &str = "VfsObjectStore";

/// An I/O error on `location`.
pub(super) fn io_error(location: &Path, error: io::Error) -> object_store::Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            object_store::Error::NotFound { path: location.to_string(), source: error.into() }
        }
        io::ErrorKind::AlreadyExists => already_exists(location),
        _ => carried(Error::from(error).with("file", location)),
    }
}

/// The object at `location` exists already.
pub(super) fn already_exists(location: &Path) -> object_store::Error {
    object_store::Error::AlreadyExists {
        path: location.to_string(),
        source: "the store never replaces an object that is to be created".into(),
    }
}

/// An error of ours, inside of one of theirs; [`from_store`] takes it out again.
pub(super) fn carried(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: Box::new(error) }
}

/// Whether an error of ours is inside.
pub(super) fn is_carried(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { source, .. } if source.is::<Error>())
}

/// What an object store's error means to a caller of TSDS.
pub(crate) fn from_store(error: object_store::Error) -> Error {
    if let object_store::Error::Generic { source, .. } = &error {
        if let Some(own) = source.downcast_ref::<Error>() {
            return own.duplicate();
        }
        if let Some(io) = source.downcast_ref::<io::Error>() {
            return Error::from(io::Error::new(io.kind(), io.to_string()));
        }
    }
    let (kind, message) = match &error {
        object_store::Error::NotFound { .. } => (ErrorKind::NotFound, "object does not exist"),
        object_store::Error::AlreadyExists { .. } => (ErrorKind::Conflict, "object exists already"),
        object_store::Error::Precondition { .. } | object_store::Error::NotModified { .. } => {
            (ErrorKind::Conflict, "object was changed by somebody else")
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            (ErrorKind::ReadOnly, "object store denied access; check its credentials")
        }
        object_store::Error::InvalidPath { .. } => (ErrorKind::InvalidInput, "object path is not valid"),
        object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => {
            (ErrorKind::Unsupported, "object store does not support the operation")
        }
        object_store::Error::UnknownConfigurationKey { .. } => {
            (ErrorKind::ConfigInvalid, "object store does not know a setting")
        }
        _ => (ErrorKind::Unavailable, "object store failed"),
    };
    let retry = if kind == ErrorKind::Unavailable { Retry::Later } else { Retry::Never };
    Error::new(kind, message).with_retry(retry).with("cause", &error).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_stays_a_retryable_no_space() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = from_store(io_error(&Path::from("a/b"), full));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::NoSpace, Retry::Later));
        assert!(error.to_string().contains("file=a/b"), "{error}");
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(from_store(io_error(&Path::from("a"), missing)).kind(), ErrorKind::NotFound);
    }

    #[test]
    fn an_unknown_failure_of_a_remote_store_may_pass() {
        let error = object_store::Error::Generic { store: "S3", source: "timeout".into() };
        let error = from_store(error);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
    }
}
