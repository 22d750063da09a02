//! [`GuardedEvictor`]: an evictor behind its guard, and the one that is asked where it fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use tsds_traits::{Action, Evictor, SegmentId, SegmentView, TierView};
use tsds_warm_cpu::{LruEvictor, LruSettings};

use super::health::Health;
use super::watch::Watch;

/// An evictor behind its guard.
#[derive(Debug)]
pub(crate) struct GuardedEvictor {
    evictor: Arc<dyn Evictor>,
    watch: Arc<Watch>,
    health: Arc<Health>,
}

/// What an evictor is asked about, owned: the job that asks it may outlive the question.
#[derive(Clone, Debug)]
pub(crate) struct OwnedView {
    pub tier: &'static str,
    pub segments: Arc<Vec<SegmentView>>,
    pub high_mark: u64,
    pub low_mark: u64,
    pub now: std::time::Duration,
    pub wall_seconds: i64,
}

impl OwnedView {
    fn view(&self) -> TierView<'_> {
        TierView {
            tier: self.tier,
            segments: &self.segments,
            bytes: self.segments.iter().map(|segment| segment.bytes).sum(),
            high_mark: self.high_mark,
            low_mark: self.low_mark,
            now: self.now,
            wall_seconds: self.wall_seconds,
        }
    }
}

impl GuardedEvictor {
    pub(crate) fn new(evictor: Arc<dyn Evictor>, watch: &Arc<Watch>, health: &Arc<Health>) -> Self {
        Self { evictor, watch: Arc::clone(watch), health: Arc::clone(health) }
    }

    /// The segments that leave. Where the evictor fails, those that the least recently used evictor names.
    pub(crate) async fn plan(&self, view: OwnedView) -> BTreeSet<SegmentId> {
        let (evictor, asked) = (Arc::clone(&self.evictor), view.clone());
        let planned = match self.health.check("plan") {
            Ok(()) => {
                self.watch.job(&self.health, "plan", move || Ok(evictor.plan(&asked.view()))).await.ok()
            }
            Err(_) => None,
        };
        // Whatever went wrong was reported where it was found.
        match planned.map(|actions| self.sound(&view, &actions)) {
            Some(leaving) if !leaving.is_empty() || !over_the_mark(&view) => leaving,
            Some(leaving) if view.segments.iter().all(|segment| segment.pinned || segment.bytes == 0) => {
                leaving
            }
            Some(_) => {
                self.health.broken("plan", "evictor frees nothing of a tier above its high mark");
                least_recently_used(&view)
            }
            None => least_recently_used(&view),
        }
    }

    /// The part of a plan that can be carried out.
    fn sound(&self, view: &OwnedView, actions: &[Action]) -> BTreeSet<SegmentId> {
        let mut leaving = BTreeSet::new();
        let mut broken = None;
        for action in actions {
            let Action::Evict(id) = action else { continue };
            match view.segments.iter().find(|segment| segment.meta.id == *id) {
                None => broken = Some("evictor names a segment that the tier does not hold"),
                Some(segment) if segment.pinned => broken = Some("evictor names a pinned segment"),
                Some(_) if !leaving.insert(*id) => broken = Some("evictor names a segment twice"),
                Some(_) => {}
            }
        }
        if let Some(what) = broken {
            self.health.broken("plan", what);
        }
        leaving
    }
}

fn over_the_mark(view: &OwnedView) -> bool {
    view.view().bytes > view.high_mark
}

fn least_recently_used(view: &OwnedView) -> BTreeSet<SegmentId> {
    let actions = LruEvictor::new(LruSettings::default()).plan(&view.view());
    let evicted = actions.into_iter().filter_map(|action| match action {
        Action::Evict(id) => Some(id),
        _ => None,
    });
    evicted.collect()
}
