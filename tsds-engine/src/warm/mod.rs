//! The warm tier: which one was taken, what it holds, and what becomes of it when its device is lost.
//!
//! A segment's home is its file, and the CPU tier serves any segment from there. A tier on a device is a cache beside that: it
//! may have less memory than is configured, and it may be lost at any moment. Nothing but speed depends on it.

mod rebuild;
mod residency;
mod select;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use serde::Serialize;
use tsds_traits::Result;

use crate::core::lock;
use crate::guard::{GuardedTier, Losses};
use crate::workshop::Workshop;

pub(crate) use rebuild::run as keep_alive;
pub(crate) use residency::{Age, Left, Residency};

/// The warm tier of an open database.
#[derive(Debug)]
pub(crate) struct Warm {
    workshop: Workshop,
    serving: ArcSwap<Serving>,
    /// Serves every segment from its file. The same as what serves where there is no device.
    fallback: GuardedTier,
    passed_over: Vec<PassedOver>,
    losses: Arc<Losses>,
    rebuilds: AtomicU64,
    rebuild_failure: Mutex<Option<String>>,
    /// Held while a tier is built in place of a lost one.
    building: tokio::sync::Mutex<()>,
}

/// A tier and what it holds: they come and go together.
#[derive(Debug)]
pub(crate) struct Serving {
    pub tier: GuardedTier,
    residency: Mutex<Residency>,
    /// Held while a segment is offered: two that made room for themselves would take it from each other.
    pub filling: tokio::sync::Mutex<()>,
    closed: AtomicBool,
}

/// A tier that `auto` did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// The plugin.
    pub backend: &'static str,
    /// Why.
    pub reason: String,
}

/// Segments that a tier can never hold: they are read from their files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeclinedSegments {
    /// Why, as the tier says.
    pub reason: String,
    /// How many.
    pub segments: u64,
}

/// Which tier was taken for recent segments, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WarmStats {
    /// What `warm_tier.backend` asks for.
    pub configured: String,
    /// The plugin that was taken.
    pub backend: &'static str,
    /// The device on which it runs; absent on the host.
    pub device: Option<String>,
    /// What `auto` would have taken before, and why it did not.
    pub passed_over: Vec<PassedOver>,
    /// What it was offered and can never hold, by reason.
    pub declined: Vec<DeclinedSegments>,
    /// A part of a query that reads fewer rows than this reads segment files instead.
    pub min_rows: u64,
    /// Whether the device is lost now, and the tier not built anew yet: segment files are read instead.
    pub lost: bool,
    /// How often the device was lost since the database was opened.
    pub losses: u64,
    /// How often the tier was built anew.
    pub rebuilds: u64,
    /// What the last loss was.
    pub last_loss: Option<String>,
    /// Why the tier could not be built anew when it was tried last; absent once it was.
    pub rebuild_failure: Option<String>,
}

impl Serving {
    fn new(tier: GuardedTier) -> Arc<Self> {
        Arc::new(Self {
            tier,
            residency: Mutex::default(),
            filling: tokio::sync::Mutex::new(()),
            closed: AtomicBool::new(false),
        })
    }

    /// Whether the tier can be asked.
    pub(crate) fn works(&self) -> bool {
        self.tier.lost().is_none() && !self.tier.health().is_disabled()
    }

    /// What the tier holds; nothing while it cannot be asked.
    pub(crate) fn with_residency<T>(&self, look: impl FnOnce(&mut Residency) -> T) -> T {
        let mut residency = lock(&self.residency);
        if !self.works() {
            *residency = Residency::default();
        }
        look(&mut residency)
    }

    /// Why it is not asked.
    fn trouble(&self) -> Option<String> {
        let name = self.tier.name();
        if self.tier.lost().is_some() {
            let device = self.tier.capabilities().device.as_deref().unwrap_or("unnamed");
            return Some(format!("the device of {name} is lost: {device}"));
        }
        self.tier.health().is_disabled().then(|| format!("{name} is disabled"))
    }
}

