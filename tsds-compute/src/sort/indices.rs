//! The order of the rows of one batch.

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use tsds_traits::{ColumnId, Error, Result, SortKey};

use crate::array::{Codes, Column, Columns, Interner, Text, decimal_ranks, with_values};

/// The rows of a batch in the order of `keys`, equal rows by row number; with a limit only the first ones.
///
/// The order is the total order of [`tsds_traits::Value`]. Nulls come first or last as each key says, whether it descends
/// or not. A limit that is small against the batch costs one pass over the first key and a sort of what is left.
///
/// # Errors
///
/// `InvalidInput` for a column that the batch lacks and for more than 2^32 - 1 rows.
pub fn sort_indices(
    ids: &[ColumnId],
    batch: &RecordBatch,
    keys: &[SortKey],
    limit: Option<usize>,
) -> Result<UInt32Array> {
    let columns = Columns::new(ids, batch)?;
    let rows = u32::try_from(columns.rows())
        .map_err(|_| Error::invalid_input("too many rows to sort at once").with("rows", columns.rows()))?;
    let limit = limit.unwrap_or(usize::MAX).min(rows as usize);
    let keys = keys.iter().map(|key| Ranked::of_column(&columns, key)).collect::<Result<Vec<_>>>()?;
    let mut order: Vec<u32> = (0..rows).collect();
    sort(&mut order, &keys, limit);
    order.truncate(limit);
    Ok(UInt32Array::new(ScalarBuffer::from(order), None))
}

/// Sorts `rows`, which ascend by number, by `keys`, equal ones by number.
pub(crate) fn sort_ranked(rows: &mut [u32], keys: &[Ranked]) {
    let limit = rows.len();
    sort(rows, keys, limit);
}

/// A column as unsigned integers that ascend in the wanted order.
pub(crate) struct Ranked {
    keys: Vec<u64>,
    nulls: Option<NullBuffer>,
    nulls_first: bool,
}

impl Ranked {
    /// A column by its keys; those of nulls are not looked at.
    pub(crate) fn new(keys: Vec<u64>, nulls: Option<NullBuffer>, nulls_first: bool) -> Self {
        Self { keys, nulls, nulls_first }
    }

    fn of_column(columns: &Columns<'_>, key: &SortKey) -> Result<Self> {
        let column = Column::new(columns.array(key.column)?.as_ref())?;
        let flip = if key.descending { u64::MAX } else { 0 };
        let keys = with_values!(&column.values,
            numbers => numbers.iter().map(|value| crate::array::Native::key(*value) ^ flip).collect(),
            decimals => decimal_ranks(decimals).into_iter().map(|rank| u64::from(rank) ^ flip).collect(),
            bools => bools.iter().map(|value| u64::from(value) ^ flip).collect(),
            text => text_ranks(text, &column)?.into_iter().map(|rank| u64::from(rank) ^ flip).collect());
        Ok(Self { keys, nulls: column.nulls, nulls_first: key.nulls_first })
    }
}

/// For each row the position of its text among the distinct ones; unspecified for nulls.
fn text_ranks(text: &Text<'_>, column: &Column<'_>) -> Result<Vec<u32>> {
    let rows = column.len;
    if matches!(text.codes, Codes::Plain) || text.values.len() > rows {
        let mut interner = Interner::new();
        let mut ids = Vec::with_capacity(rows);
        for row in 0..rows {
            ids.push(if column.is_null(row) { u32::MAX } else { interner.intern(text.value(row))? });
        }
        let ranks = interner.ranks();
        return Ok(ids.into_iter().map(|id| ranks.get(id as usize).copied().unwrap_or(0)).collect());
    }
    let values = text.values;
    let mut slots: Vec<usize> = (0..values.len()).filter(|slot| values.is_valid(*slot)).collect();
    slots.sort_unstable_by(|a, b| values.value(*a).cmp(values.value(*b)));
    let mut ranks = vec![0; values.len()];
    let mut rank = 0;
    for (position, slot) in slots.iter().enumerate() {
        // A dictionary may hold a text twice.
        if position > 0 && values.value(*slot) != values.value(slots[position - 1]) {
            rank += 1;
        }
        ranks[*slot] = rank;
    }
    Ok((0..rows).map(|row| ranks.get(text.slot(row)).copied().unwrap_or(0)).collect())
}

/// Sorts `rows`, which ascend by number, so that the first `limit` of them are the first ones in order.
fn sort(rows: &mut [u32], keys: &[Ranked], limit: usize) {
    let Some((first, rest)) = keys.split_first() else { return };
    if rows.len() <= 1 || limit == 0 {
        return;
    }
    let Some(nulls) = &first.nulls else { return sort_valid(rows, first, rest, limit) };
    let (mut valid, mut null) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows.iter() {
        if nulls.is_null(*row as usize) { null.push(*row) } else { valid.push(*row) }
    }
    let (valid_limit, null_limit) = if first.nulls_first {
        (limit.saturating_sub(null.len()), limit)
    } else {
        (limit, limit.saturating_sub(valid.len()))
    };
    sort_valid(&mut valid, first, rest, valid_limit);
    sort(&mut null, rest, null_limit);
    let (head, tail) = if first.nulls_first { (null, valid) } else { (valid, null) };
    for (row, sorted) in rows.iter_mut().zip(head.into_iter().chain(tail)) {
        *row = sorted;
    }
}

/// As [`sort`], by a key that no row has null.
fn sort_valid(rows: &mut [u32], first: &Ranked, rest: &[Ranked], limit: usize) {
    if rows.len() <= 1 || limit == 0 {
        return;
    }
    let mut pairs: Vec<(u64, u32)> = rows.iter().map(|row| (first.keys[*row as usize], *row)).collect();
    let mut sorted = pairs.len();
    if limit < pairs.len() {
        let (_, &mut (threshold, _), _) = pairs.select_nth_unstable(limit - 1);
        // Later keys choose among the rows that tie with the last one.
        let mut kept = limit;
        if !rest.is_empty() {
            for index in limit..pairs.len() {
                if pairs[index].0 == threshold {
                    pairs.swap(kept, index);
                    kept += 1;
                }
            }
        }
        sorted = kept;
    }
    let pairs = &mut pairs[..sorted];
    if !pairs.is_sorted() {
        pairs.sort_unstable();
    }
    for (row, (_, sorted)) in rows.iter_mut().zip(pairs.iter()) {
        *row = *sorted;
    }
    if rest.is_empty() {
        return;
    }
    let mut start = 0;
    for run in pairs.chunk_by(|a, b| a.0 == b.0) {
        let end = start + run.len();
        sort(&mut rows[start..end], rest, limit.saturating_sub(start));
        start = end;
    }
}
