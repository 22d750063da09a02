//! What a codec is, and what it leaves alone.

use arrow_array::{Array, new_null_array};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, IntervalUnit};
use tsds_traits::{EncodeHints, ErrorKind, KeySet};

use super::{CodecBench, claimed_types, encode, has_keys};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::arrays::{self, Layout};
use crate::data::blocks::Block;
use crate::data::edges::{block_types, edge_cells, stored_types};
use crate::fixture::CodecFixture;
use crate::outcome::{ensure, ensure_eq, ensure_error, ensure_goes_by};

pub(super) fn cases() -> Vec<Case<dyn CodecFixture>> {
    cases![
        [] a_codec_claims_at_least_one_type,
        [] it_goes_by_its_plugin_id,
        [] id_version_and_capabilities_stay,
        [] types_that_are_not_claimed_are_unsupported,
        [] a_version_that_was_never_written_is_unsupported,
        [] a_range_outside_of_the_block_is_invalid_input,
        [lacks Filter] a_filter_that_is_not_claimed_is_unsupported,
    ]
}

fn a_codec_claims_at_least_one_type(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    ensure(!claimed_types(&*codec).is_empty(), || "the codec claims no type".into())
}

fn it_goes_by_its_plugin_id(bench: &CodecBench) -> CaseResult {
    ensure_goes_by(bench.fixture.open()?.id(), &bench.fixture.id())
}

fn id_version_and_capabilities_stay(bench: &CodecBench) -> CaseResult {
    let (codec, again) = (bench.fixture.open()?, bench.fixture.open()?);
    let capabilities = codec.capabilities().clone();
    ensure(codec.id().contains('.'), || format!("the id {:?} has no owner", codec.id()))?;
    ensure(codec.version() >= 1, || "format versions begin at 1".into())?;
    for data_type in claimed_types(&*codec) {
        let cells = edge_cells(&data_type).into_iter().map(Some).collect();
        encode(&*codec, &Block::new(&data_type, cells), &EncodeHints::default())?;
    }
    ensure_eq(codec.capabilities(), &capabilities, "capabilities after use")?;
    ensure_eq(again.capabilities(), &capabilities, "capabilities of another instance")?;
    ensure_eq(&(again.id(), again.version()), &(codec.id(), codec.version()), "id and version")
}

fn types_that_are_not_claimed_are_unsupported(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    let claimed = codec.capabilities().types;
    let text = stored_types().into_iter().filter(|data_type| !block_types().contains(data_type));
    let known = block_types().into_iter().chain(text).filter(|data_type| !claimed.contains(data_type));
    let known = known.map(|data_type| {
        let cells: Vec<_> = edge_cells(&data_type).into_iter().map(Some).collect();
        arrays::build(&data_type, &cells, Layout::COMPACT)
    });
    let foreign = foreign_types().into_iter().map(|data_type| Ok(new_null_array(&data_type, 3)));
    for array in known.chain(foreign) {
        let array = array?;
        let data_type = array.data_type().clone();
        let mut out = b"before".to_vec();
        let what = |call: &str| format!("{call} of {data_type}, which is not claimed");
        let encoded = codec.encode(&array, &EncodeHints::default(), &mut out);
        ensure_error(encoded, ErrorKind::Unsupported, &what("encode"))?;
        ensure_eq(&out[..], &b"before"[..], "the output after a refused encode")?;
        ensure(codec.max_encoded_len(&array as &dyn Array).is_none(), || {
            what("max_encoded_len is not None")
        })?;
        let (version, bytes) = (codec.version(), Buffer::from(vec![0; 64]));
        let decoded = codec.decode(version, &bytes, 4, &data_type);
        ensure_error(decoded, ErrorKind::Unsupported, &what("decode"))?;
        let decoded = codec.decode_range(version, &bytes, 4, 1..2, &data_type);
        ensure_error(decoded, ErrorKind::Unsupported, &what("decode_range"))?;
    }
    Ok(())
}

/// Types of Arrow that no block holds, some of them as wide as those that blocks hold.
fn foreign_types() -> Vec<DataType> {
    vec![
        DataType::Null,
        DataType::Float16,
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Decimal256(50, 10),
        DataType::FixedSizeBinary(8),
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::LargeUtf8,
    ]
}

fn a_version_that_was_never_written_is_unsupported(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let cells = edge_cells(&data_type).into_iter().map(Some).collect();
        let block = Block::new(&data_type, cells);
        let bytes = encode(&*codec, &block, &EncodeHints::default())?;
        for version in [0, codec.version() + 1, u16::MAX] {
            let what = format!("version {version}, when the newest is {}", codec.version());
            let decoded = codec.decode(version, &bytes, block.cells.len(), &data_type);
            ensure_error(decoded, ErrorKind::Unsupported, &what)?;
            let decoded = codec.decode_range(version, &bytes, block.cells.len(), 0..1, &data_type);
            ensure_error(decoded, ErrorKind::Unsupported, &what)?;
        }
    }
    Ok(())
}

fn a_range_outside_of_the_block_is_invalid_input(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let cells: Vec<_> = edge_cells(&data_type).into_iter().map(Some).collect();
        let rows = cells.len();
        let bytes = encode(&*codec, &Block::new(&data_type, cells), &EncodeHints::default())?;
        for range in [0..rows + 1, rows + 1..rows + 1, rows..usize::MAX] {
            let what = format!("rows {range:?} of {rows}");
            let decoded = codec.decode_range(codec.version(), &bytes, rows, range, &data_type);
            ensure_error(decoded, ErrorKind::InvalidInput, &what)?;
        }
    }
    Ok(())
}

fn a_filter_that_is_not_claimed_is_unsupported(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec).into_iter().filter(has_keys) {
        let cells: Vec<_> = edge_cells(&data_type).into_iter().map(Some).collect();
        let rows = cells.len();
        let bytes = encode(&*codec, &Block::new(&data_type, cells), &EncodeHints::default())?;
        let filtered = codec.filter(codec.version(), &bytes, rows, &data_type, &KeySet::full());
        ensure_error(filtered, ErrorKind::Unsupported, "a filter that is not claimed")?;
    }
    Ok(())
}
