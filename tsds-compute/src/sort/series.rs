//! Dense numbers for series: equal numbers for equal series, ascending in their order.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use hashbrown::HashTable;
use tsds_traits::{Error, Result};

use crate::array::{Codes, Column, Interner, Native, Text, Values, fixed_hasher, with_values};

/// One dense number per row: 0 for null if there is one, then the distinct values in ascending order.
pub(super) struct Ranks {
    pub(super) ranks: Vec<u32>,
    /// How many numbers there are.
    pub(super) count: u32,
}

/// The texts of a column over many arrays, each once.
pub(super) struct TextColumn {
    pub(super) interner: Interner,
    /// The number of each row's text; [`NULL`] for null.
    pub(super) ids: Vec<u32>,
}

/// Stands for null among the numbers of texts.
pub(super) const NULL: u32 = u32::MAX;

impl TextColumn {
    pub(super) fn new(arrays: &[&ArrayRef], rows: usize) -> Result<Self> {
        let mut column = Self { interner: Interner::new(), ids: Vec::with_capacity(rows) };
        for array in arrays {
            let view = Column::new(array.as_ref())?;
            if let Values::Text(text) = &view.values {
                column.push(text, &view)?;
            }
        }
        Ok(column)
    }

    fn push(&mut self, text: &Text<'_>, column: &Column<'_>) -> Result<()> {
        match text.codes {
            Codes::Plain => {
                let mut last: Option<(&str, u32)> = None;
                for row in 0..column.len {
                    if column.is_null(row) {
                        self.ids.push(NULL);
                        continue;
                    }
                    let value = text.value(row);
                    let id = match last {
                        Some((text, id)) if text == value => id,
                        _ => self.interner.intern(value)?,
                    };
                    last = Some((value, id));
                    self.ids.push(id);
                }
            }
            Codes::I32(_) | Codes::U32(_) => {
                let mut known = vec![NULL; text.values.len()];
                for row in 0..column.len {
                    if column.is_null(row) {
                        self.ids.push(NULL);
                        continue;
                    }
                    let slot = text.slot(row);
                    if known[slot] == NULL {
                        known[slot] = self.interner.intern(text.values.value(slot))?;
                    }
                    self.ids.push(known[slot]);
                }
            }
        }
        Ok(())
    }

    pub(super) fn ranks(&self) -> Ranks {
        let shift = u32::from(self.ids.contains(&NULL));
        let ranks = self.interner.ranks();
        let rank = |id: &u32| if *id == NULL { 0 } else { ranks[*id as usize] + shift };
        Ranks { ranks: self.ids.iter().map(rank).collect(), count: self.interner.len() as u32 + shift }
    }
}

/// The ranks of a column that is no text.
pub(super) fn rank_numbers(arrays: &[&ArrayRef], rows: usize) -> Result<Ranks> {
    if arrays.iter().any(|array| matches!(array.data_type(), DataType::Decimal128(_, _))) {
        return rank_decimals(arrays, rows);
    }
    let mut keys = Vec::with_capacity(rows);
    let mut nulls: Vec<Option<NullBuffer>> = Vec::with_capacity(arrays.len());
    for array in arrays {
        let view = Column::new(array.as_ref())?;
        with_values!(&view.values,
            numbers => keys.extend(numbers.iter().map(|value| value.key())),
            _decimals => keys.resize(keys.len() + view.len, 0),
            bools => keys.extend(bools.iter().map(u64::from)),
            _text => keys.resize(keys.len() + view.len, 0));
        nulls.push(view.nulls);
    }
    if nulls.iter().all(Option::is_none) {
        return Ok(densify(keys.into_iter(), rows));
    }
    // Nulls come first and must not share a number with any value: widen by one bit.
    let valid = arrays.iter().zip(&nulls).flat_map(|(array, nulls)| {
        (0..array.len()).map(move |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)))
    });
    Ok(densify(keys.into_iter().zip(valid).map(|(key, valid)| valid.then_some(key)), rows))
}

/// The ranks of a column of decimals.
fn rank_decimals(arrays: &[&ArrayRef], rows: usize) -> Result<Ranks> {
    let mut values = Vec::with_capacity(rows);
    for array in arrays {
        let view = Column::new(array.as_ref())?;
        let Values::Decimal(decimals) = view.values else {
            return Err(Error::invalid_input("column has decimals in some batches only")
                .with("type", array.data_type()));
        };
        let value = |(row, value): (usize, &i128)| (!view.is_null(row)).then_some(*value);
        values.extend(decimals.iter().enumerate().map(value));
    }
    Ok(densify(values.into_iter(), rows))
}

/// The ranks of pairs.
pub(super) fn combine(first: &Ranks, second: &Ranks) -> Ranks {
    let width = u64::from(second.count);
    densify(
        first.ranks.iter().zip(&second.ranks).map(|(a, b)| u64::from(*a) * width + u64::from(*b)),
        first.ranks.len(),
    )
}

/// Numbers the distinct keys in ascending order.
fn densify<K: Copy + Ord + std::hash::Hash>(keys: impl Iterator<Item = K>, rows: usize) -> Ranks {
    let hasher = fixed_hasher();
    let mut table: HashTable<u32> = HashTable::new();
    let mut distinct: Vec<K> = Vec::new();
    let mut ids = Vec::with_capacity(rows);
    let mut last: Option<(K, u32)> = None;
    for key in keys {
        if let Some((last, id)) = last
            && last == key
        {
            ids.push(id);
            continue;
        }
        let hash = hasher.hash_one(key);
        let id = match table.find(hash, |id| distinct[*id as usize] == key) {
            Some(id) => *id,
            None => {
                let id = distinct.len() as u32;
                distinct.push(key);
                table.insert_unique(hash, id, |id| hasher.hash_one(distinct[*id as usize]));
                id
            }
        };
        last = Some((key, id));
        ids.push(id);
    }
    let mut order: Vec<u32> = (0..distinct.len() as u32).collect();
    order.sort_unstable_by_key(|id| distinct[*id as usize]);
    let mut ranks = vec![0; distinct.len()];
    for (rank, id) in order.into_iter().enumerate() {
        ranks[id as usize] = rank as u32;
    }
    ids.iter_mut().for_each(|id| *id = ranks[*id as usize]);
    Ranks { ranks: ids, count: ranks.len() as u32 }
}
