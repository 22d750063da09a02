//! Mixes with a known make-up, for what the published data lack and for machines without them.

use super::{Group, Series, SplitMix};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

/// The mixes, each of `points` points.
pub fn synthetic(points: usize) -> Vec<Series> {
    vec![
        series("synthetic/decimal2_jitter", points, 1, |row, rng, state: &mut Decimal| {
            (START + row * 1000 + rng.between(-3, 3), state.next(rng, 30, 25, 100.0))
        }),
        series("synthetic/decimal1_regular", points, 2, |row, rng, state: &mut Decimal| {
            (START + row * 1000, state.next(rng, 80, 4, 10.0))
        }),
        series("synthetic/counter", points, 3, |row, rng, total: &mut i64| {
            *total += rng.between(0, 4000);
            (START + row * 1000, *total as f64)
        }),
        series("synthetic/full_precision_walk", points, 4, |row, rng, level: &mut f64| {
            *level += rng.normal();
            (START + row * 1000, 1000.0 + *level)
        }),
        series("synthetic/integer_gauge", points, 5, |row, rng, level: &mut i64| {
            *level = (*level + rng.between(-3, 3)).clamp(-100, 900);
            (START + row * 10_000, (*level + 100) as f64)
        }),
    ]
}

#[derive(Default)]
struct Decimal {
    level: i64,
}

impl Decimal {
    /// Stays with `repeats` percent, else walks by up to `step` units of the last digit.
    fn next(&mut self, rng: &mut SplitMix, repeats: u64, step: i64, scale: f64) -> f64 {
        if !rng.chance(repeats) {
            self.level += rng.between(-step, step);
        }
        (self.level + 2150) as f64 / scale
    }
}

fn series<S: Default>(
    name: &str,
    points: usize,
    seed: u64,
    mut point: impl FnMut(i64, &mut SplitMix, &mut S) -> (i64, f64),
) -> Series {
    let (mut rng, mut state) = (SplitMix::new(seed), S::default());
    let (times, values) = (0..points as i64).map(|row| point(row, &mut rng, &mut state)).unzip();
    Series { name: name.to_owned(), group: Group::Synthetic, times, values, valid: Vec::new() }
}
