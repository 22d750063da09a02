//! The kernels, compiled for a device.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;

use tsds_device::Fault;
use tsds_device::kernel::Kernel;

use crate::driver::{Context, Entered, Function, Module};

/// All kernels: what `scripts/ptx` makes of `kernels/*.cu`.
const PTX: &str = include_str!("kernels.ptx");

/// What entries are named, before the kernel's name: for devices before Hopper the driver's assembler defines helpers with words like
/// `mask` of its own in a module, and breaks down where an entry is named like one.
const PREFIX: &str = "tsds_";

/// All kernels.
#[derive(Debug)]
pub(crate) struct Kernels {
    by_kernel: BTreeMap<Kernel, Function>,
    /// What they are in.
    _module: Module,
}

impl Kernels {
    /// Blocking.
    pub(crate) fn load(context: &Arc<Context>, entered: &Entered<'_>) -> Result<Self, Fault> {
        let module = Module::load(context, entered, PTX)?;
        let mut by_kernel = BTreeMap::new();
        for kernel in Kernel::ALL {
            let name = CString::new(format!("{PREFIX}{}", kernel.name()))
                .map_err(|error| Fault::Rejected(error.to_string()))?;
            by_kernel.insert(kernel, module.function(entered, &name)?);
        }
        Ok(Self { by_kernel, _module: module })
    }

    pub(crate) fn of(&self, kernel: Kernel) -> Result<Function, Fault> {
        let missing = || Fault::Rejected(format!("there is no kernel {kernel}"));
        self.by_kernel.get(&kernel).copied().ok_or_else(missing)
    }
}

/// Threads of a block of the kernel's grid: what its source says in `__launch_bounds__`.
pub(crate) fn threads(kernel: Kernel) -> u32 {
    match kernel {
        Kernel::Health | Kernel::DecodeClassic => 64,
        _ => 256,
    }
}
