//! Device memory, pinned memory, and copies.

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{PushKernelArg, result};
use tsds_warm_cuda::simulator::{Count, DEVICE_NAME, Setting, Simulator};

use crate::{Machine, Test, assert_clean, assert_fails, grid, seeds};

pub(crate) const TESTS: &[Test] = &[
    ("the_device_says_what_it_is", the_device_says_what_it_is),
    ("what_is_copied_there_and_back_is_the_same", what_is_copied_there_and_back_is_the_same),
    (
        "copies_within_the_device_and_fills_do_what_they_say",
        copies_within_the_device_and_fills_do_what_they_say,
    ),
    ("memory_that_nothing_was_written_to_is_poison", memory_that_nothing_was_written_to_is_poison),
    ("writing_one_word_too_far_is_an_error", writing_one_word_too_far_is_an_error),
    ("reading_one_word_too_far_is_an_error", reading_one_word_too_far_is_an_error),
    ("touching_an_address_without_a_buffer_is_an_error", touching_an_address_without_a_buffer_is_an_error),
    ("touching_a_freed_buffer_is_an_error", touching_a_freed_buffer_is_an_error),
    ("a_misaligned_read_is_an_error", a_misaligned_read_is_an_error),
    ("a_copy_beyond_the_end_is_refused", a_copy_beyond_the_end_is_refused),
    ("more_than_the_memory_is_refused_and_what_is_freed_is_there_again", limits),
    ("what_waits_to_be_freed_makes_room", what_waits_to_be_freed_makes_room),
    ("what_is_not_given_back_is_reported", what_is_not_given_back_is_reported),
    ("pinned_memory_is_read_when_the_copy_runs", pinned_memory_is_read_when_the_copy_runs),
    ("other_host_memory_is_read_before_the_call_returns", other_host_memory_is_read_before_the_call_returns),
];

fn the_device_says_what_it_is(simulator: &'static Simulator) {
    simulator.set(Setting::Capability, 86).set(Setting::Memory, 123 << 20);
    let machine = Machine::new(simulator);
    assert_eq!(machine.context.name().unwrap(), DEVICE_NAME);
    assert_eq!(machine.context.compute_capability().unwrap(), (8, 6));
    assert_eq!(machine.context.total_mem().unwrap(), 123 << 20);
    drop(machine);
    assert_clean(simulator);
}

fn what_is_copied_there_and_back_is_the_same(simulator: &'static Simulator) {
    for pools in [0, 1] {
        for _ in seeds(simulator, 6) {
            simulator.set(Setting::Pools, pools);
            let machine = Machine::new(simulator);
            let stream = machine.stream();
            let words: Vec<u32> = (0..10_000).collect();
            let there = stream.clone_htod(&words).unwrap();
            // SAFETY: it is written before it is read.
            let mut pinned = unsafe { machine.context.alloc_pinned::<u32>(10_000) }.unwrap();
            stream.memcpy_dtoh(&there, &mut pinned).unwrap();
            assert_eq!(pinned.as_slice().unwrap(), words);
            assert_eq!(stream.clone_dtoh(&there).unwrap(), words);
            drop((there, pinned, stream, machine));
            assert_clean(simulator);
        }
    }
}

fn copies_within_the_device_and_fills_do_what_they_say(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let from = stream.clone_htod(&[1_u32, 2, 3, 4]).unwrap();
    let mut to = stream.alloc_zeros::<u32>(6).unwrap();
    stream.memcpy_dtod(&from.slice(1..3), &mut to.slice_mut(2..4)).unwrap();
    assert_eq!(stream.clone_dtoh(&to).unwrap(), [0, 0, 2, 3, 0, 0]);
    stream.memset_zeros(&mut to.slice_mut(3..4)).unwrap();
    assert_eq!(stream.clone_dtoh(&to).unwrap(), [0, 0, 2, 0, 0, 0]);
}

fn memory_that_nothing_was_written_to_is_poison(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.context.default_stream();
    // SAFETY: any bits are a number.
    let there = unsafe { stream.alloc::<u32>(100) }.unwrap();
    assert_eq!(stream.clone_dtoh(&there).unwrap(), vec![0xcdcd_cdcd_u32; 100]);
    // SAFETY: as above.
    let mut pinned = unsafe { machine.context.alloc_pinned::<u32>(10) }.unwrap();
    assert_eq!(pinned.as_mut_slice().unwrap(), [0xcdcd_cdcd_u32; 10]);
}

/// A kernel touches word `index` of a buffer of 10 words.
fn touch(simulator: &'static Simulator, index: u64, reads: u32, code: CUresult, says: &str) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut there = stream.alloc_zeros::<u32>(10).unwrap();
    let kernel = machine.kernel("sim_touch");
    // SAFETY: the simulator catches what is wrong.
    unsafe { stream.launch_builder(&kernel).arg(&mut there).arg(&index).arg(&reads).launch(grid(1, 1)) }
        .unwrap();
    assert_fails(simulator, stream.synchronize(), code, says);
}

fn writing_one_word_too_far_is_an_error(simulator: &'static Simulator) {
    let says = "sim_touch, block (0, 0, 0), thread 0: writes bytes 40 to 44 of a buffer of 40";
    touch(simulator, 10, 0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS, says);
}

fn reading_one_word_too_far_is_an_error(simulator: &'static Simulator) {
    let says = "reads bytes 40 to 44 of a buffer of 40";
    touch(simulator, 10, 1, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS, says);
}

