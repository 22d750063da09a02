//! Memory: what is in it, and how much there is.

use std::sync::Arc;

use crate::{Device, Fault, Work};

use crate::conformance::{Bench, Numbers, Subject, Test};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("memory_is_zero_when_it_is_allocated", zero),
        ("what_is_written_is_read_at_any_place", write_and_read),
        ("a_large_answer_comes_whole", large_answer),
        ("more_than_the_largest_buffer_is_refused_and_the_device_lives_on", over_limit),
        ("the_largest_buffer_can_be_allocated_and_used", largest),
        ("memory_is_given_back_when_buffers_are_dropped", given_back),
    ]
}

fn zero<S: Subject>(bench: &Bench<S>) {
    // Memory that was used before and given back.
    drop(bench.filled(300_000, 0x5555_5555));
    for bytes in [4, 60, 1_200_000] {
        let buffer = Arc::new(bench.runtime.block_on(bench.device.allocate(bytes)).unwrap());
        let work = Work::new(vec![], vec![(buffer, 0..bytes)]);
        let answer = bench.runtime.block_on(bench.device.run(work)).unwrap();
        assert_eq!(answer, [vec![0; bytes as usize]]);
    }
}

fn write_and_read<S: Subject>(bench: &Bench<S>) {
    let mut numbers = Numbers(1);
    let buffer = bench.filled(1000, 0);
    let mut expected = vec![0_u8; 4000];
    for _ in 0..100 {
        let at = numbers.below(1001) * 4;
        let bytes = vec![numbers.word() as u8; numbers.below(1001 - at / 4) as usize * 4];
        bench.device.write(&buffer, at, &bytes).unwrap();
        expected[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
    }
    let ranges = [0..4000, 4..8, 12..3000, 4000..4000, 8..8, 3996..4000];
    let reads = ranges.iter().map(|range| (Arc::clone(&buffer), range.clone())).collect();
    let answer = bench.runtime.block_on(bench.device.run(Work::new(vec![], reads))).unwrap();
    let expected: Vec<_> =
        ranges.iter().map(|range| expected[range.start as usize..range.end as usize].to_vec()).collect();
    assert_eq!(answer, expected);
}

fn large_answer<S: Subject>(bench: &Bench<S>) {
    let mut numbers = Numbers(2);
    let words: Vec<u32> = (0..3_000_000).map(|_| numbers.word()).collect();
    let buffer = bench.upload(&words);
    assert_eq!(bench.launch(vec![], &[(&buffer, words.len())]), [words]);
}

fn over_limit<S: Subject>(bench: &Bench<S>) {
    let limit = bench.device.info().max_buffer_bytes;
    assert!(limit >= 128 << 20 && limit.is_multiple_of(256), "{limit}");
    for bytes in [limit + 1, limit * 2, 1 << 60, u64::MAX] {
        let refused = bench.runtime.block_on(bench.device.allocate(bytes)).unwrap_err();
        assert!(matches!(refused, Fault::Rejected(_) | Fault::OutOfMemory), "{refused:?}");
    }
    write_and_read(bench);
}

fn largest<S: Subject>(bench: &Bench<S>) {
    let limit = bench.device.info().max_buffer_bytes;
    let buffer = Arc::new(bench.runtime.block_on(bench.device.allocate(limit)).unwrap());
    bench.device.write(&buffer, limit - 4, &[1, 2, 3, 4]).unwrap();
    let work = Work::new(vec![], vec![(buffer, limit - 8..limit)]);
    assert_eq!(bench.runtime.block_on(bench.device.run(work)).unwrap(), [[0, 0, 0, 0, 1, 2, 3, 4]]);
}

fn given_back<S: Subject>(bench: &Bench<S>) {
    // Far more than any machine that tests run on has, were it kept.
    let bytes = 64 << 20;
    for _ in 0..100 {
        let buffer = bench.runtime.block_on(bench.device.allocate(bytes)).unwrap();
        bench.device.write(&buffer, bytes - 4, &[1; 4]).unwrap();
    }
    write_and_read(bench);
}
