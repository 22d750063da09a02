//! What decoding can say.

use std::fmt;

/// Encoded bytes that are not what the encoder wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(&'static str);

impl Damaged {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self(what)
    }

    /// What is wrong with the bytes.
    pub fn what(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "encoded block is damaged: {}", self.0)
    }
}

impl std::error::Error for Damaged {}

/// What decoding returns.
pub(crate) type Result<T> = std::result::Result<T, Damaged>;
