//! Blocks give back what went in, in every mode, on every path, whole and in parts.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::error::Result;
use crate::isa::Isa;
use crate::values::{Kind, ordered_of_lane};

/// Lanes of a kind as users have them: walks, decimals, few values, spikes, nonsense.
fn lanes(kind: Kind) -> impl Strategy<Value = Vec<i64>> {
    let wild = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(0), -2i64..3];
    let special = prop_oneof![
        Just(f64::NAN),
        Just(-f64::NAN),
        Just(f64::from_bits(0x7ff0_0000_0000_0001)),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
        Just(0.0),
        Just(f64::MIN_POSITIVE / 8.0),
        any::<f64>()
    ];
    let decimal = (-50_000i64..50_000, 0u8..5);
    let outliers = prop::collection::vec((any::<prop::sample::Index>(), special), 0..20);
    prop_oneof![
        1 => prop::collection::vec(wild.clone(), 0..300),
        1 => (prop::collection::vec(wild, 1..20), prop::collection::vec(any::<prop::sample::Index>(), 0..600))
            .prop_map(|(few, rows)| rows.into_iter().map(|row| *row.get(&few)).collect()),
        2 => (prop::collection::vec(decimal, 0..600), 0i32..7, outliers, any::<bool>(), any::<bool>()).prop_map(
            move |(steps, places, outliers, single, computed)| {
                let mut number = 0;
                let mut values: Vec<f64> = steps
                    .into_iter()
                    .map(|(step, shift)| {
                        number += step >> (3 * shift);
                        let value = if computed { number as f64 * 0.1f64.powi(places) } else { number as f64 / 10f64.powi(places) };
                        if single { f64::from(value as f32) } else { value }
                    })
                    .collect();
                for (row, value) in outliers {
                    if !values.is_empty() {
                        let row = row.index(values.len());
                        values[row] = value;
                    }
                }
                values.into_iter().map(|value| lane_of_float(kind, value)).collect()
            }
        ),
    ]
    .prop_map(move |lanes: Vec<i64>| lanes.into_iter().map(|lane| of_kind(kind, lane)).collect())
}

fn lane_of_float(kind: Kind, value: f64) -> i64 {
    match kind {
        Kind::Float64 => value.to_bits() as i64,
        Kind::Float32 => i64::from((value as f32).to_bits()),
        _ => value as i64,
    }
}

/// A lane that a value of the kind can have.
fn of_kind(kind: Kind, lane: i64) -> i64 {
    match kind {
        Kind::Int8 => i64::from(lane as i8),
        Kind::Int16 => i64::from(lane as i16),
        Kind::Int32 => i64::from(lane as i32),
        Kind::UInt8 => i64::from(lane as u8),
        Kind::UInt16 => i64::from(lane as u16),
        Kind::UInt32 | Kind::Float32 => i64::from(lane as u32),
        Kind::Int64 | Kind::UInt64 | Kind::Float64 => lane,
        Kind::Boolean => lane & 1,
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![4 => Just(Kind::Float64), 2 => Just(Kind::Int64), 2 => Just(Kind::Float32), 3 => prop::sample::select(&Kind::ALL[..])]
}

fn choices() -> impl Strategy<Value = ModeChoice> {
    prop_oneof![
        3 => Just(ModeChoice::Shortest),
        2 => prop::sample::select(&Mode::ALL[..]).prop_map(ModeChoice::Only),
        1 => (0u8..8).prop_map(|lanes_log2| ModeChoice::Classic { lanes_log2 }),
    ]
}

/// A block and what is in it.
#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    choice: ModeChoice,
    lanes: Vec<i64>,
    validity: Option<Vec<u64>>,
}

impl Case {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let input = Column { kind: self.kind, lanes: &self.lanes, validity: self.validity.as_deref() };
        encode(input, self.choice, &mut bytes);
        bytes
    }

    fn is_valid(&self, row: usize) -> bool {
        self.validity.as_ref().is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1)
    }

    /// The values of a range, nulls as `None`.
    fn values(&self, range: Range<usize>) -> Vec<Option<i64>> {
        range.map(|row| self.is_valid(row).then(|| self.lanes[row])).collect()
    }
}

fn cases() -> impl Strategy<Value = Case> {
    (kinds(), choices()).prop_flat_map(|(kind, choice)| {
        lanes(kind).prop_flat_map(move |lanes| {
            let words = lanes.len().div_ceil(64);
            let some = prop_oneof![
                prop::collection::vec(any::<u64>(), words),
                prop::collection::vec(
                    prop_oneof![5 => Just(u64::MAX), 1 => any::<u64>(), 1 => Just(0)],
                    words
                ),
            ];
            prop_oneof![2 => Just(None), 1 => some.prop_map(Some)].prop_map(move |validity| Case {
                kind,
                choice,
                lanes: lanes.clone(),
                validity,
            })
        })
    })
}