impl Warm {
    /// Builds what the settings ask for.
    ///
    /// # Errors
    ///
    /// If a tier that is asked for by name cannot be built, or the one on the CPU.
    pub(crate) async fn open(workshop: Workshop) -> Result<Self> {
        let losses = Arc::new(Losses::default());
        let fallback = workshop.warm(select::CPU_TIER, None).await?;
        let selected = select::select(&workshop, &losses).await?;
        if let Some(tier) = &selected.tier {
            tier.health().set_replaceable();
        }
        let tier = selected.tier.unwrap_or_else(|| fallback.clone());
        Ok(Self {
            workshop,
            serving: ArcSwap::new(Serving::new(tier)),
            fallback,
            passed_over: selected.passed_over,
            losses,
            rebuilds: AtomicU64::new(0),
            rebuild_failure: Mutex::default(),
            building: tokio::sync::Mutex::new(()),
        })
    }

    /// The tier that holds segments now. One that is lost stays until there is another.
    pub(crate) fn serving(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// What reads segments from their files.
    pub(crate) fn fallback(&self) -> &GuardedTier {
        &self.fallback
    }

    /// Whether there is a tier besides the one on the CPU.
    pub(crate) fn has_device(&self) -> bool {
        !self.serving.load().tier.is(&self.fallback)
    }

    /// From how many rows on a part of a query asks this tier.
    pub(crate) fn min_rows(&self, serving: &Serving, configured: Option<u64>) -> u64 {
        configured.unwrap_or(serving.tier.capabilities().min_rows)
    }

    /// Why segments of which the tier holds none are read from their files; `None` if that is what it is for.
    pub(crate) fn why_files(&self, serving: &Serving) -> Option<String> {
        if serving.tier.is(&self.fallback) {
            return None;
        }
        Some(serving.trouble().unwrap_or_else(|| format!("not held by {}", serving.tier.name())))
    }

    /// Makes whoever waits for a loss look whether the database closes.
    pub(crate) fn wake(&self) {
        self.losses.wake();
    }

    /// Closes the tiers. Nobody waits for one whose device is lost.
    ///
    /// # Errors
    ///
    /// What the tiers say.
    pub(crate) async fn close(&self) -> Result<()> {
        // A build that runs is given up since the database closes, and a later one does not begin.
        let _no_other = self.building.lock().await;
        let serving = self.serving();
        let closed = match serving.tier.lost() {
            None => serving.tier.close().await,
            Some(_) => {
                if !serving.closed.swap(true, Ordering::AcqRel) {
                    let tier = serving.tier.clone();
                    let closing = async move {
                        if let Err(error) = tier.close().await {
                            tracing::warn!(%error, "a tier whose device is lost was not closed");
                        }
                    };
                    self.workshop.world.executor.spawn(Box::pin(closing));
                }
                Ok(())
            }
        };
        closed.and(self.fallback.close().await)
    }

    pub(crate) fn stats(&self, min_rows: Option<u64>) -> WarmStats {
        let serving = self.serving();
        let warm = &self.workshop.settings.warm_tier;
        WarmStats {
            configured: warm.backend.clone(),
            backend: serving.tier.name(),
            device: serving.tier.capabilities().device.clone(),
            passed_over: self.passed_over.clone(),
            declined: serving
                .with_residency(|residency| residency.all_declined())
                .into_iter()
                .map(|(reason, segments)| DeclinedSegments { reason, segments })
                .collect(),
            min_rows: if self.has_device() { self.min_rows(&serving, min_rows) } else { 0 },
            lost: serving.tier.lost().is_some(),
            losses: self.losses.count(),
            rebuilds: self.rebuilds.load(Ordering::Relaxed),
            last_loss: self.losses.last(),
            rebuild_failure: lock(&self.rebuild_failure).clone(),
        }
    }
}
