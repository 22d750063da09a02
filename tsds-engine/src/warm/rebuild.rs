//! Builds the warm tier anew when its device was lost.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::{Either, select};
use tsds_traits::Result;

use super::{Serving, Warm};
use crate::core::{Core, lock};

/// The longest pause between two attempts, and for how long a tier must have lived for the next attempt to be made at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait before an attempt: a device that is lost again and again, or does not come back, is asked more and more
/// rarely.
#[derive(Debug, Default)]
struct Pauses {
    next: Duration,
    built_at: Option<Duration>,
}

impl Pauses {
    /// A device was lost.
    fn lost(&mut self, now: Duration) {
        if self.built_at.take().is_none_or(|built| now.saturating_sub(built) >= LONGEST_PAUSE) {
            self.next = Duration::ZERO;
        }
    }

    /// How long to wait before the attempt that comes now.
    fn attempt(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        pause
    }

    fn built(&mut self, now: Duration) {
        self.built_at = Some(now);
    }
}

/// Waits for a loss and builds the tier anew, again and again, until the database closes. There is one such task for each
/// database that has a tier besides the one on the CPU.
pub(crate) async fn run(weak: Weak<Core>) {
    let mut pauses = Pauses::default();
    loop {
        let Some(core) = weak.upgrade().filter(|core| !core.is_closing()) else { return };
        let warm = Arc::clone(&core.warm);
        // While waiting, nothing here may keep a database open that its owner has dropped; closing wakes this task.
        drop(core);
        if warm.serving().tier.lost().is_none() {
            warm.losses.noticed().await;
            continue;
        }
        pauses.lost(warm.workshop.world.clock.monotonic());
        if !rebuilt(&weak, &warm, &mut pauses).await {
            return;
        }
        pauses.built(warm.workshop.world.clock.monotonic());
        let Some(core) = weak.upgrade() else { return };
        let filled = Box::pin(core.refill());
        if let Either::Left(_) = select(Box::pin(core.closed()), filled).await {
            return;
        }
    }
}

/// Tries until the tier is there. Returns whether it is: not if the database closes, or the plugin is disabled.
async fn rebuilt(weak: &Weak<Core>, warm: &Warm, pauses: &mut Pauses) -> bool {
    loop {
        let mut pause = warm.workshop.world.clock.sleep(pauses.attempt());
        let core = loop {
            // Whoever closes the database wakes this task; so does the loss that it knows of already.
            let waited = select(Box::pin(warm.losses.noticed()), pause).await;
            let Some(core) = weak.upgrade().filter(|core| !core.is_closing()) else { return false };
            match waited {
                Either::Left((_, rest)) => pause = rest,
                Either::Right(_) => break core,
            }
        };
        let attempt = Box::pin(warm.rebuild(&core));
        let outcome = match select(Box::pin(core.closed()), attempt).await {
            Either::Left(_) => return false,
            Either::Right((outcome, _)) => outcome,
        };
        match outcome {
            Ok(()) => return true,
            Err(error) => {
                tracing::warn!(%error, "a tier whose device was lost cannot be built anew");
                *lock(&warm.rebuild_failure) = Some(error.to_string());
            }
        }
        if warm.serving().tier.health().is_disabled() {
            return false;
        }
    }
}

impl Warm {
    /// Builds the tier anew and lets it serve.
    async fn rebuild(&self, core: &Core) -> Result<()> {
        let _one_at_a_time = self.building.lock().await;
        core.check_open()?;
        let lost = self.serving();
        // Drops what it knew of residency.
        lost.with_residency(|_| ());
        if !lost.closed.swap(true, Ordering::AcqRel)
            && let Err(error) = lost.tier.close().await
        {
            tracing::warn!(%error, "a tier whose device is lost was not closed");
        }
        let tier = self.workshop.warm(lost.tier.name(), Some(&self.losses)).await?;
        if core.is_closing() {
            return tier.close().await;
        }
        self.serving.store(Serving::new(tier));
        *lock(&self.rebuild_failure) = None;
        let rebuilds = self.rebuilds.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::info!(backend = lost.tier.name(), rebuilds, "a tier whose device was lost is built anew");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_comes_at_once_and_later_ones_after_growing_pauses_of_at_most_a_minute() {
        let mut pauses = Pauses::default();
        pauses.lost(Duration::from_secs(5));
        let seconds: Vec<u64> = (0..9).map(|_| pauses.attempt().as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_device_that_is_lost_soon_again_is_not_built_at_once() {
        let mut pauses = Pauses::default();
        let mut now = Duration::ZERO;
        let mut seconds = Vec::new();
        for lived in [1, 1, 1, 61, 1] {
            pauses.lost(now);
            seconds.push(pauses.attempt().as_secs());
            pauses.built(now);
            now += Duration::from_secs(lived);
        }
        assert_eq!(seconds, [0, 1, 2, 4, 0]);
    }
}
