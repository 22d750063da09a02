//! Chunks: slices of a table's time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::TimeUnit;
use arrow_select::take::take_record_batch;
use tsds_traits::{ChunkRange, Error, Result};

use crate::array::{Column, Values};
use crate::calendar::{SECONDS_PER_DAY, first_day_of_month, month_of_day};
pub use crate::calendar::{second_of, valid_times};

/// How a table's time is cut into chunks, in UTC.
///
/// Lengths in seconds are counted from 1970-01-01T00:00:00; months from January 1970; years from year 0, so that chunks
/// of ten years are decades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkInterval {
    /// That many seconds; at least 60.
    Seconds(i64),
    /// That many calendar months; positive.
    Months(u32),
    /// That many calendar years; positive.
    Years(u32),
}

/// The longest interval: longer ones would put all of time into one chunk.
const MAX_YEARS: u32 = 1_000;

impl ChunkInterval {
    /// Checks the length.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for less than 60 seconds or more than 1,000 years.
    pub fn validate(self) -> Result<()> {
        let possible = match self {
            Self::Seconds(seconds) => (60..=i64::from(MAX_YEARS) * 366 * SECONDS_PER_DAY).contains(&seconds),
            Self::Months(months) => (1..=MAX_YEARS * 12).contains(&months),
            Self::Years(years) => (1..=MAX_YEARS).contains(&years),
        };
        if possible {
            return Ok(());
        }
        Err(Error::invalid_input("chunk interval must be from one minute to 1000 years")
            .with("interval", format_args!("{self:?}")))
    }

    /// The chunk that holds the instant `second`, in seconds since 1970. Bounds saturate at the ends of `i64`, far beyond
    /// year 9999.
    pub fn range_of(self, second: i64) -> ChunkRange {
        match self {
            Self::Seconds(length) => {
                let length = length.max(1);
                let start = second.saturating_sub(second.rem_euclid(length));
                ChunkRange { start, end: start.saturating_add(length) }
            }
            Self::Months(months) => calendar_range(second, i64::from(months.max(1)), 0),
            Self::Years(years) => calendar_range(second, i64::from(years.max(1)) * 12, -1970 * 12),
        }
    }
}

/// The chunk of `months` months, counted from month `origin`, around a second.
fn calendar_range(second: i64, months: i64, origin: i64) -> ChunkRange {
    // Beyond these years nothing is stored; the bound keeps the arithmetic of the calendar within `i64`.
    let day = second.div_euclid(SECONDS_PER_DAY).clamp(-1_000_000_000, 1_000_000_000);
    let month = month_of_day(day);
    let first = month - (month - origin).rem_euclid(months);
    let start = first_day_of_month(first) * SECONDS_PER_DAY;
    ChunkRange { start, end: first_day_of_month(first + months) * SECONDS_PER_DAY }
}

impl fmt::Display for ChunkInterval {
    /// The shortest text that [`FromStr`] reads back: `90s`, `15m`, `1h`, `7d`, `1mo`, `1y`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seconds(seconds) => {
                let (unit, name) =
                    SECOND_UNITS.into_iter().find(|(unit, _)| seconds % unit == 0).unwrap_or((1, "s"));
                write!(f, "{}{name}", seconds / unit)
            }
            Self::Months(months) => write!(f, "{months}mo"),
            Self::Years(years) => write!(f, "{years}y"),
        }
    }
}

const SECOND_UNITS: [(i64, &str); 4] = [(SECONDS_PER_DAY, "d"), (3_600, "h"), (60, "m"), (1, "s")];

impl FromStr for ChunkInterval {
    type Err = Error;

    /// Reads a whole number and a unit: `s`, `m` (minutes), `h`, `d`, `w`, `mo`, `y`.
    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid_input(
                "chunk interval must be a number and one of s, m, h, d, w, mo, y, such as 1d",
            )
            .with("interval", text)
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(malformed)?;
        let count: u32 = number.parse().map_err(|_| malformed())?;
        let seconds = |unit: i64| i64::from(count).checked_mul(unit).map(Self::Seconds).ok_or_else(malformed);
        let interval = match unit {
            "s" => seconds(1)?,
            "m" => seconds(60)?,
            "h" => seconds(3_600)?,
            "d" => seconds(SECONDS_PER_DAY)?,
            "w" => seconds(7 * SECONDS_PER_DAY)?,
            "mo" => Self::Months(count),
            "y" => Self::Years(count),
            _ => return Err(malformed()),
        };
        interval.validate()?;
        Ok(interval)
    }
}

/// Cuts a batch into the rows of each chunk, ascending by chunk; the rows of one chunk keep their order. `time` is the
/// position of the time column.
///
/// A batch that lies in one chunk is returned as it is, without a copy; one without rows has no chunk.
///
/// # Errors
///
/// `InvalidInput` if the time column is missing, is no timestamp or has nulls.
pub fn partition(
    batch: &RecordBatch,
    time: usize,
    unit: TimeUnit,
    interval: ChunkInterval,
) -> Result<Vec<(ChunkRange, RecordBatch)>> {
    let no_time = || Error::invalid_input("batch needs a time column without nulls").with("position", time);
    let array = batch.columns().get(time).ok_or_else(no_time)?;
    let Values::I64(times) = Column::new(array)?.values else { return Err(no_time()) };
    if array.null_count() > 0 {
        return Err(no_time());
    }
    let bounds = times.iter().min().zip(times.iter().max());
    let Some((first, last)) = bounds.map(|(first, last)| (second_of(*first, unit), second_of(*last, unit)))
    else {
        return Ok(Vec::new());
    };
    let chunk = interval.range_of(first);
    if chunk.contains_second(last) {
        return Ok(vec![(chunk, batch.clone())]);
    }
    let rows = rows_by_chunk(times, unit, interval)?;
    let take = |(chunk, rows)| Ok((chunk, take_record_batch(batch, &UInt32Array::from(rows))?));
    rows.into_iter().map(take).collect()
}

/// The rows of each chunk.
fn rows_by_chunk(
    times: &[i64],
    unit: TimeUnit,
    interval: ChunkInterval,
) -> Result<BTreeMap<ChunkRange, Vec<u32>>> {
    let rows = u32::try_from(times.len())
        .map_err(|_| Error::invalid_input("batch has too many rows").with("rows", times.len()))?;
    let mut chunks: BTreeMap<ChunkRange, Vec<u32>> = BTreeMap::new();
    let mut chunk = ChunkRange { start: 0, end: 0 };
    for (row, time) in (0..rows).zip(times) {
        let second = second_of(*time, unit);
        if !chunk.contains_second(second) {
            chunk = interval.range_of(second);
        }
        chunks.entry(chunk).or_default().push(row);
    }
    Ok(chunks)
}

#[cfg(test)]
mod tests;
