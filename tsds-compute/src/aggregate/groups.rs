//! Groups by dense numbers.

use ahash::RandomState;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use hashbrown::HashTable;
use tsds_traits::{AggregatePlan, ColumnId, Error, ErrorKind, Result, TableSchema, key_of_i64};

use crate::array::{
    Codes, Column, Decimals, Interner, Native, Text, Values, fixed_hasher, from_decimals, from_keys,
    from_texts, nulls_of, with_values,
};
use crate::sort::Ranked;

/// Gives every distinct combination of group values and bucket a dense number, in order of first appearance.
///
/// A combination is a row of words: one per group column (an order-preserving key, or the number of a text or decimal), then one bit per
/// column that says whether it is null, then the bucket's start.
pub(super) struct Groups {
    columns: Vec<GroupColumn>,
    time_type: DataType,
    bucketed: bool,
    stride: usize,
    words: Vec<u64>,
    len: usize,
    table: HashTable<u32>,
    hasher: RandomState,
}

struct GroupColumn {
    id: ColumnId,
    data_type: DataType,
    texts: Interner,
    decimals: Decimals,
}

/// The group columns of a batch.
pub(super) struct GroupRows<'a> {
    pub(super) views: Vec<Column<'a>>,
    /// For each dictionary the numbers of its texts, as far as they were needed.
    known: Vec<Vec<u32>>,
}

/// Stands for a text of a dictionary whose number was not needed yet.
const UNKNOWN: u32 = u32::MAX;

impl<'a> GroupRows<'a> {
    pub(super) fn new(views: Vec<Column<'a>>) -> Self {
        let known = views.iter().map(|view| match &view.values {
            Values::Text(text) if !matches!(text.codes, Codes::Plain) && text.values.len() <= view.len => {
                vec![UNKNOWN; text.values.len()]
            }
            _ => Vec::new(),
        });
        Self { known: known.collect(), views }
    }
}

impl GroupColumn {
    fn text_id(&mut self, text: &Text<'_>, known: &mut [u32], row: usize) -> Result<u32> {
        let slot = text.slot(row);
        match known.get_mut(slot) {
            Some(id) if *id != UNKNOWN => Ok(*id),
            Some(id) => {
                *id = self.texts.intern(text.values.value(slot))?;
                Ok(*id)
            }
            None => self.texts.intern(text.values.value(slot)),
        }
    }
}

