//! What missing values cost.

use libtest_mimic::Failed;

use crate::measure::{Sizes, ours, windows};
use crate::series::Series;

/// A column with nulls takes what its values alone would take, a bitmap, and a twentieth.
pub fn cost(rows: &Series) -> Result<(), Failed> {
    let (mut with, mut without, mut bitmaps) = (Sizes::default(), Sizes::default(), 0);
    for block in windows(rows, 8192).filter(|block| block.valid.contains(&true)) {
        let points = block.points();
        let add = |sum: Sizes, next: Sizes| [sum, next].into_iter().sum();
        with = add(with, ours(&block));
        without = add(without, ours(&points));
        bitmaps += if block.valid.contains(&false) { block.valid.len().div_ceil(8) } else { 0 };
    }
    let limit = (without.values + bitmaps) as f64 * 1.05;
    match with.values as f64 <= limit {
        true => Ok(()),
        false => Err(format!(
            "{} bytes with nulls, {} without, where bitmaps take {bitmaps}",
            with.values, without.values
        )
        .into()),
    }
}
