//! Exact sums per group, for sum and average.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int64Type, UInt8Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Float64Array, Int16Array, Int64Array, UInt8Array, UInt64Array,
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use tsds_traits::{Column as TableColumn, Error, Function, Result, SumState};

use super::accumulator::{counts_array, u64s, wrong_type};
use super::runs::Run;
use super::selection::Selection;
use crate::array::{Column, Values, from_decimals, relabelled};
use crate::sum::{ExactSum, average_at_scale, to_decimal, to_f64, to_i64, to_u64};

pub(super) struct Sums {
    average: bool,
    /// How many digits of the values stand behind the point.
    scale: u32,
    column: String,
    result: DataType,
    counts: Vec<u64>,
    sums: Vec<ExactSum>,
    heap_bytes: usize,
}

/// The columns of the states of a sum, from `count` to `wide`: see [`tsds_traits::AggregatePlan::state_schema`].
pub fn sum_state_columns(counts: &[u64], states: &[SumState]) -> Vec<ArrayRef> {
    let mut wide = BinaryBuilder::new();
    states.iter().for_each(|state| wide.append_option(state.wide.as_ref()));
    vec![
        counts_array(counts.iter().copied()),
        Arc::new(UInt8Array::from_iter_values(states.iter().map(|state| state.flags))),
        Arc::new(UInt64Array::from_iter_values(states.iter().map(|state| state.mantissa as u64))),
        Arc::new(Int64Array::from_iter_values(states.iter().map(|state| (state.mantissa >> 64) as i64))),
        Arc::new(Int16Array::from_iter_values(states.iter().map(|state| state.exponent))),
        Arc::new(wide.finish()),
    ]
}

impl Sums {
    /// count, flags, low, high, exponent, wide.
    pub(super) const STATE_COLUMNS: usize = 6;

    pub(super) fn new(function: Function, column: &TableColumn, result: DataType) -> Self {
        Self {
            average: function == Function::Avg,
            scale: match column.data_type {
                DataType::Decimal128(_, scale) => scale.unsigned_abs().into(),
                _ => 0,
            },
            column: column.name.clone(),
            result,
            counts: Vec::new(),
            sums: Vec::new(),
            heap_bytes: 0,
        }
    }

