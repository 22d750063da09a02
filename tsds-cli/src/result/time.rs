//! Times as ISO 8601 text in UTC.

use arrow_schema::TimeUnit;
use chrono::{DateTime, Datelike, Timelike, Utc};

const SECONDS_PER_DAY: i64 = 86_400;

/// Appends a time, such as `2024-01-31T08:30:00.25`: the fraction has 3, 6 or 9 digits, or is left out if it is zero.
/// A time that the calendar cannot name is appended as its number.
pub(super) fn append_time(value: i64, unit: TimeUnit, between: u8, out: &mut Vec<u8>) {
    let per_second = tsds_traits::units_per_second(unit);
    let seconds = value.div_euclid(per_second);
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let Some(time) = DateTime::from_timestamp(seconds, 0).filter(|time| (0..=9999).contains(&time.year()))
    else {
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        return;
    };
    calendar_day(&time, out);
    out.push(between);
    clock(time.num_seconds_from_midnight(), nanos as u32, out);
}

/// Appends a date, such as `2024-01-31`, by its days since 1970; one that the calendar cannot name as its number.
pub(super) fn append_date(days: i64, out: &mut Vec<u8>) {
    let seconds = days.checked_mul(SECONDS_PER_DAY);
    let time = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    match time.filter(|time| (0..=9999).contains(&time.year())) {
        Some(time) => calendar_day(&time, out),
        None => out.extend_from_slice(itoa::Buffer::new().format(days).as_bytes()),
    }
}

/// Appends a time of day, such as `08:30:00.25`, with a fraction as [`append_time`]; one that no day has as its number.
pub(super) fn append_time_of_day(value: i64, unit: TimeUnit, out: &mut Vec<u8>) {
    let per_second = tsds_traits::units_per_second(unit);
    if !(0..SECONDS_PER_DAY * per_second).contains(&value) {
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        return;
    }
    let nanos = value % per_second * (1_000_000_000 / per_second);
    clock((value / per_second) as u32, nanos as u32, out);
}

fn calendar_day(time: &DateTime<Utc>, out: &mut Vec<u8>) {
    digits(time.year() as u32, 4, out);
    out.push(b'-');
    digits(time.month(), 2, out);
    out.push(b'-');
    digits(time.day(), 2, out);
}

fn clock(second: u32, nanos: u32, out: &mut Vec<u8>) {
    digits(second / 3_600, 2, out);
    out.push(b':');
    digits(second / 60 % 60, 2, out);
    out.push(b':');
    digits(second % 60, 2, out);
    if nanos == 0 {
        return;
    }
    out.push(b'.');
    match nanos {
        _ if nanos.is_multiple_of(1_000_000) => digits(nanos / 1_000_000, 3, out),
        _ if nanos.is_multiple_of(1_000) => digits(nanos / 1_000, 6, out),
        _ => digits(nanos, 9, out),
    }
}

fn digits(mut number: u32, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    for digit in out.iter_mut().rev().take(width) {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: i64, unit: TimeUnit) -> String {
        let mut out = Vec::new();
        append_time(value, unit, b'T', &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_and_times_of_day_are_named_as_far_as_they_have_names() {
        for (days, expected) in
            [(0, "1970-01-01"), (-1, "1969-12-31"), (19_753, "2024-01-31"), (i64::MAX, "9223372036854775807")]
        {
            let mut out = Vec::new();
            append_date(days, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        for (value, unit, expected) in [
            (0, TimeUnit::Second, "00:00:00"),
            (86_399, TimeUnit::Second, "23:59:59"),
            (86_400, TimeUnit::Second, "86400"),
            (-1, TimeUnit::Millisecond, "-1"),
            (30_600_250, TimeUnit::Millisecond, "08:30:00.250"),
            (86_399_999_999_999, TimeUnit::Nanosecond, "23:59:59.999999999"),
        ] {
            let mut out = Vec::new();
            append_time_of_day(value, unit, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn times_have_as_many_digits_as_they_need() {
        let cases = [
            (0, TimeUnit::Second, "1970-01-01T00:00:00"),
            (-1, TimeUnit::Second, "1969-12-31T23:59:59"),
            (1_500, TimeUnit::Millisecond, "1970-01-01T00:00:01.500"),
            (-1, TimeUnit::Microsecond, "1969-12-31T23:59:59.999999"),
            (1_000_000, TimeUnit::Microsecond, "1970-01-01T00:00:01"),
            (1_706_690_400_000_000_007, TimeUnit::Nanosecond, "2024-01-31T08:40:00.000000007"),
            (i64::MIN, TimeUnit::Nanosecond, "1677-09-21T00:12:43.145224192"),
            (-62_135_596_800, TimeUnit::Second, "0001-01-01T00:00:00"),
            (253_402_300_799, TimeUnit::Second, "9999-12-31T23:59:59"),
            (i64::MAX, TimeUnit::Second, "9223372036854775807"),
        ];
        for (value, unit, expected) in cases {
            assert_eq!(text(value, unit), expected);
        }
    }
}
