//! Encoded blocks back into arrays.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BinaryArray, DictionaryArray, StringArray};
use arrow_schema::DataType;
use tsds_traits::{
    BlockLayout, Codec, CodecLookup, Column, EncodedBlock, EncodedColumn, Error, Result, ValueClass,
    is_payload_type,
};

use crate::{decimals, payload};

/// Decodes the blocks of one column.
///
/// Numbers, booleans and times come in the column's own type, decimals also from `Int64` blocks, payload from `Binary` ones. Text comes as `Dictionary(UInt32, Utf8)` where the segment has
/// a dictionary of the column, all blocks sharing its one array, and as `Utf8` where it has none; [`ColumnDecoder::decode_as_stored`]
/// makes the column's own type of either.
#[derive(Clone, Debug)]
pub struct ColumnDecoder {
    codecs: Arc<dyn CodecLookup>,
    data_type: DataType,
    is_text: bool,
    is_payload: bool,
    dictionary: Option<ArrayRef>,
}

impl ColumnDecoder {
    /// Decodes the dictionary, if the column has one, and checks that its values are UTF-8, distinct and ascending.
    ///
    /// # Errors
    ///
    /// `Corrupt`; `NotFound` for a codec that is not registered.
    pub fn new(
        codecs: Arc<dyn CodecLookup>,
        column: &Column,
        dictionary: Option<&EncodedBlock>,
    ) -> Result<Self> {
        let is_text = ValueClass::of(&column.data_type) == Some(ValueClass::Text);
        let dictionary = dictionary.map(|block| decode_dictionary(&*codecs, block)).transpose()?;
        let is_payload = is_payload_type(&column.data_type);
        Ok(Self { codecs, data_type: column.data_type.clone(), is_text, is_payload, dictionary })
    }

    /// The dictionary: `Utf8`, without nulls, ascending bytewise. A code is a position in it.
    pub fn dictionary(&self) -> Option<&ArrayRef> {
        self.dictionary.as_ref()
    }

    /// Decodes one block.
    ///
    /// # Errors
    ///
    /// `Corrupt`; `NotFound` for a codec that is not registered; what the codec says.
    pub fn decode(&self, block: &EncodedBlock) -> Result<ArrayRef> {
        self.check_type(&block.layout)?;
        self.finish(decode_raw(&*self.codecs, block)?)
    }

    /// Decodes consecutive blocks into one array.
    ///
    /// # Errors
    ///
    /// As [`ColumnDecoder::decode`]; `InvalidInput` for no block at all.
    pub fn decode_all<'a>(&self, blocks: impl IntoIterator<Item = &'a EncodedBlock>) -> Result<ArrayRef> {
        let raw = blocks.into_iter().map(|block| {
            self.check_type(&block.layout)?;
            decode_raw(&*self.codecs, block)
        });
        let mut raw = raw.collect::<Result<Vec<_>>>()?;
        let joined = match raw.len() {
            0 => return Err(Error::invalid_input("no blocks to decode")),
            1 => raw.remove(0),
            _ => {
                let raw: Vec<&dyn Array> = raw.iter().map(|array| &**array).collect();
                arrow_select::concat::concat(&raw)?
            }
        };
        self.finish(joined)
    }

    /// Decodes one block into the column's own type.
    ///
    /// # Errors
    ///
    /// As [`ColumnDecoder::decode`].
    pub fn decode_as_stored(&self, block: &EncodedBlock) -> Result<ArrayRef> {
        tsds_compute::conform(&self.decode(block)?, &self.data_type)
    }

    fn check_type(&self, layout: &BlockLayout) -> Result<()> {
        let is_decimal = matches!(self.data_type, DataType::Decimal128(_, _));
        if is_decimal && layout.data_type == DataType::Int64 {
            return Ok(());
        }
        let expected = match (self.is_text, &self.dictionary) {
            (false, _) if self.is_payload => &DataType::Binary,
            (false, _) => &self.data_type,
            (true, None) => &DataType::Binary,
            (true, Some(_)) => &DataType::UInt32,
        };
        if layout.data_type == *expected {
            return Ok(());
        }
        Err(Error::corrupt("block has another type than its column")
            .with("block", &layout.data_type)
            .with("column", &self.data_type))
    }

    fn finish(&self, raw: ArrayRef) -> Result<ArrayRef> {
        if matches!(self.data_type, DataType::Decimal128(_, _)) {
            return decimals::from_block(raw, &self.data_type);
        }
        if self.is_payload {
            return payload::from_block(raw, &self.data_type);
        }
        let damaged = |error| Error::corrupt("text column does not decode").with("cause", error);
        match (&self.dictionary, raw.as_binary_opt::<i32>(), raw.as_primitive_opt::<UInt32Type>()) {
            (Some(dictionary), _, Some(codes)) => {
                let text = DictionaryArray::<UInt32Type>::try_new(codes.clone(), dictionary.clone());
                Ok(Arc::new(text.map_err(damaged)?))
            }
            (None, Some(bytes), _) if self.is_text => {
                Ok(Arc::new(StringArray::try_from_binary(bytes.clone()).map_err(damaged)?))
            }
            _ => Ok(raw),
        }
    }
}

fn decode_dictionary(codecs: &dyn CodecLookup, block: &EncodedBlock) -> Result<ArrayRef> {
    let raw = match block.layout.data_type {
        DataType::Binary => decode_raw(codecs, block)?,
        _ => return Err(Error::corrupt("dictionary is not of bytes")),
    };
    let bytes: &BinaryArray = raw.as_binary();
    let text = StringArray::try_from_binary(bytes.clone())
        .map_err(|error| Error::corrupt("dictionary is not utf-8").with("cause", error))?;
    let ascending = (1..text.len()).all(|row| text.value(row - 1) < text.value(row));
    if text.null_count() > 0 || !ascending {
        return Err(Error::corrupt("dictionary values are not distinct and ascending"));
    }
    Ok(Arc::new(text))
}

/// What the block's codec makes of it, with what a codec must keep checked.
fn decode_raw(codecs: &dyn CodecLookup, block: &EncodedBlock) -> Result<ArrayRef> {
    let layout = &block.layout;
    let codec: Arc<dyn Codec> = codecs.codec(&layout.codec)?;
    let rows = layout.rows as usize;
    let array = codec
        .decode(layout.version, &block.bytes, rows, &layout.data_type)
        .map_err(|error| error.in_plugin(codec.id()))?;
    if array.len() == rows && *array.data_type() == layout.data_type {
        return Ok(array);
    }
    Err(Error::internal("codec decoded to other rows or another type than asked for")
        .with("rows", rows)
        .with("type", &layout.data_type)
        .in_plugin(codec.id()))
}

/// Decodes an encoded column, or the part of it that `encoded` holds, into arrays of the column's own type, one per block.
///
/// # Errors
///
/// As [`ColumnDecoder::decode`].
pub fn decode_column(
    codecs: Arc<dyn CodecLookup>,
    column: &Column,
    encoded: &EncodedColumn,
) -> Result<Vec<ArrayRef>> {
    let decoder = ColumnDecoder::new(codecs, column, encoded.dictionary.as_ref())?;
    encoded.blocks.iter().map(|block| decoder.decode_as_stored(block)).collect()
}
