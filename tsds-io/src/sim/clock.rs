//! Time that passes only when the simulated world lets it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use tsds_traits::Clock;

/// 2024-01-01T00:00:00Z: what the wall clock says when a world begins.
const FIRST_WALL_NANOS: i64 = 1_704_067_200_000_000_000;

/// The time of one life of a world, and who waits for it.
#[derive(Debug)]
pub(crate) struct Timeline(Mutex<Times>);

#[derive(Debug)]
struct Times {
    now: Duration,
    /// What the wall clock says at `now` = 0.
    wall_offset: i64,
    /// By deadline, then by the order in which they began to wait.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
}

impl Timeline {
    pub(crate) fn new() -> Self {
        Self::starting(Duration::ZERO, FIRST_WALL_NANOS)
    }

    fn starting(now: Duration, wall_offset: i64) -> Self {
        Self(Mutex::new(Times { now, wall_offset, sleepers: BTreeMap::new(), next_sleeper: 0 }))
    }

    /// After a reboot: the monotonic clock starts again, the wall clock goes on.
    pub(crate) fn after_reboot(&self) -> Self {
        Self::starting(Duration::ZERO, self.wall_nanos())
    }

    /// In another process of the same machine.
    pub(crate) fn after_kill(&self) -> Self {
        let times = self.times();
        Self::starting(times.now, times.wall_offset)
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Duration {
        self.times().now
    }

    pub(crate) fn wall_nanos(&self) -> i64 {
        let times = self.times();
        times.wall_offset.saturating_add(nanos(times.now))
    }

    pub(crate) fn set_wall_nanos(&self, wall: i64) {
        let mut times = self.times();
        times.wall_offset = wall.saturating_sub(nanos(times.now));
    }

    /// Lets time pass; those whose deadline that reaches wake at the next step.
    pub(crate) fn advance(&self, by: Duration) {
        let mut times = self.times();
        times.now = times.now.saturating_add(by);
    }

    /// Wakes those whose deadline has come. Returns whether there were any.
    pub(crate) fn wake_due(&self) -> bool {
        let mut times = self.times();
        let now = times.now;
        let later = times.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut times.sleepers, later);
        drop(times);
        let any = !due.is_empty();
        due.into_values().for_each(Waker::wake);
        any
    }

    /// Lets time pass until somebody's deadline comes, and wakes all whose it is. Returns whether anybody waits.
    pub(crate) fn skip_to_next(&self) -> bool {
        {
            let mut times = self.times();
            let Some((&(deadline, _), _)) = times.sleepers.first_key_value() else { return false };
            times.now = times.now.max(deadline);
        }
        self.wake_due()
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[derive(Debug)]
pub(crate) struct SimClock(pub(crate) Arc<Timeline>);

impl Clock for SimClock {
    fn monotonic(&self) -> Duration {
        self.0.now()
    }

    fn wall_nanos(&self) -> i64 {
        self.0.wall_nanos()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let deadline = self.0.now().saturating_add(duration);
        Box::pin(Sleep { timeline: Arc::clone(&self.0), deadline, place: None })
    }
}

struct Sleep {
    timeline: Arc<Timeline>,
    deadline: Duration,
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timeline = Arc::clone(&self.timeline);
        let mut times = timeline.times();
        if times.now >= self.deadline {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| {
            times.next_sleeper += 1;
            times.next_sleeper
        });
        let replaced = times.sleepers.insert((self.deadline, place), context.waker().clone());
        // A waker may do anything when dropped: outside of the lock.
        drop(times);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let removed = self.timeline.times().sleepers.remove(&(self.deadline, place));
            drop(removed);
        }
    }
}