impl Groups {
    pub(super) fn new(schema: &TableSchema, plan: &AggregatePlan) -> Self {
        let columns: Vec<GroupColumn> = plan
            .group_by
            .iter()
            .filter_map(|id| schema.column(*id))
            .map(|column| GroupColumn {
                id: column.id,
                data_type: column.data_type.clone(),
                texts: Interner::new(),
                decimals: Decimals::new(),
            })
            .collect();
        let bucketed = plan.bucket.is_some();
        Self {
            stride: columns.len() + columns.len().div_ceil(64) + usize::from(bucketed),
            columns,
            time_type: schema.time_column().data_type.clone(),
            bucketed,
            words: Vec::new(),
            len: 0,
            table: HashTable::new(),
            hasher: fixed_hasher(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The group columns, in order.
    pub(super) fn column_ids(&self) -> impl Iterator<Item = ColumnId> {
        self.columns.iter().map(|column| column.id)
    }

    /// The words of an unbucketed row.
    pub(super) fn key(&mut self, rows: &mut GroupRows<'_>, row: usize, key: &mut Vec<u64>) -> Result<()> {
        key.clear();
        key.resize(self.stride, 0);
        let nulls_at = self.columns.len();
        let views = rows.views.iter().zip(&mut rows.known);
        for (index, (column, (view, known))) in self.columns.iter_mut().zip(views).enumerate() {
            if view.is_null(row) {
                key[nulls_at + index / 64] |= 1 << (index % 64);
                continue;
            }
            key[index] = with_values!(&view.values,
                numbers => numbers[row].key(),
                decimals => u64::from(column.decimals.intern(decimals[row])?),
                bools => u64::from(bools.value(row)),
                text => u64::from(column.text_id(text, known, row)?));
        }
        Ok(())
    }

    /// Puts a bucket into a key.
    pub(super) fn set_bucket(&self, key: &mut [u64], start: i64) {
        if let Some(last) = key.last_mut()
            && self.bucketed
        {
            *last = key_of_i64(start);
        }
    }

    /// The number of a key's group.
    ///
    /// # Errors
    ///
    /// `Exhausted` beyond 2^32 - 1 groups.
    pub(super) fn intern(&mut self, key: &[u64]) -> Result<u32> {
        let (stride, words) = (self.stride, &self.words);
        let words_of = |words: &[u64], group: u32| -> std::ops::Range<usize> {
            let start = group as usize * stride;
            start..(start + stride).min(words.len())
        };
        let hash = self.hasher.hash_one(key);
        if let Some(group) = self.table.find(hash, |group| words[words_of(words, *group)] == *key) {
            return Ok(*group);
        }
        let group = u32::try_from(self.len)
            .ok()
            .filter(|group| *group < u32::MAX)
            .ok_or_else(|| Error::new(ErrorKind::Exhausted, "too many groups"))?;
        self.len += 1;
        self.words.extend_from_slice(key);
        let (words, hasher) = (&self.words, &self.hasher);
        self.table.insert_unique(hash, group, |group| hasher.hash_one(&words[words_of(words, *group)]));
        Ok(group)
    }

    fn is_null(&self, group: usize, column: usize) -> bool {
        self.words[group * self.stride + self.columns.len() + column / 64] >> (column % 64) & 1 == 1
    }

    fn nulls(&self, column: usize, order: &[u32]) -> Option<NullBuffer> {
        nulls_of(order.iter().map(|group| !self.is_null(*group as usize, column)))
    }

    fn word(&self, group: u32, word: usize) -> u64 {
        self.words[group as usize * self.stride + word]
    }

    /// The group columns and the bucket of the groups in `order`.
    pub(super) fn arrays(&self, order: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut arrays = Vec::with_capacity(self.columns.len() + 1);
        for (index, column) in self.columns.iter().enumerate() {
            arrays.push(if is_text(&column.data_type) {
                let text = |group: &u32| {
                    let id = self.word(*group, index) as u32;
                    (!self.is_null(*group as usize, index)).then(|| column.texts.text(id))
                };
                from_texts(&column.data_type, order.iter().map(text))?
            } else if is_decimal(&column.data_type) {
                let decimal = |group: &u32| {
                    let id = self.word(*group, index) as u32;
                    (!self.is_null(*group as usize, index)).then(|| column.decimals.value(id))
                };
                from_decimals(&column.data_type, order.iter().map(decimal))?
            } else {
                let keys: Vec<u64> = order.iter().map(|group| self.word(*group, index)).collect();
                from_keys(&column.data_type, &keys, self.nulls(index, order))?
            });
        }
        if self.bucketed {
            let keys: Vec<u64> = order.iter().map(|group| self.word(*group, self.stride - 1)).collect();
            arrays.push(from_keys(&self.time_type, &keys, None)?);
        }
        Ok(arrays)
    }

    /// The groups by (group columns with nulls first, bucket).
    pub(super) fn sorted(&self) -> Vec<u32> {
        let natural: Vec<u32> = (0..self.len as u32).collect();
        let mut keys = Vec::with_capacity(self.columns.len() + 1);
        for (index, column) in self.columns.iter().enumerate() {
            let words = natural.iter().map(|group| self.word(*group, index));
            let ranks = match &column.data_type {
                text if is_text(text) => Some(column.texts.ranks()),
                decimal if is_decimal(decimal) => Some(column.decimals.ranks()),
                _ => None,
            };
            let words = words.map(|word| match &ranks {
                Some(ranks) => ranks.get(word as usize).map_or(0, |rank| u64::from(*rank)),
                None => word,
            });
            keys.push(Ranked::new(words.collect(), self.nulls(index, &natural), true));
        }
        if self.bucketed {
            let starts = natural.iter().map(|group| self.word(*group, self.stride - 1));
            keys.push(Ranked::new(starts.collect(), None, true));
        }
        let mut order = natural;
        crate::sort::sort_ranked(&mut order, &keys);
        order
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let held = |column: &GroupColumn| column.texts.memory_bytes() + column.decimals.memory_bytes();
        let texts: usize = self.columns.iter().map(held).sum();
        self.words.capacity() * size_of::<u64>() + self.table.capacity() * 5 + texts
    }
}

/// Whether a column's values are decimals.
fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(_, _))
}

/// Whether a column's values are texts.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Dictionary(_, _))
}
