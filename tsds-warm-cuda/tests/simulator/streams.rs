//! Streams and events: what orders work, and that what nothing orders shows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cudarc::driver::result::stream as raw;
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaSlice, CudaStream, DriverError, LaunchConfig, PushKernelArg};
use tsds_warm_cuda::simulator::{Setting, Simulator};

use crate::{Machine, Test, assert_clean, assert_fails, grid, seeds};

pub(crate) const TESTS: &[Test] = &[
    ("events_order_two_streams", events_order_two_streams),
    (
        "two_streams_that_nothing_orders_give_wrong_results",
        two_streams_that_nothing_orders_give_wrong_results,
    ),
    (
        "two_streams_that_nothing_orders_are_an_error_with_every_seed",
        two_streams_that_nothing_orders_are_an_error,
    ),
    ("who_only_reads_needs_no_order", who_only_reads_needs_no_order),
    ("a_host_that_waits_orders_streams", a_host_that_waits_orders_streams),
    ("freeing_in_another_stream_needs_an_order", freeing_in_another_stream_needs_an_order),
    ("the_same_seed_gives_the_same_order", the_same_seed_gives_the_same_order),
    ("blocks_and_threads_come_in_another_order_with_every_seed", blocks_and_threads_come_in_another_order),
    ("nothing_runs_before_somebody_waits", nothing_runs_before_somebody_waits),
    ("an_event_that_is_asked_again_and_again_is_reached", an_event_that_is_asked_again_and_again_is_reached),
    ("the_default_stream_orders_blocking_streams_only", the_default_stream_orders_blocking_streams_only),
    ("host_functions_run_after_what_stands_before_them", host_functions_run_after_what_stands_before_them),
    ("a_launch_keeps_the_parameters_of_its_time", a_launch_keeps_the_parameters_of_its_time),
    (
        "memory_of_a_stream_is_not_there_for_others_at_once",
        memory_of_a_stream_is_not_there_for_others_at_once,
    ),
    ("a_module_of_a_newer_kind_or_with_other_parameters_is_refused", a_module_is_checked),
    ("launches_that_no_device_accepts_are_refused", launches_that_no_device_accepts_are_refused),
];

const WORDS: u32 = 2000;

fn try_fill(
    machine: &Machine,
    stream: &Arc<CudaStream>,
    to: &mut CudaSlice<u32>,
    add: u32,
) -> Result<(), DriverError> {
    let kernel = machine.kernel("sim_fill");
    // SAFETY: the buffer has so many words.
    unsafe { stream.launch_builder(&kernel).arg(to).arg(&WORDS).arg(&add).launch(grid(3, 256)) }.map(drop)
}

fn fill(machine: &Machine, stream: &Arc<CudaStream>, to: &mut CudaSlice<u32>, add: u32) {
    try_fill(machine, stream, to, add).unwrap();
}

/// One stream fills a buffer, another one doubles it: with an event between them or without.
fn fill_and_double(simulator: &Simulator, is_ordered: bool) -> Result<Vec<u32>, DriverError> {
    let machine = Machine::new(simulator);
    // SAFETY: orders are made by hand here, which is the point.
    unsafe { machine.context.disable_event_tracking() };
    let (one, two) = (machine.stream(), machine.stream());
    let mut from = one.alloc_zeros::<u32>(WORDS as usize).unwrap();
    let mut to = one.alloc_zeros::<u32>(WORDS as usize).unwrap();
    one.synchronize().unwrap();
    try_fill(&machine, &one, &mut from, 5)?;
    if is_ordered {
        two.join(&one).unwrap();
    }
    let kernel = machine.kernel("sim_double");
    // SAFETY: the buffers have so many words.
    unsafe { two.launch_builder(&kernel).arg(&from).arg(&mut to).arg(&WORDS).launch(grid(2, 128)) }?;
    let words = two.clone_dtoh(&to)?;
    machine.context.synchronize()?;
    Ok(words)
}

fn events_order_two_streams(simulator: &'static Simulator) {
    let expected: Vec<u32> = (0..WORDS).map(|i| 2 * (i + 5)).collect();
    for _ in seeds(simulator, 30) {
        assert_eq!(fill_and_double(simulator, true).unwrap(), expected);
        assert_clean(simulator);
    }
}

