//! Cases for [`tsds_traits::Codec`].

mod damage;
mod filter;
mod frozen;
mod round_trip;
mod scope;

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use tsds_traits::{Codec, EncodeHints, TypeSet};

use crate::case::{Bench, Case};
use crate::claims::{Claim, Claims};
use crate::data::arrays::{self, Cell};
use crate::data::blocks::Block;
use crate::data::edges::block_types;
use crate::data::frozen::Meaning;
use crate::fixture::CodecFixture;
use crate::outcome::{ensure, ensure_eq, ensure_same_sequence};
use crate::{CaseResult, Failure};

pub(crate) type CodecBench = Bench<dyn CodecFixture>;

pub(crate) fn claims(fixture: &dyn CodecFixture) -> CaseResult<Claims> {
    let claims = Claims::of_codec(fixture.open()?.capabilities());
    let (forged, frozen): (Vec<_>, Vec<_>) =
        fixture.frozen_blocks().into_iter().partition(|block| block.meaning == Meaning::Corrupt);
    Ok(claims
        .with(Claim::FrozenBlocks, !frozen.is_empty())
        .with(Claim::ForgedBlocks, !forged.is_empty())
        .with(Claim::MemoryMeter, crate::meter::is_installed()))
}

/// Every case of the trait.
pub fn cases() -> Vec<Case<dyn CodecFixture>> {
    let groups = [round_trip::cases(), damage::cases(), frozen::cases(), filter::cases(), scope::cases()];
    groups.into_iter().flatten().collect()
}

/// Whether values of a type have keys, by which a codec can filter.
fn has_keys(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Binary | DataType::Decimal128(_, _))
}

/// The types that the codec claims.
fn claimed_types(codec: &dyn Codec) -> Vec<DataType> {
    let types: TypeSet = codec.capabilities().types;
    block_types().into_iter().filter(|data_type| types.contains(data_type)).collect()
}

/// Encodes a block, holding the codec to its promises about the output.
fn encode(codec: &dyn Codec, block: &Block, hints: &EncodeHints<'_>) -> CaseResult<Buffer> {
    const BEFORE: &[u8] = b"what was there before";
    let array = block.array()?;
    let bound = codec.max_encoded_len(&array).ok_or_else(|| {
        Failure::new(format!("max_encoded_len is None for the claimed type {}", block.data_type))
    })?;
    let mut out = BEFORE.to_vec();
    codec.encode(&array, hints, &mut out)?;
    ensure(out.starts_with(BEFORE), || "encode changed what was in the output before".into())?;
    let bytes = out.get(BEFORE.len()..).unwrap_or_default();
    ensure(bytes.len() <= bound, || {
        format!("encode appended {} bytes, but max_encoded_len is {bound}", bytes.len())
    })?;
    Ok(Buffer::from(bytes.to_vec()))
}

/// Decodes what the codec encoded.
fn decode(codec: &dyn Codec, bytes: &Buffer, rows: usize, data_type: &DataType) -> CaseResult<ArrayRef> {
    Ok(codec.decode(codec.version(), bytes, rows, data_type)?)
}

/// Fails unless an array has these cells and this type, and is sound.
fn ensure_cells(array: &ArrayRef, data_type: &DataType, cells: &[Option<Cell>], what: &str) -> CaseResult {
    ensure_eq(array.data_type(), data_type, &format!("type of {what}"))?;
    ensure_sound(array, what)?;
    ensure_same_sequence(&arrays::read(array)?, cells, what)
}

/// Fails unless an array is one that Arrow accepts.
fn ensure_sound(array: &ArrayRef, what: &str) -> CaseResult {
    let checked = array.to_data().validate_full();
    checked.map_err(|error| Failure::new(format!("{what} is no valid Arrow array: {error}")))
}
