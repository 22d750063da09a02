//! What the first pass found: the types and the bad rows, before anything is written.

use arrow_schema::{DataType, TimeUnit};
use tsds_traits::{Error, Result};

use super::BadRow;
use super::csv::Candidates;

/// How many bad rows are kept word for word.
pub(super) const MAX_SHOWN: usize = 10;

/// What the files showed.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// Good rows.
    pub(crate) rows: u64,
    /// The first bad rows, in order.
    pub(crate) bad: Vec<BadRow>,
    /// How many bad rows there are in all.
    pub(crate) bad_rows: u64,
    /// For each column of the table, what its text may be.
    pub(super) candidates: Vec<Candidates>,
    /// The earliest and the latest time in nanoseconds.
    times: Option<(i128, i128)>,
    /// Whether a time is finer than a microsecond.
    fine: bool,
}

impl Checked {
    /// Nothing seen yet of so many columns.
    pub(crate) fn new(columns: usize) -> Self {
        let candidates = vec![Candidates::default(); columns];
        Self { rows: 0, bad: Vec::new(), bad_rows: 0, candidates, times: None, fine: false }
    }

    /// Adds what the next file showed.
    pub(crate) fn merge(&mut self, next: Self) {
        self.rows += next.rows;
        self.bad_rows += next.bad_rows;
        self.bad.extend(next.bad);
        self.bad.truncate(MAX_SHOWN);
        self.fine |= next.fine;
        for (own, other) in self.candidates.iter_mut().zip(next.candidates) {
            own.merge(other);
        }
        if let Some((first, last)) = next.times {
            self.time(first);
            self.time(last);
        }
    }

    /// The type of the column `index`.
    pub(super) fn data_type(&self, index: usize) -> DataType {
        self.candidates.get(index).copied().unwrap_or_default().data_type()
    }

    /// Microseconds, unless there is something finer.
    pub(super) fn time_unit(&self) -> Result<TimeUnit> {
        if !self.fine {
            return Ok(TimeUnit::Microsecond);
        }
        let beyond = self
            .times
            .is_some_and(|(first, last)| i64::try_from(first).is_err() || i64::try_from(last).is_err());
        if beyond {
            return Err(Error::invalid_input(
                "some times are finer than microseconds, but some lie outside what nanoseconds can hold, 1677 to 2262",
            ));
        }
        Ok(TimeUnit::Nanosecond)
    }

    /// A row has this time.
    pub(super) fn time(&mut self, nanos: i128) {
        self.fine |= nanos % 1_000 != 0;
        self.times =
            Some(self.times.map_or((nanos, nanos), |(first, last)| (first.min(nanos), last.max(nanos))));
    }
}
