//! Random lives against a model that is a list.

use proptest::prelude::*;
use tsds_io::{SimWorld, Survival};
use tsds_traits::{Sequence, WalSink};

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    Pause(u64),
    Release(prop::sample::Index),
    Reopen,
    Close,
    Kill,
    Crash(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop_oneof![3 => 0usize..300, 1 => 0usize..9_000, 1 => 15_000usize..40_000].prop_map(Step::Append),
        4 => Just(Step::Sync),
        1 => (0u64..150).prop_map(Step::Pause),
        1 => any::<prop::sample::Index>().prop_map(Step::Release),
        1 => Just(Step::Reopen),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        1 => any::<u64>().prop_map(Step::Crash),
    ]
}

/// What must be there, and what may be.
#[derive(Default)]
struct Model {
    appended: Vec<(u64, usize)>,
    durable: usize,
    floor: u64,
}

impl Model {
    fn next(&self, gap: u64) -> u64 {
        self.appended.last().map_or(1, |(sequence, _)| sequence + gap)
    }

    /// Takes over what survived, after checking it.
    fn survived(&mut self, found: &[tsds_traits::WalRecord]) {
        let floor = self.floor;
        let kept = self.appended.iter().filter(|(sequence, _)| *sequence <= floor).count();
        let above = &self.appended[kept..];
        assert!(found.len() <= above.len());
        for (found, (sequence, size)) in found.iter().zip(above) {
            assert_eq!(*found, joined(&record(*sequence, *size)));
        }
        assert!(kept + found.len() >= self.durable, "{} of {} durable", kept + found.len(), self.durable);
        self.appended.truncate(kept + found.len());
        self.durable = self.appended.len();
    }
}

fn run(seed: u64, steps: Vec<Step>) {
    let mut machine = SimWorld::new(seed);
    let mut model = Model::default();
    let mut wal = machine.block_on(open(&machine, 0, 1)).unwrap();
    // Sequences that were lost are not used again either.
    let mut used = 0;
    let mut next = 1;
    for step in steps {
        match step {
            Step::Append(size) => {
                machine.block_on(wal.append(record(next, size))).unwrap();
                model.appended.push((next, size));
                used = next;
                next += 1;
            }
            Step::Sync => {
                let Some((last, _)) = model.appended.last() else { continue };
                if *last >= wal.durable().0 {
                    machine.block_on(wal.sync(Sequence(*last))).unwrap();
                    model.durable = model.appended.len();
                }
            }
            Step::Pause(ms) => {
                let clock = machine.world().clock;
                machine.block_on(clock.sleep(std::time::Duration::from_millis(ms)));
            }
            Step::Release(place) => {
                if model.durable > 0 {
                    let upto = model.appended[place.index(model.durable)].0;
                    model.floor = model.floor.max(upto);
                    machine.block_on(wal.release(Sequence(upto))).unwrap();
                }
            }
            Step::Close | Step::Reopen | Step::Kill | Step::Crash(_) => {
                match step {
                    Step::Close => {
                        machine.block_on(wal.close()).unwrap();
                        model.durable = model.appended.len();
                    }
                    // The process goes on, but the log was dropped without a close.
                    Step::Kill => machine = machine.kill(),
                    Step::Crash(variant) => {
                        let next = machine.possible_crash(Survival::Random, variant);
                        machine = next;
                    }
                    _ => {}
                }
                drop(wal);
                used = used.max(model.next(1)) + 5;
                next = used;
                wal = machine.block_on(open(&machine, model.floor, next)).unwrap();
                let found = machine.block_on(replayed(&wal, model.floor)).unwrap();
                model.survived(&found);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_log_is_a_list_whose_durable_part_survives_everything(
        seed in any::<u64>(),
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        run(seed, steps);
    }
}