fn two_streams_that_nothing_orders_give_wrong_results(simulator: &'static Simulator) {
    let results: BTreeSet<_> = seeds(simulator, 30)
        .map(|_| {
            simulator.set(Setting::Order, 0);
            fill_and_double(simulator, false).unwrap()
        })
        .collect();
    let right: Vec<u32> = (0..WORDS).map(|i| 2 * (i + 5)).collect();
    assert!(results.contains(&right));
    assert!(results.contains(&vec![0; WORDS as usize]));
}

fn two_streams_that_nothing_orders_are_an_error(simulator: &'static Simulator) {
    for _ in seeds(simulator, 30) {
        let result = fill_and_double(simulator, false);
        assert_fails(simulator, result, CUresult::CUDA_ERROR_LAUNCH_FAILED, "nothing orders sim_");
        assert!(simulator.violation().contains("bytes 0 to 8000 of a buffer of 8000"));
    }
}

/// A machine with two streams that nobody orders, and memory of the first one, which is filled.
fn two_streams(simulator: &Simulator) -> (Machine, Arc<CudaStream>, Arc<CudaStream>, CudaSlice<u32>) {
    let machine = Machine::new(simulator);
    // SAFETY: orders are made by hand here, which is the point.
    unsafe { machine.context.disable_event_tracking() };
    let (one, two) = (machine.stream(), machine.stream());
    let mut there = one.alloc_zeros::<u32>(WORDS as usize).unwrap();
    fill(&machine, &one, &mut there, 5);
    one.synchronize().unwrap();
    (machine, one, two, there)
}

fn who_only_reads_needs_no_order(simulator: &'static Simulator) {
    for _ in seeds(simulator, 10) {
        let (machine, one, two, from) = two_streams(simulator);
        let kernel = machine.kernel("sim_double");
        let run = |stream: &Arc<CudaStream>| {
            let mut to = stream.alloc_zeros::<u32>(WORDS as usize).unwrap();
            // SAFETY: the buffers have so many words.
            unsafe {
                stream.launch_builder(&kernel).arg(&from).arg(&mut to).arg(&WORDS).launch(grid(2, 128))
            }
            .unwrap();
            to
        };
        let (first, second) = (run(&one), run(&two));
        assert_eq!(one.clone_dtoh(&first).unwrap(), two.clone_dtoh(&second).unwrap());
        assert_eq!(simulator.violation(), "");
    }
}

fn a_host_that_waits_orders_streams(simulator: &'static Simulator) {
    for _ in seeds(simulator, 10) {
        let (machine, one, two, mut there) = two_streams(simulator);
        fill(&machine, &two, &mut there, 6);
        let event = two.record_event(None).unwrap();
        while !event.try_is_complete().unwrap() {}
        fill(&machine, &one, &mut there, 7);
        one.synchronize().unwrap();
        assert_eq!(two.clone_dtoh(&there).unwrap()[0], 7);
        assert_eq!(simulator.violation(), "");
    }
}

fn freeing_in_another_stream_needs_an_order(simulator: &'static Simulator) {
    for _ in seeds(simulator, 10) {
        let (machine, one, two, mut there) = two_streams(simulator);
        // By chance it goes well.
        let filled = try_fill(&machine, &two, &mut there, 6);
        drop(there);
        let ended = filled.and(one.synchronize()).and(two.synchronize()).and(machine.context.synchronize());
        assert!(ended.is_err());
        let violation = simulator.violation();
        assert!(violation.contains("nothing orders") || violation.contains("freed buffer"), "{violation}");
    }
}

/// The order in which the threads of 4 blocks come to a counter.
fn order(simulator: &Simulator) -> Vec<u32> {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut next = stream.alloc_zeros::<u32>(1).unwrap();
    let mut out = stream.alloc_zeros::<u32>(256).unwrap();
    let kernel = machine.kernel("sim_order");
    // SAFETY: the buffer has a word for each thread.
    unsafe { stream.launch_builder(&kernel).arg(&mut next).arg(&mut out).launch(grid(4, 64)) }.unwrap();
    stream.clone_dtoh(&out).unwrap()
}

