//! The proleptic Gregorian calendar in UTC, right on both sides of 1970.
//!
//! Days and civil dates convert by Howard Hinnant's algorithms (<https://howardhinnant.github.io/date_algorithms.html>),
//! which work on 400-year eras that begin on 1 March.

use std::ops::RangeInclusive;

use arrow_schema::TimeUnit;
use tsds_traits::units_per_second;

pub(crate) const SECONDS_PER_DAY: i64 = 86_400;

/// 0001-01-01T00:00:00 in seconds since 1970.
pub(crate) const FIRST_SECOND: i64 = -62_135_596_800;

/// 9999-12-31T23:59:59 in seconds since 1970.
pub(crate) const LAST_SECOND: i64 = 253_402_300_799;

/// The times that a table takes: years 0001 to 9999, as far as the unit can express them.
pub fn valid_times(unit: TimeUnit) -> RangeInclusive<i64> {
    let scale = units_per_second(unit);
    let last = LAST_SECOND.saturating_mul(scale).saturating_add(scale - 1);
    FIRST_SECOND.saturating_mul(scale)..=last
}

/// Whole seconds since 1970, floored.
pub fn second_of(time: i64, unit: TimeUnit) -> i64 {
    time.div_euclid(units_per_second(unit))
}

/// The month of a day, counted from January 1970, of days counted from 1970-01-01.
pub(crate) fn month_of_day(day: i64) -> i64 {
    let (era, day_of_era) = ((day + 719_468).div_euclid(146_097), (day + 719_468).rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March, which keeps the leap day at the end of the year.
    let month_from_march = (5 * day_of_year + 2) / 153;
    (era * 400 + year_of_era - 1970) * 12 + month_from_march + 2
}

/// The first day of a month, as in [`month_of_day`].
pub(crate) fn first_day_of_month(month: i64) -> i64 {
    let from_march = month - 2;
    let (year, month_from_march) = (from_march.div_euclid(12) + 1970, from_march.rem_euclid(12));
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month_from_march + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days_in_month(year: i64, month: i64) -> i64 {
        match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    #[test]
    fn every_month_of_ten_thousand_years_begins_where_counting_says() {
        let mut day = FIRST_SECOND / SECONDS_PER_DAY;
        for year in 1..=9999 {
            for month in 1..=12 {
                let index = (year - 1970) * 12 + month - 1;
                let length = days_in_month(year, month);
                assert_eq!(first_day_of_month(index), day, "{year}-{month}");
                assert_eq!(
                    (month_of_day(day), month_of_day(day + length - 1)),
                    (index, index),
                    "{year}-{month}"
                );
                day += length;
            }
        }
        assert_eq!(day * SECONDS_PER_DAY, LAST_SECOND + 1);
    }

    #[test]
    fn seconds_are_floored_before_1970() {
        assert_eq!(second_of(-1, TimeUnit::Nanosecond), -1);
        assert_eq!(second_of(-1_000, TimeUnit::Millisecond), -1);
        assert_eq!(second_of(-1_001, TimeUnit::Millisecond), -2);
        assert_eq!(second_of(i64::MIN, TimeUnit::Nanosecond), -9_223_372_037);
    }

    #[test]
    fn valid_times_are_cut_by_the_unit() {
        assert_eq!(valid_times(TimeUnit::Second), FIRST_SECOND..=LAST_SECOND);
        assert_eq!(*valid_times(TimeUnit::Millisecond).end(), 253_402_300_799_999);
        assert_eq!(valid_times(TimeUnit::Nanosecond), i64::MIN..=i64::MAX);
    }
}
