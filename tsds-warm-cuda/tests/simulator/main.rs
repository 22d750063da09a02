//! The simulated driver itself: that it does what NVIDIA's driver documents, and that it shows what it is there to show.
//!
//! All trials use `cudarc` as it is.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod memory;
mod streams;
mod threads;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, DriverError, LaunchConfig};
use cudarc::nvrtc::Ptx;
use libtest_mimic::{Arguments, Trial};
use tsds_warm_cuda::simulator::{Count, Setting, Simulator};

/// A name and a test.
type Test = (&'static str, fn(&'static Simulator));

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let simulator = Simulator::load();
    let tests = [memory::TESTS, streams::TESTS, threads::TESTS, faults::TESTS].concat();
    let trials = tests.into_iter().map(|(name, test)| match &simulator {
        Ok(simulator) => {
            let simulator = *simulator;
            Trial::test(name, move || {
                alone(simulator, test);
                Ok(())
            })
        }
        Err(reason) => {
            let reason = reason.clone();
            let kind = format!("absent: {reason}");
            Trial::test(name, move || Err(reason.into())).with_kind(kind).with_ignored_flag(true)
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs the test on a new machine, while no other runs.
fn alone(simulator: &'static Simulator, test: fn(&'static Simulator)) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    simulator.reset();
    test(simulator);
    simulator.reset();
}

/// A context with all kernels of the simulator's tests.
struct Machine {
    context: Arc<CudaContext>,
    module: Arc<CudaModule>,
}

impl Machine {
    fn new(simulator: &Simulator) -> Self {
        let context = CudaContext::new(0).unwrap();
        let module = context.load_module(Ptx::from_src(simulator.ptx())).unwrap();
        Self { context, module }
    }

    fn kernel(&self, name: &str) -> CudaFunction {
        self.module.load_function(name).unwrap()
    }

    fn stream(&self) -> Arc<CudaStream> {
        self.context.new_stream().unwrap()
    }
}

/// A grid of so many blocks of so many threads.
fn grid(blocks: u32, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// Asserts that the driver reports this, and what the simulator says about it, if anything.
fn assert_fails<T>(simulator: &Simulator, result: Result<T, DriverError>, code: CUresult, says: &str) {
    assert_eq!(result.err().map(|error| error.0), Some(code));
    let violation = simulator.violation();
    assert!(violation.contains(says), "{violation}");
}

/// Asserts that nothing went wrong and nothing is left.
fn assert_clean(simulator: &Simulator) {
    assert_eq!(simulator.violation(), "");
    assert_eq!(simulator.leaks(), "");
    assert_eq!(simulator.count(Count::Sticky), 0);
}

fn seeds(simulator: &'static Simulator, seeds: u64) -> impl Iterator<Item = u64> {
    (0..seeds).inspect(move |seed| {
        simulator.reset().set(Setting::Seed, *seed as i64);
    })
}
