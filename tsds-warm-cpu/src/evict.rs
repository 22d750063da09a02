//! [`LruEvictor`]: what was not read for longest leaves first.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde::Deserialize;
use tsds_traits::{Action, Evictor, SegmentView, TierView};

/// The id of [`LruEvictor`].
pub const LRU: &str = "tsds.evict.lru";

/// Settings of [`LruEvictor`]: there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LruSettings {}

/// Evicts the least recently used segments until the tier is at its low mark.
///
/// Among segments that were used at the same moment, which is what those that nobody ever read after one seal are, the one
/// with the oldest data goes first. A plan is minimal: without its last action the tier would still be above the low mark.
#[derive(Clone, Copy, Debug, Default)]
pub struct LruEvictor {}

impl LruEvictor {
    /// The evictor.
    pub fn new(_settings: LruSettings) -> Self {
        Self {}
    }
}

impl Evictor for LruEvictor {
    fn name(&self) -> &'static str {
        LRU
    }

    fn plan(&self, view: &TierView<'_>) -> Vec<Action> {
        if view.bytes <= view.high_mark {
            return Vec::new();
        }
        let mut bytes = view.bytes;
        let mut seen = HashSet::new();
        let mut actions = Vec::new();
        for segment in by_urgency(view.segments) {
            if bytes <= view.low_mark {
                break;
            }
            if seen.insert(segment.meta.id) {
                bytes = bytes.saturating_sub(segment.bytes);
                actions.push(Action::Evict(segment.meta.id));
            }
        }
        actions
    }
}

/// The segments that may leave and whose leaving frees something, most urgent first.
fn by_urgency(segments: &[SegmentView]) -> Vec<&SegmentView> {
    let mut movable: Vec<_> =
        segments.iter().filter(|segment| !segment.pinned && segment.bytes > 0).collect();
    movable.sort_unstable_by(|a, b| urgency(a, b));
    movable
}

