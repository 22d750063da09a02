//! New settings for an open database: given by hand, or found in the configuration file.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tsds_traits::{Error, Result};

use crate::config::{Reload, Settings, Sources};
use crate::core::Core;
use crate::metrics;

/// How often the file is read. Reading so small a file costs less than watching its directory, sees what is mounted from
/// elsewhere, and misses no change for want of an event.
const INTERVAL: Duration = Duration::from_millis(250);

impl Core {
    /// Takes over what can be taken over, and lets those who wait for it look again.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if the settings cannot be: nothing has changed then.
    pub(crate) fn reload(&self, settings: Settings) -> Result<Reload> {
        let reload = self.settings.change(&settings).inspect_err(|error| self.refuse_settings(error))?;
        if !reload.applied.is_empty() {
            metrics::reloaded();
            self.budget.wake();
            self.mover.wake();
        }
        for change in &reload.applied {
            tracing::info!(key = change.key, before = %change.before, after = %change.after, "setting changed");
        }
        for change in &reload.needs_reopening {
            tracing::warn!(
                key = change.key, now = %change.before, later = %change.after,
                "a changed setting takes effect when the database is opened again"
            );
        }
        Ok(reload)
    }

    fn refuse_settings(&self, error: &Error) {
        metrics::reload_refused();
        self.settings.refuse(error);
        tracing::warn!(%error, "changed settings are refused; those before stay in effect");
    }
}

/// Follows the file until the database closes.
pub(crate) fn follow(
    core: &Arc<Core>,
    sources: Sources,
    applied: impl Fn(&Settings, &Reload) + Send + Sync + 'static,
) {
    core.world.executor.spawn(Box::pin(run(Arc::downgrade(core), sources, applied)));
}

async fn run(weak: Weak<Core>, sources: Sources, applied: impl Fn(&Settings, &Reload) + Send + Sync) {
    let sources = Arc::new(sources);
    // What the file said last, or why it could not be read: the same is not reported twice.
    let mut last: Option<std::result::Result<Option<String>, String>> = None;
    loop {
        let Some(core) = weak.upgrade().filter(|core| !core.is_closing()) else { return };
        let (vfs, from) = (Arc::clone(&core.world.vfs), Arc::clone(&sources));
        let read = core.blocking(move || from.read(&*vfs)).await;
        let seen = read.as_ref().map(Clone::clone).map_err(ToString::to_string);
        if last.as_ref() != Some(&seen) {
            last = Some(seen);
            let settings =
                read.and_then(|text| sources.layers(text.as_deref())).and_then(|layers| layers.settings());
            match settings {
                Ok(settings) => {
                    if let Ok(reload) = core.reload(settings)
                        && !reload.applied.is_empty()
                    {
                        applied(&core.settings(), &reload);
                    }
                }
                Err(error) => core.refuse_settings(&error),
            }
        }
        let timer = core.world.clock.sleep(INTERVAL);
        // A strong handle held here would keep a database open that its owner has dropped.
        drop(core);
        timer.await;
    }
}
