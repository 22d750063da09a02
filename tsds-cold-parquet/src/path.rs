//! Where a segment's file lies: directories made of the chunk's dates, names made of the segment's numbers.

use object_store::path::Path;
use tsds_traits::{ChunkRange, Error, Result, SegmentId, SegmentMeta, TableId, TableSchema};

const SECONDS_PER_DAY: i64 = 86_400;
const LEVELS: [&str; 3] = ["year", "month", "day"];
const EXTENSION: &str = ".parquet";

/// Checks that no column is named like a partition level (`year`, `month` or `day`, in any case). Readers elsewhere
/// replace such a column by the directory's value without a word, or fail.
///
/// # Errors
///
/// `InvalidInput`, naming the column.
pub fn check_column_names(schema: &TableSchema) -> Result<()> {
    let clash =
        schema.columns().iter().find(|c| LEVELS.iter().any(|level| c.name.eq_ignore_ascii_case(level)));
    match clash {
        None => Ok(()),
        Some(column) => Err(Error::invalid_input(
            "column is named like a directory level of the cold tier; rename it, or set cold_tier.hive to false",
        )
        .with("column", &column.name)
        .with("reserved", LEVELS.join(","))),
    }
}

/// The path of a segment's file, relative to the root of the store.
///
/// `<table>/year=YYYY/month=MM/day=DD/<segment>.parquet`, with as many levels as hold for every row of every chunk of that
/// length: three for chunks that divide a day, two for calendar months, one for whole months inside of a year (quarters,
/// years), none for anything else, such as weeks, which straddle months. A reader that skips directories by these values
/// therefore never misses a row, and all files of one chunk interval lie equally deep.
pub(crate) fn segment_path(meta: &SegmentMeta, hive: bool) -> Path {
    let mut text = meta.table.to_string();
    for level in date_levels(meta.chunk) {
        text.push('/');
        text.push_str(&level.directory(hive));
    }
    text.push('/');
    text.push_str(&meta.id.to_string());
    text.push_str(EXTENSION);
    Path::from(text)
}

/// The table and segment whose file lies at `path`; `None` for any other file.
pub(crate) fn segment_at(path: &Path) -> Option<(TableId, SegmentId)> {
    let table = path.parts().next()?.as_ref().parse().ok()?;
    let id = path.filename()?.strip_suffix(EXTENSION)?.parse().ok()?;
    (path.parts_count() >= 2).then_some((TableId(table), id))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Year(i64),
    Month(u32),
    Day(u32),
}

impl Level {
    fn directory(self, hive: bool) -> String {
        match (self, hive) {
            (Self::Year(year), true) => format!("year={year:04}"),
            (Self::Month(month), true) => format!("month={month:02}"),
            (Self::Day(day), true) => format!("day={day:02}"),
            (Self::Year(year), false) => format!("y{year:04}"),
            (Self::Month(month), false) => format!("m{month:02}"),
            (Self::Day(day), false) => format!("d{day:02}"),
        }
    }
}

/// The levels that hold for every instant of the chunk; none for an empty chunk and outside of the years 1 to 9999.
fn date_levels(chunk: ChunkRange) -> Vec<Level> {
    let Some(length) = chunk.end.checked_sub(chunk.start).filter(|length| *length > 0) else {
        return Vec::new();
    };
    let (Some(first), Some(after)) = (Date::of(chunk.start), Date::of(chunk.end)) else {
        return Vec::new();
    };
    let (year, month, day) = (Level::Year(first.year), Level::Month(first.month), Level::Day(first.day));
    let divides_a_day = SECONDS_PER_DAY % length == 0 && chunk.start.rem_euclid(length) == 0;
    if divides_a_day {
        return vec![year, month, day];
    }
    if !(first.begins_month && after.begins_month) {
        return Vec::new();
    }
    match after.months() - first.months() {
        1 => vec![year, month],
        months if 12 % months == 0 && first.months() % months == 0 => vec![year],
        _ => Vec::new(),
    }
}

/// The civil date of an instant, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    month: u32,
    day: u32,
    begins_month: bool,
}

impl Date {
    /// `None` outside of the years 1 to 10000: the end of the year 9999 is the first instant of the year 10000.
    fn of(second: i64) -> Option<Self> {
        const FIRST: i64 = -62_135_596_800;
        const END: i64 = 253_402_300_800;
        if !(FIRST..=END).contains(&second) {
            return None;
        }
        let days = second.div_euclid(SECONDS_PER_DAY);
        // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: eras of 400 years from March
        // of year 0.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Some(Self {
            year,
            month: u32::try_from(month).ok()?,
            day: u32::try_from(day).ok()?,
            begins_month: day == 1 && second.rem_euclid(SECONDS_PER_DAY) == 0,
        })
    }

    /// Months since year 0.
    fn months(self) -> i64 {
        self.year * 12 + i64::from(self.month) - 1
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
