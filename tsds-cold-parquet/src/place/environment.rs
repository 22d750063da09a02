//! The variables that clients of object stores read.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables. They hold credentials: nothing of them is shown.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process, without the ones that are not text.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// The value of a variable that is not empty.
    #[cfg(any(feature = "s3", test))]
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Tells a client's builder what the variables say whose names begin like this and that are not empty. Many are not the
    /// client's, and the `place`, a bucket or container, is that of the URL.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    pub(super) fn tell<B, K: std::str::FromStr + PartialEq>(
        &self,
        prefix: &str,
        builder: B,
        place: &K,
        with: impl Fn(B, K, &str) -> B,
    ) -> B {
        let own = self.0.iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
        let known = own.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)));
        known.filter(|(key, _)| key != place).fold(builder, |builder, (key, value)| with(builder, key, value))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("variables", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_is_shown() {
        let environment = Environment::from_iter([("AWS_SECRET_ACCESS_KEY", "SECRET")]);
        assert_eq!(environment.get("AWS_SECRET_ACCESS_KEY"), Some("SECRET"));
        assert!(!format!("{environment:?}").contains("SECRET"));
    }
}
