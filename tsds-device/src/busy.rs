//! For how long a device has had something to do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tsds_traits::Clock;

/// Measures the time in which there is work, however much of it at once.
#[derive(Debug)]
pub(crate) struct Busy {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    works: usize,
    /// When there was work again.
    since: Duration,
    /// Of stretches that have ended.
    total: Duration,
}

impl Busy {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }

    /// There is work until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Working {
        let now = self.clock.monotonic();
        self.with(|state| {
            if state.works == 0 {
                state.since = now;
            }
            state.works += 1;
        });
        Working(Arc::clone(self))
    }

    /// For how long there was work until now.
    pub(crate) fn total(&self) -> Duration {
        let now = self.clock.monotonic();
        self.with(|state| match state.works {
            0 => state.total,
            _ => state.total + now.saturating_sub(state.since),
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Whoever panicked has not left the numbers in between.
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Some work of a device, from when it was handed over until it has ended.
#[derive(Debug)]
pub(crate) struct Working(Arc<Busy>);

impl Drop for Working {
    fn drop(&mut self) {
        let now = self.0.clock.monotonic();
        self.0.with(|state| {
            state.works = state.works.saturating_sub(1);
            if state.works == 0 {
                state.total += now.saturating_sub(state.since);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use tsds_io::SimWorld;

    use super::*;

    #[test]
    fn time_with_several_works_counts_once_and_time_without_any_does_not() {
        let world = SimWorld::new(1);
        let clock = world.world().clock;
        let busy = Busy::new(Arc::clone(&clock));
        let pass = |seconds| world.block_on(clock.sleep(Duration::from_secs(seconds)));
        pass(5);
        let first = busy.begin();
        pass(1);
        let second = busy.begin();
        pass(2);
        drop(first);
        pass(4);
        assert_eq!(busy.total(), Duration::from_secs(7), "one is still under way");
        drop(second);
        pass(8);
        assert_eq!(busy.total(), Duration::from_secs(7));
    }
}