fn urgency(a: &SegmentView, b: &SegmentView) -> Ordering {
    // Times of different tables may differ in their unit, chunks do not.
    let key = |segment: &SegmentView| {
        let meta = &segment.meta;
        (segment.last_used, meta.chunk.end, meta.table, meta.time_range.1, meta.id)
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use tsds_traits::{
        ChunkRange, KeyDomain, SchemaVersion, SegmentId, SegmentMeta, Sequence, SequenceInterval, TableId,
    };

    use super::*;

    fn segment(id: u64, bytes: u64, last_used: u64, chunk_end: i64, pinned: bool) -> SegmentView {
        let meta = SegmentMeta {
            id: SegmentId::new(id),
            table: TableId(1),
            schema_version: SchemaVersion(1),
            chunk: ChunkRange { start: chunk_end - 10, end: chunk_end },
            key_domain: KeyDomain(0),
            interval: SequenceInterval::new(Sequence(0), Sequence(1)),
            rows: 1,
            time_range: (chunk_end - 1, chunk_end - 1),
            series: 1,
            plain_bytes: bytes,
            columns: Vec::new(),
        };
        SegmentView { meta: Arc::new(meta), bytes, last_used: Duration::from_secs(last_used), pinned }
    }

    fn view(segments: &[SegmentView], high_mark: u64, low_mark: u64) -> TierView<'_> {
        TierView {
            tier: "tsds.warm.cpu",
            segments,
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            high_mark,
            low_mark,
            now: Duration::from_secs(1_000),
            wall_seconds: 0,
        }
    }

    fn plan(segments: &[SegmentView], high_mark: u64, low_mark: u64) -> Vec<u64> {
        ids(&LruEvictor::default().plan(&view(segments, high_mark, low_mark)))
    }

    fn ids(actions: &[Action]) -> Vec<u64> {
        let id = |action: &Action| match action {
            Action::Evict(id) => id.id,
            other => panic!("unknown action {other:?}"),
        };
        actions.iter().map(id).collect()
    }

    #[test]
    fn at_the_high_mark_nothing_leaves() {
        let segments = [segment(1, 50, 1, 10, false), segment(2, 45, 2, 10, false)];
        assert!(plan(&segments, 95, 10).is_empty());
        assert_eq!(plan(&segments, 94, 50), [1]);
    }

    #[test]
    fn the_least_recently_used_segment_leaves_first() {
        let segments =
            [segment(1, 10, 30, 10, false), segment(2, 10, 10, 30, false), segment(3, 10, 20, 20, false)];
        assert_eq!(plan(&segments, 20, 10), [2, 3]);
    }

    #[test]
    fn among_equally_used_segments_the_oldest_data_leaves_first_and_then_the_lowest_id() {
        let segments =
            [segment(4, 10, 5, 20, false), segment(3, 10, 5, 10, false), segment(2, 10, 5, 20, false)];
        assert_eq!(plan(&segments, 0, 0), [3, 2, 4]);
    }

    #[test]
    fn pinned_segments_stay_even_if_the_low_mark_is_then_missed() {
        let segments = [segment(1, 90, 1, 10, true), segment(2, 10, 2, 10, false)];
        assert_eq!(plan(&segments, 50, 40), [2]);
    }

    #[test]
    fn segments_that_free_nothing_stay() {
        let segments = [segment(1, 0, 1, 10, false), segment(2, 10, 2, 10, false)];
        assert_eq!(plan(&segments, 5, 0), [2]);
    }

    fn any_segments() -> impl Strategy<Value = Vec<SegmentView>> {
        // Few distinct values, so that ties and repeated ids occur.
        let one = (0u64..20, 0u64..50, 0u64..4, 0i64..4, any::<bool>());
        prop::collection::vec(one, 0..24).prop_map(|all| {
            all.into_iter()
                .map(|(id, bytes, used, chunk, pinned)| segment(id, bytes, used, chunk, pinned))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn every_plan_keeps_the_contract(segments in any_segments(), marks in (0u64..600, 0u64..600)) {
            let (high, low) = (marks.0.max(marks.1), marks.0.min(marks.1));
            let mut unique = segments;
            unique.sort_by_key(|segment| segment.meta.id);
            unique.dedup_by_key(|segment| segment.meta.id);
            let view = view(&unique, high, low);
            let actions = LruEvictor::default().plan(&view);
            let chosen = ids(&actions);
            let find = |id: &u64| unique.iter().find(|segment| segment.meta.id.id == *id).unwrap();

            prop_assert_eq!(&actions, &LruEvictor::default().plan(&view), "same view, same plan");
            prop_assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), chosen.len(), "each at most once");
            prop_assert!(chosen.iter().all(|id| !find(id).pinned));
            if view.bytes <= high {
                prop_assert!(chosen.is_empty());
                return Ok(());
            }
            let freed: u64 = chosen.iter().map(|id| find(id).bytes).sum();
            let movable: u64 = unique.iter().filter(|segment| !segment.pinned).map(|segment| segment.bytes).sum();
            prop_assert!(view.bytes - freed <= low || freed == movable);
            if let Some(last) = chosen.last() {
                prop_assert!(view.bytes - freed + find(last).bytes > low, "minimal");
            }
            for stayed in unique.iter().filter(|s| !s.pinned && s.bytes > 0 && !chosen.contains(&s.meta.id.id)) {
                for left in &chosen {
                    prop_assert_eq!(urgency(find(left), stayed), Ordering::Less);
                }
            }
        }

        #[test]
        fn the_order_of_the_view_does_not_matter(
            segments in any_segments().prop_shuffle(), high in 0u64..600, low in 0u64..300
        ) {
            let mut unique = segments;
            unique.sort_by_key(|segment| segment.meta.id);
            unique.dedup_by_key(|segment| segment.meta.id);
            let forwards = plan(&unique, high, low);
            unique.reverse();
            prop_assert_eq!(plan(&unique, high, low), forwards);
        }

        #[test]
        fn a_repeated_segment_is_named_once(segments in any_segments(), low in 0u64..300) {
            let chosen = plan(&segments, 0, low);
            prop_assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), chosen.len());
        }
    }
}
