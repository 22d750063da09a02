//! How a case says that it failed.

use std::fmt::{self, Debug, Display};

use tsds_traits::{Error, ErrorKind};

/// Why a case failed: text for people.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

/// What a case returns.
pub type CaseResult<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with this explanation.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Says under which circumstances it failed.
    #[must_use]
    pub fn during(self, circumstances: impl Display) -> Self {
        Self(format!("{circumstances}: {}", self.0))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("unexpected error: {error:?}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(format!("unexpected i/o error: {error}"))
    }
}

impl From<arrow_schema::ArrowError> for Failure {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self(format!("unexpected arrow error: {error}"))
    }
}

/// Fails unless `holds`.
pub(crate) fn ensure(holds: bool, message: impl FnOnce() -> String) -> CaseResult {
    if holds { Ok(()) } else { Err(Failure(message())) }
}

/// Fails unless both are equal, showing both.
pub(crate) fn ensure_eq<T: PartialEq + Debug + ?Sized>(actual: &T, expected: &T, what: &str) -> CaseResult {
    ensure(actual == expected, || format!("{what}:\n  expected {expected:?}\n  but got  {actual:?}"))
}

/// Fails unless a backend goes by the plugin id with which its fixture's id begins.
pub(crate) fn ensure_goes_by(name: &str, fixture: &str) -> CaseResult {
    let plugin = fixture.split_once('+').map_or(fixture, |(plugin, _)| plugin);
    ensure_eq(name, plugin, "what a backend calls itself, and its plugin id")
}

/// Fails unless `result` is an error of `kind`.
pub(crate) fn ensure_error<T: Debug>(
    result: tsds_traits::Result<T>,
    kind: ErrorKind,
    what: &str,
) -> CaseResult {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(Failure(format!("{what}: expected an error of kind {kind:?}, but got {error:?}"))),
        Ok(value) => Err(Failure(format!("{what}: expected an error of kind {kind:?}, but got {value:?}"))),
    }
}

/// Fails unless two sequences are equal, showing the first place where they differ.
pub(crate) fn ensure_same_sequence<T: PartialEq + Debug>(
    actual: &[T],
    expected: &[T],
    what: &str,
) -> CaseResult {
    let differing = actual.iter().zip(expected).position(|(a, b)| a != b);
    match differing {
        Some(index) => Err(Failure(format!(
            "{what}: item {index} differs ({} items expected, {} got):\n  expected {:?}\n  but got  {:?}",
            expected.len(),
            actual.len(),
            expected.get(index),
            actual.get(index),
        ))),
        None if actual.len() == expected.len() => Ok(()),
        None => Err(Failure(format!(
            "{what}: expected {} items, but got {}; the first that is missing or too many: {:?}",
            expected.len(),
            actual.len(),
            expected.get(actual.len()).or_else(|| actual.get(expected.len())),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_of_different_length_differ() {
        assert!(ensure_same_sequence(&[1, 2], &[1, 2], "x").is_ok());
        for (a, b) in [(vec![1], vec![1, 2]), (vec![1, 2], vec![1]), (vec![1, 3], vec![1, 2])] {
            assert!(ensure_same_sequence(&a, &b, "x").is_err(), "{a:?} {b:?}");
        }
    }

    #[test]
    fn another_kind_of_error_does_not_do() {
        let closed = || tsds_traits::Result::<()>::Err(Error::new(ErrorKind::Closed, "closed"));
        assert!(ensure_error(closed(), ErrorKind::Closed, "x").is_ok());
        assert!(ensure_error(closed(), ErrorKind::Internal, "x").is_err());
        assert!(ensure_error(Ok(()), ErrorKind::Closed, "x").is_err());
    }
}
