//! [`Api`]: the functions of the driver that the tier calls.
//!
//! They are looked up here, all at once, rather than called through `cudarc`'s own functions: those panic when a driver lacks
//! one, and give results as an enum that a newer driver's codes are not in.
#![allow(non_snake_case, clippy::too_many_arguments, reason = "the driver's functions")]

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use cudarc::driver::sys::{
    self, CUcontext, CUdevice, CUdeviceptr, CUevent, CUfunction, CUmemoryPool, CUmodule, CUstream, CUuuid,
};

use crate::fault::Code;

/// Declares the table of functions, each with a method that gives its code as a result.
macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        /// The driver's functions.
        #[derive(Debug)]
        pub(crate) struct Api {
            $($name: unsafe extern "C" fn($($type),*) -> c_int,)*
        }

        impl Api {
            /// Looks all of them up.
            ///
            /// # Errors
            ///
            /// The name of the first one that is missing.
            fn load() -> Result<Self, &'static str> {
                Ok(Self { $($name: {
                    // SAFETY: the library was found by the caller; the type is that of the driver's interface since CUDA 12.0.
                    let found = unsafe {
                        sys::culib().get::<unsafe extern "C" fn($($type),*) -> c_int>(stringify!($name).as_bytes())
                    };
                    *found.map_err(|_| stringify!($name))?
                },)* })
            }

            $(
                /// # Safety
                ///
                /// As the driver's documentation says of the function: handles and pointers are live, sizes are within them.
                pub(crate) unsafe fn $name(&self, $($argument: $type),*) -> Result<(), Code> {
                    // SAFETY: the caller's promise.
                    Code::check(unsafe { (self.$name)($($argument),*) })
                }
            )*
        }
    };
}

functions! {
    cuInit(flags: c_uint);
    cuDriverGetVersion(version: *mut c_int);
    cuDeviceGetCount(count: *mut c_int);
    cuDeviceGet(device: *mut CUdevice, ordinal: c_int);
    cuDeviceGetName(name: *mut c_char, length: c_int, device: CUdevice);
    cuDeviceGetUuid(uuid: *mut CUuuid, device: CUdevice);
    cuDeviceTotalMem_v2(bytes: *mut usize, device: CUdevice);
    cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: CUdevice);
    cuDevicePrimaryCtxRetain(context: *mut CUcontext, device: CUdevice);
    cuDevicePrimaryCtxRelease_v2(device: CUdevice);
    cuDevicePrimaryCtxReset_v2(device: CUdevice);
    cuCtxSetCurrent(context: CUcontext);
    cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    cuMemAlloc_v2(memory: *mut CUdeviceptr, bytes: usize);
    cuMemFree_v2(memory: CUdeviceptr);
    cuMemAllocAsync(memory: *mut CUdeviceptr, bytes: usize, stream: CUstream);
    cuMemFreeAsync(memory: CUdeviceptr, stream: CUstream);
    cuDeviceGetDefaultMemPool(pool: *mut CUmemoryPool, device: CUdevice);
    cuMemPoolSetAttribute(pool: CUmemoryPool, attribute: c_int, value: *mut c_void);
    cuMemPoolTrimTo(pool: CUmemoryPool, keep: usize);
    cuMemHostAlloc(memory: *mut *mut c_void, bytes: usize, flags: c_uint);
    cuMemFreeHost(memory: *mut c_void);
    cuMemsetD32Async(memory: CUdeviceptr, word: c_uint, words: usize, stream: CUstream);
    cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream);
    cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream);
    cuMemcpyDtoDAsync_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream);
    cuStreamCreate(stream: *mut CUstream, flags: c_uint);
    cuStreamDestroy_v2(stream: CUstream);
    cuStreamSynchronize(stream: CUstream);
    cuStreamWaitEvent(stream: CUstream, event: CUevent, flags: c_uint);
    cuEventCreate(event: *mut CUevent, flags: c_uint);
    cuEventDestroy_v2(event: CUevent);
    cuEventRecord(event: CUevent, stream: CUstream);
    cuEventQuery(event: CUevent);
    cuEventSynchronize(event: CUevent);
    cuModuleLoadData(module: *mut CUmodule, image: *const c_void);
    cuModuleUnload(module: CUmodule);
    cuModuleGetFunction(function: *mut CUfunction, module: CUmodule, name: *const c_char);
    cuLaunchKernel(
        function: CUfunction,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared_bytes: c_uint,
        stream: CUstream,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void
    );
}

/// The driver interface that the kernels' PTX takes: 12.0.
const OLDEST_VERSION: c_int = 12_000;

/// Loads and initialises the driver; a second time it is there already.
///
/// # Errors
///
/// Why there is none to be used: no library, one that is too old, no device. Never panics.
pub(crate) fn driver() -> Result<&'static Api, String> {
    static API: OnceLock<Api> = OnceLock::new();
    if let Some(api) = API.get() {
        return Ok(api);
    }
    // SAFETY: opening the driver's library runs nothing but its initialisers.
    if !unsafe { sys::is_culib_present() } {
        return Err("no CUDA driver library".into());
    }
    let api = Api::load().map_err(|name| {
        format!("the CUDA driver is too old for PTX 8.0: it has no {name}; install driver 525 or later")
    })?;
    // SAFETY: initialising is allowed at any time and more than once.
    unsafe { api.cuInit(0) }.map_err(|code| match code {
        Code::NO_DEVICE => "no device".into(),
        other => format!("the CUDA driver does not start: {other}"),
    })?;
    let mut version = 0;
    // SAFETY: the driver writes one number, and is initialised.
    unsafe { api.cuDriverGetVersion(&mut version) }
        .map_err(|code| format!("the CUDA driver does not say its version: {code}"))?;
    if version < OLDEST_VERSION {
        let (major, minor) = (version / 1000, version % 1000 / 10);
        return Err(format!(
            "the CUDA driver is too old for PTX 8.0: it is of CUDA {major}.{minor}; install driver 525 or later"
        ));
    }
    Ok(API.get_or_init(|| api))
}
