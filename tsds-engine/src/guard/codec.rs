//! [`GuardedCodec`]: a codec behind its guard.
//!
//! A codec is called for each block, in the middle of decoding loops: it runs where it is called. Panics and post-conditions
//! are checked there; a call that does not return is seen by the watchdog.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use serde_json::{Map, Value as Json};
use tsds_traits::{
    Codec, CodecCapabilities, CodecSet, EncodeHints, Error, Factory, KeySet, Registry, Result,
};

use super::health::Health;
use super::watch::Watch;

/// Builds every registered codec with what is configured for it, each behind its guard.
///
/// # Errors
///
/// What a factory says, also if it panics or hangs; `Internal` for a codec that calls itself otherwise than it is registered.
pub(crate) async fn guarded_codecs(
    registry: &Registry,
    configured: &BTreeMap<String, Map<String, Json>>,
    watch: &Arc<Watch>,
) -> Result<CodecSet> {
    let mut set = CodecSet::default();
    for plugin in registry.plugins() {
        let Factory::Codec(build) = plugin.factory else { continue };
        let health = watch.health(plugin.id, "codec");
        let guarded = Arc::clone(&health);
        let settings = Json::Object(configured.get(plugin.id).cloned().unwrap_or_default());
        let built = watch.job(&health, "build", move || {
            let codec = build(&settings).map_err(|error| error.in_plugin(guarded.id()).during("build"))?;
            if codec.id() != guarded.id() {
                return Err(Error::internal("plugin calls itself otherwise than it is registered")
                    .with("id", guarded.id())
                    .with("name", codec.id()));
            }
            let (version, capabilities) = (codec.version(), codec.capabilities().clone());
            Ok(GuardedCodec { codec, health: guarded, version, capabilities })
        });
        let built = built.await.map_err(|error| match configured.contains_key(plugin.id) {
            true => error.with("settings", format!("plugins.{}", plugin.id)),
            false => error,
        });
        set = set.with(Arc::new(built?))?;
    }
    Ok(set)
}

/// A codec behind its guard.
#[derive(Debug)]
struct GuardedCodec {
    codec: Arc<dyn Codec>,
    health: Arc<Health>,
    /// Read once: they never change.
    version: u16,
    capabilities: CodecCapabilities,
}

impl GuardedCodec {
    fn call<T>(&self, operation: &'static str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let answer = self.health.inline(operation, call).flatten();
        answer.map_err(|error| error.in_plugin(self.health.id()).during(operation))
    }

    fn decoded(
        &self,
        operation: &'static str,
        rows: usize,
        data_type: &DataType,
        call: impl FnOnce() -> Result<ArrayRef>,
    ) -> Result<ArrayRef> {
        let array = self.call(operation, call)?;
        if array.len() != rows || array.data_type() != data_type {
            return Err(self
                .health
                .broken(operation, "codec decoded to other rows or another type than asked for")
                .with("rows", rows)
                .with("decoded_rows", array.len())
                .with("type", data_type)
                .with("decoded_type", array.data_type()));
        }
        Ok(array)
    }
}

impl Codec for GuardedCodec {
    fn id(&self) -> &'static str {
        self.health.id()
    }

    fn version(&self) -> u16 {
        self.version
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        self.health.inline("max_encoded_len", || self.codec.max_encoded_len(array)).ok().flatten()
    }

    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        let before = out.len();
        let bound = self.call("max_encoded_len", || Ok(self.codec.max_encoded_len(array)))?;
        let encoded = self.call("encode", || self.codec.encode(array, hints, out)).and_then(|()| {
            let Some(written) = out.len().checked_sub(before) else {
                return Err(self.health.broken("encode", "codec removed bytes that were there before"));
            };
            if bound.is_none_or(|bound| written > bound) {
                return Err(self
                    .health
                    .broken("encode", "codec encoded to more bytes than it announced")
                    .with("bytes", written)
                    .with("announced", bound.unwrap_or_default()));
            }
            Ok(())
        });
        if encoded.is_err() {
            out.truncate(before);
        }
        encoded
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        self.decoded("decode", rows, data_type, || self.codec.decode(version, bytes, rows, data_type))
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        self.decoded("decode_range", range.len(), data_type, || {
            self.codec.decode_range(version, bytes, rows, range.clone(), data_type)
        })
    }

    fn filter(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        data_type: &DataType,
        keys: &KeySet,
    ) -> Result<BooleanBuffer> {
        let matching = self.call("filter", || self.codec.filter(version, bytes, rows, data_type, keys))?;
        if matching.len() != rows {
            return Err(self
                .health
                .broken("filter", "codec filtered another number of rows than asked for")
                .with("rows", rows)
                .with("filtered_rows", matching.len()));
        }
        Ok(matching)
    }

    fn describe(&self, version: u16, bytes: &[u8]) -> Option<String> {
        self.health.inline("describe", || self.codec.describe(version, bytes)).ok().flatten()
    }
}
