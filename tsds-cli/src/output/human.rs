//! Numbers as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2,000 files`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Bytes with three significant digits, in powers of 1024.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = "KiB";
    for next in UNITS.iter().skip(1) {
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", three_digits(value))
}

/// A rate with three significant digits: `1.23 M`.
pub(crate) fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 999.5 {
        return format!("{:.0}", if per_second.is_finite() { per_second } else { 0.0 });
    }
    let mut value = per_second / 1000.0;
    let mut unit = "k";
    for next in ["M", "G", "T"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{} {unit}", three_digits(value))
}

/// A time span: `12 ms`, `3.21 s`, `4 min 05 s`, `2 h 03 min`.
pub(crate) fn seconds(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    if seconds < 0.0995 {
        return format!("{} ms", three_digits(seconds * 1000.0));
    }
    if seconds < 99.95 {
        return format!("{} s", three_digits(seconds));
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
    }
}

fn three_digits(value: f64) -> String {
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn nouns_are_counted() {
        assert_eq!(
            [counted(0, "row"), counted(1, "row"), counted(2_000, "row")],
            ["0 rows", "1 row", "2,000 rows"]
        );
    }

    #[test]
    fn bytes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1_048_064, "1.00 MiB"),
            (123 << 20, "123 MiB"),
            (u64::MAX, "16384 PiB"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn rates_have_three_digits() {
        let cases =
            [(0.0, "0"), (999.4, "999"), (1234.0, "1.23 k"), (12_345_678.0, "12.3 M"), (f64::NAN, "0")];
        for (number, text) in cases {
            assert_eq!(rate(number), text);
        }
    }

    #[test]
    fn time_spans_are_short() {
        let cases = [
            (0.0012, "1.20 ms"),
            (0.0994, "99.4 ms"),
            (0.1, "0.10 s"),
            (99.0, "99.0 s"),
            (245.0, "4 min 05 s"),
            (7_380.0, "2 h 03 min"),
        ];
        for (span, text) in cases {
            assert_eq!(seconds(Duration::from_secs_f64(span)), text);
        }
    }
}
