//! Sets of texts, as key sets are sets of numbers.

use std::ops::Range;

use arrow_array::{Array, StringArray};
use tsds_traits::{Comparison, KeySet};

/// A set of texts as ascending, disjoint, non-adjacent half-open ranges in bytewise order.
///
/// The text after `t` is `t` followed by a zero byte, so that half-open ranges express every comparison.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TextSet {
    ranges: Vec<(Vec<u8>, End)>,
}

/// The first text beyond a range. `Bytes` orders before `Unbounded`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Before(Vec<u8>),
    Unbounded,
}

impl TextSet {
    /// The set that holds nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The set that holds every text.
    pub fn full() -> Self {
        Self { ranges: vec![(Vec::new(), End::Unbounded)] }
    }

    /// The texts for which `text comparison literal` is true.
    pub fn of(comparison: Comparison, literal: &str) -> Self {
        let own = || literal.as_bytes().to_vec();
        let next = || successor(literal);
        match comparison {
            Comparison::Equal => Self::from_ranges(vec![(own(), End::Before(next()))]),
            Comparison::NotEqual => Self::of(Comparison::Equal, literal).complement(),
            Comparison::Less => Self::from_ranges(vec![(Vec::new(), End::Before(own()))]),
            Comparison::LessOrEqual => Self::from_ranges(vec![(Vec::new(), End::Before(next()))]),
            Comparison::Greater => Self::from_ranges(vec![(next(), End::Unbounded)]),
            Comparison::GreaterOrEqual => Self::from_ranges(vec![(own(), End::Unbounded)]),
        }
    }

    /// The set of exactly these texts.
    pub fn of_members<'a>(members: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges = members.into_iter().map(|text| (text.as_bytes().to_vec(), End::Before(successor(text))));
        Self::from_ranges(ranges.collect())
    }

    fn from_ranges(mut ranges: Vec<(Vec<u8>, End)>) -> Self {
        ranges.retain(|(start, end)| *end > End::Before(start.clone()));
        ranges.sort_unstable();
        let mut merged: Vec<(Vec<u8>, End)> = Vec::with_capacity(ranges.len());
        for (start, end) in ranges {
            match merged.last_mut() {
                Some((_, last)) if *last >= End::Before(start.clone()) => {
                    if end > *last {
                        *last = end;
                    }
                }
                _ => merged.push((start, end)),
            }
        }
        Self { ranges: merged }
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The members of the set, ascending, if each of its ranges has just one.
    pub fn members(&self) -> Option<Vec<&[u8]>> {
        let only = |(start, end): &'_ (Vec<u8>, End)| match end {
            End::Before(end) => end.strip_suffix(&[0]) == Some(start.as_slice()),
            End::Unbounded => false,
        };
        self.ranges.iter().all(only).then(|| self.ranges.iter().map(|(start, _)| start.as_slice()).collect())
    }

    /// The only member of the set, if it has just one.
    pub fn single(&self) -> Option<&[u8]> {
        match self.ranges.as_slice() {
            [(start, End::Before(end))] if end.strip_suffix(&[0]) == Some(start.as_slice()) => Some(start),
            _ => None,
        }
    }

    /// Whether the set holds `text`.
    pub fn contains(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let after = self.ranges.partition_point(|(start, _)| start.as_slice() <= text);
        after > 0 && before(text, &self.ranges[after - 1].1)
    }

    /// Whether the set holds a text of `min..=max`.
    pub fn intersects(&self, min: &str, max: &str) -> bool {
        let after = self.ranges.partition_point(|(start, _)| start.as_slice() <= max.as_bytes());
        after > 0 && before(min.as_bytes(), &self.ranges[after - 1].1)
    }

    /// Whether the set holds every text of `min..=max`.
    pub fn covers(&self, min: &str, max: &str) -> bool {
        let after = self.ranges.partition_point(|(start, _)| start.as_slice() <= min.as_bytes());
        after > 0 && before(max.as_bytes(), &self.ranges[after - 1].1)
    }

    /// Every text that is not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = Some(Vec::new());
        for (start, end) in &self.ranges {
            if let Some(from) = next.take()
                && from < *start
            {
                ranges.push((from, End::Before(start.clone())));
            }
            next = match end {
                End::Before(end) => Some(end.clone()),
                End::Unbounded => None,
            };
        }
        if let Some(from) = next {
            ranges.push((from, End::Unbounded));
        }
        Self { ranges }
    }

    /// The texts in one of the sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.ranges.iter().chain(&other.ranges).cloned().collect())
    }

    /// The texts in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.complement().union(&other.complement()).complement()
    }

    /// The codes of a sorted dictionary without nulls whose texts are in the set: ranges of text are ranges of codes.
    pub fn codes(&self, sorted: &StringArray) -> KeySet {
        let position = |bytes: &[u8]| partition_point(sorted, bytes) as u64;
        let ranges = self.ranges.iter().map(|(start, end)| {
            let end = match end {
                End::Before(end) => position(end),
                End::Unbounded => sorted.len() as u64,
            };
            position(start)..end
        });
        KeySet::from_ranges(
            ranges.filter(|codes| !codes.is_empty()).map(|Range { start, end }| start..=end - 1),
        )
    }
}

