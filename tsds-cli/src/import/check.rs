//! The first pass: finds the types and the bad rows before anything is written.

use arrow_schema::{DataType, TimeUnit};
use csv::ByteRecord;
use tsds_traits::{Error, Result};

use super::build::parse_cell;
use super::header::Header;
use super::infer::Candidates;
use super::plan::{Origin, Plan, field};
use super::source::{Lines, Source};
use super::{BadRow, OnError};

/// How many bad rows are kept word for word.
const MAX_SHOWN: usize = 10;

/// What the files showed.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    /// Good rows.
    pub(crate) rows: u64,
    /// The first bad rows, in order.
    pub(crate) bad: Vec<BadRow>,
    /// How many bad rows there are in all.
    pub(crate) bad_rows: u64,
    candidates: Vec<Candidates>,
    /// The earliest and the latest time in nanoseconds.
    times: Option<(i128, i128)>,
    /// Whether a time is finer than a microsecond.
    fine: bool,
}

/// Reads a file to its end, or with [`OnError::Stop`] to its first bad row. Blocking.
///
/// # Errors
///
/// What stops reading as such; a bad row is no error here.
pub(crate) fn check(source: &Source, header: &Header, plan: &Plan, on_error: OnError) -> Result<Checked> {
    let mut checked = Checked::new(plan.columns().len());
    let mut records = source.records()?;
    let mut record = ByteRecord::new();
    records.next(&mut record)?;
    let mut lines: Option<Lines> = None;
    while records.next(&mut record)? {
        match checked.row(source, &record, header, plan) {
            Ok(()) => checked.rows += 1,
            Err(message) => {
                checked.bad_rows += 1;
                if checked.bad.len() < MAX_SHOWN {
                    let mut known = lines.map_or_else(|| Lines::of(source), Ok)?;
                    let line = known.line_of(&record)?;
                    lines = Some(known);
                    checked.bad.push(BadRow { file: source.name.clone(), line, message });
                }
                if on_error == OnError::Stop {
                    break;
                }
            }
        }
    }
    Ok(checked)
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

    fn row(
        &mut self,
        source: &Source,
        record: &ByteRecord,
        header: &Header,
        plan: &Plan,
    ) -> Result<(), String> {
        expect_width(record, header)?;
        let nanos = plan.time_of(record, header)?;
        for column in plan.columns() {
            if let Origin::Field(index) = column.origin {
                field(record, header, index)?;
            }
            if column.data_type.is_some() {
                parse_cell(source, record, header, column, nanos)?;
            }
        }
        self.time(nanos);
        for (column, candidates) in plan.columns().iter().zip(&mut self.candidates) {
            if let (Origin::Field(index), None) = (column.origin, &column.data_type) {
                let text = field(record, header, index)?;
                if !source.is_null(text) {
                    candidates.observe(text);
                }
            }
        }
        Ok(())
    }

    fn time(&mut self, nanos: i128) {
        self.fine |= nanos % 1_000 != 0;
        self.times =
            Some(self.times.map_or((nanos, nanos), |(first, last)| (first.min(nanos), last.max(nanos))));
    }
}

/// Whether a row has as many fields as the header.
pub(super) fn expect_width(record: &ByteRecord, header: &Header) -> Result<(), String> {
    if record.len() == header.width() {
        return Ok(());
    }
    Err(format!("expected {} fields, found {}", header.width(), record.len()))
}
