//! The one error type of the workspace.
//!
//! A kind says what the caller can do about it, not where it arose; retry is data; who failed and at what is part of
//! the error, since with many plugins that is the first question. Messages are lower case, and values come last as
//! `key=value`.

use std::fmt;
use std::io;

/// The result of every fallible call in the workspace.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as coarse as what a caller would do differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is outside what this component claims in its capabilities. Ask for less, or elsewhere.
    Unsupported,
    /// The caller's data or request is wrong: fix it; nothing was applied.
    InvalidInput,
    /// A setting is unknown, out of range or contradicts what is on disk. Fix the configuration.
    ConfigInvalid,
    /// The named thing does not exist.
    NotFound,
    /// The named thing exists already, or somebody else changed it first.
    Conflict,
    /// Another process holds the database.
    Locked,
    /// The component was closed or poisoned; open the database again.
    Closed,
    /// A remote part does not answer at present.
    Unavailable,
    /// A budget of memory, rows or time is used up. Wait, or give more.
    Exhausted,
    /// The disk, quota or object store is full. Writes resume by themselves when there is space.
    NoSpace,
    /// The storage refuses writes as such (a read-only file system or missing permission).
    ReadOnly,
    /// The write may or may not survive a restart: its sync failed. Check after reopening.
    NotDurable,
    /// The device was lost; the same request can be answered elsewhere.
    DeviceLost,
    /// A key is missing, or access to it was denied. Only what it protects is unavailable.
    KeyUnavailable,
    /// Stored bytes are damaged. Never retried; the message names file and place.
    Corrupt,
    /// An operating-system error that is none of the above.
    Io,
    /// A broken promise of a plugin or of TSDS itself: a bug to report.
    Internal,
}

impl ErrorKind {
    /// The kind's name in lower case, stable, for logs, metrics and `--json` output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::InvalidInput => "invalid_input",
            Self::ConfigInvalid => "config_invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Locked => "locked",
            Self::Closed => "closed",
            Self::Unavailable => "unavailable",
            Self::Exhausted => "exhausted",
            Self::NoSpace => "no_space",
            Self::ReadOnly => "read_only",
            Self::NotDurable => "not_durable",
            Self::DeviceLost => "device_lost",
            Self::KeyUnavailable => "key_unavailable",
            Self::Corrupt => "corrupt",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }

    fn default_retry(self) -> Retry {
        match self {
            Self::Unavailable | Self::Exhausted | Self::NoSpace | Self::DeviceLost => Retry::Later,
            _ => Retry::Never,
        }
    }
}

/// Whether the same call can succeed later without anybody fixing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same call fails again.
    Never,
    /// The cause may pass by itself: try again after a pause.
    Later,
}

/// An error with its kind, its origin and the values that explain it.
///
/// Its size is one pointer, so that `Result<T>` stays small.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: String,
    plugin: Option<&'static str>,
    operation: Option<&'static str>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a lower-case message that says what happened and what to do, without values.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            retry: kind.default_retry(),
            message: message.into(),
            plugin: None,
            operation: None,
            context: Vec::new(),
            source: None,
        }))
    }

    /// Shorthand for [`ErrorKind::InvalidInput`].
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Shorthand for [`ErrorKind::Corrupt`].
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Shorthand for [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Shorthand for [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds one value that explains the error. Keys and values must be free of secrets.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Names the plugin that failed. The first name given stays, since the innermost knows best.
    #[must_use]
    pub fn in_plugin(mut self, plugin: &'static str) -> Self {
        self.0.plugin.get_or_insert(plugin);
        self
    }

    /// Names the operation that failed. The first name given stays.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Overrides whether the call is worth repeating.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call can succeed later.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The message alone, without origin and values.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The plugin that failed, when one did.
    pub fn plugin(&self) -> Option<&'static str> {
        self.0.plugin
    }

    /// The operation that failed, when known.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The values that explain the error, in the order in which they were added.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// A copy for another waiter on the same failed work. The source becomes text.
    pub fn duplicate(&self) -> Self {
        Self(Box::new(Inner {
            kind: self.0.kind,
            retry: self.0.retry,
            message: self.0.message.clone(),
            plugin: self.0.plugin,
            operation: self.0.operation,
            context: self.0.context.clone(),
            source: self.0.source.as_ref().map(|source| source.to_string().into()),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (key, value) in &self.0.context {
            write!(f, " {key}={value}")?;
        }
        if let Some(operation) = self.0.operation {
            write!(f, " operation={operation}")?;
        }
        if let Some(plugin) = self.0.plugin {
            write!(f, " plugin={plugin}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.kind.as_str())?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "; caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => ErrorKind::Conflict,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::NoSpace
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => ErrorKind::ReadOnly,
            io::ErrorKind::OutOfMemory => ErrorKind::Exhausted,
            _ => ErrorKind::Io,
        };
        Self::new(kind, "file system operation failed").with("cause", &error).with_source(error)
    }
}

impl From<arrow_schema::ArrowError> for Error {
    /// Arrow's kernels report misuse, which is a bug here. Where Arrow decodes bytes from outside, map its error to
    /// [`ErrorKind::Corrupt`] or [`ErrorKind::InvalidInput`] by hand instead.
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::internal("arrow operation failed").with("cause", &error).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_comes_first_and_values_last() {
        let error = Error::invalid_input("time is null").with("table", "air").with("row", 7).during("ingest");
        assert_eq!(error.to_string(), "time is null table=air row=7 operation=ingest");
        assert_eq!(error.retry(), Retry::Never);
    }

    #[test]
    fn a_full_disk_is_retryable_no_space() {
        let error = Error::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::NoSpace, Retry::Later));
    }

    #[test]
    fn the_innermost_plugin_name_stays() {
        let error = Error::corrupt("bad block").in_plugin("acme.alp").in_plugin("tsds.warm.cpu");
        assert_eq!(error.plugin(), Some("acme.alp"));
    }
}
