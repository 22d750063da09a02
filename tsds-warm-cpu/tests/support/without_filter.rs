//! A codec whose blocks stay encoded in memory, and which cannot filter them.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_codec_gorilla::GorillaCodec;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, KeySet, Result};

/// Gorilla blocks under another name.
#[derive(Debug)]
pub struct WithoutFilter {
    gorilla: GorillaCodec,
    capabilities: CodecCapabilities,
}

impl WithoutFilter {
    pub fn new() -> Self {
        let gorilla = GorillaCodec::new();
        let mut capabilities = gorilla.capabilities().clone();
        capabilities.filter = false;
        Self { gorilla, capabilities }
    }
}

impl Codec for WithoutFilter {
    fn id(&self) -> &'static str {
        "test.without-filter"
    }

    fn version(&self) -> u16 {
        self.gorilla.version()
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        self.gorilla.max_encoded_len(array)
    }

    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.gorilla.encode(array, hints, out)
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        self.gorilla.decode(version, bytes, rows, data_type)
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        self.gorilla.decode_range(version, bytes, rows, range, data_type)
    }

    fn filter(&self, _: u16, _: &Buffer, _: usize, _: &DataType, _: &KeySet) -> Result<BooleanBuffer> {
        Err(Error::unsupported("filter"))
    }
}
