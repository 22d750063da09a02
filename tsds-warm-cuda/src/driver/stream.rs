//! [`Stream`] and [`Event`]: what the device does in order, and when it was done.

use std::ffi::c_uint;
use std::ptr;
use std::sync::Arc;

use cudarc::driver::sys::{CUevent, CUstream};
use tsds_device::Fault;

use super::{Context, Entered};
use crate::fault::Code;

/// `CU_STREAM_NON_BLOCKING`: does not wait for the default stream, which others in the process may use.
const NON_BLOCKING: c_uint = 1;
/// `CU_EVENT_BLOCKING_SYNC` and `CU_EVENT_DISABLE_TIMING`: who waits sleeps.
const SLEEPING: c_uint = 1 | 2;

/// A queue of the device. Destroyed when dropped, once all that is in it is done.
#[derive(Debug)]
pub(crate) struct Stream {
    context: Arc<Context>,
    raw: CUstream,
}

/// A point in a queue.
#[derive(Debug)]
pub(crate) struct Event {
    context: Arc<Context>,
    raw: CUevent,
}

// SAFETY: handles may be used by any thread, as long as the context is entered.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}
// SAFETY: as above.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Stream {
    pub(crate) fn new(context: &Arc<Context>, entered: &Entered<'_>) -> Result<Self, Fault> {
        let mut raw = ptr::null_mut();
        // SAFETY: the driver writes one handle.
        entered.check(unsafe { entered.api().cuStreamCreate(&mut raw, NON_BLOCKING) })?;
        Ok(Self { context: Arc::clone(context), raw })
    }

    pub(super) fn raw(&self) -> CUstream {
        self.raw
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The point that the queue is at: when all that is in it now is done.
    pub(crate) fn record(&self, entered: &Entered<'_>) -> Result<Event, Fault> {
        let mut raw = ptr::null_mut();
        // SAFETY: the driver writes one handle.
        entered.check(unsafe { entered.api().cuEventCreate(&mut raw, SLEEPING) })?;
        let event = Event { context: Arc::clone(&self.context), raw };
        // SAFETY: both handles are live.
        entered.check(unsafe { entered.api().cuEventRecord(raw, self.raw) })?;
        Ok(event)
    }

    /// What comes later in this queue begins after `event`. Does not wait.
    pub(crate) fn wait_for(&self, entered: &Entered<'_>, event: &Event) -> Result<(), Fault> {
        // SAFETY: both handles are live.
        entered.check(unsafe { entered.api().cuStreamWaitEvent(self.raw, event.raw, 0) })
    }

    /// Waits until all that is in the queue is done. Blocking.
    pub(crate) fn synchronize(&self, entered: &Entered<'_>) -> Result<(), Fault> {
        // SAFETY: the handle is live.
        entered.check(unsafe { entered.api().cuStreamSynchronize(self.raw) })
    }
}

impl Event {
    /// Whether the point is reached.
    pub(crate) fn is_reached(&self, entered: &Entered<'_>) -> Result<bool, Fault> {
        // SAFETY: the handle is live.
        match unsafe { entered.api().cuEventQuery(self.raw) } {
            Err(Code::NOT_READY) => Ok(false),
            outcome => entered.check(outcome).map(|()| true),
        }
    }

    /// Waits until the point is reached. Blocking.
    pub(crate) fn synchronize(&self, entered: &Entered<'_>) -> Result<(), Fault> {
        // SAFETY: the handle is live.
        entered.check(unsafe { entered.api().cuEventSynchronize(self.raw) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(entered) = self.context.enter_anyway() {
            // SAFETY: nobody has the handle any more.
            entered.released(unsafe { entered.api().cuStreamDestroy_v2(self.raw) });
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if let Some(entered) = self.context.enter_anyway() {
            // SAFETY: nobody has the handle any more; the driver keeps it until it is reached.
            entered.released(unsafe { entered.api().cuEventDestroy_v2(self.raw) });
        }
    }
}
