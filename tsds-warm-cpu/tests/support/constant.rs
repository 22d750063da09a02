//! A codec as a third party may write one: blocks of one value are stored as that value, and tested as such.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_segment::PlainCodec;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, KeySet, Result};

/// One byte says whether the block is one value or all of them; then the plain encoding.
#[derive(Debug)]
pub struct ConstantCodec {
    plain: PlainCodec,
    capabilities: CodecCapabilities,
}

const ONE: u8 = 1;
const ALL: u8 = 0;
const HEADER: usize = 64;

impl ConstantCodec {
    pub fn new() -> Self {
        let plain = PlainCodec::new();
        let capabilities = CodecCapabilities::new(plain.capabilities().types).with_resident().with_filter();
        Self { plain, capabilities }
    }

    fn inner(&self, bytes: &Buffer) -> Result<(bool, Buffer)> {
        match bytes.first() {
            Some(&kind @ (ONE | ALL)) if bytes.len() >= HEADER => {
                Ok((kind == ONE, bytes.slice_with_length(HEADER, bytes.len() - HEADER)))
            }
            _ => Err(Error::corrupt("constant block has a wrong header")),
        }
    }
}

/// Whether every value has the same bits.
fn is_constant(array: &dyn Array) -> bool {
    let data = array.to_data();
    !array.is_empty() && (1..array.len()).all(|row| data.slice(row, 1) == data.slice(0, 1))
}

impl Codec for ConstantCodec {
    fn id(&self) -> &'static str {
        "test.constant"
    }

    fn version(&self) -> u16 {
        1
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        Some(self.plain.max_encoded_len(array)? + HEADER)
    }

    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        // Floats with several bit patterns of one value compare unequal as bits only through their buffers.
        let one = is_constant(array) && !matches!(array.data_type(), DataType::Float32 | DataType::Float64);
        out.push(if one { ONE } else { ALL });
        out.extend([0; HEADER - 1]);
        match one {
            true => self.plain.encode(&array.slice(0, 1), &EncodeHints::default(), out),
            false => self.plain.encode(array, hints, out),
        }
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        let (one, inner) = self.inner(bytes)?;
        if !one {
            return self.plain.decode(version, &inner, rows, data_type);
        }
        let value = self.plain.decode(version, &inner, 1, data_type)?;
        let indices: Arc<dyn Array> = Arc::new(UInt32Array::from(vec![0; rows]));
        Ok(arrow_select::take::take(&value, &indices, None)?)
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
        let (one, inner) = self.inner(bytes)?;
        if !one {
            return self.plain.filter(version, &inner, rows, data_type, keys);
        }
        let matches = self.plain.filter(version, &inner, 1, data_type, keys)?.value(0);
        Ok(if matches { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) })
    }
}
