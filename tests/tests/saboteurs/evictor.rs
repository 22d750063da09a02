//! Evictors that are broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tsds_conformance::Suite;
use tsds_conformance::fixture::EvictorFixture;
use tsds_traits::{Action, Evictor, Presence, Result, SegmentId, TierView};

use crate::reference::evictor::ReferenceEvictor;
use crate::saboteurs;

/// What is wrong with an evictor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    /// Nothing.
    None,
    EvictsPinned,
    StopsEarly,
    EvictsEverything,
    EvictsBelowTheHighMark,
    NamesTwice,
    InventsSegments,
    Remembers,
    FailsOnNothing,
    EvictsForNothing,
    GoesByAnotherId,
}

#[derive(Debug)]
struct Saboteur {
    sabotage: Sabotage,
    calls: AtomicUsize,
}

impl Evictor for Saboteur {
    fn name(&self) -> &'static str {
        if self.sabotage == Sabotage::GoesByAnotherId { "tsds.other" } else { "saboteur.evictor" }
    }

    fn plan(&self, view: &TierView<'_>) -> Vec<Action> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut plan = ReferenceEvictor.plan(view);
        match self.sabotage {
            Sabotage::EvictsPinned => {
                let pinned = view.segments.iter().find(|segment| segment.pinned);
                plan.extend(pinned.map(|segment| Action::Evict(segment.meta.id)));
            }
            Sabotage::EvictsEverything if !plan.is_empty() => {
                let unpinned = view.segments.iter().filter(|segment| !segment.pinned);
                plan = unpinned.map(|segment| Action::Evict(segment.meta.id)).collect();
            }
            Sabotage::StopsEarly => {
                plan.pop();
            }
            Sabotage::EvictsBelowTheHighMark if view.bytes <= view.high_mark => {
                plan.extend(view.segments.first().map(|segment| Action::Evict(segment.meta.id)));
            }
            Sabotage::NamesTwice => plan.extend(plan.first().copied()),
            Sabotage::InventsSegments => plan.push(Action::Evict(SegmentId::new(9_999))),
            Sabotage::Remembers if !plan.is_empty() => {
                let by = call % plan.len();
                plan.rotate_left(by);
            }
            Sabotage::EvictsForNothing if !plan.is_empty() => {
                let nothing = view.segments.iter().find(|segment| segment.bytes == 0 && !segment.pinned);
                plan.splice(..0, nothing.map(|segment| Action::Evict(segment.meta.id)));
            }
            Sabotage::FailsOnNothing => {
                let first = &view.segments[0];
                assert!(first.bytes < u64::MAX);
            }
            _ => {}
        }
        plan
    }
}

struct Fixture(Sabotage);

impl EvictorFixture for Fixture {
    fn id(&self) -> String {
        "saboteur.evictor".into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    fn open(&self) -> Result<Arc<dyn Evictor>> {
        Ok(Arc::new(Saboteur { sabotage: self.0, calls: AtomicUsize::new(0) }))
    }
}

fn suite(sabotage: Sabotage) -> Suite {
    Suite::new().evictor(Fixture(sabotage))
}

saboteurs! { "evictor", suite, twin Sabotage::None;
    evicts_pinned_segments: Sabotage::EvictsPinned
        => a_plan_names_unpinned_segments_of_the_view_and_each_once,
    stops_early: Sabotage::StopsEarly => a_plan_brings_the_tier_down_to_the_low_mark,
    leaves_some_when_all_must_go: Sabotage::StopsEarly
        => when_all_that_is_unpinned_is_too_little_all_of_it_leaves,
    evicts_everything: Sabotage::EvictsEverything => a_plan_stops_at_the_low_mark,
    evicts_below_the_high_mark: Sabotage::EvictsBelowTheHighMark
        => nothing_leaves_a_tier_at_or_below_the_high_mark,
    names_a_segment_twice: Sabotage::NamesTwice
        => a_plan_names_unpinned_segments_of_the_view_and_each_once,
    invents_segments: Sabotage::InventsSegments
        => a_plan_names_unpinned_segments_of_the_view_and_each_once,
    remembers: Sabotage::Remembers => the_same_view_gives_the_same_plan,
    fails_on_nothing: Sabotage::FailsOnNothing => an_empty_tier_gives_an_empty_plan,
    evicts_for_nothing: Sabotage::EvictsForNothing => what_frees_nothing_stays,
    goes_by_another_id: Sabotage::GoesByAnotherId => it_goes_by_its_plugin_id,
}
