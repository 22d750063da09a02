//! Time buckets.

use arrow_schema::TimeUnit;
use tsds_traits::{TimeBucket, units_per_second};

/// The start of the bucket that holds `time`, in the unit of the time column.
pub fn bucket_start(time: i64, bucket: &TimeBucket, unit: TimeUnit) -> i64 {
    let start = match *bucket {
        TimeBucket::Units { width, origin } => {
            let (origin, width) = (i128::from(origin), i128::from(width));
            origin + (i128::from(time) - origin).div_euclid(width) * width
        }
        TimeBucket::Months { width, origin } => {
            let (origin, width) = (i64::from(origin), i64::from(width));
            let first = origin + (month_of(time, unit) - origin).div_euclid(width) * width;
            i128::from(days_before_month(first) * 86_400) * i128::from(units_per_second(unit))
        }
        // The generators build none of the kinds that may be added.
        _ => i128::from(time),
    };
    i64::try_from(start).unwrap_or(i64::MIN)
}

/// Months since January 1970 of an instant, floored.
fn month_of(time: i64, unit: TimeUnit) -> i64 {
    let day = time.div_euclid(units_per_second(unit) * 86_400);
    // A month has 28 to 31 days: begin at or before the month, then go on while the next one has begun.
    let mut month = if day < 0 { day / 28 - 1 } else { day / 31 };
    while days_before_month(month + 1) <= day {
        month += 1;
    }
    month
}

/// Days from 1970-01-01 to the first day of a month that is counted from January 1970.
fn days_before_month(month: i64) -> i64 {
    let (year, month) = (1970 + month.div_euclid(12), month.rem_euclid(12));
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_day = i64::from(month >= 2 && is_leap(year));
    days_before_year(year) - days_before_year(1970) + before[month as usize] + leap_day
}

/// Days from the first day of year 0 to the first day of a year.
fn days_before_year(year: i64) -> i64 {
    let last = year - 1;
    365 * year + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) + 1
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(width: u32, origin: u32) -> TimeBucket {
        TimeBucket::Months { width, origin }
    }

    #[test]
    fn buckets_of_units_are_floored_on_both_sides_of_the_origin() {
        let bucket = TimeBucket::Units { width: 10, origin: 3 };
        let starts = [-8, -7, 2, 3, 12, 13].map(|time| bucket_start(time, &bucket, TimeUnit::Second));
        assert_eq!(starts, [-17, -7, -7, 3, 3, 13]);
    }

    #[test]
    fn months_begin_where_the_calendar_says() {
        let day = 86_400;
        for (time, start) in [
            (0, 0),
            (-1, -31 * day),
            (31 * day - 1, 0),
            (31 * day, 31 * day),
            (951_782_400, 949_363_200),         // 2000-02-29 is in 2000-02
            (951_868_800, 951_868_800),         // 2000-03-01
            (-62_135_596_800, -62_135_596_800), // 0001-01-01
            (253_402_300_799, 253_399_622_400), // the last second of 9999 is in 9999-12
            (-2_203_891_201, -2_206_310_400),   // 1900-02-28, the last second: 1900 is no leap year
            (-2_203_891_200, -2_203_891_200),   // 1900-03-01
        ] {
            assert_eq!(bucket_start(time, &months(1, 0), TimeUnit::Second), start, "{time}");
        }
    }

    #[test]
    fn several_months_count_from_the_origin() {
        let quarter = months(3, 2); // a bucket starts in March
        assert_eq!(bucket_start(951_868_799, &quarter, TimeUnit::Second), 944_006_400); // 1999-12-01
        assert_eq!(bucket_start(0, &quarter, TimeUnit::Millisecond), -31 * 86_400_000); // 1969-12-01
    }

    #[test]
    fn a_bucket_that_begins_before_the_range_is_named_by_the_minimum() {
        let bucket = TimeBucket::Units { width: 1_000, origin: 0 };
        assert_eq!(bucket_start(i64::MIN, &bucket, TimeUnit::Nanosecond), i64::MIN);
        assert_eq!(bucket_start(i64::MIN, &months(1, 0), TimeUnit::Nanosecond), i64::MIN);
    }
}