fn successor(text: &str) -> Vec<u8> {
    let mut next = Vec::with_capacity(text.len() + 1);
    next.extend_from_slice(text.as_bytes());
    next.push(0);
    next
}

fn before(text: &[u8], end: &End) -> bool {
    match end {
        End::Before(end) => text < end.as_slice(),
        End::Unbounded => true,
    }
}

/// How many of the sorted texts are smaller than `bytes`.
fn partition_point(sorted: &StringArray, bytes: &[u8]) -> usize {
    let (mut low, mut high) = (0, sorted.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if sorted.value(middle).as_bytes() < bytes {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        "[\u{0}ab\u{10ffff}]{0,3}"
    }

    fn comparison() -> impl Strategy<Value = Comparison> {
        prop::sample::select(Comparison::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn sets_hold_what_comparisons_say(texts in prop::collection::vec(text(), 1..12), a in text(), b in text(),
                                          first in comparison(), second in comparison()) {
            let (x, y) = (TextSet::of(first, &a), TextSet::of(second, &b));
            for t in &texts {
                let (in_x, in_y) = (first.holds(t, &a), second.holds(t, &b));
                prop_assert_eq!(x.contains(t), in_x);
                prop_assert_eq!(x.complement().contains(t), !in_x);
                prop_assert_eq!(x.union(&y).contains(t), in_x || in_y);
                prop_assert_eq!(x.intersection(&y).contains(t), in_x && in_y);
            }
            let (min, max) = (texts.iter().min().unwrap(), texts.iter().max().unwrap());
            let all = x.intersection(&y);
            prop_assert!(all.intersects(min, max) || texts.iter().all(|t| !all.contains(t)));
            prop_assert!(!all.covers(min, max) || texts.iter().all(|t| all.contains(t)));
        }

        #[test]
        fn codes_of_a_sorted_dictionary_agree(mut texts in prop::collection::vec(text(), 0..12), a in text(),
                                              first in comparison()) {
            texts.sort();
            texts.dedup();
            let set = TextSet::of(first, &a);
            let codes = set.codes(&StringArray::from(texts.clone()));
            for (code, t) in texts.iter().enumerate() {
                prop_assert_eq!(codes.contains(code as u64), set.contains(t));
            }
        }
    }

    #[test]
    fn members_are_in_and_others_are_out() {
        let set = TextSet::of_members(["b", "a", "b"]);
        assert!(set.contains("a") && set.contains("b") && !set.contains("") && !set.contains("aa"));
        assert!(TextSet::of_members([]).is_empty());
        assert_eq!(TextSet::of_members(["ab", "ab"]).single(), Some("ab".as_bytes()));
        assert_eq!((set.single(), TextSet::of(Comparison::LessOrEqual, "").single()), (None, Some(&b""[..])));
        assert_eq!(TextSet::empty().complement(), TextSet::full());
    }
}
