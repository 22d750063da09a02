//! The clocks of this machine.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "implements what the rest of TSDS must use instead"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tsds_traits::Clock;

/// The clocks of this machine; timers run on a Tokio runtime, but may be awaited anywhere.
#[derive(Clone, Debug)]
pub struct SystemClock {
    start: Instant,
    handle: Handle,
}

impl SystemClock {
    /// A clock whose monotonic time begins now. The runtime's timer must be enabled.
    pub fn new(handle: Handle) -> Self {
        Self { start: Instant::now(), handle }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall_nanos(&self) -> i64 {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        }
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let _context = self.handle.enter();
        Box::pin(tokio::time::sleep(duration))
    }
}
