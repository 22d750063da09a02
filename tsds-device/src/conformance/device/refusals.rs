//! Works that a device does not accept: it says so, does nothing, and lives on.

use std::sync::Arc;

use crate::kernel::Kernel;
use crate::{Device, Fault, Step, Work};

use crate::conformance::{Bench, Buffer, BufferOf, Subject, Test, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("a_launch_with_another_number_of_buffers_is_refused", number_of_buffers),
        ("a_buffer_that_is_written_is_bound_once", bound_once),
        ("a_buffer_that_is_only_read_may_be_bound_several_times", bound_twice),
        ("ranges_beyond_the_end_or_across_words_are_refused", ranges),
        ("a_copy_within_one_buffer_is_refused", copy_within),
        ("a_refused_work_does_none_of_its_steps", does_nothing),
    ]
}

fn refused<S: Subject>(bench: &Bench<S>, step: Step<BufferOf<S>>) {
    refused_work(bench, Work::new(vec![step], vec![]));
}

fn refused_work<S: Subject>(bench: &Bench<S>, work: Work<BufferOf<S>>) {
    let outcome = bench.runtime.block_on(bench.device.run(work));
    assert!(matches!(&outcome, Err(Fault::Rejected(_))), "{outcome:?}");
    let buffer = bench.filled(2, 3);
    assert_eq!(bench.launch(vec![], &[(&buffer, 2)]), [[3, 3]]);
}

fn number_of_buffers<S: Subject>(bench: &Bench<S>) {
    let a = bench.filled(4, 1);
    let b = bench.filled(4, 1);
    refused(bench, Step::Launch(launch(Kernel::Scan, &[&a], &[(0, 1)])));
    refused(bench, Step::Launch(launch(Kernel::Scan, &[], &[(0, 1)])));
    let c = bench.filled(4, 1);
    refused(bench, Step::Launch(launch(Kernel::Scan, &[&a, &b, &c], &[(0, 1)])));
}

fn bound_once<S: Subject>(bench: &Bench<S>) {
    let a = bench.filled(4, 1);
    refused(bench, Step::Launch(launch(Kernel::Scan, &[&a, &a], &[(0, 1), (6, 4)])));
    refused(bench, Step::Launch(launch(Kernel::ScanAdd, &[&a, &a], &[(0, 1), (6, 4)])));
}

fn bound_twice<S: Subject>(bench: &Bench<S>) {
    // The tables are the bitmap, the offsets and the source as well: block 0 is all zeros but for its items.
    let meta = bench.upload(&[0, 0, 1, 0, 0, 0, 0, 0]);
    let out = bench.filled(64, 9);
    let run = launch(Kernel::Compact, &[&meta, &meta, &meta, &meta, &out], &[(0, 1), (7, 64)]);
    assert_eq!(bench.launch(vec![run], &[(&out, 2)]), [[9, 9]]);
}

fn ranges<S: Subject>(bench: &Bench<S>) {
    let a = bench.filled(4, 1);
    let b = bench.filled(8, 1);
    let copy = |from: u64, to: u64, bytes: u64| Step::Copy {
        from: (Arc::clone(&a), from),
        to: (Arc::clone(&b), to),
        bytes,
    };
    for (from, to, bytes) in [
        (0, 0, 20),
        (4, 0, 16),
        (0, 20, 16),
        (u64::MAX - 3, 0, 8),
        (0, u64::MAX - 3, 4),
        (2, 0, 4),
        (0, 1, 4),
        (0, 0, 3),
    ] {
        refused(bench, copy(from, to, bytes));
    }
    let backwards = core::ops::Range { start: 8, end: 4 };
    for range in [0..20, 16..20, 1..4, 0..6, u64::MAX - 3..u64::MAX, backwards] {
        refused(bench, Step::Clear(Arc::clone(&a), range.clone()));
        refused_work(bench, Work::new(vec![], vec![(Arc::clone(&a), range)]));
    }
    let write = |buffer: &Buffer<S>, at: u64, bytes: usize| bench.device.write(buffer, at, &vec![0; bytes]);
    for (at, bytes) in [(0, 20), (16, 4), (1, 4), (0, 3), (u64::MAX - 3, 8), (20, 0)] {
        assert!(matches!(write(&a, at, bytes), Err(Fault::Rejected(_))), "{bytes} bytes at {at}");
    }
    assert_eq!(write(&a, 16, 0), Ok(()));
    assert_eq!(bench.launch(vec![], &[(&a, 4), (&b, 8)]), [vec![1; 4], vec![1; 8]]);
}

fn copy_within<S: Subject>(bench: &Bench<S>) {
    let a = bench.filled(8, 1);
    refused(bench, Step::Copy { from: (Arc::clone(&a), 0), to: (Arc::clone(&a), 16), bytes: 16 });
}

fn does_nothing<S: Subject>(bench: &Bench<S>) {
    let a = bench.filled(4, 1);
    let steps = vec![Step::Clear(Arc::clone(&a), 0..16), Step::Clear(Arc::clone(&a), 0..20)];
    refused_work(bench, Work::new(steps, vec![]));
    assert_eq!(bench.launch(vec![], &[(&a, 4)]), [[1; 4]]);
}
