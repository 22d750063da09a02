//! Threads of a block, lanes of a warp, atomics, integer functions, and races.

use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, CudaStream, DeviceRepr, PushKernelArg};
use std::sync::Arc;
use tsds_warm_cuda::simulator::{Setting, Simulator};

use crate::{Machine, Test, assert_clean, assert_fails, grid, seeds};

pub(crate) const TESTS: &[Test] = &[
    ("barriers_order_threads", barriers_order_threads),
    ("a_missing_barrier_is_a_race", a_missing_barrier_is_a_race),
    ("lanes_of_a_warp_give_each_other_what_they_should", lanes_give_each_other_what_they_should),
    ("atomics_count_every_thread_once", atomics_count_every_thread_once),
    ("integer_functions_do_what_the_hardware_does", integer_functions_do_what_the_hardware_does),
    ("lanes_are_ordered_by_a_barrier_of_the_warp_only", lanes_are_ordered_by_a_barrier_of_the_warp_only),
    ("blocks_may_share_a_word_by_atomics_only", blocks_may_share_a_word_by_atomics_only),
    ("shared_memory_that_nothing_was_written_to_is_not_read", unwritten_shared_memory_is_not_read),
    ("what_a_launch_has_written_is_no_constant", what_a_launch_has_written_is_no_constant),
    ("checks_can_be_switched_off", checks_can_be_switched_off),
    ("threads_that_wait_for_nobody_are_an_error", threads_that_wait_for_nobody_are_an_error),
    ("a_shift_by_the_width_is_an_error", a_shift_by_the_width_is_an_error),
    ("a_trap_is_an_error", a_trap_is_an_error),
];

const FAILED: CUresult = CUresult::CUDA_ERROR_LAUNCH_FAILED;

fn zeros<T: DeviceRepr + cudarc::driver::ValidAsZeroBits>(
    stream: &Arc<CudaStream>,
    count: usize,
) -> CudaSlice<T> {
    stream.alloc_zeros(count).unwrap()
}

/// The sums of the 256 words of each of 5 blocks.
fn sum(simulator: &Simulator, kernel: &str) -> Result<Vec<u32>, cudarc::driver::DriverError> {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let words: Vec<u32> = (0..5 * 256).collect();
    let from = stream.clone_htod(&words).unwrap();
    let mut to = zeros::<u32>(&stream, 5);
    let kernel = machine.kernel(kernel);
    // SAFETY: the buffers have so many words.
    unsafe { stream.launch_builder(&kernel).arg(&from).arg(&mut to).launch(grid(5, 256)) }?;
    stream.clone_dtoh(&to)
}

fn barriers_order_threads(simulator: &'static Simulator) {
    let words: Vec<u32> = (0..5 * 256).collect();
    let expected: Vec<u32> = words.chunks(256).map(|block| block.iter().sum()).collect();
    for _ in seeds(simulator, 20) {
        assert_eq!(sum(simulator, "sim_sum").unwrap(), expected);
        assert_clean(simulator);
    }
}

fn a_missing_barrier_is_a_race(simulator: &'static Simulator) {
    for _ in seeds(simulator, 20) {
        let result = sum(simulator, "sim_sum_without_barrier");
        assert_fails(simulator, result, FAILED, "race:");
    }
}

