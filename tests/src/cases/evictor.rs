//! Cases for [`tsds_traits::Evictor`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tsds_traits::{Action, Evictor, SegmentId, SegmentView, TierView};

use crate::case::{Bench, Case, cases};
use crate::claims::Claims;
use crate::data::schemas;
use crate::data::segments::{DAY, Segment};
use crate::fixture::EvictorFixture;
use crate::outcome::{ensure, ensure_eq, ensure_goes_by};
use crate::{CaseResult, Failure};

type EvictorBench = Bench<dyn EvictorFixture>;

pub(crate) fn claims(fixture: &dyn EvictorFixture) -> CaseResult<Claims> {
    fixture.open()?;
    Ok(Claims::default())
}

/// Every case of the trait.
pub fn cases() -> Vec<Case<dyn EvictorFixture>> {
    cases![
        [] it_goes_by_its_plugin_id,
        [] the_same_view_gives_the_same_plan,
        [] nothing_leaves_a_tier_at_or_below_the_high_mark,
        [] a_plan_brings_the_tier_down_to_the_low_mark,
        [] a_plan_stops_at_the_low_mark,
        [] a_plan_names_unpinned_segments_of_the_view_and_each_once,
        [] when_all_that_is_unpinned_is_too_little_all_of_it_leaves,
        [] what_frees_nothing_stays,
        [] an_empty_tier_gives_an_empty_plan,
    ]
}

fn it_goes_by_its_plugin_id(bench: &EvictorBench) -> CaseResult {
    ensure_goes_by(bench.fixture.open()?.name(), &bench.fixture.id())
}

/// A view that owns its segments.
#[derive(Clone, Debug)]
struct OwnedView {
    segments: Vec<SegmentView>,
    high_mark: u64,
    low_mark: u64,
    now: Duration,
    wall_seconds: i64,
}

impl OwnedView {
    fn view(&self) -> TierView<'_> {
        TierView {
            tier: "tsds.warm.cpu",
            segments: &self.segments,
            bytes: self.bytes(),
            high_mark: self.high_mark,
            low_mark: self.low_mark,
            now: self.now,
            wall_seconds: self.wall_seconds,
        }
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn unpinned_bytes(&self) -> u64 {
        self.segments.iter().filter(|segment| !segment.pinned).map(|segment| segment.bytes).sum()
    }
}

/// The segments that a plan evicts. There is no other action yet; one that is added needs cases of its own.
fn evicted(plan: &[Action]) -> CaseResult<Vec<SegmentId>> {
    let segment = |action: &Action| match action {
        Action::Evict(segment) => Ok(*segment),
        other => Err(Failure::new(format!("the suite does not know the action {other:?}"))),
    };
    plan.iter().map(segment).collect()
}

/// Views with any number of segments, some pinned, marks anywhere.
fn views() -> CaseResult<BoxedStrategy<OwnedView>> {
    let schema = schemas::sensors()?;
    let row = vec![Some(tsds_traits::Value::Text("a".into())), Some(tsds_traits::Value::Int(0)), None, None];
    let meta = Segment::new(&schema, 0, 0, vec![row]).meta;
    let parts = (0..2_000u64, 0..5_000u64, prop::bool::weighted(0.25), -2..3i64);
    let view = proptest::collection::vec(parts, 0..24).prop_map(move |parts| {
        let segment = |(number, (bytes, used, pinned, day)): (usize, (u64, u64, bool, i64))| {
            let mut meta = (*meta).clone();
            // Ids neither in the order of the view nor in that of use.
            meta.id = SegmentId::new((number as u64 * 7) % 25 + 1);
            meta.chunk = tsds_traits::ChunkRange { start: day * DAY, end: (day + 1) * DAY };
            SegmentView { meta: Arc::new(meta), bytes, last_used: Duration::from_millis(used), pinned }
        };
        parts.into_iter().enumerate().map(segment).collect::<Vec<_>>()
    });
    Ok((view, 0..=110u64, 0..=100u64, -DAY..DAY)
        .prop_map(|(segments, high, low, wall_seconds)| {
            let bytes: u64 = segments.iter().map(|segment: &SegmentView| segment.bytes).sum();
            let high_mark = bytes * high / 100;
            let low_mark = high_mark * low / 100;
            OwnedView { segments, high_mark, low_mark, now: Duration::from_secs(10), wall_seconds }
        })
        .boxed())
}

fn for_all_views(
    bench: &EvictorBench,
    property: impl Fn(&dyn Evictor, &OwnedView) -> CaseResult,
) -> CaseResult {
    let evictor = bench.fixture.open()?;
    bench.for_all(&views()?, |view| property(&*evictor, &view))
}

