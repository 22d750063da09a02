//! An order of rows across batches.

use std::cmp::Ordering;

use arrow_array::{RecordBatch, StringArray};
use arrow_buffer::NullBuffer;
use tsds_traits::{ColumnId, Result, SortKey, Value};

use crate::array::{Codes, Column, Columns, Native, with_values};

/// Compares rows of different batches by sort keys, in the total order of [`tsds_traits::Value`].
#[derive(Clone, Debug)]
pub struct RowOrder {
    keys: Vec<SortKey>,
}

/// A batch made ready for comparison.
#[derive(Clone, Debug)]
pub struct KeyedBatch {
    columns: Vec<Keyed>,
    rows: usize,
}

#[derive(Clone, Debug)]
struct Keyed {
    values: KeyedValues,
    nulls: Option<NullBuffer>,
}

#[derive(Clone, Debug)]
enum KeyedValues {
    /// Order-preserving keys.
    Numbers(Vec<u64>),
    Decimals(Vec<i128>),
    Text(StringArray),
    /// Values and the position of each row's value.
    Coded(StringArray, Vec<u32>),
}

impl KeyedBatch {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl Keyed {
    fn text(&self, row: usize) -> &str {
        match &self.values {
            KeyedValues::Numbers(_) | KeyedValues::Decimals(_) => "",
            KeyedValues::Text(values) => values.value(row),
            KeyedValues::Coded(values, slots) => values.value(slots[row] as usize),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

impl RowOrder {
    /// The order of these keys.
    pub fn new(keys: Vec<SortKey>) -> Self {
        Self { keys }
    }

    /// The keys.
    pub fn keys(&self) -> &[SortKey] {
        &self.keys
    }

    /// Makes a batch ready for comparison.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the batch lacks a key's column.
    pub fn prepare(&self, ids: &[ColumnId], batch: &RecordBatch) -> Result<KeyedBatch> {
        let columns = Columns::new(ids, batch)?;
        let prepare = |key: &SortKey| {
            let column = Column::new(columns.array(key.column)?.as_ref())?;
            let values = with_values!(&column.values,
            numbers => KeyedValues::Numbers(numbers.iter().map(|value| value.key()).collect()),
            decimals => KeyedValues::Decimals(decimals.to_vec()),
            bools => KeyedValues::Numbers(bools.iter().map(u64::from).collect()),
            text => match text.codes {
                Codes::Plain => KeyedValues::Text(text.values.clone()),
                Codes::I32(codes) => {
                    KeyedValues::Coded(text.values.clone(), codes.iter().map(|code| *code as u32).collect())
                }
                Codes::U32(codes) => KeyedValues::Coded(text.values.clone(), codes.to_vec()),
            });
            Ok(Keyed { values, nulls: column.nulls })
        };
        let prepared = self.keys.iter().map(prepare).collect::<Result<Vec<_>>>()?;
        Ok(KeyedBatch { columns: prepared, rows: columns.rows() })
    }

    /// Compares two rows. Both batches were prepared by this order.
    pub fn compare(&self, a: &KeyedBatch, a_row: usize, b: &KeyedBatch, b_row: usize) -> Ordering {
        for ((key, a), b) in self.keys.iter().zip(&a.columns).zip(&b.columns) {
            let ordering = match (a.is_null(a_row), b.is_null(b_row)) {
                (true, true) => Ordering::Equal,
                (true, false) => null_first(key),
                (false, true) => null_first(key).reverse(),
                (false, false) => {
                    let ordering = match (&a.values, &b.values) {
                        (KeyedValues::Numbers(a), KeyedValues::Numbers(b)) => a[a_row].cmp(&b[b_row]),
                        (KeyedValues::Decimals(a), KeyedValues::Decimals(b)) => a[a_row].cmp(&b[b_row]),
                        _ => a.text(a_row).cmp(b.text(b_row)),
                    };
                    if key.descending { ordering.reverse() } else { ordering }
                }
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }

    /// Compares a bound, which gives values of the first keys, with a row; equal where the bound says nothing more.
    pub fn compare_bound(&self, bound: &[Option<Value>], batch: &KeyedBatch, row: usize) -> Ordering {
        for ((key, bound), column) in self.keys.iter().zip(bound).zip(&batch.columns) {
            let ordering = match (bound, column.is_null(row)) {
                (None, true) => Ordering::Equal,
                (None, false) => null_first(key),
                (Some(_), true) => null_first(key).reverse(),
                (Some(bound), false) => {
                    let ordering = match (&column.values, bound) {
                        (KeyedValues::Numbers(keys), bound) => bound.order_key().cmp(&Some(keys[row])),
                        (KeyedValues::Decimals(values), Value::Decimal(bound)) => bound.cmp(&values[row]),
                        (_, Value::Text(bound)) => bound.as_str().cmp(column.text(row)),
                        _ => Ordering::Equal,
                    };
                    if key.descending { ordering.reverse() } else { ordering }
                }
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }

    /// Compares two bounds; of two that agree as far as both go, the shorter one is first.
    pub fn compare_bounds(&self, a: &[Option<Value>], b: &[Option<Value>]) -> Ordering {
        for ((key, a), b) in self.keys.iter().zip(a).zip(b) {
            let ordering = match (a, b) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => null_first(key),
                (Some(_), None) => null_first(key).reverse(),
                (Some(a), Some(b)) => {
                    if key.descending {
                        b.cmp(a)
                    } else {
                        a.cmp(b)
                    }
                }
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        a.len().cmp(&b.len())
    }
}

/// How a null compares with a value.
fn null_first(key: &SortKey) -> Ordering {
    if key.nulls_first { Ordering::Less } else { Ordering::Greater }
}
