//! Encoded bytes are untrusted.

use arrow_array::Array;
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use proptest::prelude::*;
use tsds_traits::{Codec, ErrorKind, KeySet};

use super::{CodecBench, claimed_types, encode, ensure_sound, has_keys};
use crate::case::{Case, cases};
use crate::claims::Claim;
use crate::data::blocks::blocks;
use crate::fixture::CodecFixture;
use crate::meter::peak_of;
use crate::outcome::{ensure, ensure_eq};
use crate::{CaseResult, Failure};

pub(super) fn cases() -> Vec<Case<dyn CodecFixture>> {
    cases![
        [] truncated_bytes_are_corrupt_or_decode,
        [] flipped_bits_are_corrupt_or_decode,
        [] foreign_bytes_are_corrupt_or_decode,
        [] another_number_of_rows_is_corrupt_or_decodes,
        [] bytes_of_another_type_are_corrupt_or_decode,
        [claims MemoryMeter] damaged_bytes_take_no_more_memory_than_the_rows_need,
    ]
}

/// The largest block whose damage is tried.
const ROWS: usize = 130;

/// Fails unless every way to read the bytes gives rows of the type or `Corrupt`. Panics are caught where properties run.
fn ensure_harmless(
    bench: &CodecBench,
    codec: &dyn Codec,
    bytes: &[u8],
    rows: usize,
    data_type: &DataType,
) -> CaseResult {
    // A buffer of exactly these bytes: whoever reads beyond them is found out by the checker of the day.
    let bytes = Buffer::from(bytes.to_vec());
    let version = codec.version();
    let ranges = [0..rows, 0..rows / 2, rows / 2..rows, rows..rows];
    let mut results = vec![(codec.decode(version, &bytes, rows, data_type), rows)];
    results.extend(
        ranges
            .map(|range| (codec.decode_range(version, &bytes, rows, range.clone(), data_type), range.len())),
    );
    for (result, expected) in results {
        match result {
            Ok(array) => {
                ensure_eq(&array.len(), &expected, "rows decoded from damaged bytes")?;
                ensure_eq(array.data_type(), data_type, "type decoded from damaged bytes")?;
                ensure_sound(&array, "what damaged bytes decode to")?;
            }
            Err(error) => ensure_corrupt(&error)?,
        }
    }
    if bench.claims.has(Claim::Filter) && has_keys(data_type) {
        match codec.filter(version, &bytes, rows, data_type, &KeySet::from_ranges([0..=1 << 63])) {
            Ok(bits) => ensure_eq(&bits.len(), &rows, "rows filtered from damaged bytes")?,
            Err(error) => ensure_corrupt(&error)?,
        }
    }
    Ok(())
}

fn ensure_corrupt(error: &tsds_traits::Error) -> CaseResult {
    ensure(error.kind() == ErrorKind::Corrupt, || format!("damaged bytes give {error:?} and not Corrupt"))
}

