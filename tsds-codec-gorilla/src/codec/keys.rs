//! Order-preserving keys as places in the order of a type.

use std::ops::RangeInclusive;

use tsds_traits::KeySet;

use crate::values::Kind;

/// The top bit, by which keys of signed values differ from their places.
const TOP: u64 = 1 << 63;

/// Where the ranges of keys lie in the order that [`crate::block::Block::select`] compares in, ascending.
pub(super) fn places(kind: Kind, keys: &KeySet) -> Vec<RangeInclusive<i64>> {
    let ranges = keys.ranges().iter().map(|range| (*range.start(), *range.end()));
    match kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::Float64 => {
            ranges.map(|(start, end)| (start ^ TOP) as i64..=(end ^ TOP) as i64).collect()
        }
        Kind::UInt8 | Kind::UInt16 | Kind::UInt32 | Kind::Boolean => ranges
            .filter(|(start, _)| *start < TOP)
            .map(|(start, end)| start as i64..=end.min(TOP - 1) as i64)
            .collect(),
        Kind::Float32 => {
            let place = |key: u64| i64::from((key as u32 ^ 1 << 31) as i32);
            let max = u64::from(u32::MAX);
            ranges
                .filter(|(start, _)| *start <= max)
                .map(|(start, end)| place(start)..=place(end.min(max)))
                .collect()
        }
        Kind::UInt64 => {
            // Values with the top bit set are negative lanes, and come first.
            let upper = ranges.clone().filter(|(_, end)| *end >= TOP);
            let upper = upper.map(|(start, end)| start.max(TOP) as i64..=end as i64);
            let lower = ranges.filter(|(start, _)| *start < TOP);
            upper.chain(lower.map(|(start, end)| start as i64..=end.min(TOP - 1) as i64)).collect()
        }
    }
}
