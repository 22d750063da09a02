//! An evictor that lets the longest unused go first.

use std::sync::Arc;

use tsds_conformance::fixture::EvictorFixture;
use tsds_traits::{Action, Evictor, Presence, Result, SegmentView, TierView};

#[derive(Debug)]
pub struct ReferenceEvictor;

impl Evictor for ReferenceEvictor {
    fn name(&self) -> &'static str {
        "reference.evictor"
    }

    fn plan(&self, view: &TierView<'_>) -> Vec<Action> {
        if view.bytes <= view.high_mark {
            return Vec::new();
        }
        let mut candidates: Vec<&SegmentView> =
            view.segments.iter().filter(|segment| !segment.pinned && segment.bytes > 0).collect();
        candidates.sort_by_key(|segment| (segment.last_used, segment.meta.id));
        let mut left = view.bytes;
        let leaves = candidates.into_iter().take_while(|segment| {
            let leaves = left > view.low_mark;
            left = left.saturating_sub(segment.bytes);
            leaves
        });
        leaves.map(|segment| Action::Evict(segment.meta.id)).collect()
    }
}

pub struct ReferenceEvictorFixture;

impl EvictorFixture for ReferenceEvictorFixture {
    fn id(&self) -> String {
        "reference.evictor".into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    fn open(&self) -> Result<Arc<dyn Evictor>> {
        Ok(Arc::new(ReferenceEvictor))
    }
}