fn touching_an_address_without_a_buffer_is_an_error(simulator: &'static Simulator) {
    touch(simulator, 1 << 50, 0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS, "where no buffer is");
}

fn touching_a_freed_buffer_is_an_error(simulator: &'static Simulator) {
    simulator.set(Setting::Pools, 0);
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let there = stream.alloc_zeros::<u32>(10).unwrap();
    stream.synchronize().unwrap();
    let address = there.leak();
    // SAFETY: the address is that of an allocation, which nobody uses but the simulator, which catches it.
    unsafe { result::free_sync(address) }.unwrap();
    let kernel = machine.kernel("sim_touch");
    let mut builder = stream.launch_builder(&kernel);
    // SAFETY: as above.
    unsafe { builder.arg(&address).arg(&1_u64).arg(&0_u32).launch(grid(1, 1)) }.unwrap();
    let code = CUresult::CUDA_ERROR_ILLEGAL_ADDRESS;
    assert_fails(simulator, stream.synchronize(), code, "writes bytes 4 to 8 of a freed buffer of 40");
}

fn a_misaligned_read_is_an_error(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let there = stream.alloc_zeros::<u32>(10).unwrap();
    let mut out = stream.alloc_zeros::<u64>(1).unwrap();
    let kernel = machine.kernel("sim_misaligned");
    let mut launch = |at: u32| {
        // SAFETY: the simulator catches what is wrong.
        unsafe { stream.launch_builder(&kernel).arg(&there).arg(&mut out).arg(&at).launch(grid(1, 1)) }
            .unwrap();
        stream.synchronize()
    };
    launch(16).unwrap();
    let result = launch(12);
    assert_fails(
        simulator,
        result,
        CUresult::CUDA_ERROR_LAUNCH_FAILED,
        "misaligned pointer in sim_basics.cu",
    );
}

fn a_copy_beyond_the_end_is_refused(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.context.default_stream();
    let there = stream.alloc_zeros::<u32>(10).unwrap();
    let address = there.leak();
    let mut words = [0_u32; 11];
    // SAFETY: the simulator refuses what is wrong.
    let copied = unsafe { result::memcpy_dtoh_sync(&mut words, address) };
    assert_fails(simulator, copied, CUresult::CUDA_ERROR_INVALID_VALUE, "");
    // It is not sticky.
    stream.synchronize().unwrap();
}

fn limits(simulator: &'static Simulator) {
    simulator.set(Setting::Memory, 1 << 20);
    let machine = Machine::new(simulator);
    let stream = machine.context.default_stream();
    let most = stream.alloc_zeros::<u8>(1 << 20).unwrap();
    assert_eq!(machine.context.mem_get_info().unwrap(), (0, 1 << 20));
    let refused = stream.alloc_zeros::<u8>(1);
    assert_fails(simulator, refused, CUresult::CUDA_ERROR_OUT_OF_MEMORY, "");
    drop(most);
    stream.alloc_zeros::<u8>(1 << 20).unwrap();
    assert_eq!(simulator.count(Count::PeakBytes), 1 << 20);
}

fn what_waits_to_be_freed_makes_room(simulator: &'static Simulator) {
    simulator.set(Setting::Memory, 1 << 20).set(Setting::Eager, 0);
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    for _ in 0..10 {
        drop(stream.alloc_zeros::<u8>(1 << 20).unwrap());
    }
}

fn what_is_not_given_back_is_reported(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let there = stream.alloc_zeros::<u32>(10).unwrap();
    // SAFETY: it is not read.
    let pinned = unsafe { machine.context.alloc_pinned::<u32>(10) }.unwrap();
    stream.synchronize().unwrap();
    drop(machine.context.new_event(None).unwrap());
    // The buffer has an event of its own for reads and one for writes, the pinned one has one.
    assert_eq!(
        simulator.leaks(),
        "1 buffers, 1 pinned host buffers, 3 events, 1 streams, 1 modules, 1 contexts"
    );
    drop((there, pinned, stream, machine));
    assert_clean(simulator);
}

/// What the device has after a copy, if the host changes its memory once the call has returned.
fn copy_and_change(simulator: &'static Simulator, is_pinned: bool) -> u32 {
    simulator.set(Setting::Eager, 0);
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut there = stream.alloc_zeros::<u32>(1).unwrap();
    stream.synchronize().unwrap();
    // SAFETY: it is written before it is read.
    let mut pinned = unsafe { machine.context.alloc_pinned::<u32>(1) }.unwrap();
    let pinned_at = pinned.as_mut_ptr().unwrap();
    let mut own = [1_u32];
    let at = if is_pinned { pinned_at } else { own.as_mut_ptr() };
    // SAFETY: both are memory for one number; the address is that of the device's buffer.
    unsafe {
        at.write(1);
        let (to, _write) = cudarc::driver::DevicePtrMut::device_ptr_mut(&mut there, &stream);
        sys::cuMemcpyHtoDAsync_v2(to, at.cast(), 4, stream.cu_stream()).result().unwrap();
        at.write(2);
    }
    stream.clone_dtoh(&there).unwrap()[0]
}

fn pinned_memory_is_read_when_the_copy_runs(simulator: &'static Simulator) {
    assert_eq!(copy_and_change(simulator, true), 2);
}

fn other_host_memory_is_read_before_the_call_returns(simulator: &'static Simulator) {
    assert_eq!(copy_and_change(simulator, false), 1);
}