fn truncated_bytes_are_corrupt_or_decode(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        bench.for_all(&blocks(&data_type, ROWS), |block| {
            let bytes = encode(&*codec, &block, &block.hints())?;
            // Every cut near both ends, and some between.
            let step = (bytes.len() / 48).max(1);
            let near = |cut: &usize| *cut < 24 || *cut + 24 > bytes.len() || cut.is_multiple_of(step);
            for cut in (0..bytes.len()).filter(near) {
                let cut_bytes = bytes.as_slice().get(..cut).unwrap_or_default();
                ensure_harmless(bench, &*codec, cut_bytes, block.cells.len(), &data_type)
                    .map_err(|failure| failure.during(format!("cut to {cut} of {} bytes", bytes.len())))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn flipped_bits_are_corrupt_or_decode(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let flips = proptest::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..24);
        bench.for_all(&(blocks(&data_type, ROWS), flips), |(block, flips)| {
            let bytes = encode(&*codec, &block, &block.hints())?;
            if bytes.is_empty() {
                return Ok(());
            }
            // Each flip alone, then the header's bytes one by one, then all flips together.
            let mut all = bytes.to_vec();
            for (at, flip) in &flips {
                let at = at.index(bytes.len());
                all[at] ^= flip;
                flipped(bench, &*codec, &bytes, at, *flip, block.cells.len(), &data_type)?;
            }
            for at in 0..bytes.len().min(24) {
                for flip in [0x01, 0x80, 0xff] {
                    flipped(bench, &*codec, &bytes, at, flip, block.cells.len(), &data_type)?;
                }
            }
            ensure_harmless(bench, &*codec, &all, block.cells.len(), &data_type)
        })?;
    }
    Ok(())
}

fn flipped(
    bench: &CodecBench,
    codec: &dyn Codec,
    bytes: &Buffer,
    at: usize,
    flip: u8,
    rows: usize,
    data_type: &DataType,
) -> CaseResult {
    let mut damaged = bytes.to_vec();
    damaged[at] ^= flip;
    ensure_harmless(bench, codec, &damaged, rows, data_type)
        .map_err(|failure| failure.during(format!("byte {at} of {} xor {flip:#x}", bytes.len())))
}

fn foreign_bytes_are_corrupt_or_decode(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let noise = proptest::collection::vec(any::<u8>(), 0..300);
        let flat = (any::<u8>(), 0..300usize).prop_map(|(byte, len)| vec![byte; len]);
        bench.for_all(&(prop_oneof![noise, flat], 0..300usize), |(bytes, rows)| {
            ensure_harmless(bench, &*codec, &bytes, rows, &data_type)
        })?;
    }
    Ok(())
}

fn another_number_of_rows_is_corrupt_or_decodes(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        bench.for_all(&blocks(&data_type, ROWS), |block| {
            let bytes = encode(&*codec, &block, &block.hints())?;
            let rows = block.cells.len();
            for other in [0, 1, rows / 2, rows.saturating_sub(1), rows + 1, rows * 2 + 9, 65_536] {
                ensure_harmless(bench, &*codec, &bytes, other, &data_type)
                    .map_err(|failure| failure.during(format!("{other} rows asked of {rows}")))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn bytes_of_another_type_are_corrupt_or_decode(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    let types = claimed_types(&*codec);
    for data_type in &types {
        bench.for_all(
            &(blocks(data_type, ROWS), proptest::sample::select(types.clone())),
            |(block, other)| {
                let bytes = encode(&*codec, &block, &block.hints())?;
                ensure_harmless(bench, &*codec, &bytes, block.cells.len(), &other)
                    .map_err(|failure: Failure| failure.during(format!("read as {other}")))
            },
        )?;
    }
    Ok(())
}

/// What decoding may take: a small multiple of what the values need, and for raw bytes of what the codec may expand to.
fn memory_bound(codec: &dyn Codec, bytes: &Buffer, rows: usize, data_type: &DataType) -> usize {
    // Errors, buffers that are rounded up, tables of a fixed size.
    const FIXED: usize = 256 << 10;
    let width = data_type.primitive_width().unwrap_or(8);
    let content = match data_type {
        DataType::Binary => bytes.len() * codec.capabilities().max_expansion as usize,
        _ => 0,
    };
    FIXED + 8 * (rows * width + bytes.len() + content)
}

fn damaged_bytes_take_no_more_memory_than_the_rows_need(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let flips = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40);
        bench.for_all(&(blocks(&data_type, ROWS), flips), |(block, flips)| {
            let bytes = encode(&*codec, &block, &block.hints())?.to_vec();
            let places = flips.iter().map(|(at, to)| (at.index(bytes.len().max(1)), *to));
            // Lengths stand in headers, and are dangerous when they are large.
            let header = (0..bytes.len().min(16)).flat_map(|at| [(at, 0xff), (at, 0x7f), (at, 0x80)]);
            for (at, to) in places.chain(header) {
                let mut damaged = bytes.clone();
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = to;
                }
                let (damaged, rows) = (Buffer::from(damaged), block.cells.len());
                let bound = memory_bound(&*codec, &damaged, rows, &data_type);
                let (_, peak) = peak_of(|| codec.decode(codec.version(), &damaged, rows, &data_type));
                ensure(peak <= bound, || {
                    format!(
                        "{rows} rows from {} bytes, byte {at} set to {to:#x}: {peak} bytes of memory",
                        damaged.len()
                    )
                })?;
            }
            Ok(())
        })?;
    }
    Ok(())
}