fn the_same_seed_gives_the_same_order(simulator: &'static Simulator) {
    let once: Vec<_> = seeds(simulator, 5).map(|_| order(simulator)).collect();
    let again: Vec<_> = seeds(simulator, 5).map(|_| order(simulator)).collect();
    assert_eq!(once, again);
}

fn blocks_and_threads_come_in_another_order(simulator: &'static Simulator) {
    let orders: BTreeSet<_> = seeds(simulator, 20).map(|_| order(simulator)).collect();
    assert_eq!(orders.len(), 20);
    let first_blocks: BTreeSet<_> = orders.iter().map(|order| order[0] / 64).collect();
    assert_eq!(first_blocks.len(), 4);
    for order in orders {
        assert_eq!(order.into_iter().collect::<BTreeSet<_>>(), (0..256).collect());
    }
}

fn nothing_runs_before_somebody_waits(simulator: &'static Simulator) {
    simulator.set(Setting::Eager, 0);
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    // SAFETY: it is written before it is read.
    let mut pinned = unsafe { machine.context.alloc_pinned_with_flags::<u32>(1, 0) }.unwrap();
    let at = pinned.as_mut_ptr().unwrap();
    let there = stream.clone_htod(&[5_u32]).unwrap();
    stream.memcpy_dtoh(&there, &mut pinned).unwrap();
    let event = stream.record_event(None).unwrap();
    // SAFETY: the copy does not run while this thread looks.
    assert_eq!(unsafe { at.read() }, 0xcdcd_cdcd);
    event.synchronize().unwrap();
    assert_eq!(pinned.as_slice().unwrap(), [5]);
}

fn an_event_that_is_asked_again_and_again_is_reached(simulator: &'static Simulator) {
    for _ in seeds(simulator, 3) {
        simulator.set(Setting::Eager, 0);
        let machine = Machine::new(simulator);
        let stream = machine.stream();
        let mut there = stream.alloc_zeros::<u32>(WORDS as usize).unwrap();
        for add in 0..5 {
            fill(&machine, &stream, &mut there, add);
        }
        let event = stream.record_event(None).unwrap();
        assert!(!event.try_is_complete().unwrap());
        let asked = (0..100).find(|_| event.try_is_complete().unwrap());
        assert!(asked.is_some());
        assert_eq!(stream.clone_dtoh(&there).unwrap()[0], 4);
    }
}

fn the_default_stream_orders_blocking_streams_only(simulator: &'static Simulator) {
    let run = |kind: raw::StreamKind| {
        simulator.set(Setting::Order, 0);
        let machine = Machine::new(simulator);
        // SAFETY: orders are made by hand here, which is the point.
        unsafe { machine.context.disable_event_tracking() };
        let default = machine.context.default_stream();
        let mut there = default.alloc_zeros::<u32>(WORDS as usize).unwrap();
        default.synchronize().unwrap();
        let created = raw::create(kind).unwrap();
        // SAFETY: the stream was just created in this context, and lives until the end of the function.
        let other = unsafe { machine.context.wrap_borrowed_stream(created) };
        fill(&machine, &other, &mut there, 5);
        fill(&machine, &default, &mut there, 9);
        machine.context.synchronize().unwrap();
        let first = default.clone_dtoh(&there).unwrap()[0];
        drop((there, other));
        // SAFETY: nobody uses it any more.
        unsafe { raw::destroy(created) }.unwrap();
        first
    };
    let blocking: BTreeSet<_> = seeds(simulator, 20).map(|_| run(raw::StreamKind::Default)).collect();
    assert_eq!(blocking, BTreeSet::from([9]));
    let others: BTreeSet<_> = seeds(simulator, 20).map(|_| run(raw::StreamKind::NonBlocking)).collect();
    assert_eq!(others, BTreeSet::from([5, 9]));
}

/// What a host function looks at, and what it saw.
struct Look {
    at: *const u32,
    saw: AtomicU32,
    is_done: AtomicBool,
}