fn lanes_give_each_other_what_they_should(simulator: &'static Simulator) {
    for seed in seeds(simulator, 10) {
        let words: Vec<u32> = (0..64).map(|i| (i * 37 + seed as u32 * 5) % 101).collect();
        let machine = Machine::new(simulator);
        let stream = machine.stream();
        let from = stream.clone_htod(&words).unwrap();
        let mut to = zeros::<u64>(&stream, 16 * 64);
        let kernel = machine.kernel("sim_warp");
        // SAFETY: the buffers have so many words.
        unsafe { stream.launch_builder(&kernel).arg(&from).arg(&mut to).launch(grid(1, 64)) }.unwrap();
        let found = stream.clone_dtoh(&to).unwrap();
        for (t, found) in found.chunks(16).enumerate() {
            let (lane, warp) = (t % 32, &words[t / 32 * 32..][..32]);
            let ballot = |lanes: &dyn Fn(usize) -> bool| {
                (0..32).filter(|&i| lanes(i)).fold(0_u64, |all, i| all | 1 << i)
            };
            let wide = |i: usize| u64::from(warp[i]) << 32 | u64::from(!warp[i]);
            let at = |i: usize| u64::from(warp[i]);
            let ones = words.iter().filter(|word| **word % 2 == 1).count() as u64;
            let parity = ballot(&|i| i % 2 == lane % 2 && warp[i] & [2, 4][lane % 2] != 0);
            let expected = [
                ballot(&|i| warp[i] % 2 == 1),
                u64::from(warp.contains(&5)) << 1 | 1,
                at(warp[lane] as usize % 32),
                at(if lane >= 3 { lane - 3 } else { lane }),
                at(if lane + 3 < 32 { lane + 3 } else { lane }),
                at(lane ^ 5),
                at(if lane % 8 >= 3 { lane - 3 } else { lane }),
                at(if lane % 8 + 3 < 8 { lane + 3 } else { lane }),
                at(if lane ^ 9 < lane / 8 * 8 + 8 { lane ^ 9 } else { lane }),
                at(lane / 8 * 8 + 3),
                ballot(&|i| warp[i] & 7 == warp[lane] & 7),
                wide(1),
                ballot(&|i| wide(i) & 3 == wide(lane) & 3),
                parity,
                ones,
                1,
            ];
            assert_eq!(found, expected, "thread {t}");
        }
        drop((from, to, stream, kernel, machine));
        assert_clean(simulator);
    }
}

fn atomics_count_every_thread_once(simulator: &'static Simulator) {
    for _ in seeds(simulator, 5) {
        let machine = Machine::new(simulator);
        let stream = machine.stream();
        let first = [0, 1000, 500, 0, u32::MAX, 0, 0, 0, 77, 0, 0, 0];
        let mut words = stream.clone_htod(&first).unwrap();
        let mut wide = zeros::<u64>(&stream, 2);
        let kernel = machine.kernel("sim_atomics");
        // SAFETY: the buffers have the words that the kernel uses.
        unsafe { stream.launch_builder(&kernel).arg(&mut words).arg(&mut wide).launch(grid(3, 64)) }.unwrap();
        let sum: u32 = (0..192).sum();
        let bits = (0..192).fold(0, |all, i| all ^ i);
        let expected = [sum, 1000 - 192, 0, 191, 0, u32::MAX, bits, 192 % 10, 78, -191_i32 as u32, 191, 8];
        assert_eq!(stream.clone_dtoh(&words).unwrap(), expected);
        assert_eq!(stream.clone_dtoh(&wide).unwrap(), [u64::from(sum) << 30, 191 << 33]);
    }
}

