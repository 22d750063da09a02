//! The types that are stored, the values at their edges, and strategies that reach for them.

use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;

use super::arrays::{Cell, canonical_bits, within_digits};

/// Every type of a column, timestamps with and without a zone.
pub fn stored_types() -> Vec<DataType> {
    let mut types = primitive_types();
    types.extend(decimal_types());
    types.push(DataType::Boolean);
    types.push(DataType::Utf8);
    types.push(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
    types
}

/// Every type of a block: what codecs encode.
pub fn block_types() -> Vec<DataType> {
    let mut types = primitive_types();
    types.extend(decimal_types());
    types.push(DataType::Boolean);
    types.push(DataType::Binary);
    types
}

/// Decimals as files hold them in 32 bits, in 64, and in more.
fn decimal_types() -> [DataType; 3] {
    [DataType::Decimal128(9, 2), DataType::Decimal128(18, 0), DataType::Decimal128(38, 10)]
}

/// The stored types whose values have at most eight bytes, or are text: those that devices hold.
pub fn narrow_types() -> Vec<DataType> {
    let is_wide = |data_type: &DataType| matches!(data_type, DataType::Decimal128(_, _));
    stored_types().into_iter().filter(|data_type| !is_wide(data_type)).collect()
}

fn primitive_types() -> Vec<DataType> {
    let mut types = vec![
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
    ];
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    types.extend(units.map(|unit| DataType::Timestamp(unit, None)));
    types.push(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
    types.push(DataType::Timestamp(TimeUnit::Second, Some("+05:30".into())));
    types.extend([DataType::Date32, DataType::Date64]);
    types.extend([TimeUnit::Second, TimeUnit::Millisecond].map(DataType::Time32));
    types.extend([TimeUnit::Microsecond, TimeUnit::Nanosecond].map(DataType::Time64));
    types.extend(units.map(DataType::Duration));
    types
}

/// The values of a type at which implementations break.
pub fn edge_cells(data_type: &DataType) -> Vec<Cell> {
    match data_type {
        DataType::Boolean => vec![Cell::Bits(0), Cell::Bits(1)],
        DataType::Float32 => FLOAT32_EDGES.iter().map(|bits| Cell::Bits(u64::from(*bits))).collect(),
        DataType::Float64 => FLOAT64_EDGES.iter().copied().map(Cell::Bits).collect(),
        DataType::Utf8 | DataType::Dictionary(_, _) => text_edges(),
        DataType::Binary => {
            let mut edges = text_edges();
            edges.extend([vec![0xff], vec![0xc3, 0x28], vec![0; 9], vec![0x80; 257]].map(Cell::Bytes));
            edges
        }
        DataType::Decimal128(precision, _) => {
            let most = 10i128.pow((*precision).into()) - 1;
            let wide = [i128::from(i64::MAX), i128::from(i64::MAX) + 1, 1 << 64, most / 2, most - 1, most];
            let mut edges: Vec<i128> =
                wide.into_iter().filter(|edge| *edge <= most).chain([0, 1, 100]).collect();
            edges.extend(edges.clone().iter().map(|edge| -edge));
            edges.sort_unstable();
            edges.dedup();
            edges.into_iter().map(Cell::Wide).collect()
        }
        integer => {
            let mut edges: Vec<u64> =
                INTEGER_EDGES.iter().map(|bits| canonical_bits(integer, *bits)).collect();
            edges.sort_unstable();
            edges.dedup();
            edges.into_iter().map(Cell::Bits).collect()
        }
    }
}

/// Cut to the width of a type, these are its extremes, their neighbours, and what does not fit the next smaller width.
const INTEGER_EDGES: &[u64] = &[
    0,
    1,
    2,
    0x7f,
    0x80,
    0x81,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0x8001,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

const FLOAT64_EDGES: &[u64] = &[
    0x0000_0000_0000_0000, // 0
    0x8000_0000_0000_0000, // -0
    0x0000_0000_0000_0001, // the smallest subnormal
    0x8000_0000_0000_0001,
    0x000f_ffff_ffff_ffff, // the largest subnormal
    0x0010_0000_0000_0000, // the smallest normal
    0x8010_0000_0000_0000,
    0x3ff0_0000_0000_0000, // 1
    0xbff0_0000_0000_0000, // -1
    0x3fb9_9999_9999_999a, // 0.1
    0x4340_0000_0000_0000, // 2^53
    0xc340_0000_0000_0001, // below -2^53
    0x7fef_ffff_ffff_ffff, // the largest
    0xffef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000, // infinity
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000, // the canonical NaN
    0xfff8_0000_0000_0000,
    0x7ff8_0000_0000_beef, // a quiet NaN with a payload
    0xfff8_0000_0000_beef,
    0x7ff0_0000_0000_0001, // a signalling NaN
    0xfff0_0000_0000_0001,
    0x7fff_ffff_ffff_ffff, // the largest payloads
    0xffff_ffff_ffff_ffff,
];

const FLOAT32_EDGES: &[u32] = &[
    0x0000_0000, // 0
    0x8000_0000, // -0
    0x0000_0001, // the smallest subnormal
    0x8000_0001,
    0x007f_ffff, // the largest subnormal
    0x0080_0000, // the smallest normal
    0x8080_0000,
    0x3f80_0000, // 1
    0xbf80_0000, // -1
    0x3dcc_cccd, // 0.1
    0x4b80_0000, // 2^24
    0x7f7f_ffff, // the largest
    0xff7f_ffff,
    0x7f80_0000, // infinity
    0xff80_0000,
    0x7fc0_0000, // the canonical NaN
    0xffc0_0000,
    0x7fc0_beef, // a quiet NaN with a payload
    0xffc0_beef,
    0x7f80_0001, // a signalling NaN
    0xff80_0001,
    0x7fff_ffff,
    0xffff_ffff,
];

fn text_edges() -> Vec<Cell> {
    let long = "x".repeat(300);
    let text = ["", "\0", "a", "a\0", "a\0b", "aa", "A", "ä", "日本語", "🦀", "\u{10ffff}", "\u{7f}", &long];
    text.iter().map(|text| Cell::Bytes(text.as_bytes().to_vec())).collect()
}

/// Cells of a type: edges, a few values that repeat, and anything.
pub fn cells(data_type: &DataType) -> BoxedStrategy<Cell> {
    let edges = proptest::sample::select(edge_cells(data_type));
    match data_type {
        DataType::Utf8 | DataType::Dictionary(_, _) => prop_oneof![
            3 => few_texts(),
            2 => edges,
            1 => "\\PC{0,12}".prop_map(|text| Cell::Bytes(text.into_bytes())),
        ]
        .boxed(),
        DataType::Binary => prop_oneof![
            3 => few_texts(),
            2 => edges,
            1 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Cell::Bytes),
        ]
        .boxed(),
        DataType::Decimal128(precision, _) => {
            let precision = *precision;
            prop_oneof![
                3 => (0..5i128).prop_map(Cell::Wide),
                3 => edges,
                1 => any::<i128>().prop_map(move |value| Cell::Wide(within_digits(precision, value))),
                1 => any::<i64>().prop_map(move |value| Cell::Wide(within_digits(precision, value.into()))),
            ]
            .boxed()
        }
        fixed => {
            let fixed = fixed.clone();
            let few = few_numbers(&fixed);
            prop_oneof![
                3 => proptest::sample::select(few),
                3 => edges,
                1 => any::<u64>().prop_map(move |bits| Cell::Bits(canonical_bits(&fixed, bits))),
            ]
            .boxed()
        }
    }
}

fn few_texts() -> impl Strategy<Value = Cell> {
    (0..4u8).prop_map(|number| Cell::Bytes(format!("host-{number}").into_bytes()))
}

/// A few ordinary numbers, so that values tie.
fn few_numbers(data_type: &DataType) -> Vec<Cell> {
    let number = |number: u8| match data_type {
        DataType::Float32 => u64::from((f32::from(number) / 2.0).to_bits()),
        DataType::Float64 => (f64::from(number) / 2.0).to_bits(),
        other => canonical_bits(other, u64::from(number)),
    };
    (0..5).map(|value| Cell::Bits(number(value))).collect()
}

/// Cells of a nullable or other column.
pub fn optional_cells(data_type: &DataType, nullable: bool) -> BoxedStrategy<Option<Cell>> {
    if nullable {
        prop_oneof![4 => cells(data_type).prop_map(Some), 1 => Just(None)].boxed()
    } else {
        cells(data_type).prop_map(Some).boxed()
    }
}

/// Lengths around the borders of words, blocks and workgroups.
pub fn lengths(at_least: usize, at_most: usize) -> BoxedStrategy<usize> {
    let borders = [0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 512, 513];
    let borders: Vec<usize> =
        borders.into_iter().filter(|length| (at_least..=at_most).contains(length)).collect();
    if borders.is_empty() {
        return (at_least..=at_most).boxed();
    }
    prop_oneof![2 => proptest::sample::select(borders), 1 => at_least..=at_most.min(at_least + 64)].boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_integers_have_their_own_extremes() {
        let edges = edge_cells(&DataType::Int8);
        for value in [i8::MIN, -1, 0, i8::MAX] {
            assert!(edges.contains(&Cell::Bits(value as u64)), "{value}");
        }
        assert!(!edge_cells(&DataType::UInt8).contains(&Cell::Bits(256)));
    }

    #[test]
    fn every_stored_type_can_be_stored() {
        assert!(stored_types().iter().all(tsds_traits::is_stored_type));
    }
}
