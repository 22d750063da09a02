//! [`Context`]: a device of the driver, opened.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};

use cudarc::driver::sys::{CUcontext, CUdevice, CUmemoryPool};
use tsds_device::{Fault, Loss};

use super::Api;
use crate::fault::Code;

/// `CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED`.
const MEMORY_POOLS: c_int = 115;
/// `CU_MEMPOOL_ATTR_RELEASE_THRESHOLD`.
const RELEASE_THRESHOLD: c_int = 4;

/// The primary context of a device, which everybody in the process shares, and with it its faults.
#[derive(Debug)]
pub(crate) struct Context {
    api: &'static Api,
    device: CUdevice,
    raw: CUcontext,
    /// Where memory comes from; `None` if the device has no pools.
    pool: Option<CUmemoryPool>,
    loss: Arc<Loss>,
    gate: Arc<Gate>,
    /// A fault has left the context unusable, or something in it that nobody can wait for.
    is_broken: AtomicBool,
    /// How often the device had been reset when the context was retained.
    generation: u64,
    /// Bytes of memory that are allocated.
    pub(super) allocated: AtomicU64,
}

// SAFETY: handles of contexts and pools may be used by any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Who has a device open. Calls hold the lock shared; whoever resets the device holds it alone.
#[derive(Debug, Default)]
struct Gate {
    lock: RwLock<()>,
    /// How often the device was reset; changes only while the lock is held alone.
    generation: AtomicU64,
    opened: Mutex<Vec<Weak<Context>>>,
    /// A fault has left the context unusable: it is reset before it is opened again.
    is_broken: AtomicBool,
}

/// The gate of each device.
static GATES: Mutex<BTreeMap<CUdevice, Arc<Gate>>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The gate that this thread is in; null outside of all.
    static INSIDE: Cell<*const Gate> = const { Cell::new(ptr::null()) };
}

/// As long as this is there, no device of the gate is reset. A thread that is in already does not queue for the lock again, behind
/// somebody who waits for it to leave.
#[derive(Debug)]
struct Pass<'a> {
    _shared: Option<RwLockReadGuard<'a, ()>>,
    outer: *const Gate,
}

