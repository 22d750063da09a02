//! What sees what: steps, works, and works under way at the same time.

use std::sync::Arc;

use crate::kernel::Kernel;
use crate::{Device, Step, Work};
use futures::future::join_all;
use tsds_io::SimWorld;

use crate::conformance::bench::{bytes_of, words_of};
use crate::conformance::{Bench, BufferOf, Subject, Test, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("steps_of_a_work_see_each_others_effects_in_order", steps),
        ("a_work_sees_what_was_written_before_it", writes),
        ("many_works_at_once_each_get_their_own_answer", many),
        ("a_work_whose_future_is_dropped_harms_no_other", dropped),
        ("what_a_work_holds_is_let_go_of_when_it_ends", holds),
        ("a_launch_of_no_workgroups_does_nothing", nothing),
        ("a_grid_of_two_dimensions_covers_every_workgroup", two_dimensions),
        ("the_device_runs_in_a_simulated_world", simulated),
    ]
}

fn steps<S: Subject>(bench: &Bench<S>) {
    let a = bench.upload(&[1, 2, 3, 4]);
    let b = bench.filled(4, 0);
    let totals = bench.filled(1, 0);
    let scan = || Step::Launch(launch(Kernel::Scan, &[&a, &totals], &[(0, 1), (6, 4)]));
    let steps = vec![
        scan(), // a: 0 1 3 6, totals: 10
        Step::Copy { from: (Arc::clone(&a), 4), to: (Arc::clone(&b), 0), bytes: 12 },
        scan(), // a: 0 0 1 4, totals: 10
        scan(), // a: 0 0 0 1, totals: 5
        Step::Clear(Arc::clone(&b), 4..8),
        Step::Copy { from: (Arc::clone(&a), 12), to: (Arc::clone(&b), 12), bytes: 4 },
        Step::Clear(Arc::clone(&a), 0..16),
    ];
    let reads = [&a, &b, &totals]
        .map(|buffer| (Arc::clone(buffer), 0..if Arc::ptr_eq(buffer, &totals) { 4 } else { 16 }));
    let answer = bench.runtime.block_on(bench.device.run(Work::new(steps, reads.to_vec()))).unwrap();
    let words: Vec<_> = answer.iter().map(|bytes| words_of(bytes)).collect();
    assert_eq!(words, [vec![0; 4], vec![1, 0, 6, 1], vec![5]]);
}

fn writes<S: Subject>(bench: &Bench<S>) {
    let buffer = bench.filled(1, 0);
    for i in 0..50_u32 {
        bench.device.write(&buffer, 0, &bytes_of(&[i])).unwrap();
        assert_eq!(bench.launch(vec![], &[(&buffer, 1)]), [[i]]);
    }
}

/// A work that sums up ones, and what it answers.
fn work<S: Subject>(bench: &Bench<S>, words: u32) -> (Work<BufferOf<S>>, Vec<Vec<u8>>) {
    let data = bench.filled(words as usize, 1);
    let totals = bench.filled(1, 0);
    let steps = vec![Step::Launch(launch(Kernel::Scan, &[&data, &totals], &[(0, 1), (6, words)]))];
    let expected = vec![bytes_of(&(0..words).collect::<Vec<_>>()), bytes_of(&[words])];
    (Work::new(steps, vec![(data, 0..u64::from(words) * 4), (totals, 0..4)]), expected)
}

fn many<S: Subject>(bench: &Bench<S>) {
    let (works, expected): (Vec<_>, Vec<_>) = (1..=200).map(|words| work(bench, words * 10)).unzip();
    let runs = works.into_iter().map(|work| bench.device.run(work));
    let answers = bench.runtime.block_on(join_all(runs));
    for (answer, expected) in answers.into_iter().zip(expected) {
        assert_eq!(answer.unwrap(), expected);
    }
}

fn dropped<S: Subject>(bench: &Bench<S>) {
    for words in 1..50 {
        let (abandoned, _) = work(bench, words);
        let mut run = Box::pin(bench.device.run(abandoned));
        let polled = bench.runtime.block_on(async { futures::poll!(&mut run) });
        drop((polled, run));
        let (work, expected) = work(bench, words);
        assert_eq!(bench.runtime.block_on(bench.device.run(work)).unwrap(), expected);
    }
}

fn holds<S: Subject>(bench: &Bench<S>) {
    for words in 1..50 {
        let (abandoned, _) = work(bench, words);
        let hold = Arc::new(words);
        let mut run = Box::pin(bench.device.run(abandoned.holding(Arc::clone(&hold) as _)));
        let polled = bench.runtime.block_on(async { futures::poll!(&mut run) });
        drop((polled, run));
        let (work, expected) = work(bench, words);
        let awaited = Arc::new(words);
        let work = work.holding(Arc::clone(&awaited) as _);
        assert_eq!(bench.runtime.block_on(bench.device.run(work)).unwrap(), expected);
        assert_eq!(Arc::strong_count(&awaited), 1);
        // Works end in any order, but none is passed by for ever.
        let passed_by = (0..1_000).take_while(|_| {
            let (another, _) = self::work(bench, words);
            bench.runtime.block_on(bench.device.run(another)).unwrap();
            Arc::strong_count(&hold) > 1
        });
        assert!(passed_by.count() < 1_000);
    }
}

fn nothing<S: Subject>(bench: &Bench<S>) {
    let data = bench.filled(4, 1);
    let totals = bench.filled(1, 7);
    let run = launch(Kernel::Scan, &[&data, &totals], &[(0, 0), (6, 4)]);
    assert_eq!(bench.launch(vec![run], &[(&data, 4), (&totals, 1)]), [vec![1; 4], vec![7]]);
}

fn two_dimensions<S: Subject>(bench: &Bench<S>) {
    for groups in [65_535, 65_536, 65_537, 140_000_u32] {
        let words = groups as usize;
        // The kernel lets every group do a word of its own only where it goes through one block of 64 in each.
        let out = bench.filled(words * 64, 0x5555_5555);
        let run = launch(Kernel::Health, &[&out], &[(0, groups), (6, groups * 64)]);
        let got = bench.launch(vec![run], &[(&out, words * 64)]).remove(0);
        for (i, word) in (0_u32..).zip(got) {
            // i above 7, or equal to it and ~i above i.
            let above = i > 7 || (i == 7 && !i > i);
            assert_eq!(
                word,
                i.wrapping_mul(2_654_435_761).wrapping_add(above.into()),
                "word {i} of {groups}"
            );
        }
    }
}

fn simulated<S: Subject>(bench: &Bench<S>) {
    let machine = SimWorld::new(1);
    let world = machine.world();
    machine.block_on(async {
        let device = bench.subject.open(&world).await.unwrap();
        let buffer = Arc::new(device.allocate(8).await.unwrap());
        device.write(&buffer, 0, &[1, 2, 3, 4]).unwrap();
        let reads = vec![(Arc::clone(&buffer), 0..8)];
        let answer = device.run(Work::new(vec![], reads)).await.unwrap();
        assert_eq!(answer, [[1, 2, 3, 4, 0, 0, 0, 0]]);
    });
}
