//! The smallest or largest value per group.

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use tsds_traits::Result;

use super::groups::is_text;
use super::runs::Run;
use super::selection::Selection;
use crate::array::{Column, Native, Text, from_decimals, from_keys, from_texts, nulls_of, with_values};

pub(super) struct Extremes {
    data_type: DataType,
    largest: bool,
    best: Best,
}

enum Best {
    /// Order-preserving keys, complemented where the largest is wanted, and whether there is one.
    Keys(Vec<u64>, Vec<bool>),
    Texts(Vec<Option<Box<str>>>, usize),
    Decimals(Vec<Option<i128>>),
}

impl Extremes {
    pub(super) fn new(data_type: DataType, largest: bool) -> Self {
        let best = match &data_type {
            DataType::Decimal128(_, _) => Best::Decimals(Vec::new()),
            text if is_text(text) => Best::Texts(Vec::new(), 0),
            _ => Best::Keys(Vec::new(), Vec::new()),
        };
        Self { data_type, largest, best }
    }

    pub(super) fn resize(&mut self, groups: usize) {
        match &mut self.best {
            Best::Keys(keys, seen) => {
                keys.resize(groups, u64::MAX);
                seen.resize(groups, false);
            }
            Best::Texts(texts, _) => texts.resize(groups, None),
            Best::Decimals(best) => best.resize(groups, None),
        }
    }

    pub(super) fn update(&mut self, runs: &[Run], column: &Column<'_>, mask: Option<&BooleanBuffer>) {
        let selected = Selection::new(mask, column.nulls.as_ref());
        let flip = if self.largest { u64::MAX } else { 0 };
        with_values!(&column.values,
            numbers => self.fold_keys(runs, &selected, |from, to| {
                numbers[from..to].iter().fold(u64::MAX, |best, value| best.min(value.key() ^ flip))
            }),
            decimals => self.fold_decimals(runs, &selected, decimals),
            bools => self.fold_keys(runs, &selected, |from, to| {
                (from..to).fold(u64::MAX, |best, row| best.min(u64::from(bools.value(row)) ^ flip))
            }),
            text => self.fold_texts(runs, &selected, text));
    }

    #[inline(always)]
    fn fold_keys(&mut self, runs: &[Run], selected: &Selection, best_of: impl Fn(usize, usize) -> u64) {
        let Best::Keys(keys, seen) = &mut self.best else { return };
        for run in runs {
            selected.for_each_slice(run.start, run.end, |from, to| {
                keys[run.group] = keys[run.group].min(best_of(from, to));
                seen[run.group] = true;
            });
        }
    }

    fn fold_decimals(&mut self, runs: &[Run], selected: &Selection, decimals: &[i128]) {
        for run in runs {
            selected.for_each_slice(run.start, run.end, |from, to| {
                let values = decimals[from..to].iter();
                if let Some(best) = if self.largest { values.max() } else { values.min() } {
                    self.offer_decimal(run.group, *best);
                }
            });
        }
    }

    fn offer_decimal(&mut self, group: usize, value: i128) {
        let Best::Decimals(best) = &mut self.best else { return };
        let own = &mut best[group];
        *own = Some(own.map_or(value, |own| if self.largest { own.max(value) } else { own.min(value) }));
    }

    fn fold_texts(&mut self, runs: &[Run], selected: &Selection, text: &Text<'_>) {
        for run in runs {
            let mut best: Option<(usize, &str)> = None;
            selected.for_each_slice(run.start, run.end, |from, to| {
                for row in from..to {
                    let slot = text.slot(row);
                    best = match best {
                        Some((known, _)) if known == slot => best,
                        Some((_, known)) if !better(self.largest, text.values.value(slot), known) => best,
                        _ => Some((slot, text.values.value(slot))),
                    };
                }
            });
            if let Some((_, value)) = best {
                self.offer_text(run.group, value);
            }
        }
    }

    fn offer_text(&mut self, group: usize, value: &str) {
        let Best::Texts(texts, bytes) = &mut self.best else { return };
        let own = &mut texts[group];
        if own.as_deref().is_none_or(|own| better(self.largest, value, own)) {
            *bytes = *bytes + value.len() - own.as_ref().map_or(0, |own| own.len());
            *own = Some(value.into());
        }
    }

    pub(super) fn merge(&mut self, groups: &[u32], column: &Column<'_>) {
        let flip = if self.largest { u64::MAX } else { 0 };
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| !column.is_null(*row)) {
            let group = *group as usize;
            let key = with_values!(&column.values,
                numbers => numbers[row].key(),
                decimals => { self.offer_decimal(group, decimals[row]); continue },
                bools => u64::from(bools.value(row)),
                text => { self.offer_text(group, text.value(row)); continue });
            if let Best::Keys(keys, seen) = &mut self.best {
                keys[group] = keys[group].min(key ^ flip);
                seen[group] = true;
            }
        }
    }

    pub(super) fn states(&self) -> Result<ArrayRef> {
        let groups = match &self.best {
            Best::Keys(keys, _) => keys.len(),
            Best::Texts(texts, _) => texts.len(),
            Best::Decimals(best) => best.len(),
        };
        self.results(&(0..groups as u32).collect::<Vec<_>>())
    }

    pub(super) fn results(&self, order: &[u32]) -> Result<ArrayRef> {
        match &self.best {
            Best::Keys(keys, seen) => {
                let flip = if self.largest { u64::MAX } else { 0 };
                let best: Vec<u64> = order.iter().map(|group| keys[*group as usize] ^ flip).collect();
                from_keys(&self.data_type, &best, nulls_of(order.iter().map(|group| seen[*group as usize])))
            }
            Best::Decimals(best) => {
                from_decimals(&self.data_type, order.iter().map(|group| best[*group as usize]))
            }
            Best::Texts(texts, _) => {
                from_texts(&self.data_type, order.iter().map(|group| texts[*group as usize].as_deref()))
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match &self.best {
            Best::Keys(keys, seen) => keys.capacity() * size_of::<u64>() + seen.capacity(),
            Best::Decimals(best) => best.capacity() * size_of::<Option<i128>>(),
            Best::Texts(texts, bytes) => texts.capacity() * size_of::<Option<Box<str>>>() + bytes,
        }
    }
}

fn better(largest: bool, value: &str, than: &str) -> bool {
    if largest { value > than } else { value < than }
}