impl Gate {
    fn pass(&self) -> Pass<'_> {
        let outer = INSIDE.get();
        let is_inside = ptr::eq(outer, self);
        let shared = (!is_inside).then(|| self.lock.read().unwrap_or_else(PoisonError::into_inner));
        INSIDE.set(self);
        Pass { _shared: shared, outer }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        INSIDE.set(self.outer);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// Opens a device; resets it first if it was lost by a fault. Blocking.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(crate) fn open(api: &'static Api, device: CUdevice) -> Result<Arc<Self>, Code> {
        let gate = Arc::clone(lock(&GATES).entry(device).or_default());
        let mut opened = lock(&gate.opened);
        opened.retain(|context| context.strong_count() > 0);
        if gate.is_broken.load(Ordering::Acquire) {
            Self::reset(api, device, &gate, &opened)?;
        }
        let mut raw = ptr::null_mut();
        // SAFETY: the driver writes one handle.
        let mut retain = || unsafe { api.cuDevicePrimaryCtxRetain(&mut raw, device) };
        if let Err(code) = retain() {
            // Somebody else in the process may have met a fault.
            if code.is_harmless() {
                return Err(code);
            }
            Self::reset(api, device, &gate, &opened)?;
            retain()?;
        }
        let mut context = Self {
            api,
            device,
            raw,
            pool: None,
            loss: Arc::new(Loss::new()),
            gate: Arc::clone(&gate),
            is_broken: AtomicBool::new(false),
            generation: gate.generation.load(Ordering::Acquire),
            allocated: AtomicU64::new(0),
        };
        // SAFETY: the context was retained.
        let current = unsafe { api.cuCtxSetCurrent(raw) };
        context.pool = current.and_then(|()| context.find_pool()).inspect_err(|code| {
            gate.is_broken.store(!code.is_harmless(), Ordering::Release);
        })?;
        let context = Arc::new(context);
        opened.push(Arc::downgrade(&context));
        Ok(context)
    }

    /// Gives back all that the process has on the device, whoever in it has it open: a fault that made one lose it made all.
    fn reset(api: &Api, device: CUdevice, gate: &Gate, opened: &[Weak<Self>]) -> Result<(), Code> {
        let opened: Vec<_> = opened.iter().filter_map(Weak::upgrade).collect();
        // Calls that come from now on do not wait for the lock.
        opened.iter().for_each(|context| context.loss.lose("the device was reset after a fault"));
        let alone = gate.lock.write().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: nobody is in a call, and nobody uses anything of the contexts that are marked.
        let outcome = unsafe { api.cuDevicePrimaryCtxReset_v2(device) };
        // Also tells those that are being dropped, whom nobody finds any more.
        gate.generation.fetch_add(1, Ordering::AcqRel);
        gate.is_broken.store(outcome.is_err(), Ordering::Release);
        drop(alone);
        // Contexts that go here lock the gate.
        drop(opened);
        outcome
    }

    fn find_pool(&self) -> Result<Option<CUmemoryPool>, Code> {
        let mut has_pools = 0;
        // SAFETY: the driver writes one number.
        unsafe { self.api.cuDeviceGetAttribute(&mut has_pools, MEMORY_POOLS, self.device) }?;
        if has_pools == 0 {
            return Ok(None);
        }
        let mut pool = ptr::null_mut();
        // SAFETY: the driver writes one handle.
        unsafe { self.api.cuDeviceGetDefaultMemPool(&mut pool, self.device) }?;
        // What was freed stays with the pool: queries allocate the same again and again.
        let mut keep = u64::MAX;
        // SAFETY: the attribute is a u64.
        unsafe { self.api.cuMemPoolSetAttribute(pool, RELEASE_THRESHOLD, ptr::from_mut(&mut keep).cast()) }?;
        Ok(Some(pool))
    }

    /// Where it is written down that the device is lost.
    pub(crate) fn loss(&self) -> &Arc<Loss> {
        &self.loss
    }

    /// Bytes of memory that are allocated.
    pub(crate) fn allocated_bytes(&self) -> u64 {
        self.allocated.load(Ordering::Acquire)
    }

    /// Lets this thread call the driver.
    ///
    /// # Errors
    ///
    /// `Lost`.
    pub(crate) fn enter(&self) -> Result<Entered<'_>, Fault> {
        self.loss.check()?;
        let pass = self.gate.pass();
        self.loss.check()?;
        let entered = Entered { context: self, _pass: pass };
        // SAFETY: the context is retained, and not reset as long as the lock is held.
        entered.check(unsafe { self.api.cuCtxSetCurrent(self.raw) })?;
        Ok(entered)
    }

    /// As [`Context::enter`] to give something back or to keep an order, also when the device is lost; `None` if it is broken: then
    /// the end of its context gives everything back at once, after it has stopped what still runs.
    pub(crate) fn enter_anyway(&self) -> Option<Entered<'_>> {
        let pass = self.gate.pass();
        if self.is_reset() || self.is_broken.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: as in `enter`.
        let set = unsafe { self.api.cuCtxSetCurrent(self.raw) };
        if let Err(code) = set {
            // Whatever was to be done is not done, and nobody else does it.
            self.broken(format!("the context cannot be entered: {code}"));
            return None;
        }
        Some(Entered { context: self, _pass: pass })
    }

    /// The device was reset since: nothing of the context is there any more. Stays as it is as long as the caller is inside.
    fn is_reset(&self) -> bool {
        self.gate.generation.load(Ordering::Acquire) != self.generation
    }

    /// The device is lost, and its context of no more use to anybody.
    fn broken(&self, reason: String) {
        self.is_broken.store(true, Ordering::Release);
        self.gate.is_broken.store(true, Ordering::Release);
        self.loss.lose(reason);
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Whether the driver counts holders of a context beyond a reset, it does not say: letting go of one that is gone could take the
        // next one from its holder. Nobody resets the device between the question and the call.
        let _pass = self.gate.pass();
        if self.is_reset() {
            return;
        }
        // SAFETY: retained once, in `open`; nothing of it is left, since all that is holds it.
        if let Err(code) = unsafe { self.api.cuDevicePrimaryCtxRelease_v2(self.device) } {
            tracing::debug!(%code, "a CUDA context was not released");
        }
    }
}

/// A thread may call the driver as long as it has this.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    context: &'a Context,
    _pass: Pass<'a>,
}

impl Entered<'_> {
    pub(super) fn api(&self) -> &'static Api {
        self.context.api
    }

    pub(super) fn pool(&self) -> Option<CUmemoryPool> {
        self.context.pool
    }

    /// What follows from a call's outcome.
    ///
    /// # Errors
    ///
    /// `OutOfMemory`; `Lost`, and from now on, unless the code is known to leave the device as it was; else `Rejected`.
    pub(crate) fn check<T>(&self, outcome: Result<T, Code>) -> Result<T, Fault> {
        outcome.map_err(|code| {
            if code == Code::OUT_OF_MEMORY {
                return Fault::OutOfMemory;
            }
            if code.is_harmless() {
                return Fault::Rejected(code.to_string());
            }
            self.context.broken(code.to_string());
            self.context.loss.check().err().unwrap_or_else(|| Fault::Lost(code.to_string()))
        })
    }

    /// What follows if something was not given back. Nobody asked for it who could be told: it is the device that is lost, if it is.
    pub(crate) fn released(&self, outcome: Result<(), Code>) {
        if let Err(code) = outcome {
            match code.is_harmless() || self.context.loss.is_lost() {
                true => tracing::debug!(%code, "something of a CUDA device was not given back"),
                false => self.context.broken(code.to_string()),
            }
        }
    }

    /// The device has to be given up, since something cannot be undone.
    pub(crate) fn give_up(&self, reason: impl Into<String>) {
        self.context.broken(reason.into());
    }

    /// How much memory of the device is free and how much it has, in bytes.
    pub(crate) fn memory(&self) -> Result<(u64, u64), Fault> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: the driver writes two numbers.
        self.check(unsafe { self.api().cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok((free as u64, total as u64))
    }
}