/// What a block says of a range.
fn decode(bytes: &[u8], range: Range<usize>, isa: Isa) -> Result<Vec<Option<i64>>> {
    let block = Block::parse_with(bytes, isa)?;
    let lanes = if block.kind == Kind::Boolean {
        let words = block.bits()?;
        range.clone().map(|row| (words[row / 64] >> (row % 64) & 1) as i64).collect()
    } else {
        let mut lanes = vec![0; range.len()];
        block.read_lanes(range.clone(), &mut lanes)?;
        lanes
    };
    let validity = block.validity()?;
    let is_valid = |row: usize| validity.as_ref().is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1);
    Ok(range.zip(lanes).map(|(row, lane)| is_valid(row).then_some(lane)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn values_come_back_in_every_mode_on_every_path(case in cases(), cut: (prop::sample::Index, prop::sample::Index)) {
        let bytes = case.encode();
        prop_assert!(bytes.len() <= max_block_len(case.kind, case.lanes.len()));
        let mut ends = [cut.0, cut.1].map(|cut| cut.index(case.lanes.len() + 1));
        ends.sort_unstable();
        for isa in Isa::available() {
            for range in [0..case.lanes.len(), ends[0]..ends[1]] {
                prop_assert_eq!(decode(&bytes, range.clone(), isa), Ok(case.values(range)), "{:?}", isa);
            }
        }
    }

    #[test]
    fn selecting_is_decoding_and_comparing(case in cases(), ends in prop::collection::vec((any::<prop::sample::Index>(), any::<i64>()), 2..24)) {
        let bytes = case.encode();
        // Ranges whose ends are values or beside values.
        let mut ends: Vec<i64> = ends
            .into_iter()
            .map(|(at, wild)| match case.lanes.is_empty() {
                true => wild,
                false => ordered_of_lane(case.kind, *at.get(&case.lanes)).saturating_add(wild >> 62),
            })
            .collect();
        ends.sort_unstable();
        ends.dedup();
        let ranges: Vec<_> = ends.chunks_exact(2).map(|pair| pair[0]..=pair[1]).collect();
        for isa in Isa::available() {
            let found = Block::parse_with(&bytes, isa).unwrap().select(&ranges).unwrap();
            for row in 0..case.lanes.len() {
                let place = ordered_of_lane(case.kind, case.lanes[row]);
                let expected = case.is_valid(row) && ranges.iter().any(|range| range.contains(&place));
                prop_assert_eq!(found[row / 64] >> (row % 64) & 1 == 1, expected, "row {} {:?}", row, isa);
            }
        }
    }

    #[test]
    fn a_block_with_a_forged_checksum_is_damage_or_the_same_values_on_every_path(
        case in cases(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5), cut: Option<prop::sample::Index>
    ) {
        let mut bytes = case.encode();
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()).max(16));
        }
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        header::forge_checksum(&mut bytes);
        let rows = Block::parse_with(&bytes, Isa::Portable).map_or(0, |block| block.rows);
        prop_assume!(rows <= 100_000);
        let expected = decode(&bytes, 0..rows, Isa::Portable);
        for isa in Isa::available() {
            prop_assert_eq!(&decode(&bytes, 0..rows, isa), &expected, "{:?}", isa);
        }
    }

    #[test]
    fn any_changed_byte_is_noticed(case in cases(), at: prop::sample::Index, change in 1u8..) {
        let mut bytes = case.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(Block::parse(&bytes).is_err());
    }
}

proptest! {
    #[test]
    fn no_block_is_longer_than_raw_or_than_the_codes_of_the_paper(case in cases()) {
        let shortest = Case { choice: ModeChoice::Shortest, validity: None, ..case.clone() }.encode().len();
        if case.kind != Kind::Boolean {
            prop_assert!(shortest <= 16 + (case.lanes.len() * case.kind.width()));
            let classic = Case { choice: ModeChoice::Classic { lanes_log2: 0 }, validity: None, ..case }.encode().len();
            prop_assert!(shortest <= classic, "{} {}", shortest, classic);
        }
    }
}

#[test]
fn no_progression_is_longer_than_the_codes_of_the_paper() {
    let firsts = [0, 1, -1, 1 << 20, 1_700_000_000_000, -38_154_750_916_390_735, i64::MAX, i64::MIN];
    let steps = [0, 1, -1, 63, 64, 2_047, 2_048, 1 << 31, 1 << 40, i64::MIN];
    for kind in [Kind::Int64, Kind::UInt64, Kind::Float64, Kind::Float32, Kind::Int32] {
        for (first, step) in firsts.iter().flat_map(|first| steps.map(|step| (*first, step))) {
            for rows in (0..200).chain([1_000]) {
                let lane = |row: i64| of_kind(kind, first.wrapping_add(step.wrapping_mul(row)));
                let lanes: Vec<i64> = (0..rows).map(lane).collect();
                let len = |choice| Case { kind, choice, lanes: lanes.clone(), validity: None }.encode().len();
                let (shortest, classic) =
                    (len(ModeChoice::Shortest), len(ModeChoice::Classic { lanes_log2: 0 }));
                assert!(shortest <= classic, "{kind:?} {first} {step} {rows}: {shortest} {classic}");
            }
        }
    }
}

#[test]
fn what_lies_under_nulls_changes_nothing() {
    let lanes: Vec<i64> = (0..300).map(|i| i * 3).collect();
    let mut other = lanes.clone();
    let validity = vec![0x0f0f_ffff_ff00_ffff; 5];
    (0..300).filter(|row| validity[row / 64] >> (row % 64) & 1 == 0).for_each(|row| other[row] = -77);
    let encode = |lanes: Vec<i64>| {
        Case { kind: Kind::Int64, choice: ModeChoice::Shortest, lanes, validity: Some(validity.clone()) }
            .encode()
    };
    assert_eq!(encode(lanes), encode(other));
}
