//! Blocks of `tsds.plain`, version 1, written by hand from `docs/formats/codec-plain.md` and by nothing of this crate.

use arrow_schema::{DataType, TimeUnit};
use tsds_conformance::data::arrays::Cell;
use tsds_conformance::data::frozen::FrozenBlock;

/// Blocks of each kind, and blocks that break one rule each.
pub(super) fn frozen_blocks() -> Vec<FrozenBlock> {
    let (int, bits, bytes) = (DataType::Int64, DataType::Boolean, DataType::Binary);
    let written = |name, data_type: &DataType, cells, block| {
        FrozenBlock::written(name, 1, data_type.clone(), cells, block)
    };
    let forged = |name, data_type: &DataType, rows, block| {
        FrozenBlock::corrupt(name, 1, data_type.clone(), rows, block)
    };
    let zone = DataType::Timestamp(TimeUnit::Millisecond, Some("Asia/Shanghai".into()));
    vec![
        written("numbers with a null", &int, vec![number(1), None, number(-2)], numbers(0b101, 1)),
        written(
            "a number of one byte",
            &DataType::UInt8,
            vec![number(200)],
            block(2, 1, (1, 0, 1), &[&[200]]),
        ),
        written("a time", &zone, vec![number(5)], block(2, 8, (1, 0, 8), &[&5i64.to_le_bytes()])),
        written(
            "a negative zero",
            &DataType::Float64,
            vec![Some(Cell::Bits(1 << 63))],
            block(2, 8, (1, 0, 8), &[&(-0.0f64).to_le_bytes()]),
        ),
        written("booleans", &bits, booleans(), block(1, 0, (10, 0, 2), &[&[0xfd, 0x02]])),
        written("texts with a null", &bytes, texts(), strings([0, 2, 2, 3], b"abc", 0b101)),
        written("nothing", &int, vec![], block(2, 8, (0, 0, 0), &[])),
        forged("a header of another kind", &int, 1, block(1, 0, (1, 0, 8), &[&[0; 8]])),
        forged("a header of another width", &int, 1, block(2, 4, (1, 0, 8), &[&[0; 8]])),
        forged("a reserved byte that is set", &int, 1, {
            let mut forged = block(2, 8, (1, 0, 8), &[&[0; 8]]);
            forged[63] = 1;
            forged
        }),
        forged("a byte too many", &int, 1, block(2, 8, (1, 0, 8), &[&[0; 9]])),
        forged("a byte too few", &int, 1, block(2, 8, (1, 0, 8), &[&[0; 7]])),
        forged("validity beyond the rows", &int, 3, numbers(0b1101, 1)),
        forged("more nulls than validity shows", &int, 3, numbers(0b101, 2)),
        forged("fewer nulls than validity shows", &int, 3, numbers(0b001, 1)),
        forged("a gap that is not zero", &int, 3, {
            let mut forged = numbers(0b101, 1);
            forged[65] = 1;
            forged
        }),
        forged("booleans beyond the rows", &bits, 10, block(1, 0, (10, 0, 2), &[&[0xfd, 0x06]])),
        forged("offsets that do not begin at 0", &bytes, 3, strings([1, 2, 2, 3], b"abc", 0b101)),
        forged("offsets that descend", &bytes, 3, strings([0, 2, 1, 3], b"abc", 0b101)),
        forged("offsets that end before the values", &bytes, 3, strings([0, 2, 2, 2], b"abc", 0b101)),
        forged("offsets that end behind the values", &bytes, 3, strings([0, 2, 2, 4], b"abc", 0b101)),
    ]
}

/// A header with rows, nulls and length of the values; then the parts, each at a multiple of 64.
fn block(kind: u8, width: u8, (rows, nulls, values): (u32, u32, u64), parts: &[&[u8]]) -> Vec<u8> {
    let mut block = [b"TSPL".as_slice(), &[kind, width, u8::from(nulls > 0), 0]].concat();
    block.extend(rows.to_le_bytes());
    block.extend(nulls.to_le_bytes());
    block.extend(values.to_le_bytes());
    block.resize(64, 0);
    for part in parts {
        block.resize(block.len().next_multiple_of(64), 0);
        block.extend_from_slice(part);
    }
    block
}

/// 1, nothing and -2, with this validity.
fn numbers(validity: u8, nulls: u32) -> Vec<u8> {
    let values = [1i64, 0, -2].map(i64::to_le_bytes).concat();
    block(2, 8, (3, nulls, 24), &[&[validity], &values])
}

/// Three values, one of them null, with these offsets.
fn strings(offsets: [i32; 4], values: &[u8], validity: u8) -> Vec<u8> {
    block(3, 0, (3, 1, values.len() as u64), &[&[validity], &offsets.map(i32::to_le_bytes).concat(), values])
}

fn number(value: i64) -> Option<Cell> {
    Some(Cell::Bits(value as u64))
}

fn booleans() -> Vec<Option<Cell>> {
    [1, 0, 1, 1, 1, 1, 1, 1, 0, 1].map(|bit| Some(Cell::Bits(bit))).to_vec()
}

fn texts() -> Vec<Option<Cell>> {
    vec![Some(Cell::Bytes(b"ab".to_vec())), None, Some(Cell::Bytes(b"c".to_vec()))]
}
