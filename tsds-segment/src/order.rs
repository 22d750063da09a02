//! The order of a segment's rows: series ascend, and times ascend within every series.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, cast::AsArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use tsds_compute::{KeyedBatch, RowOrder};
use tsds_traits::{ColumnId, Error, Result, SortKey, TableSchema};

/// Checks the times of a segment, piece by piece, in row order.
pub(crate) struct TimeOrder<'a> {
    /// The first rows of the series that have not begun yet.
    coming: &'a [u32],
    row: u64,
    last: i64,
}

impl<'a> TimeOrder<'a> {
    pub(crate) fn new(series_starts: &'a [u32]) -> Self {
        Self { coming: series_starts, row: 0, last: i64::MIN }
    }

    /// Takes the next times.
    ///
    /// # Errors
    ///
    /// `Err` with the row whose time lies before that of the row before it, or is null.
    pub(crate) fn check(&mut self, times: &ArrayRef) -> Result<Result<(), u64>> {
        if times.null_count() > 0 {
            return Ok(Err(self.row));
        }
        for time in values(times)? {
            if let Some((first, rest)) = self.coming.split_first()
                && u64::from(*first) == self.row
            {
                (self.coming, self.last) = (rest, i64::MIN);
            }
            if *time < self.last {
                return Ok(Err(self.row));
            }
            self.last = *time;
            self.row += 1;
        }
        Ok(Ok(()))
    }
}

/// Checks the series of a segment, piece by piece, in row order: equal within a series, ascending from one to the next.
pub(crate) struct SeriesOrder<'a> {
    order: RowOrder,
    columns: Vec<ColumnId>,
    /// The first rows of the series that have not begun yet.
    coming: &'a [u32],
    row: u64,
    last: Option<KeyedBatch>,
}

impl<'a> SeriesOrder<'a> {
    pub(crate) fn new(schema: &TableSchema, series_starts: &'a [u32]) -> Self {
        let columns = schema.series_indices().iter().filter_map(|index| schema.columns().get(*index));
        let columns: Vec<ColumnId> = columns.map(|column| column.id).collect();
        let keys =
            columns.iter().map(|column| SortKey { column: *column, descending: false, nulls_first: true });
        Self { order: RowOrder::new(keys.collect()), columns, coming: series_starts, row: 0, last: None }
    }

    /// The series columns, in sorting order.
    pub(crate) fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    /// Takes the next `rows` rows of the series columns.
    ///
    /// # Errors
    ///
    /// `Err` with the row that is not in order, or that begins a series where the index has none, or the other way round.
    pub(crate) fn check(&mut self, arrays: Vec<ArrayRef>, rows: usize) -> Result<Result<(), u64>> {
        let fields = arrays.iter().zip(&self.columns);
        let fields = fields.map(|(array, id)| Field::new(id.to_string(), array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        let keyed = self.order.prepare(&self.columns, &batch)?;
        for row in 0..rows {
            let begins = self.coming.split_first().filter(|(first, _)| u64::from(**first) == self.row);
            if let Some((_, rest)) = begins {
                self.coming = rest;
            }
            let before = match (row.checked_sub(1), &self.last) {
                (Some(before), _) => Some(self.order.compare(&keyed, before, &keyed, row)),
                (None, Some(last)) => {
                    last.rows().checked_sub(1).map(|before| self.order.compare(last, before, &keyed, row))
                }
                (None, None) => None,
            };
            let expected = if begins.is_some() { Ordering::Less } else { Ordering::Equal };
            if before.is_some_and(|before| before != expected) {
                return Ok(Err(self.row));
            }
            self.row += 1;
        }
        if rows > 0 {
            self.last = Some(keyed);
        }
        Ok(Ok(()))
    }
}

/// The raw values of a timestamp array.
fn values(times: &ArrayRef) -> Result<&[i64]> {
    Ok(match times.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => times.as_primitive::<TimestampSecondType>().values(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            times.as_primitive::<TimestampMillisecondType>().values()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            times.as_primitive::<TimestampMicrosecondType>().values()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            times.as_primitive::<TimestampNanosecondType>().values()
        }
        other => return Err(Error::internal("time column is no timestamp").with("type", other)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringArray, TimestampSecondArray};
    use tsds_traits::{Column, SchemaVersion, TableId};

    use super::*;

    /// Rows of two series columns, in pieces of these lengths.
    fn check_series(rows: &[(Option<&str>, f64)], pieces: &[usize], starts: &[u32]) -> Result<(), u64> {
        let column = |id, name: &str, data_type, nullable| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type,
            nullable,
        };
        let columns = vec![
            column(1, "level", DataType::Float64, false),
            column(2, "time", DataType::Timestamp(TimeUnit::Second, None), false),
            column(3, "host", DataType::Utf8, true),
        ];
        // Sorted by host, then level.
        let series = [ColumnId(3), ColumnId(1)];
        let schema = TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(2), &series).unwrap();
        let mut order = SeriesOrder::new(&schema, starts);
        assert_eq!(order.columns(), series);
        let mut at = 0;
        pieces.iter().try_for_each(|len| {
            let piece = &rows[at..at + len];
            at += len;
            let hosts: StringArray = piece.iter().map(|(host, _)| *host).collect();
            let levels: Float64Array = piece.iter().map(|(_, level)| Some(*level)).collect();
            order.check(vec![Arc::new(hosts), Arc::new(levels)], *len).unwrap()
        })
    }

    #[test]
    fn series_ascend_with_nulls_first_and_begin_where_the_index_says() {
        let rows = [
            (None, 5.0),
            (None, 5.0),
            (Some(""), -0.0),
            (Some(""), 0.0),
            (Some("a"), -1.0),
            (Some("a"), f64::NAN),
        ];
        let starts = [0, 2, 3, 4, 5];
        for pieces in [&[6][..], &[1, 1, 1, 1, 1, 1], &[2, 0, 3, 1]] {
            assert_eq!(check_series(&rows, pieces, &starts), Ok(()), "{pieces:?}");
            assert_eq!(check_series(&rows, pieces, &[0, 2, 4, 5]), Err(3), "a series that the index lacks");
            assert_eq!(check_series(&rows, pieces, &[0, 1, 2, 3, 4, 5]), Err(1), "a series that is none");
            let mut swapped = rows;
            swapped.swap(2, 3);
            assert_eq!(check_series(&swapped, pieces, &starts), Err(3), "{pieces:?}");
            let mut nulls_last = rows;
            nulls_last.rotate_left(2);
            assert_eq!(check_series(&nulls_last, pieces, &[0, 1, 2, 3, 4]), Err(4), "{pieces:?}");
        }
    }

    fn check(pieces: &[&[i64]], starts: &[u32]) -> Result<(), u64> {
        let mut order = TimeOrder::new(starts);
        pieces.iter().try_for_each(|piece| {
            order.check(&(Arc::new(TimestampSecondArray::from(piece.to_vec())) as ArrayRef)).unwrap()
        })
    }

    #[test]
    fn times_may_fall_where_a_series_begins_and_nowhere_else() {
        assert_eq!(check(&[&[1, 1, 2], &[2, 0, 5]], &[0, 4]), Ok(()));
        assert_eq!(check(&[&[1, 1, 2], &[1, 0, 5]], &[0, 4]), Err(3));
        assert_eq!(check(&[&[1, 0]], &[0]), Err(1));
        assert_eq!(check(&[&[i64::MIN, i64::MAX, i64::MIN]], &[0, 2]), Ok(()));
    }
}
