//! The simulated driver: what loads it, sets it and asks it. For tests; `sim/README.md` says what it is.
//!
//! A process has one driver: [`Simulator::load`] comes before anything that looks for one, and from then on what looks for the NVIDIA
//! driver finds the simulator. Its device is named [`DEVICE_NAME`].

use std::ffi::{CString, c_char, c_int};
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// The name of the device of the simulator.
pub const DEVICE_NAME: &str = "CUDA (simulated)";

/// What can be set. All of it goes back to what it was at first with [`Simulator::reset`], but for what the environment sets
/// as `TSDS_SIM_` and the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Where the random order of blocks, threads and streams begins; 0 at first. Also whether work runs as late as possible, as
    /// early as possible or in between: the rest of a division by 3.
    Seed,
    /// How many devices there are, 1 at first. With 0 the driver says that there are none.
    Devices,
    /// Bytes of memory of the device; 1 GiB at first.
    Memory,
    /// Compute capability times 10: 90 at first.
    Capability,
    /// The version of the driver, as 12040 for 12.4; 12000 at first. Decides about the newest PTX.
    DriverVersion,
    /// Whether there are memory pools, and with them allocation in streams; 1 at first.
    Pools,
    /// How much of what is enqueued runs at once, in percent; -1 at first: as the seed says.
    Eager,
    /// Whether races within kernels are errors; 1 at first.
    Races,
    /// Whether it is an error to read shared memory that nothing was written to; 1 at first.
    Uninitialised,
    /// Whether operations that touch the same memory, with nothing that orders them, are errors; 1 at first.
    Order,
    /// Whether resetting the primary context ends a sticky error; 0 at first, as for most errors of real devices.
    Recoverable,
    /// 1: says on the error output what goes wrong, and at the end what was not given back; 2: also every call. 0 at first.
    Trace,
    /// Which allocation from now on fails, from 1; device memory and pinned memory. 0: none.
    FailAllocation,
    /// Which launch from now on fails when its turn comes, from 1, with a sticky error. 0: none.
    FailLaunch,
    /// The error of that launch; 700 at first, an illegal address.
    FailLaunchCode,
    /// Which call of the driver from now on fails, from 1. 0: none. What gives back gives back nevertheless.
    FailCall,
    /// The error of that call; 999 at first, an unknown error.
    FailCallCode,
    /// Whether that error is sticky; 0 at first.
    FailCallSticky,
    /// If it is not 0, every call gives this error: the device is gone.
    Lost,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Devices => "devices",
            Self::Memory => "memory",
            Self::Capability => "capability",
            Self::DriverVersion => "driver_version",
            Self::Pools => "pools",
            Self::Eager => "eager",
            Self::Races => "races",
            Self::Uninitialised => "uninitialised",
            Self::Order => "order",
            Self::Recoverable => "recoverable",
            Self::Trace => "trace",
            Self::FailAllocation => "fail_allocation",
            Self::FailLaunch => "fail_launch",
            Self::FailLaunchCode => "fail_launch_code",
            Self::FailCall => "fail_call",
            Self::FailCallCode => "fail_call_code",
            Self::FailCallSticky => "fail_call_sticky",
            Self::Lost => "lost",
        }
    }
}

/// What is counted, since the process began or since [`Simulator::reset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Calls of the driver.
    Calls,
    /// Launches of kernels.
    Launches,
    /// Blocks that ran.
    Blocks,
    /// Copies between host and device, and within the device.
    Copies,
    /// Allocations that were asked for, of device memory and pinned memory.
    Allocations,
    /// What kernels and copies did that they must not; [`Simulator::violation`] says what came first.
    Violations,
    /// The sticky error, 0 if there is none.
    Sticky,
    /// Bytes of device memory that are allocated.
    LiveBytes,
    /// The most that there were.
    PeakBytes,
    /// Buffers that are allocated.
    LiveBuffers,
    /// Pinned buffers of the host.
    LivePinned,
    /// Events.
    LiveEvents,
    /// Streams.
    LiveStreams,
    /// Modules.
    LiveModules,
    /// How many hold the context.
    LiveContexts,
}

impl Count {
    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Launches => "launches",
            Self::Blocks => "blocks",
            Self::Copies => "copies",
            Self::Allocations => "allocations",
            Self::Violations => "violations",
            Self::Sticky => "sticky",
            Self::LiveBytes => "live_bytes",
            Self::PeakBytes => "peak_bytes",
            Self::LiveBuffers => "live_buffers",
            Self::LivePinned => "live_pinned",
            Self::LiveEvents => "live_events",
            Self::LiveStreams => "live_streams",
            Self::LiveModules => "live_modules",
            Self::LiveContexts => "live_contexts",
        }
    }
}

