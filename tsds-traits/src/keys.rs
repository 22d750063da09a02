//! [`KeyProvider`]: hands out master keys. Every derivation from them is TSDS's own.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Result;

/// A 256-bit key. Zeroed when dropped, never printed, copied or serialised.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// Takes the key's bytes. The caller zeroes its own copy.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes. Do not keep them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The most bytes of [`KeyMetadata::opaque`]: 2 KiB, so that the first page of every kind of file has room for them.
pub const MAX_KEY_METADATA_BYTES: usize = 2 << 10;

/// Says which master key protects something: stored beside the data, without secrets, opaque to all but its provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyMetadata {
    /// The version of the master key, from 1 upwards.
    pub version: u32,
    /// The provider's own bytes; at most [`MAX_KEY_METADATA_BYTES`].
    pub opaque: Vec<u8>,
}

/// A master key with what finds it again.
#[derive(Debug)]
pub struct MasterKey {
    /// The key.
    pub key: SecretKey,
    /// What [`KeyProvider::unwrap`] takes.
    pub metadata: KeyMetadata,
}

/// Hands out versioned master keys.
///
/// # Contract
///
/// - `current` gives the key of the highest version, with equal metadata until keys are rotated, here or elsewhere. Versions
///   never go down. A provider that must remember something keeps it in the directory of its build context.
/// - `unwrap` of metadata that the provider ever handed out gives the same key, for as long as the key exists.
/// - `rotate` makes a new key with the next version, durable before it is returned, and leaves the old ones to `unwrap`.
/// - Metadata that the provider never handed out, or of a key that is gone, gives `KeyUnavailable`.
/// - Metadata have at most [`MAX_KEY_METADATA_BYTES`] of opaque bytes.
/// - Errors, `Debug` and logs name versions, never key bytes.
#[async_trait]
pub trait KeyProvider: Debug + Send + Sync + 'static {
    /// The plugin id under which the provider is registered.
    fn name(&self) -> &'static str;

    /// The master key for new data.
    ///
    /// # Errors
    ///
    /// `KeyUnavailable`, `Unavailable`.
    async fn current(&self) -> Result<MasterKey>;

    /// The master key of existing data.
    ///
    /// # Errors
    ///
    /// `KeyUnavailable`, `Unavailable`.
    async fn unwrap(&self, metadata: &KeyMetadata) -> Result<SecretKey>;

    /// Makes and returns the next master key.
    ///
    /// # Errors
    ///
    /// `Unsupported` where keys are rotated elsewhere; `KeyUnavailable`, `Unavailable`.
    async fn rotate(&self) -> Result<MasterKey>;
}

/// Takes note of what was done with keys. A record is durable when `record` returns; if it fails, the key is not used.
#[async_trait]
pub trait AuditSink: Debug + Send + Sync + 'static {
    /// Appends a record.
    ///
    /// # Errors
    ///
    /// As for I/O; whoever asked must then not go on.
    async fn record(&self, event: &AuditEvent<'_>) -> Result<()>;
}

/// One thing done with a key.
#[derive(Clone, Copy, Debug)]
pub struct AuditEvent<'a> {
    /// What was done, such as `unwrap` or `rotate`.
    pub operation: &'a str,
    /// To which version of the master key.
    pub key_version: u32,
    /// For which object.
    pub object: &'a str,
    /// Whether it was allowed and succeeded.
    pub granted: bool,
}

/// Keeps no audit log.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudit;

#[async_trait]
impl AuditSink for NoAudit {
    async fn record(&self, _event: &AuditEvent<'_>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print_its_bytes() {
        let master = MasterKey {
            key: SecretKey::new([0xAB; 32]),
            metadata: KeyMetadata { version: 1, opaque: vec![] },
        };
        let text = format!("{master:?}");
        assert!(text.contains("SecretKey(…)") && !text.contains("171") && !text.contains("ab"), "{text}");
    }
}
