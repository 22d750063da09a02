//! Which warm tier is taken.

use std::sync::Arc;

use tsds_traits::{Error, ErrorKind, Result};

use super::PassedOver;
use crate::guard::{GuardedTier, Losses};
use crate::workshop::Workshop;

/// What every build has: it serves what no device holds, and everything where there is no device.
pub(super) const CPU_TIER: &str = "tsds.warm.cpu";
/// What `auto` takes, the first that works.
const BY_PREFERENCE: [&str; 2] = ["tsds.warm.cuda", "tsds.warm.wgpu"];

/// What was taken.
#[derive(Debug)]
pub(super) struct Selected {
    /// The tier; `None` for the one on the CPU.
    pub tier: Option<GuardedTier>,
    pub passed_over: Vec<PassedOver>,
}

/// Builds the tier that is asked for, or the first of those that `auto` stands for.
///
/// # Errors
///
/// If what is asked for by name cannot be built.
pub(super) async fn select(workshop: &Workshop, losses: &Arc<Losses>) -> Result<Selected> {
    let id = match workshop.settings.warm_tier.backend.as_str() {
        "auto" => return Ok(first_that_works(workshop, losses).await),
        "cpu" | CPU_TIER => return Ok(Selected { tier: None, passed_over: Vec::new() }),
        "cuda" => "tsds.warm.cuda",
        "wgpu" => "tsds.warm.wgpu",
        id => id,
    };
    match workshop.warm(id, Some(losses)).await {
        Ok(tier) => Ok(Selected { tier: Some(tier), passed_over: Vec::new() }),
        Err(error) => Err(unusable(workshop, id, error).await),
    }
}

async fn first_that_works(workshop: &Workshop, losses: &Arc<Losses>) -> Selected {
    let mut passed_over = Vec::new();
    for backend in BY_PREFERENCE {
        match try_one(workshop, backend, losses).await {
            Ok(tier) => return Selected { tier: Some(tier), passed_over },
            Err(reason) => passed_over.push(PassedOver { backend, reason }),
        }
    }
    Selected { tier: None, passed_over }
}

/// A tier, if it is here, finds its device, and can be built; else why not.
async fn try_one(
    workshop: &Workshop,
    id: &'static str,
    losses: &Arc<Losses>,
) -> std::result::Result<GuardedTier, String> {
    if workshop.registry.get(id).is_err() {
        return Err("it is not registered".into());
    }
    if let Err(reason) = workshop.probe(id).await {
        tracing::info!(backend = id, reason, "warm tier is not taken: it cannot run here");
        return Err(format!("it cannot run here: {reason}"));
    }
    workshop.warm(id, Some(losses)).await.map_err(|error| {
        tracing::warn!(backend = id, %error, "warm tier is not taken: it finds its device but cannot be built");
        format!("it cannot be built: {error}")
    })
}

/// What to do about a tier that is asked for and cannot be built.
async fn unusable(workshop: &Workshop, id: &str, cause: Error) -> Error {
    let kind = match cause.kind() {
        ErrorKind::NotFound => ErrorKind::ConfigInvalid,
        kind => kind,
    };
    let mut error = Error::new(
        kind,
        "the warm tier that is asked for cannot be used; mend the cause, or set warm_tier.backend to auto or cpu",
    )
    .with("warm_tier.backend", &workshop.settings.warm_tier.backend);
    if workshop.registry.get(id).is_ok()
        && let Err(reason) = workshop.probe(id).await
    {
        error = error.with("probe", reason);
    }
    error = error.with("cause", &cause);
    if let Some(plugin) = cause.plugin() {
        error = error.in_plugin(plugin);
    }
    if let Some(operation) = cause.operation() {
        error = error.during(operation);
    }
    error.with_source(cause)
}
