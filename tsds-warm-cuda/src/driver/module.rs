//! [`Module`]: the kernels, compiled for the device.

use std::ffi::{CStr, CString, c_uint, c_void};
use std::ptr;
use std::sync::Arc;

use cudarc::driver::sys::{CUfunction, CUmodule};
use tsds_device::{Fault, PARAMS};

use super::{Context, Entered, Memory, Stream};
use crate::fault::Code;

/// The most buffers that a kernel is given.
const MAX_BUFFERS: usize = 8;

/// Code on the device. Unloaded when dropped.
#[derive(Debug)]
pub(crate) struct Module {
    context: Arc<Context>,
    raw: CUmodule,
}

/// A kernel of a module, which lives as long as the module does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function(CUfunction);

// SAFETY: handles may be used by any thread, as long as the context is entered.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}
// SAFETY: as above.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Module {
    /// Compiles PTX for the device, or finds it in the driver's cache. Blocking.
    ///
    /// # Errors
    ///
    /// `Rejected` if the driver cannot compile it.
    pub(crate) fn load(context: &Arc<Context>, entered: &Entered<'_>, ptx: &str) -> Result<Self, Fault> {
        let text =
            CString::new(ptx).map_err(|_| Fault::Rejected("the kernels' PTX has a zero in it".into()))?;
        let mut raw = ptr::null_mut();
        // SAFETY: the text ends with a zero; the driver writes one handle.
        match unsafe { entered.api().cuModuleLoadData(&mut raw, text.as_ptr().cast()) } {
            Ok(()) => Ok(Self { context: Arc::clone(context), raw }),
            Err(code @ Code::UNSUPPORTED_PTX) => Err(Fault::Rejected(format!(
                "the CUDA driver is too old for PTX 8.0: {code}; install driver 525 or later"
            ))),
            Err(code @ (Code::NO_BINARY | Code::INVALID_PTX)) => {
                Err(Fault::Rejected(format!("the kernels cannot be compiled for this device: {code}")))
            }
            Err(code) => entered.check(Err(code)),
        }
    }

    /// # Errors
    ///
    /// `Rejected` if there is no such kernel.
    pub(crate) fn function(&self, entered: &Entered<'_>, name: &CStr) -> Result<Function, Fault> {
        let mut raw = ptr::null_mut();
        // SAFETY: the handle is live; the driver writes one handle.
        entered.check(unsafe { entered.api().cuModuleGetFunction(&mut raw, self.raw, name.as_ptr()) })?;
        Ok(Function(raw))
    }
}

impl Function {
    /// Starts the kernel, in the order of `queue`: with the address of each buffer and the parameters.
    ///
    /// # Safety
    ///
    /// The module lives; the kernel takes so many buffers and the parameters, and stays within them.
    pub(crate) unsafe fn launch<'a>(
        self,
        entered: &Entered<'_>,
        queue: &Stream,
        (groups, threads): (u32, u32),
        buffers: impl ExactSizeIterator<Item = &'a Memory>,
        params: &[u32; PARAMS],
    ) -> Result<(), Fault> {
        let count = buffers.len();
        if count > MAX_BUFFERS {
            return Err(Fault::Rejected(format!("a kernel with {count} buffers")));
        }
        let mut addresses = [0u64; MAX_BUFFERS];
        addresses.iter_mut().zip(buffers).for_each(|(to, buffer)| *to = buffer.address(0));
        let mut words = *params;
        let mut arguments = [ptr::null_mut::<c_void>(); MAX_BUFFERS + 1];
        for (argument, address) in arguments.iter_mut().zip(addresses.iter_mut().take(count)) {
            *argument = ptr::from_mut(address).cast();
        }
        if let Some(argument) = arguments.get_mut(count) {
            *argument = ptr::from_mut(&mut words).cast();
        }
        let (x, one): (c_uint, c_uint) = (groups, 1);
        let arguments = arguments.as_mut_ptr();
        // SAFETY: the arguments live until the call returns, by when the driver has copied them; else the caller's promise.
        entered.check(unsafe {
            let (api, queue, none) = (entered.api(), queue.raw(), ptr::null_mut());
            api.cuLaunchKernel(self.0, x, one, one, threads, one, one, 0, queue, arguments, none)
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(entered) = self.context.enter_anyway() {
            // SAFETY: nobody launches its kernels any more.
            entered.released(unsafe { entered.api().cuModuleUnload(self.raw) });
        }
    }
}
