//! From the ways in which `wgpu` reports errors to [`Fault`].

use futures::FutureExt;
use tokio::sync::watch;
use tsds_device::Fault;

/// Whether the device is lost, and why. The first reason stays.
#[derive(Debug)]
pub(crate) struct Loss(watch::Sender<Option<String>>);

impl Loss {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// The device is lost from now on.
    pub(crate) fn lose(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let is_first = self.0.send_if_modified(|known| {
            let is_first = known.is_none();
            if is_first {
                *known = Some(reason.clone());
            }
            is_first
        });
        if is_first {
            tracing::warn!(reason, "a device is lost");
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// `Err` if it is lost.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match &*self.0.borrow() {
            Some(reason) => Err(Fault::Lost(reason.clone())),
            None => Ok(()),
        }
    }

    /// Completes when it is lost.
    pub(crate) async fn wait(&self) -> Fault {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(reason) => Fault::Lost(reason.clone().unwrap_or_default()),
            // Cannot be: the sender is here.
            Err(_) => Fault::Lost("the device was dropped".into()),
        }
    }
}

/// Runs calls of `wgpu`, all on this thread, and returns the error that they report.
///
/// Scopes of errors belong to a thread, which is why this is not async.
pub(crate) fn scoped<T>(device: &wgpu::Device, loss: &Loss, calls: impl FnOnce() -> T) -> Result<T, Fault> {
    loss.check()?;
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let value = calls();
    // What is reported is known when the scope ends: these futures are ready.
    let internal = internal.pop().now_or_never().flatten();
    let validation = validation.pop().now_or_never().flatten();
    let memory = memory.pop().now_or_never().flatten();
    // A lost device reports little else, and that in many ways.
    loss.check()?;
    if memory.is_some() {
        return Err(Fault::OutOfMemory);
    }
    match validation.or(internal) {
        Some(error) => Err(Fault::Rejected(error.to_string())),
        None => Ok(value),
    }
}
