//! Blocks: what codecs encode, in the shapes that data has.

use std::fmt::{self, Debug};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use proptest::prelude::*;
use tsds_traits::EncodeHints;

use super::arrays::{self, Cell, Layout, canonical_bits, within_digits};
use super::edges;
use super::segments::layouts;
use crate::CaseResult;

/// The values of one block, how they lie in memory, and what is known of them.
#[derive(Clone)]
pub struct Block {
    /// The type.
    pub data_type: DataType,
    /// The values.
    pub cells: Vec<Option<Cell>>,
    /// The layout.
    pub layout: Layout,
    /// Where series begin; true, as hints must be.
    pub run_starts: Vec<u32>,
    /// Whether values ascend within each series; true, as hints must be.
    pub sorted: bool,
}

impl Block {
    /// A compact block of which nothing is known.
    pub fn new(data_type: &DataType, cells: Vec<Option<Cell>>) -> Self {
        let data_type = data_type.clone();
        Self { data_type, cells, layout: Layout::COMPACT, run_starts: vec![], sorted: false }
    }

    /// The array.
    ///
    /// # Errors
    ///
    /// A failure if it cannot be built, which is a fault of the generator.
    pub fn array(&self) -> CaseResult<ArrayRef> {
        arrays::build(&self.data_type, &self.cells, self.layout)
    }

    /// What an encoder is told.
    pub fn hints(&self) -> EncodeHints<'_> {
        EncodeHints::runs(&self.run_starts, self.sorted)
    }
}

impl Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {}, {:?}, ", self.cells.len(), self.data_type, self.layout)?;
        write!(f, "runs {:?}, sorted {}: ", self.run_starts, self.sorted)?;
        f.debug_list().entries(self.cells.iter().take(600)).finish()
    }
}

/// Values as they come: anything, one value, a steady rise, a walk.
fn shapes(data_type: &DataType, rows: usize) -> BoxedStrategy<Vec<Cell>> {
    let anything = proptest::collection::vec(edges::cells(data_type), rows);
    let constant = edges::cells(data_type).prop_map(move |cell| vec![cell; rows]);
    if matches!(data_type, DataType::Binary | DataType::Boolean) {
        return prop_oneof![3 => anything, 1 => constant].boxed();
    }
    let (rising, walking) = (data_type.clone(), data_type.clone());
    let rise = (any::<u64>(), prop_oneof![1..2_000u64, any::<u64>()]).prop_map(move |(start, step)| {
        numbers(&rising, (0..rows as u64).map(|row| start.wrapping_add(step.wrapping_mul(row))))
    });
    let steps = proptest::collection::vec(-3..=3i64, rows);
    let walk = (any::<u32>(), steps).prop_map(move |(start, steps)| {
        let mut at = u64::from(start);
        numbers(
            &walking,
            steps.into_iter().map(|step| {
                at = at.wrapping_add_signed(step);
                at
            }),
        )
    });
    prop_oneof![3 => anything, 1 => constant, 1 => rise, 1 => walk].boxed()
}

/// Cells of integers as numbers, of floats as numbers with a fraction, which is what sensors give.
fn numbers(data_type: &DataType, values: impl Iterator<Item = u64>) -> Vec<Cell> {
    if let DataType::Decimal128(precision, _) = data_type {
        return values.map(|value| Cell::Wide(within_digits(*precision, i128::from(value as i64)))).collect();
    }
    let bits = |value: u64| match data_type {
        DataType::Float64 => (value as i64 as f64 / 8.0).to_bits(),
        DataType::Float32 => u64::from((value as i64 as f32 / 8.0).to_bits()),
        other => canonical_bits(other, value),
    };
    values.map(|value| Cell::Bits(bits(value))).collect()
}

/// Blocks of a type with up to `at_most` rows.
pub fn blocks(data_type: &DataType, at_most: usize) -> BoxedStrategy<Block> {
    let data_type = data_type.clone();
    edges::lengths(0, at_most)
        .prop_flat_map(move |rows| {
            let values = shapes(&data_type, rows);
            // No nulls, some, nothing but nulls.
            let validity = prop_oneof![
                3 => Just(vec![true; rows]),
                3 => proptest::collection::vec(prop::bool::weighted(0.8), rows),
                1 => Just(vec![false; rows]),
            ];
            let data_type = data_type.clone();
            let starts = proptest::collection::vec(any::<prop::sample::Index>(), 0..4);
            (values, validity, layouts(), starts, any::<bool>()).prop_map(
                move |(values, valid, layout, starts, sorted)| {
                    let cells =
                        values.into_iter().zip(valid).map(|(cell, valid)| valid.then_some(cell)).collect();
                    let block = Block { layout, ..Block::new(&data_type, cells) };
                    with_runs(block, &starts, sorted)
                },
            )
        })
        .boxed()
}

fn with_runs(mut block: Block, starts: &[prop::sample::Index], sorted: bool) -> Block {
    let rows = block.cells.len();
    if rows == 0 {
        return block;
    }
    block.run_starts = starts.iter().map(|start| start.index(rows) as u32).chain([0]).collect();
    block.run_starts.sort_unstable();
    block.run_starts.dedup();
    if sorted {
        let ends = block.run_starts.iter().skip(1).copied().chain([rows as u32]);
        for (start, end) in block.run_starts.iter().zip(ends) {
            sort_valid(&block.data_type, &mut block.cells[*start as usize..end as usize]);
        }
        block.sorted = true;
    }
    block
}

/// Sorts what is not null, in the order of values; nulls stay where they are.
fn sort_valid(data_type: &DataType, cells: &mut [Option<Cell>]) {
    let mut valid: Vec<Cell> = cells.iter().flatten().cloned().collect();
    valid.sort_by(|a, b| match (arrays::value_of(data_type, a), arrays::value_of(data_type, b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.cmp(b),
    });
    for (place, cell) in cells.iter_mut().filter(|cell| cell.is_some()).zip(valid) {
        *place = Some(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::arrays::value_of;

    #[test]
    fn hints_are_true() {
        for data_type in edges::block_types() {
            crate::property::for_all(1, 20, &blocks(&data_type, 200), |block| {
                assert!(block.run_starts.windows(2).all(|pair| pair[0] < pair[1]));
                assert!(block.run_starts.first().is_none_or(|first| *first == 0));
                let ends = block.run_starts.iter().skip(1).copied().chain([block.cells.len() as u32]);
                for (start, end) in block.run_starts.iter().zip(ends) {
                    let run = &block.cells[*start as usize..end as usize];
                    let values: Vec<_> =
                        run.iter().flatten().filter_map(|c| value_of(&block.data_type, c)).collect();
                    assert!(!block.sorted || values.windows(2).all(|pair| pair[0] <= pair[1]));
                }
                Ok(())
            })
            .unwrap();
        }
    }
}