fn the_same_view_gives_the_same_plan(bench: &EvictorBench) -> CaseResult {
    let other = bench.fixture.open()?;
    for_all_views(bench, |evictor, view| {
        let plan = evictor.plan(&view.view());
        ensure_eq(&evictor.plan(&view.view()), &plan, "the plan for the same view, asked again")?;
        ensure_eq(&other.plan(&view.view()), &plan, "the plan of another evictor for the same view")
    })
}

fn nothing_leaves_a_tier_at_or_below_the_high_mark(bench: &EvictorBench) -> CaseResult {
    for_all_views(bench, |evictor, view| {
        let mut view = view.clone();
        for above in [0, 1, 1_000] {
            view.high_mark = view.bytes() + above;
            ensure_eq(&evictor.plan(&view.view()), &vec![], "the plan at or below the high mark")?;
        }
        Ok(())
    })
}

fn a_plan_brings_the_tier_down_to_the_low_mark(bench: &EvictorBench) -> CaseResult {
    for_all_views(bench, |evictor, view| {
        let bytes = view.bytes();
        if bytes <= view.high_mark {
            return Ok(());
        }
        let plan = evicted(&evictor.plan(&view.view()))?;
        let leaving = view.segments.iter().filter(|segment| plan.contains(&segment.meta.id));
        let left = bytes - leaving.map(|segment| segment.bytes).sum::<u64>();
        let possible = bytes - view.unpinned_bytes();
        ensure(left <= view.low_mark.max(possible), || {
            format!(
                "{left} bytes stay of {bytes}, but the low mark is {} ({possible} are pinned)",
                view.low_mark
            )
        })
    })
}

fn a_plan_stops_at_the_low_mark(bench: &EvictorBench) -> CaseResult {
    for_all_views(bench, |evictor, view| {
        let plan = evicted(&evictor.plan(&view.view()))?;
        let Some((last, others)) = plan.split_last() else { return Ok(()) };
        let leaving = view.segments.iter().filter(|segment| others.contains(&segment.meta.id));
        let left = view.bytes() - leaving.map(|segment| segment.bytes).sum::<u64>();
        ensure(left > view.low_mark, || {
            format!(
                "{last} leaves, though without it {left} bytes stay and the low mark is {}",
                view.low_mark
            )
        })
    })
}

fn a_plan_names_unpinned_segments_of_the_view_and_each_once(bench: &EvictorBench) -> CaseResult {
    for_all_views(bench, |evictor, view| {
        let plan = evicted(&evictor.plan(&view.view()))?;
        let distinct: BTreeSet<_> = plan.iter().collect();
        ensure(distinct.len() == plan.len(), || format!("the plan names a segment twice: {plan:?}"))?;
        for id in &plan {
            let segment = view.segments.iter().find(|segment| segment.meta.id == *id);
            ensure(segment.is_some(), || format!("the plan names {id}, which is not in the view"))?;
            ensure(segment.is_some_and(|segment| !segment.pinned), || {
                format!("the plan names {id}, which is pinned")
            })?;
        }
        Ok(())
    })
}

fn when_all_that_is_unpinned_is_too_little_all_of_it_leaves(bench: &EvictorBench) -> CaseResult {
    for_all_views(bench, |evictor, view| {
        let mut view = OwnedView { high_mark: 0, low_mark: 0, ..view.clone() };
        view.segments.iter_mut().for_each(|segment| segment.bytes += 1);
        let mut plan = evicted(&evictor.plan(&view.view()))?;
        let mut unpinned: Vec<_> =
            view.segments.iter().filter(|segment| !segment.pinned).map(|segment| segment.meta.id).collect();
        plan.sort_unstable();
        unpinned.sort_unstable();
        ensure_eq(&plan, &unpinned, "the plan with a low mark of 0")
    })
}

fn what_frees_nothing_stays(bench: &EvictorBench) -> CaseResult {
    for_all_views(bench, |evictor, view| {
        let mut view = view.clone();
        // However long nobody used it.
        for segment in view.segments.iter_mut().step_by(3) {
            (segment.bytes, segment.last_used) = (0, Duration::ZERO);
        }
        let plan = evicted(&evictor.plan(&view.view()))?;
        let empty = |id: &SegmentId| view.segments.iter().any(|held| held.meta.id == *id && held.bytes == 0);
        ensure(!plan.iter().any(empty), || format!("the plan names segments that take no bytes: {plan:?}"))
    })
}

fn an_empty_tier_gives_an_empty_plan(bench: &EvictorBench) -> CaseResult {
    let view =
        OwnedView { segments: vec![], high_mark: 0, low_mark: 0, now: Duration::ZERO, wall_seconds: 0 };
    ensure_eq(&bench.fixture.open()?.plan(&view.view()), &vec![], "the plan of an empty tier")
}
