//! The task that waits until nobody writes, then writes what nobody synced and states what is durable. It ends when
//! nothing is left to do, when the log closes, and when the log is dropped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::{Either, select};

use super::flush;
use super::shared::Shared;
use super::state::{Phase, State};

/// Says that the task is needed, unless it runs. If this returns true, call [`spawn`] after giving the lock back.
#[must_use]
pub(crate) fn claim(state: &mut State) -> bool {
    !std::mem::replace(&mut state.timer, true)
}

/// Starts the task.
pub(crate) fn spawn(shared: &Arc<Shared>) {
    let (weak, pause) = (Arc::downgrade(shared), shared.settings.sync_mark());
    shared.world.executor.spawn(Box::pin(wait_for_pauses(weak, pause)));
}

async fn wait_for_pauses(shared: Weak<Shared>, pause: Duration) {
    let mut delay = pause;
    loop {
        let Some(alive) = shared.upgrade() else { return };
        let sleep = alive.world.clock.sleep(delay);
        let closing = alive.closing.clone();
        drop(alive);
        let closed = std::pin::pin!(closing.notified());
        if let Either::Right(_) = select(sleep, closed).await {
            return;
        }
        let Some(alive) = shared.upgrade() else { return };
        match after_pause(&alive, pause) {
            Some(next) => delay = next,
            None => return,
        }
    }
}

/// How long to wait again, or `None` if nothing is left to do.
fn after_pause(shared: &Arc<Shared>, pause: Duration) -> Option<Duration> {
    let now = shared.world.clock.monotonic();
    let mut state = shared.lock();
    if state.phase != Phase::Open || (state.is_idle() && !state.mark_missing()) {
        state.timer = false;
        return None;
    }
    let quiet = now.saturating_sub(state.last_write);
    if quiet < pause {
        return Some(pause - quiet);
    }
    state.last_write = now;
    state.wanted = state.appended;
    state.mark_wanted = true;
    let start = flush::claim(&mut state);
    drop(state);
    if start {
        flush::spawn(shared);
    }
    Some(pause)
}
