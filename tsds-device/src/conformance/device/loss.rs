//! What follows from the loss of the device.

use std::sync::Arc;

use crate::kernel::Kernel;
use crate::{Device, Fault, Step, Work};
use futures::future::join_all;

use crate::conformance::bench::repeats;
use crate::conformance::{Bench, BufferOf, Subject, Test, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("after_a_loss_every_call_gives_lost_with_the_reason", every_call),
        ("works_under_way_when_the_device_is_lost_are_lost_or_answered", under_way),
        ("many_losses_harm_neither_the_process_nor_other_devices", many),
        ("a_device_is_dropped_with_works_under_way", dropped),
    ]
}

fn open<S: Subject>(bench: &Bench<S>) -> S::Device {
    bench.runtime.block_on(bench.subject.open(&bench.world())).unwrap()
}

fn lost<T>() -> Result<T, Fault> {
    Err(Fault::Lost("pulled out".into()))
}

fn every_call<S: Subject>(bench: &Bench<S>) {
    let device = open(bench);
    let block_on = |work| bench.runtime.block_on(device.run(work));
    let a = Arc::new(bench.runtime.block_on(device.allocate(16)).unwrap());
    let b = Arc::new(bench.runtime.block_on(device.allocate(16)).unwrap());
    device.write(&a, 0, &[1; 16]).unwrap();
    assert!(!device.is_lost());
    bench.subject.lose(&device, "pulled out");
    bench.subject.lose(&device, "and again");
    for _ in 0..3 {
        assert!(device.is_lost());
        assert_eq!(device.write(&a, 0, &[1; 16]), lost());
        assert_eq!(bench.runtime.block_on(device.allocate(16)).map(drop), lost());
        assert_eq!(block_on(Work::default()), lost());
        assert_eq!(block_on(Work::new(vec![], vec![(Arc::clone(&a), 0..16)])), lost());
        let steps = vec![
            Step::Launch(launch(Kernel::Scan, &[&a, &b], &[(0, 1), (6, 4)])),
            Step::Clear(Arc::clone(&a), 0..8),
        ];
        assert_eq!(block_on(Work::new(steps, vec![(Arc::clone(&b), 0..16)])), lost());
    }
    drop(device);
    drop((a, b));
}

/// Works that take the device a while.
fn works<S: Subject>(bench: &Bench<S>, device: &S::Device, count: usize) -> Vec<Work<BufferOf<S>>> {
    let words = 1_000_000;
    let one = || {
        let out = Arc::new(bench.runtime.block_on(device.allocate(words * 4)).unwrap());
        let launch = launch(Kernel::Health, &[&out], &[(0, words as u32 / 64), (6, words as u32)]);
        Work::new(vec![Step::Launch(launch)], vec![(out, 28..32)])
    };
    (0..count).map(|_| one()).collect()
}

fn under_way<S: Subject>(bench: &Bench<S>) {
    let device = open(bench);
    let works = works(bench, &device, 20);
    let runs = join_all(works.into_iter().map(|work| device.run(work)));
    let outcomes = bench.runtime.block_on(async {
        let mut runs = Box::pin(runs);
        // Submits them all.
        assert!(futures::poll!(&mut runs).is_pending());
        bench.subject.lose(&device, "pulled out");
        runs.await
    });
    // i * 2654435761 + 1, since i is 7 and ~7 is above 7.
    let answer = 7_u32.wrapping_mul(2_654_435_761).wrapping_add(1).to_le_bytes().to_vec();
    for outcome in &outcomes {
        assert!(*outcome == lost() || *outcome == Ok(vec![answer.clone()]), "{outcome:?}");
    }
    assert!(outcomes.contains(&lost()), "all were faster than the loss");
}

fn many<S: Subject>(bench: &Bench<S>) {
    for i in 0..repeats(100) {
        let device = open(bench);
        let buffer = Arc::new(bench.runtime.block_on(device.allocate(4096)).unwrap());
        if i % 2 == 0 {
            device.write(&buffer, 0, &[1; 4096]).unwrap();
        }
        bench.subject.lose(&device, "pulled out");
        let work = Work::new(vec![], vec![(Arc::clone(&buffer), 0..4096)]);
        assert_eq!(bench.runtime.block_on(device.run(work)), lost());
        if i % 3 == 0 {
            drop(device);
            drop(buffer);
        }
    }
    let buffer = bench.filled(2, 3);
    assert_eq!(bench.launch(vec![], &[(&buffer, 2)]), [[3, 3]]);
}

fn dropped<S: Subject>(bench: &Bench<S>) {
    for _ in 0..3 {
        let device = open(bench);
        let works = works(bench, &device, 5);
        let runs = join_all(works.into_iter().map(|work| device.run(work)));
        bench.runtime.block_on(async {
            let mut runs = Box::pin(runs);
            assert!(futures::poll!(&mut runs).is_pending());
        });
        drop(device);
    }
}