fn integer_functions_do_what_the_hardware_does(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let kernel = machine.kernel("sim_integers");
    for (a, b) in
        [(0, 0), (1, 2), (0x8000_0000, 0x7fff_ffff), (0xdead_beef, 0x0123_4567), (u32::MAX, u32::MAX)]
    {
        let from = stream.clone_htod(&[a, b]).unwrap();
        let mut to = zeros::<u64>(&stream, 16);
        // SAFETY: the buffers have the words that the kernel uses.
        unsafe { stream.launch_builder(&kernel).arg(&from).arg(&mut to).launch(grid(1, 1)) }.unwrap();
        let wide = u64::from(a) << 32 | u64::from(b);
        let ffs = |zeros: u32, bits: u32| u64::from(if zeros == bits { 0 } else { zeros + 1 });
        // Bytes of `b, a` by selectors: 0 of a, 8 is the sign of byte 0 of a, 1 of a, 7 is the highest of b.
        let (low, high) = (a.to_le_bytes(), b.to_le_bytes());
        let sign = if low[0] & 128 != 0 { 255 } else { 0 };
        let expected = [
            u64::from(a.count_ones()),
            u64::from(a.leading_zeros()),
            ffs(a.trailing_zeros(), 32),
            u64::from(a.reverse_bits()),
            (u64::from(a) * u64::from(b)) >> 32,
            ((u128::from(wide) * u128::from(wide)) >> 64) as u64,
            u64::from((wide << 5 >> 32) as u32),
            u64::from((wide >> 5) as u32),
            u64::from(b),
            u64::from(a),
            u64::from(u32::from_le_bytes([low[0], sign, low[1], high[3]])),
            u64::from(wide.count_ones()),
            u64::from(wide.leading_zeros()),
            ffs(wide.trailing_zeros(), 64),
            wide.reverse_bits(),
            ((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u64,
        ];
        assert_eq!(stream.clone_dtoh(&to).unwrap(), expected, "{a:#x} {b:#x}");
    }
}

fn neighbours(simulator: &'static Simulator, waits: u32) -> Result<Vec<u32>, cudarc::driver::DriverError> {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut to = zeros::<u32>(&stream, 32);
    let kernel = machine.kernel("sim_neighbours");
    // SAFETY: the buffer has so many words.
    unsafe { stream.launch_builder(&kernel).arg(&mut to).arg(&waits).launch(grid(1, 32)) }?;
    stream.clone_dtoh(&to)
}

fn lanes_are_ordered_by_a_barrier_of_the_warp_only(simulator: &'static Simulator) {
    for _ in seeds(simulator, 10) {
        assert_eq!(neighbours(simulator, 1).unwrap(), (0..32).map(|t| t ^ 1).collect::<Vec<_>>());
        assert_fails(simulator, neighbours(simulator, 0), FAILED, "shared memory");
    }
}

fn blocks_may_share_a_word_by_atomics_only(simulator: &'static Simulator) {
    let run = |is_atomic: u32| {
        let machine = Machine::new(simulator);
        let stream = machine.stream();
        let mut to = zeros::<u32>(&stream, 1);
        let kernel = machine.kernel("sim_blocks");
        // SAFETY: the buffer has one word.
        unsafe { stream.launch_builder(&kernel).arg(&mut to).arg(&is_atomic).launch(grid(9, 1)) }.unwrap();
        stream.clone_dtoh(&to)
    };
    assert_eq!(run(1).unwrap(), [9]);
    assert_fails(simulator, run(0), FAILED, "byte 0 of a buffer of 4 that another block writes");
}

fn unwritten(simulator: &'static Simulator) -> Result<Vec<u32>, cudarc::driver::DriverError> {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut to = zeros::<u32>(&stream, 32);
    let kernel = machine.kernel("sim_unwritten");
    // SAFETY: the buffer has so many words.
    unsafe { stream.launch_builder(&kernel).arg(&mut to).launch(grid(1, 32)) }.unwrap();
    stream.clone_dtoh(&to)
}

fn unwritten_shared_memory_is_not_read(simulator: &'static Simulator) {
    assert_fails(simulator, unwritten(simulator), FAILED, "which the block has not written");
}

fn what_a_launch_has_written_is_no_constant(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut to = zeros::<u32>(&stream, 2);
    let kernel = machine.kernel("sim_constant");
    // SAFETY: the buffer has so many words.
    unsafe { stream.launch_builder(&kernel).arg(&mut to).launch(grid(1, 1)) }.unwrap();
    assert_fails(simulator, stream.synchronize(), FAILED, "as a constant, which the launch has written");
}

fn checks_can_be_switched_off(simulator: &'static Simulator) {
    simulator.set(Setting::Uninitialised, 0).set(Setting::Races, 0);
    assert_eq!(unwritten(simulator).unwrap()[..2], [1, 0xcdcd_cdcd]);
    neighbours(simulator, 0).unwrap();
}

fn threads_that_wait_for_nobody_are_an_error(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut to = zeros::<u32>(&stream, 32);
    let kernel = machine.kernel("sim_divergent");
    // SAFETY: the buffer has so many words.
    unsafe { stream.launch_builder(&kernel).arg(&mut to).launch(grid(1, 32)) }.unwrap();
    let code = CUresult::CUDA_ERROR_LAUNCH_TIMEOUT;
    assert_fails(
        simulator,
        stream.synchronize(),
        code,
        "16 threads wait at a barrier and 16 for others of their warp",
    );
}

fn a_shift_by_the_width_is_an_error(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let mut to = zeros::<u32>(&stream, 1);
    let kernel = machine.kernel("sim_shift");
    let mut shift = |by: u32| {
        // SAFETY: the buffer has one word.
        unsafe { stream.launch_builder(&kernel).arg(&mut to).arg(&by).launch(grid(1, 1)) }.unwrap();
        stream.clone_dtoh(&to)
    };
    assert_eq!(shift(31).unwrap(), [1 << 31]);
    assert_fails(
        simulator,
        shift(32),
        FAILED,
        "a shift by as many bits as the number has, or more in sim_basics.cu",
    );
}

fn a_trap_is_an_error(simulator: &'static Simulator) {
    let machine = Machine::new(simulator);
    let stream = machine.stream();
    let kernel = machine.kernel("sim_trap");
    // SAFETY: it takes nothing.
    unsafe { stream.launch_builder(&kernel).launch(grid(1, 1)) }.unwrap();
    assert_fails(simulator, stream.synchronize(), FAILED, "the kernel traps");
}
