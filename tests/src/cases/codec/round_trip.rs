//! What is encoded decodes to the same bits.

use arrow_array::Array;
use arrow_schema::DataType;
use proptest::prelude::*;
use tsds_traits::{Codec, EncodeHints, integer_form};

use super::{CodecBench, claimed_types, decode, encode, ensure_cells};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::arrays::{Cell, Layout, canonical_bits, within_digits};
use crate::data::blocks::{Block, blocks};
use crate::data::edges::edge_cells;
use crate::data::segments::layouts;
use crate::fixture::CodecFixture;
use crate::outcome::ensure;

/// The longest block that properties are tried with.
const ROWS: usize = 520;

pub(super) fn cases() -> Vec<Case<dyn CodecFixture>> {
    cases![
        [claims Integers] integers_come_back_bit_for_bit,
        [claims Timestamps] timestamps_come_back_bit_for_bit,
        [claims Temporals] dates_times_and_durations_come_back_bit_for_bit,
        [claims Decimals] decimals_come_back_bit_for_bit,
        [claims Floats] floats_come_back_bit_for_bit,
        [claims Booleans] booleans_come_back_bit_for_bit,
        [claims Bytes] bytes_come_back_bit_for_bit,
        [] every_edge_value_comes_back,
        [] empty_and_null_blocks_come_back,
        [] long_blocks_come_back,
        [] a_decoded_range_is_a_slice_of_the_whole,
        [] the_same_values_give_the_same_bytes_in_every_layout,
        [] hints_do_not_change_the_values,
    ]
}

fn round_trip(codec: &dyn Codec, block: &Block, hints: &EncodeHints<'_>) -> CaseResult {
    let bytes = encode(codec, block, hints)?;
    let decoded = decode(codec, &bytes, block.cells.len(), &block.data_type)?;
    ensure_cells(&decoded, &block.data_type, &block.cells, "the decoded block")
}

fn round_trips(bench: &CodecBench, of_group: fn(&DataType) -> bool) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec).into_iter().filter(of_group) {
        bench.for_all(&blocks(&data_type, ROWS), |block| round_trip(&*codec, &block, &block.hints()))?;
    }
    Ok(())
}

fn integers_come_back_bit_for_bit(bench: &CodecBench) -> CaseResult {
    round_trips(bench, DataType::is_integer)
}

fn timestamps_come_back_bit_for_bit(bench: &CodecBench) -> CaseResult {
    round_trips(bench, |data_type| matches!(data_type, DataType::Timestamp(_, _)))
}

fn dates_times_and_durations_come_back_bit_for_bit(bench: &CodecBench) -> CaseResult {
    round_trips(bench, |data_type| {
        integer_form(data_type).is_some() && !matches!(data_type, DataType::Timestamp(_, _))
    })
}

fn decimals_come_back_bit_for_bit(bench: &CodecBench) -> CaseResult {
    round_trips(bench, |data_type| matches!(data_type, DataType::Decimal128(_, _)))
}

fn floats_come_back_bit_for_bit(bench: &CodecBench) -> CaseResult {
    round_trips(bench, DataType::is_floating)
}

fn booleans_come_back_bit_for_bit(bench: &CodecBench) -> CaseResult {
    round_trips(bench, |data_type| *data_type == DataType::Boolean)
}

fn bytes_come_back_bit_for_bit(bench: &CodecBench) -> CaseResult {
    round_trips(bench, |data_type| *data_type == DataType::Binary)
}

fn every_edge_value_comes_back(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let edges: Vec<Option<Cell>> = edge_cells(&data_type).into_iter().map(Some).collect();
        let with_nulls: Vec<Option<Cell>> = edges.iter().flat_map(|edge| [edge.clone(), None]).collect();
        let alone = edges.iter().map(|edge| vec![edge.clone()]);
        let pairs = edges.iter().flat_map(|a| edges.iter().map(|b| vec![a.clone(), b.clone()]));
        for cells in alone.chain(pairs).chain([edges.clone(), with_nulls]) {
            round_trip(&*codec, &Block::new(&data_type, cells), &EncodeHints::default())?;
        }
    }
    Ok(())
}

fn empty_and_null_blocks_come_back(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        for rows in [0, 1, 7, 8, 9, 64, 65] {
            let block = Block::new(&data_type, vec![None; rows]);
            let untidy = Layout { before: 3, after: 1, untidy: true };
            for layout in [Layout::COMPACT, untidy] {
                round_trip(&*codec, &Block { layout, ..block.clone() }, &EncodeHints::default())?;
            }
        }
    }
    Ok(())
}

fn long_blocks_come_back(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let edges = edge_cells(&data_type);
        for rows in [4_095, 4_097, 65_537] {
            let cell = |row: usize| match row % 97 {
                0 => None,
                1 => edges.get(row / 97 % edges.len()).cloned(),
                _ => Some(ordinary(&data_type, row)),
            };
            let block = Block::new(&data_type, (0..rows).map(cell).collect());
            round_trip(&*codec, &block, &EncodeHints::default())
                .map_err(|failure| failure.during(format!("{rows} rows of {data_type}")))?;
        }
    }
    Ok(())
}

fn ordinary(data_type: &DataType, row: usize) -> Cell {
    match data_type {
        DataType::Binary => Cell::Bytes(format!("value {}", row % 50).into_bytes()),
        DataType::Float64 => Cell::Bits((row as f64 / 10.0).to_bits()),
        DataType::Float32 => Cell::Bits(u64::from((row as f32 / 10.0).to_bits())),
        DataType::Decimal128(precision, _) => Cell::Wide(within_digits(*precision, (row as i128) << 40)),
        other => Cell::Bits(canonical_bits(other, row as u64 * 1_000)),
    }
}

fn a_decoded_range_is_a_slice_of_the_whole(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        let ends = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
        bench.for_all(&(blocks(&data_type, ROWS), ends), |(block, (a, b))| {
            let rows = block.cells.len();
            let bytes = encode(&*codec, &block, &block.hints())?;
            let (a, b) = (a.index(rows + 1), b.index(rows + 1));
            for range in [a.min(b)..a.max(b), 0..rows, rows..rows, 0..a, b..rows] {
                let decoded = codec.decode_range(codec.version(), &bytes, rows, range.clone(), &data_type)?;
                let what = format!("rows {range:?} of {rows}");
                ensure_cells(&decoded, &data_type, block.cells.get(range).unwrap_or_default(), &what)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn the_same_values_give_the_same_bytes_in_every_layout(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        bench.for_all(&(blocks(&data_type, ROWS), layouts()), |(block, layout)| {
            let bytes = encode(&*codec, &block, &block.hints())?;
            for other in [layout, Layout::COMPACT, block.layout] {
                let same = Block { layout: other, ..block.clone() };
                ensure(encode(&*codec, &same, &same.hints())?.as_slice() == bytes.as_slice(), || {
                    format!("equal values in layout {other:?} give other bytes")
                })?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn hints_do_not_change_the_values(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec) {
        bench.for_all(&blocks(&data_type, ROWS), |block| {
            let starts = EncodeHints::runs(&block.run_starts, false);
            for hints in [EncodeHints::default(), starts, block.hints()] {
                round_trip(&*codec, &block, &hints)
                    .map_err(|failure| failure.during(format!("{hints:?}")))?;
            }
            Ok(())
        })?;
    }
    ensure(codec.max_encoded_len(&arrow_array::NullArray::new(1) as &dyn Array).is_none(), || {
        "max_encoded_len is not None for the type Null".into()
    })
}
