//! Few distinct values.

/// The most values of a dictionary: what fits the first cache of a processor.
pub(crate) const MAX_DISTINCT: usize = 4096;

/// How many slots the table has for every value that it may hold.
const SLOTS: usize = 4 * MAX_DISTINCT;

/// The distinct lanes, ascending, and which of them every row has; `None` if there are more than `limit`.
pub(crate) fn distinct(lanes: &[i64], limit: usize) -> Option<(Vec<i64>, Vec<i64>)> {
    let limit = limit.min(MAX_DISTINCT);
    let slots = (4 * limit).next_power_of_two().clamp(64, SLOTS);
    let shift = 64 - slots.trailing_zeros();
    // Numbers are one more than the place in `found`; 0 is a free slot.
    let mut table = vec![0u16; slots];
    let mut found: Vec<i64> = Vec::new();
    let mut numbers: Vec<u16> = Vec::with_capacity(lanes.len());
    let mut last = (lanes.first().map_or(0, |first| !*first), 0u16);
    for lane in lanes {
        if *lane != last.0 {
            let mut slot = ((*lane as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize;
            let number = loop {
                let number = table[slot];
                if number == 0 {
                    if found.len() == limit {
                        return None;
                    }
                    found.push(*lane);
                    table[slot] = found.len() as u16;
                    break found.len() as u16;
                }
                if found[usize::from(number) - 1] == *lane {
                    break number;
                }
                slot = (slot + 1) % slots;
            };
            last = (*lane, number);
        }
        numbers.push(last.1 - 1);
    }
    let mut order: Vec<u16> = (0..found.len() as u16).collect();
    order.sort_unstable_by_key(|number| found[usize::from(*number)]);
    let mut ranks = vec![0i64; found.len()];
    for (rank, number) in (0i64..).zip(&order) {
        ranks[usize::from(*number)] = rank;
    }
    let codes = numbers.iter().map(|number| ranks[usize::from(*number)]).collect();
    found.sort_unstable();
    Some((found, codes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_are_places_among_the_sorted_distinct_values(
            lanes in prop::collection::vec(prop_oneof![any::<i64>(), -3i64..3], 0..300), limit in 0usize..300
        ) {
            let expected: Vec<i64> = lanes.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
            match distinct(&lanes, limit) {
                None => prop_assert!(expected.len() > limit),
                Some((values, codes)) => {
                    prop_assert!(expected.len() <= limit);
                    prop_assert_eq!(&values, &expected);
                    let back: Vec<i64> = codes.iter().map(|code| values[*code as usize]).collect();
                    prop_assert_eq!(back, lanes);
                }
            }
        }
    }

    #[test]
    fn a_full_dictionary_still_has_free_slots() {
        let lanes: Vec<i64> = (0..MAX_DISTINCT as i64).map(|i| i << 40).collect();
        assert_eq!(distinct(&lanes, usize::MAX).unwrap().0, lanes);
        assert!(distinct(&[lanes, vec![7]].concat(), usize::MAX).is_none());
    }
}
