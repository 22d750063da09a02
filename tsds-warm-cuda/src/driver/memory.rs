//! [`Memory`] of the device, and [`Pinned`] memory of the host, which the device reads and writes by itself.

use std::ffi::{c_uint, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cudarc::driver::sys::CUdeviceptr;
use tsds_device::Fault;

use super::{Context, Entered, Stream};

/// `CU_MEMHOSTALLOC_WRITECOMBINED`: fast for the device to read, and very slow for the host.
const WRITE_COMBINED: c_uint = 4;

/// Memory of the device. Given back when dropped: in the order of the queue that it was allocated in.
#[derive(Debug)]
pub(crate) struct Memory {
    queue: Arc<Stream>,
    at: CUdeviceptr,
    bytes: usize,
    /// From the pool, in the order of the queue.
    is_pooled: bool,
}

impl Memory {
    /// Memory that is zero for what comes later in the queue. `bytes` is a multiple of 4, and not 0.
    pub(crate) fn new(queue: &Arc<Stream>, entered: &Entered<'_>, bytes: usize) -> Result<Self, Fault> {
        let memory = Self::take(queue, entered, bytes)?;
        // SAFETY: the memory was allocated with this length.
        entered.check(unsafe { entered.api().cuMemsetD32Async(memory.at, 0, bytes / 4, queue.raw()) })?;
        Ok(memory)
    }

    fn take(queue: &Arc<Stream>, entered: &Entered<'_>, bytes: usize) -> Result<Self, Fault> {
        let is_pooled = entered.pool().is_some();
        let mut at = 0;
        let outcome = match is_pooled {
            // SAFETY: the driver writes one address.
            true => unsafe { entered.api().cuMemAllocAsync(&mut at, bytes, queue.raw()) },
            // SAFETY: as above.
            false => unsafe { entered.api().cuMemAlloc_v2(&mut at, bytes) },
        };
        entered.check(outcome)?;
        queue.context().allocated.fetch_add(bytes as u64, Ordering::AcqRel);
        Ok(Self { queue: Arc::clone(queue), at, bytes, is_pooled })
    }

    /// Gives back what the pool keeps of freed memory. Blocking.
    pub(crate) fn trim(queue: &Stream, entered: &Entered<'_>) -> Result<(), Fault> {
        queue.synchronize(entered)?;
        match entered.pool() {
            // SAFETY: the pool is that of the device.
            Some(pool) => entered.check(unsafe { entered.api().cuMemPoolTrimTo(pool, 0) }),
            None => Ok(()),
        }
    }

    /// In whose order it is given back.
    pub(crate) fn queue(&self) -> &Stream {
        &self.queue
    }

    /// Its address on the device.
    pub(super) fn address(&self, at: u64) -> CUdeviceptr {
        self.at + at
    }

    /// Copies from pinned memory, in the order of `queue`.
    ///
    /// # Safety
    ///
    /// Both ranges are within their memory, and nobody writes that of the host before the queue is through.
    pub(crate) unsafe fn upload(
        &self,
        entered: &Entered<'_>,
        queue: &Stream,
        at: u64,
        from: (&Pinned, usize),
        bytes: usize,
    ) -> Result<(), Fault> {
        // SAFETY: the caller's promise.
        entered.check(unsafe {
            let from = from.0.at.as_ptr().add(from.1).cast::<c_void>();
            entered.api().cuMemcpyHtoDAsync_v2(self.address(at), from, bytes, queue.raw())
        })
    }

    /// Copies to pinned memory, in the order of `queue`.
    ///
    /// # Safety
    ///
    /// Both ranges are within their memory, and nobody touches that of the host before the queue is through.
    pub(crate) unsafe fn download(
        &self,
        entered: &Entered<'_>,
        queue: &Stream,
        at: u64,
        to: (&Pinned, usize),
        bytes: usize,
    ) -> Result<(), Fault> {
        // SAFETY: the caller's promise.
        entered.check(unsafe {
            let to = to.0.at.as_ptr().add(to.1).cast::<c_void>();
            entered.api().cuMemcpyDtoHAsync_v2(to, self.address(at), bytes, queue.raw())
        })
    }

    /// Copies to other memory of the device, in the order of `queue`. Both ranges are within their memory.
    pub(crate) fn copy_to(
        &self,
        entered: &Entered<'_>,
        queue: &Stream,
        from: u64,
        to: (&Self, u64),
        bytes: usize,
    ) -> Result<(), Fault> {
        debug_assert!(from as usize + bytes <= self.bytes && to.1 as usize + bytes <= to.0.bytes);
        let (to, from) = (to.0.address(to.1), self.address(from));
        // SAFETY: both ranges were checked by the caller; a device's memory is not the host's.
        entered.check(unsafe { entered.api().cuMemcpyDtoDAsync_v2(to, from, bytes, queue.raw()) })
    }

    /// Sets words to zero, in the order of `queue`. The range is within the memory.
    pub(crate) fn clear(
        &self,
        entered: &Entered<'_>,
        queue: &Stream,
        at: u64,
        bytes: usize,
    ) -> Result<(), Fault> {
        debug_assert!(at as usize + bytes <= self.bytes);
        // SAFETY: as in `copy_to`.
        entered.check(unsafe { entered.api().cuMemsetD32Async(self.address(at), 0, bytes / 4, queue.raw()) })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let context = self.queue.context();
        if let Some(entered) = context.enter_anyway() {
            let freed = match self.is_pooled {
                // SAFETY: nobody has the address any more, and what the device does with it comes earlier in the queue.
                true => unsafe { entered.api().cuMemFreeAsync(self.at, self.queue.raw()) },
                // Whatever comes earlier in the queue is waited for: this call does not have an order.
                false => match self.queue.synchronize(&entered) {
                    // SAFETY: nobody has the address any more, and the device is through with it.
                    Ok(()) => unsafe { entered.api().cuMemFree_v2(self.at) },
                    Err(fault) => {
                        entered.give_up(format!("memory cannot be given back: {fault}"));
                        Ok(())
                    }
                },
            };
            if let Err(code) = freed {
                // Memory that stays would count for nobody: a reset frees it.
                entered.give_up(format!("memory cannot be given back: {code}"));
            }
        }
        context.allocated.fetch_sub(self.bytes as u64, Ordering::AcqRel);
    }
}

/// Memory of the host that stays where it is. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Pinned {
    context: Arc<Context>,
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it is memory; whoever touches it sees to the order.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// Memory that the host writes and the device reads.
    pub(crate) fn for_upload(
        context: &Arc<Context>,
        entered: &Entered<'_>,
        bytes: usize,
    ) -> Result<Self, Fault> {
        Self::new(context, entered, bytes, WRITE_COMBINED)
    }

    /// Memory that the device writes and the host reads.
    pub(crate) fn for_readback(
        context: &Arc<Context>,
        entered: &Entered<'_>,
        bytes: usize,
    ) -> Result<Self, Fault> {
        Self::new(context, entered, bytes, 0)
    }

    fn new(
        context: &Arc<Context>,
        entered: &Entered<'_>,
        bytes: usize,
        flags: c_uint,
    ) -> Result<Self, Fault> {
        let mut at = ptr::null_mut();
        // SAFETY: the driver writes one address.
        entered.check(unsafe { entered.api().cuMemHostAlloc(&mut at, bytes, flags) })?;
        let at = NonNull::new(at.cast()).ok_or(Fault::OutOfMemory)?;
        Ok(Self { context: Arc::clone(context), at, bytes })
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies bytes into it.
    ///
    /// # Safety
    ///
    /// They fit there, and neither the device nor another thread touches the range meanwhile.
    pub(crate) unsafe fn fill(&self, at: usize, bytes: &[u8]) {
        debug_assert!(at + bytes.len() <= self.bytes);
        // SAFETY: the caller's promise.
        unsafe { self.at.as_ptr().add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// Copies bytes out of it, behind those of `out`.
    ///
    /// # Safety
    ///
    /// The range is within it, was written, and neither the device nor another thread writes it meanwhile.
    pub(crate) unsafe fn read(&self, at: usize, bytes: usize, out: &mut Vec<u8>) {
        debug_assert!(at + bytes <= self.bytes);
        // SAFETY: the caller's promise.
        out.extend_from_slice(unsafe { std::slice::from_raw_parts(self.at.as_ptr().add(at), bytes) });
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A reset gives it back, too.
        if let Some(entered) = self.context.enter_anyway() {
            // SAFETY: nobody has the address any more; the driver waits for what the device does with it.
            entered.released(unsafe { entered.api().cuMemFreeHost(self.at.as_ptr().cast()) });
        }
    }
}