/// The simulated driver of this process.
#[derive(Debug)]
pub struct Simulator {
    set: unsafe extern "C" fn(*const c_char, i64) -> c_int,
    get: unsafe extern "C" fn(*const c_char) -> i64,
    text: unsafe extern "C" fn(*const c_char, *mut c_char, i64) -> i64,
    reset: unsafe extern "C" fn(),
}

impl Simulator {
    /// Makes the simulator the driver of this process. `TSDS_CUDA_SIMULATOR` may name another build of it.
    ///
    /// # Errors
    ///
    /// Why there is none: the reason for which a test is to be ignored.
    pub fn load() -> Result<&'static Self, String> {
        static LOADED: OnceLock<Result<Simulator, String>> = OnceLock::new();
        LOADED.get_or_init(Self::open).as_ref().map_err(Clone::clone)
    }

    fn open() -> Result<Self, String> {
        let named = std::env::var("TSDS_CUDA_SIMULATOR").ok();
        let path = match (named.as_deref(), option_env!("TSDS_CUDA_SIMULATOR_BUILT")) {
            (Some(path), _) | (None, Some(path)) => path,
            (None, None) => {
                let reason = option_env!("TSDS_CUDA_SIMULATOR_ABSENT");
                return Err(reason.unwrap_or("built without the CUDA simulator").to_owned());
            }
        };
        let describe = |error| format!("cannot load the CUDA simulator: {error}");
        // SAFETY: the library is ours: its initialisers only note which kernels there are.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(describe)?;
        // SAFETY: the functions have these types in sim/src/control.cpp.
        let simulator = unsafe {
            Self {
                set: *library.get(b"tsds_sim_set\0").map_err(describe)?,
                get: *library.get(b"tsds_sim_get\0").map_err(describe)?,
                text: *library.get(b"tsds_sim_text\0").map_err(describe)?,
                reset: *library.get(b"tsds_sim_reset\0").map_err(describe)?,
            }
        };
        // It stays for as long as the process: whoever looks for the driver finds what is loaded under its name.
        std::mem::forget(library);
        Ok(simulator)
    }

    /// Sets something.
    pub fn set(&self, setting: Setting, value: i64) -> &Self {
        let name = CString::new(setting.name()).unwrap_or_default();
        // SAFETY: the name ends with a zero and outlives the call.
        let set = unsafe { (self.set)(name.as_ptr(), value) };
        debug_assert_eq!(set, 0, "the simulator knows every setting");
        self
    }

    /// Asks for a number.
    pub fn count(&self, count: Count) -> i64 {
        let name = CString::new(count.name()).unwrap_or_default();
        // SAFETY: the name ends with a zero and outlives the call.
        let value = unsafe { (self.get)(name.as_ptr()) };
        debug_assert_ne!(value, i64::MIN, "the simulator knows every count");
        value
    }

    fn text(&self, key: &str) -> String {
        let name = CString::new(key).unwrap_or_default();
        let mut text = vec![0_u8; 4096];
        loop {
            // SAFETY: the name ends with a zero, and there is as much room as is said.
            let length = unsafe { (self.text)(name.as_ptr(), text.as_mut_ptr().cast(), text.len() as i64) };
            let length = usize::try_from(length).unwrap_or_default();
            if length < text.len() {
                text.truncate(length);
                return String::from_utf8_lossy(&text).into_owned();
            }
            text.resize(length + 4096, 0);
        }
    }

    /// The first thing that a kernel or a copy did that it must not; empty if there is nothing.
    pub fn violation(&self) -> String {
        self.text("violation")
    }

    /// What has not been given back; empty if there is nothing.
    pub fn leaks(&self) -> String {
        self.text("leaks")
    }

    /// The names of the last calls of the driver, with the errors that they began with.
    pub fn calls(&self) -> Vec<String> {
        self.text("calls").lines().map(str::to_owned).collect()
    }

    /// A module with all kernels that the simulator was built with, also those of its own tests. It has no code.
    pub fn ptx(&self) -> String {
        self.text("ptx")
    }

    /// A new machine: no error, nothing alive, everything set as at first. What is still held of before is of no use, but may be
    /// dropped.
    pub fn reset(&self) -> &Self {
        // SAFETY: takes nothing.
        unsafe { (self.reset)() };
        self
    }
}
