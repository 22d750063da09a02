//! [`Evictor`]: decides which segments leave a tier.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::{SegmentId, SegmentMeta};

/// Chooses what leaves a tier that is over its high mark. Somebody else acts.
///
/// # Contract
///
/// - `plan` is pure: the same view gives the same plan. It does no I/O and reads no clock; `now` comes in.
/// - At or below the high mark the plan is empty.
/// - Above it the plan brings the tier down to the low mark or below, as far as unpinned segments allow, and
///   no further: without its last action the tier would stay above the low mark. What is read again soon must not leave for
///   nothing.
/// - A plan names only segments of the view, none of them pinned, each at most once.
pub trait Evictor: Debug + Send + Sync + 'static {
    /// The plugin id under which the evictor is registered, such as `tsds.evict.lru`.
    fn name(&self) -> &'static str;

    /// What to do, most urgent first.
    fn plan(&self, view: &TierView<'_>) -> Vec<Action>;
}

/// One step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Moves a segment on to the next tier.
    Evict(SegmentId),
}

/// A tier at one moment.
#[derive(Clone, Copy, Debug)]
pub struct TierView<'a> {
    /// The plugin id of the tier.
    pub tier: &'a str,
    /// What it holds.
    pub segments: &'a [SegmentView],
    /// Bytes held.
    pub bytes: u64,
    /// Eviction starts above this.
    pub high_mark: u64,
    /// Eviction stops at or below this.
    pub low_mark: u64,
    /// The monotonic time of the view.
    pub now: Duration,
    /// The wall clock of the view, in seconds since 1970: what the chunks of segments are compared with.
    pub wall_seconds: i64,
}

/// One segment in a tier.
#[derive(Clone, Debug)]
pub struct SegmentView {
    /// The metadata.
    pub meta: Arc<SegmentMeta>,
    /// What it takes of the tier's budget.
    pub bytes: u64,
    /// When a query last read it, on the clock of [`TierView::now`]; when it was stored if none did.
    pub last_used: Duration,
    /// Whether it must stay.
    pub pinned: bool,
}
