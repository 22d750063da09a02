//! Predicates as programs that kernels run.

use std::ops::RangeInclusive;

use tsds_codec_gorilla::{Kind, numbers_within};
use tsds_compute::predicate::{Test, fold_is_nan};
use tsds_traits::{ColumnId, Error, KeySet, Result, ValueClass};

use crate::device::Device;
use crate::kernel::{Class, ColumnEntry, Form, Instruction, STACK_WORDS};
use crate::segment::{DevicePart, DeviceSegment};
use crate::tables::Tables;

/// How many conditions a program may have.
pub(crate) const MAX_TERMS: usize = STACK_WORDS as usize;

/// Whether a predicate has few enough conditions for a program. Others are evaluated on the host.
pub(crate) fn fits(test: &Test) -> bool {
    terms(test) <= MAX_TERMS
}

fn terms(test: &Test) -> usize {
    match test {
        Test::All(parts) | Test::Any(parts) => parts.iter().map(terms).sum(),
        _ => 1,
    }
}

/// The columns of a request, and where those of the part at hand are read.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) slots: &'a [ColumnId],
    pub(crate) entries: &'a [ColumnEntry],
}

/// Writes the program for a part of a segment, and returns its word offset.
///
/// # Errors
///
/// `InvalidInput` for a column that the segment lacks.
pub(crate) fn write<D: Device>(
    test: &Test,
    segment: &DeviceSegment<D>,
    part: &DevicePart<D>,
    columns: Columns<'_>,
    tables: &mut Tables,
) -> Result<u32> {
    let mut writer = Writer { segment, part, columns, tables, instructions: Vec::new() };
    writer.push(test)?;
    writer.instructions.push(Instruction::End);
    let words: Vec<u32> = writer.instructions.iter().flat_map(|one| one.words()).collect();
    tables.push(&words)
}

struct Writer<'a, D: Device> {
    segment: &'a DeviceSegment<D>,
    part: &'a DevicePart<D>,
    columns: Columns<'a>,
    tables: &'a mut Tables,
    instructions: Vec<Instruction>,
}

impl<D: Device> Writer<'_, D> {
    /// Pushes what leaves one bit on the stack. A list of parts needs one place more than its deepest part, and there are at
    /// most [`MAX_TERMS`] parts in all, so that the stack never overflows.
    fn push(&mut self, test: &Test) -> Result<()> {
        match test {
            Test::Constant(bit) => self.instructions.push(Instruction::Constant { bit: *bit }),
            Test::Keys(column, set) => self.keys(*column, set)?,
            Test::Text(column, set) => {
                let codes = self.segment.column(*column)?.meaning.text_codes(set)?;
                self.keys(*column, &codes)?;
            }
            Test::Decimal(column, set) => {
                let keys = self.segment.column(*column)?.meaning.decimal_keys(set)?;
                self.keys(*column, &keys)?;
            }
            Test::Nan(column, wanted) => {
                let class = match self.segment.column(*column)?.class {
                    Class::Float64 => ValueClass::F64,
                    Class::Float32 => ValueClass::F32,
                    Class::Signed | Class::Unsigned => ValueClass::Int,
                };
                let set = fold_is_nan(class);
                self.keys(*column, &if *wanted { set } else { set.complement() })?;
            }
            Test::Null(column) => {
                let slot = self.slot(*column)?;
                self.instructions.push(Instruction::Null { slot });
            }
            Test::NotNull(column) => {
                let slot = self.slot(*column)?;
                self.instructions.push(Instruction::Valid { slot });
            }
            Test::All(parts) => self.join(parts, Instruction::And)?,
            Test::Any(parts) => self.join(parts, Instruction::Or)?,
        }
        Ok(())
    }

    fn join(&mut self, parts: &[Test], operator: Instruction) -> Result<()> {
        for (index, part) in parts.iter().enumerate() {
            self.push(part)?;
            if index > 0 {
                self.instructions.push(operator);
            }
        }
        Ok(())
    }

    fn keys(&mut self, column: ColumnId, set: &KeySet) -> Result<()> {
        if set.is_empty() {
            self.instructions.push(Instruction::Constant { bit: false });
            return Ok(());
        }
        let slot = self.slot(column)?;
        let keys = set.ranges().iter().map(|range| (*range.start(), *range.end()));
        let (ranges, count) = self.ranges(keys)?;
        let index = self.segment.index_of(column)?;
        // Encoded columns may be read decoded.
        let is_encoded =
            self.columns.entries.get(slot as usize).is_some_and(|entry| entry.form == Form::Encoded);
        let encoded = self.part.places.get(index).and_then(|place| place.encoded.as_ref());
        let Some(encoded) = encoded.filter(|_| is_encoded) else {
            self.instructions.push(Instruction::Keys { slot, ranges, count });
            return Ok(());
        };
        let mut table = vec![ranges, count];
        let class = self.segment.column(column)?.class;
        for fit in &encoded.fits {
            let (kind, places) = places_of(class, set);
            let numbers = numbers_within(kind, fit.divisor, fit.single, &places);
            let flipped = |number: i64| number as u64 ^ 1 << 63;
            let numbers = numbers.iter().map(|range| (flipped(*range.start()), flipped(*range.end())));
            let (ranges, count) = self.ranges(numbers)?;
            table.extend([ranges, count]);
        }
        let ranges = self.tables.push_once(table)?;
        self.instructions.push(Instruction::EncodedKeys { slot, ranges });
        Ok(())
    }

    /// Writes ranges, and returns where they are and how many.
    fn ranges(&mut self, ranges: impl Iterator<Item = (u64, u64)>) -> Result<(u32, u32)> {
        let words: Vec<u32> = ranges.flat_map(|(first, last)| [first, last]).flat_map(words_of).collect();
        let count =
            u32::try_from(words.len() / 4).map_err(|_| Error::unsupported("set has too many ranges"))?;
        // Most parts ask for the same.
        Ok((self.tables.push_once(words)?, count))
    }

    fn slot(&self, column: ColumnId) -> Result<u32> {
        slot_of(self.columns.slots, column)
    }
}

/// Keys of floats as places in the order of their type, as `tsds.gorilla` has them.
fn places_of(class: Class, set: &KeySet) -> (Kind, Vec<RangeInclusive<i64>>) {
    let (kind, last, place): (_, _, fn(u64) -> i64) = match class {
        Class::Float32 => (Kind::Float32, u32::MAX.into(), |key| i64::from((key as u32 ^ 1 << 31) as i32)),
        _ => (Kind::Float64, u64::MAX, |key| (key ^ 1 << 63) as i64),
    };
    // A set may go on beyond the keys that there are.
    let ranges = set.ranges().iter().filter(|range| *range.start() <= last);
    (kind, ranges.map(|range| place(*range.start())..=place(last.min(*range.end()))).collect())
}

/// Where a column stands among the slots.
///
/// # Errors
///
/// `Internal` if it is not one of them.
pub(crate) fn slot_of(slots: &[ColumnId], column: ColumnId) -> Result<u32> {
    let slot = slots.iter().position(|own| *own == column);
    slot.map(|slot| slot as u32).ok_or_else(|| Error::internal("column has no slot").with("column", column))
}

/// A 64-bit number as a device has it.
pub(crate) fn words_of(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}
