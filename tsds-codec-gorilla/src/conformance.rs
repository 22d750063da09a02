//! The codec, as the conformance suite opens it: with blocks that version 1 reads for ever, and blocks that it refuses.

use arrow_schema::{DataType, TimeUnit};
use tsds_conformance::data::arrays::Cell;
use tsds_conformance::data::frozen::FrozenBlock;
use tsds_conformance::fixture::PluginFixture;

use crate::block::forge_checksum;

/// The codec, opened by its factory.
pub fn fixtures() -> Vec<PluginFixture> {
    let frozen = read().into_iter().chain(refused()).collect();
    vec![PluginFixture::new(crate::plugin()).with_frozen_blocks(frozen)]
}

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../tests/golden/v1/", $name, ".tsg")).to_vec()
    };
}

/// Blocks of `tests/golden`, whose values can be written down in a line. The encoder may find shorter ones today.
fn read() -> Vec<FrozenBlock> {
    let read = |name, data_type, cells, bytes| FrozenBlock::read(name, 1, data_type, cells, bytes);
    let doubles = |values: &[f64]| values.iter().map(|value| Some(Cell::Bits(value.to_bits()))).collect();
    let integers =
        |values: &mut dyn Iterator<Item = i64>| values.map(|value| Some(Cell::Bits(value as u64))).collect();
    let nan = f64::from_bits(0x7ff8_0000_0000_0000);
    let corrected: Vec<f64> = (0..300).map(|row| 0.1 * f64::from(row) + 0.2).collect();
    let minutes = || (0..300).map(|row| 1_700_000_000_000_000_000 + row * 60_000_000_000);
    let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    vec![
        read(
            "integers",
            DataType::Int64,
            integers(&mut (0..10).map(|row| 1000 + 10 * row + 300 * (row / 6))),
            golden!("example-integers"),
        ),
        read(
            "raw integers of a byte",
            DataType::Int8,
            integers(&mut [-128, 127, 0, -1, 5].into_iter()),
            golden!("raw-int8"),
        ),
        read("a progression", DataType::Int64, integers(&mut minutes()), golden!("progression-int64")),
        read("a progression of times", utc, integers(&mut minutes()), golden!("progression-int64")),
        read(
            "decimals and a NaN",
            DataType::Float64,
            doubles(&[21.5, 21.6, 21.6, 21.4, nan, 21.5, 21.7, 21.6]),
            golden!("example-decimal"),
        ),
        read(
            "decimals with corrections",
            DataType::Float64,
            doubles(&corrected),
            golden!("decimal-corrections"),
        ),
        read("nothing", DataType::Int64, Vec::new(), golden!("raw-no-rows")),
    ]
}

/// Blocks that break one rule of the format each, under a checksum that is right.
fn refused() -> Vec<FrozenBlock> {
    let corrupt = |name, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = golden!("example-integers");
        edit(&mut bytes);
        forge_checksum(&mut bytes);
        FrozenBlock::corrupt(name, 1, DataType::Int64, 10, bytes)
    };
    let set = |at: usize, value: u8| {
        move |bytes: &mut Vec<u8>| {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
    };
    vec![
        corrupt("another version in the block than beside it", &set(3, 2)),
        corrupt("a type other than the one beside it", &set(4, 0xff)),
        corrupt("an unknown mode", &set(5, 0xff)),
        corrupt("a detail that the mode does not have", &set(6, 1)),
        corrupt("a flag that nobody knows", &set(7, 0x80)),
        corrupt("another number of rows than the one beside it", &set(8, 11)),
        corrupt("more rows than a block can have", &set(11, 0xff)),
        corrupt("a byte behind its end", &|bytes| bytes.push(0)),
        corrupt("a byte less", &|bytes| bytes.truncate(bytes.len().saturating_sub(1))),
    ]
}
