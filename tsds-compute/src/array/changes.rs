//! Where neighbouring rows differ.

use arrow_array::Array;
use arrow_buffer::BooleanBuffer;
use tsds_traits::Result;

use super::view::{Codes, Column, Native, Text, with_values};

/// The rows that differ from the row before in one of the columns; the first row always does. Values differ by bits; a null
/// equals a null.
pub(crate) fn changes(columns: &[Column<'_>], rows: usize) -> BooleanBuffer {
    let first = BooleanBuffer::collect_bool(rows, |row| row == 0);
    columns.iter().fold(first, |so_far, column| &so_far | &column_changes(column))
}

fn column_changes(column: &Column<'_>) -> BooleanBuffer {
    let values = with_values!(&column.values,
        numbers => number_changes(numbers),
        decimals => BooleanBuffer::collect_bool(column.len, |row| row == 0 || decimals[row] != decimals[row - 1]),
        bools => BooleanBuffer::collect_bool(column.len, |row| row == 0 || bools.value(row) != bools.value(row - 1)),
        text => text_changes(text, column));
    let Some(nulls) = &column.nulls else { return values };
    BooleanBuffer::collect_bool(column.len, |row| {
        row == 0
            || match (nulls.is_valid(row - 1), nulls.is_valid(row)) {
                (true, true) => values.value(row),
                (before, now) => before != now,
            }
    })
}

fn number_changes<T: Native>(values: &[T]) -> BooleanBuffer {
    BooleanBuffer::collect_bool(values.len(), |row| row == 0 || values[row].key() != values[row - 1].key())
}

fn text_changes(text: &Text<'_>, column: &Column<'_>) -> BooleanBuffer {
    let same_text = |row: usize| {
        // Codes under nulls may point anywhere; the caller decides those rows.
        column.is_null(row) || column.is_null(row - 1) || text.value(row) == text.value(row - 1)
    };
    let same = |row: usize| match text.codes {
        Codes::Plain => same_text(row),
        // A dictionary may hold a text twice.
        Codes::I32(codes) => codes[row] == codes[row - 1] || same_text(row),
        Codes::U32(codes) => codes[row] == codes[row - 1] || same_text(row),
    };
    BooleanBuffer::collect_bool(column.len, |row| row == 0 || !same(row))
}

/// Views some columns of a batch.
pub(crate) fn views<'a>(arrays: impl IntoIterator<Item = &'a dyn Array>) -> Result<Vec<Column<'a>>> {
    arrays.into_iter().map(Column::new).collect()
}
