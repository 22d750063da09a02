//! Times ascend within every series of a segment.

use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_schema::{DataType, TimeUnit};
use tsds_traits::{Error, Result};

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

    use arrow_array::TimestampSecondArray;

    use super::*;

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
