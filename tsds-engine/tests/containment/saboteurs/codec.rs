//! A codec that misbehaves.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_engine::builtin_registry;
use tsds_engine::traits::{
    Codec, CodecCapabilities, CodecLookup, EncodeHints, Factory, KeySet, Registry, Result,
};

use super::{CODEC, block, build_functions, registry};

/// How a codec misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CodecFault {
    None,
    BuildPanics,
    EncodePanics,
    EncodeLies,
    EncodesTooLong,
    EncodeBlocks,
    DecodePanics,
    DecodesTooFewRows,
    DecodesAnotherType,
    DecodeBlocks,
}

impl CodecFault {
    /// A registry with a codec that misbehaves so.
    pub fn registry(self) -> Registry {
        registry(
            CODEC,
            Factory::Codec(build_functions!(
                self,
                CodecFault {
                    None,
                    BuildPanics,
                    EncodePanics,
                    EncodeLies,
                    EncodesTooLong,
                    EncodeBlocks,
                    DecodePanics,
                    DecodesTooFewRows,
                    DecodesAnotherType,
                    DecodeBlocks
                },
                build
            )),
        )
    }
}

fn build<const FAULT: u8>(_: &serde_json::Value) -> Result<Arc<dyn Codec>> {
    if FAULT == CodecFault::BuildPanics as u8 {
        panic!("cannot be built");
    }
    let inner = builtin_registry()?.codecs()?.codec("tsds.plain")?;
    Ok(Arc::new(Saboteur { fault: FAULT, inner }))
}

#[derive(Debug)]
struct Saboteur {
    fault: u8,
    inner: Arc<dyn Codec>,
}

impl Saboteur {
    fn is(&self, fault: CodecFault) -> bool {
        self.fault == fault as u8
    }
}

impl Codec for Saboteur {
    fn id(&self) -> &'static str {
        CODEC
    }

    fn version(&self) -> u16 {
        self.inner.version()
    }

    fn capabilities(&self) -> &CodecCapabilities {
        self.inner.capabilities()
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        self.inner.max_encoded_len(array)
    }

    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        if self.is(CodecFault::EncodePanics) {
            panic!("cannot encode");
        }
        if self.is(CodecFault::EncodeBlocks) {
            block();
        }
        let before = out.len();
        self.inner.encode(array, hints, out)?;
        if self.is(CodecFault::EncodeLies) {
            out[before..].reverse();
        }
        if self.is(CodecFault::EncodesTooLong) {
            out.extend(std::iter::repeat_n(0, 1 << 20));
        }
        Ok(())
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        if self.is(CodecFault::DecodePanics) {
            panic!("cannot decode");
        }
        if self.is(CodecFault::DecodeBlocks) {
            block();
        }
        if self.is(CodecFault::DecodesAnotherType) {
            return Ok(new_null_array(&DataType::Float32, rows));
        }
        let array = self.inner.decode(version, bytes, rows, data_type)?;
        Ok(if self.is(CodecFault::DecodesTooFewRows) { array.slice(0, rows - 1) } else { array })
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        Ok(self.decode(version, bytes, rows, data_type)?.slice(range.start, range.len()))
    }

    fn filter(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        data_type: &DataType,
        keys: &KeySet,
    ) -> Result<BooleanBuffer> {
        self.inner.filter(version, bytes, rows, data_type, keys)
    }
}
