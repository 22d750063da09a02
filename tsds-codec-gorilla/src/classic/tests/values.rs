//! Values to test with: all that a code has a case for, often enough that the cases meet.

use proptest::collection::vec;
use proptest::prelude::*;

/// Numbers of rows: few, and around the sizes of blocks.
fn rows() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0..=300usize,
        4 => 500..=600usize,
        2 => 1016..=1040usize,
        1 => 2040..=2060usize,
        1 => 8185..=8200usize,
    ]
}

/// How a time comes after the one before.
#[derive(Clone, Debug)]
enum Move {
    Steady,
    Jitter(i64),
    To(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let bounds =
        prop_oneof![Just(-64i64..=65), Just(-256..=257), Just(-2048..=2049), Just(-1 << 40..=1 << 40),];
    let jitter = bounds.prop_flat_map(|bounds| bounds).prop_map(Move::Jitter);
    let far = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()].prop_map(Move::To);
    // How often times are steady, of 100; the others are mostly near.
    (0..=100u32, rows()).prop_flat_map(move |(steady, rows)| {
        let near = jitter.clone();
        vec(
            prop_oneof![steady * 10 + 1 => Just(Move::Steady), 1001 - steady * 10 => near, 2 => far.clone()],
            rows,
        )
    })
}

pub(super) fn times() -> impl Strategy<Value = Vec<i64>> {
    let start = prop_oneof![Just(1_700_000_000_000), any::<i64>()];
    (start, -5000..5000i64, moves()).prop_map(|(start, step, moves)| {
        let (mut time, mut delta) = (start, step);
        let advance = |next: Move| {
            let before = time;
            match next {
                Move::Steady => time = time.wrapping_add(delta),
                Move::Jitter(by) => time = time.wrapping_add(delta).wrapping_add(by),
                Move::To(far) => time = far,
            }
            delta = time.wrapping_sub(before);
            time
        };
        moves.into_iter().map(advance).collect()
    })
}

/// The bits of floats of some width, in the lowest bits. Each differs from the one before in some of those that a mask leaves.
fn floats(width: u32) -> impl Strategy<Value = Vec<u64>> {
    let all = u64::MAX >> (64 - width);
    let special = match width {
        64 => [f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE / 2.0].map(f64::to_bits),
        _ => [f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE / 2.0].map(|value| value.to_bits().into()),
    };
    let any_window =
        (0..width, 1..=width).prop_map(move |(up, length)| (all >> (width - length)) << up & all);
    (0..=100u32, rows(), vec(any_window, 1..4)).prop_flat_map(move |(steady, rows, windows)| {
        let window = prop::sample::select(windows);
        let change = (window, any::<u64>()).prop_map(|(window, bits)| Ok(window & bits));
        let far = prop_oneof![prop::sample::select(special.to_vec()), any::<u64>(), Just(u64::MAX)]
            .prop_map(move |bits| Err(bits & all));
        let next = prop_oneof![steady * 10 + 1 => Just(Ok(0)), 1001 - steady * 10 => change, 5 => far];
        vec(next, rows).prop_map(|changes| {
            let mut value = 0;
            let next = |change: Result<u64, u64>| {
                value = change.map_or_else(|far| far, |change| value ^ change);
                value
            };
            changes.into_iter().map(next).collect()
        })
    })
}

pub(super) fn floats64() -> impl Strategy<Value = Vec<u64>> {
    floats(64)
}

pub(super) fn floats32() -> impl Strategy<Value = Vec<u32>> {
    floats(32).prop_map(|values| values.into_iter().map(|value| value as u32).collect())
}