    pub(super) fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.sums.resize_with(groups, ExactSum::new);
    }

    pub(super) fn update(
        &mut self,
        runs: &[Run],
        column: &Column<'_>,
        mask: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let selected = Selection::new(mask, column.nulls.as_ref());
        match &column.values {
            Values::I8(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_signed(&values[from..to]))
            }
            Values::I16(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_signed(&values[from..to]))
            }
            Values::I32(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_signed(&values[from..to]))
            }
            Values::I64(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_signed(&values[from..to]))
            }
            Values::U8(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_unsigned(&values[from..to]))
            }
            Values::U16(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_unsigned(&values[from..to]))
            }
            Values::U32(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_unsigned(&values[from..to]))
            }
            Values::U64(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_unsigned(&values[from..to]))
            }
            Values::F32(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_f32s(&values[from..to]))
            }
            Values::F64(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_f64s(&values[from..to]))
            }
            Values::Decimal(values) => {
                self.fold(runs, &selected, |sum, from, to| sum.add_decimals(&values[from..to]))
            }
            Values::Bool(_) | Values::Text(_) => {
                return Err(Error::invalid_input("only columns of numbers have a sum and an average")
                    .with("column", &self.column));
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn fold(&mut self, runs: &[Run], selected: &Selection, add: impl Fn(&mut ExactSum, usize, usize)) {
        for run in runs {
            let sum = &mut self.sums[run.group];
            let before = sum.heap_bytes();
            let mut count = 0;
            selected.for_each_slice(run.start, run.end, |from, to| {
                count += to - from;
                add(sum, from, to);
            });
            self.counts[run.group] += count as u64;
            self.heap_bytes += sum.heap_bytes() - before;
        }
    }

    pub(super) fn states(&self) -> Result<Vec<ArrayRef>> {
        let states = self.sums.iter().map(ExactSum::state).collect::<Result<Vec<_>>>()?;
        Ok(sum_state_columns(&self.counts, &states))
    }

    pub(super) fn merge(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let [counts, flags, low, high, exponent, wide] = columns else {
            return Err(Error::internal("state of a sum has another number of columns"));
        };
        let missing = |array: &ArrayRef, wanted: DataType| wrong_type(array, &wanted);
        let flags = flags.as_primitive_opt::<UInt8Type>().ok_or_else(|| missing(flags, DataType::UInt8))?;
        let high = high.as_primitive_opt::<Int64Type>().ok_or_else(|| missing(high, DataType::Int64))?;
        let exponent =
            exponent.as_primitive_opt::<Int16Type>().ok_or_else(|| missing(exponent, DataType::Int16))?;
        let wide: &BinaryArray =
            wide.as_binary_opt::<i32>().ok_or_else(|| missing(wide, DataType::Binary))?;
        let (counts, low) = (u64s(counts)?, u64s(low)?);
        for (row, group) in groups.iter().enumerate() {
            let group = *group as usize;
            let state = SumState {
                flags: flags.value(row),
                mantissa: i128::from(high.value(row)) << 64 | i128::from(low[row]),
                exponent: exponent.value(row),
                wide: wide.is_valid(row).then(|| wide.value(row).to_vec()),
            };
            let sum = &mut self.sums[group];
            let before = sum.heap_bytes();
            sum.merge(&state)?;
            self.heap_bytes += sum.heap_bytes() - before;
            let total = self.counts[group].checked_add(counts[row]);
            self.counts[group] = total.ok_or_else(|| Error::corrupt("count is out of range"))?;
        }
        Ok(())
    }

    pub(super) fn results(&self, order: &[u32]) -> Result<ArrayRef> {
        let states = order.iter().map(|group| {
            let group = *group as usize;
            let count = self.counts[group];
            Ok((count > 0).then_some((self.sums[group].state()?, count)))
        });
        let named = |error: Error| error.with("column", &self.column);
        let states = states.collect::<Result<Vec<Option<(SumState, u64)>>>>().map_err(named)?;
        let states = states.iter().map(Option::as_ref);
        Ok(match &self.result {
            _ if self.average => {
                let average = |(sum, count): &(SumState, u64)| average_at_scale(sum, *count, self.scale);
                Arc::new(states.map(|state| state.and_then(average)).collect::<Float64Array>())
            }
            decimal @ DataType::Decimal128(_, _) => {
                let values = states.map(|state| state.map(|(sum, _)| to_decimal(sum)).transpose());
                let values = values.collect::<Result<Vec<Option<i128>>>>().map_err(named)?;
                from_decimals(decimal, values.into_iter())?
            }
            DataType::Int64 => {
                let values = states.map(|state| state.map(|(sum, _)| to_i64(sum)).transpose());
                Arc::new(values.collect::<Result<Int64Array>>().map_err(named)?)
            }
            duration @ DataType::Duration(_) => {
                let values = states.map(|state| state.map(|(sum, _)| to_i64(sum)).transpose());
                let values: ArrayRef = Arc::new(values.collect::<Result<Int64Array>>().map_err(named)?);
                relabelled(&values, duration)?
            }
            DataType::UInt64 => {
                let values = states.map(|state| state.map(|(sum, _)| to_u64(sum)).transpose());
                Arc::new(values.collect::<Result<UInt64Array>>().map_err(named)?)
            }
            _ => Arc::new(states.map(|state| state.map(|(sum, _)| to_f64(sum))).collect::<Float64Array>()),
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u64>()
            + self.sums.capacity() * size_of::<ExactSum>()
            + self.heap_bytes
    }
}