unsafe extern "C" fn look(look: *mut std::ffi::c_void) {
    // SAFETY: whoever enqueued this keeps both until it is done.
    let look = unsafe { &*look.cast::<Look>() };
    // SAFETY: as above.
    look.saw.store(unsafe { look.at.read() }, Ordering::SeqCst);
    look.is_done.store(true, Ordering::SeqCst);
}

fn host_functions_run_after_what_stands_before_them(simulator: &'static Simulator) {
    for _ in seeds(simulator, 6) {
        let machine = Machine::new(simulator);
        let stream = machine.stream();
        let there = stream.clone_htod(&[5_u32]).unwrap();
        // SAFETY: it is written before it is read.
        let mut pinned = unsafe { machine.context.alloc_pinned_with_flags::<u32>(1, 0) }.unwrap();
        let mut seen =
            Look { at: pinned.as_ptr().unwrap(), saw: AtomicU32::new(0), is_done: AtomicBool::new(false) };
        stream.memcpy_dtoh(&there, &mut pinned).unwrap();
        // SAFETY: what the function is given lives until it is done.
        unsafe { raw::launch_host_function(stream.cu_stream(), look, std::ptr::from_mut(&mut seen).cast()) }
            .unwrap();
        // Nobody waits for the stream: the driver comes to it by itself.
        while !seen.is_done.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(seen.saw.load(Ordering::SeqCst), 5);
    }
}

fn a_launch_keeps_the_parameters_of_its_time(simulator: &'static Simulator) {
    simulator.set(Setting::Eager, 0);
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut there = stream.alloc_zeros::<u32>(WORDS as usize).unwrap();
    let mut add = 3_u32;
    fill(&machine, &stream, &mut there, add);
    add += 1;
    assert_eq!(stream.clone_dtoh(&there).unwrap()[0], add - 1);
}

fn memory_of_a_stream_is_not_there_for_others_at_once(simulator: &'static Simulator) {
    simulator.set(Setting::Eager, 0);
    let machine = Machine::new(simulator);
    // SAFETY: orders are made by hand here, which is the point.
    unsafe { machine.context.disable_event_tracking() };
    let (one, two) = (machine.stream(), machine.stream());
    // SAFETY: it is written before it is read.
    let mut there = unsafe { one.alloc::<u32>(WORDS as usize) }.unwrap();
    fill(&machine, &two, &mut there, 5);
    let code = CUresult::CUDA_ERROR_ILLEGAL_ADDRESS;
    assert_fails(simulator, two.synchronize(), code, "of a not yet allocated buffer");
}

fn a_module_is_checked(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let load = |ptx: String| machine.context.load_module(cudarc::nvrtc::Ptx::from_src(ptx)).map(drop);
    let ptx = simulator.ptx();
    load(ptx.clone()).unwrap();
    let newer = load(ptx.replace(".version 8.0", ".version 8.3"));
    assert_fails(simulator, newer, CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "");
    simulator.set(Setting::DriverVersion, 12030);
    load(ptx.replace(".version 8.0", ".version 8.3")).unwrap();
    let other = load(ptx.replace(".param .u32 sim_fill_param_1", ".param .u64 sim_fill_param_1"));
    assert_fails(simulator, other, CUresult::CUDA_ERROR_INVALID_PTX, "sim_fill takes other parameters");
    let missing = machine.module.load_function("sim_nothing").map(drop);
    assert_fails(simulator, missing, CUresult::CUDA_ERROR_NOT_FOUND, "");
}

fn launches_that_no_device_accepts_are_refused(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut there = stream.alloc_zeros::<u32>(WORDS as usize).unwrap();
    let kernel = machine.kernel("sim_fill");
    let mut launch = |grid: LaunchConfig| {
        // SAFETY: the buffer has so many words.
        unsafe { stream.launch_builder(&kernel).arg(&mut there).arg(&WORDS).arg(&0_u32).launch(grid) }
            .map(drop)
    };
    assert_fails(simulator, launch(grid(0, 64)), sys::CUresult::CUDA_ERROR_INVALID_VALUE, "");
    assert_fails(simulator, launch(grid(1, 1025)), sys::CUresult::CUDA_ERROR_INVALID_VALUE, "");
    assert_fails(simulator, launch(grid(1, 512)), sys::CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "");
    launch(grid(1, 256)).unwrap();
}
