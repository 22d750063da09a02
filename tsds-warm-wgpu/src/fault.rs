//! From the ways in which `wgpu` reports errors to [`Fault`].

use futures::FutureExt;
use tsds_device::{Fault, Loss};

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
