//! Times as ISO 8601 text in UTC.

use arrow_schema::TimeUnit;
use chrono::{DateTime, Datelike, Timelike};

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
    digits(time.year() as u32, 4, out);
    out.push(b'-');
    digits(time.month(), 2, out);
    out.push(b'-');
    digits(time.day(), 2, out);
    out.push(between);
    digits(time.hour(), 2, out);
    out.push(b':');
    digits(time.minute(), 2, out);
    out.push(b':');
    digits(time.second(), 2, out);
    let nanos = nanos as u32;
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
