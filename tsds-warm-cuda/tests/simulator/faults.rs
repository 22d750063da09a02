//! Faults that tests ask for, and what is left after them.

use cudarc::driver::result;
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, DriverError, PushKernelArg};
use cudarc::nvrtc::Ptx;
use tsds_warm_cuda::simulator::{Count, Setting, Simulator};

use crate::{Machine, Test, assert_clean, assert_fails, grid};

pub(crate) const TESTS: &[Test] = &[
    ("there_may_be_no_device", there_may_be_no_device),
    ("the_allocation_that_is_named_finds_no_memory", the_allocation_that_is_named_finds_no_memory),
    ("the_launch_that_is_named_fails_when_it_runs_and_all_calls_after_it", the_launch_that_is_named_fails),
    ("a_sticky_error_outlives_a_reset_of_the_context_unless_set_otherwise", a_sticky_error_outlives_a_reset),
    ("a_lost_device_answers_nothing", a_lost_device_answers_nothing),
    ("each_call_can_fail", each_call_can_fail),
    ("handles_of_a_context_that_is_gone_are_refused", handles_of_a_context_that_is_gone_are_refused),
];

fn there_may_be_no_device(simulator: &'static Simulator) {
    simulator.set(Setting::Devices, 0);
    let code = CUresult::CUDA_ERROR_NO_DEVICE;
    assert_fails(simulator, CudaContext::device_count(), code, "");
    assert_fails(simulator, CudaContext::new(0), code, "");
}

fn the_allocation_that_is_named_finds_no_memory(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    simulator.set(Setting::FailAllocation, 2);
    stream.alloc_zeros::<u32>(1).unwrap();
    let refused = stream.alloc_zeros::<u32>(1);
    assert_fails(simulator, refused, CUresult::CUDA_ERROR_OUT_OF_MEMORY, "");
    stream.alloc_zeros::<u32>(1).unwrap();
}

fn the_launch_that_is_named_fails(simulator: &'static Simulator) {
    simulator.set(Setting::Eager, 0);
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut there = stream.alloc_zeros::<u32>(10).unwrap();
    let kernel = machine.kernel("sim_fill");
    simulator.set(Setting::FailLaunch, 2).set(Setting::FailLaunchCode, 719);
    for _ in 0..3 {
        let mut builder = stream.launch_builder(&kernel);
        // SAFETY: the buffer has so many words.
        unsafe { builder.arg(&mut there).arg(&10_u32).arg(&1_u32).launch(grid(1, 32)) }.unwrap();
    }
    let code = CUresult::CUDA_ERROR_LAUNCH_FAILED;
    assert_fails(simulator, stream.synchronize(), code, "");
    assert_fails(simulator, stream.synchronize(), code, "");
    assert_fails(simulator, stream.alloc_zeros::<u32>(10), code, "");
    assert_fails(simulator, machine.context.mem_get_info(), code, "");
    assert_eq!(simulator.count(Count::Blocks), 1);
    // What there is can be dropped, and is gone.
    drop((there, stream, kernel, machine));
    assert_eq!(simulator.leaks(), "");
}

fn a_sticky_error_outlives_a_reset(simulator: &'static Simulator) {
    for recoverable in [0, 1] {
        simulator.reset().set(Setting::Recoverable, recoverable).set(Setting::FailLaunch, 1);
        let machine = Machine::new(simulator);
        let stream = machine.stream();
        let kernel = machine.kernel("sim_trap");
        // SAFETY: it takes nothing.
        unsafe { stream.launch_builder(&kernel).launch(grid(1, 1)) }.unwrap();
        assert!(stream.synchronize().is_err());
        drop((stream, kernel, machine));
        // SAFETY: nothing of the context is in use.
        let reset = unsafe { cudarc::driver::sys::cuDevicePrimaryCtxReset_v2(0) }.result();
        assert_eq!(reset.is_ok(), recoverable == 1);
        assert_eq!(CudaContext::new(0).is_ok(), recoverable == 1);
    }
}

fn a_lost_device_answers_nothing(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    simulator.set(Setting::Lost, 46);
    let code = CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE;
    assert_fails(simulator, machine.context.synchronize(), code, "");
    assert_fails(simulator, machine.context.name(), code, "");
    assert_fails(simulator, CudaContext::device_count(), code, "");
}

/// Something of everything that a tier does.
fn use_everything(simulator: &Simulator) -> Result<Vec<u32>, DriverError> {
    let context = CudaContext::new(0)?;
    let module = context.load_module(Ptx::from_src(simulator.ptx()))?;
    let kernel = module.load_function("sim_fill")?;
    let (one, two) = (context.new_stream()?, context.new_stream()?);
    let mut there = one.alloc_zeros::<u32>(100)?;
    // SAFETY: it is written before it is read.
    let mut pinned = unsafe { context.alloc_pinned_with_flags::<u32>(100, 0) }?;
    // SAFETY: the buffer has so many words.
    unsafe { one.launch_builder(&kernel).arg(&mut there).arg(&100_u32).arg(&3_u32).launch(grid(1, 64)) }?;
    two.memcpy_dtoh(&there, &mut pinned)?;
    two.synchronize()?;
    Ok(pinned.as_slice()?.to_vec())
}

fn each_call_can_fail(simulator: &'static Simulator) {
    let expected: Vec<u32> = (3..103).collect();
    assert_eq!(use_everything(simulator).unwrap(), expected);
    let calls = simulator.count(Count::Calls);
    assert!(calls > 50, "{calls}");
    assert_eq!(simulator.calls().len() as i64, calls);
    for sticky in [0, 1] {
        let mut failures = 0;
        for call in 1..=calls {
            simulator.reset().set(Setting::FailCallSticky, sticky).set(Setting::FailCall, call);
            match use_everything(simulator) {
                Ok(words) => assert_eq!(words, expected, "call {call}"),
                Err(_) => failures += 1,
            }
            simulator.set(Setting::FailCall, 0);
            // `cudarc` frees pinned memory also where it could not wait for what uses it.
            let violation = simulator.violation();
            assert!(
                violation.is_empty() || violation.contains("touches pinned memory that has been freed"),
                "{violation}"
            );
            if sticky == 1 {
                assert_eq!(simulator.count(Count::Sticky), 999, "call {call}");
            }
        }
        // Only what gives back at the end may fail unnoticed.
        assert!(failures > calls / 2, "{failures} of {calls}");
    }
}

fn handles_of_a_context_that_is_gone_are_refused(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let event = stream.record_event(None).unwrap();
    // SAFETY: what is left of the context is only asked, and dropped.
    unsafe { cudarc::driver::sys::cuDevicePrimaryCtxReset_v2(0).result() }.unwrap();
    assert_fails(simulator, stream.synchronize(), CUresult::CUDA_ERROR_INVALID_CONTEXT, "");
    assert_fails(simulator, result::ctx::synchronize(), CUresult::CUDA_ERROR_INVALID_CONTEXT, "");
    drop((event, stream, machine));
    assert_eq!(simulator.leaks(), "");
    drop(Machine::new(simulator));
    assert_clean(simulator);
}
