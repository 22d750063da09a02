//! Literals on columns of times, dates, times of day and durations: each counts units of some nanoseconds.

use arrow_schema::{DataType, TimeUnit};
use tsds_traits::{Error, Result, units_per_second};

use super::expr::Literal;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;

/// What a literal says on a column whose values count units of time.
pub(super) enum Count {
    /// So many nanoseconds, of which a unit of the column has `unit`.
    Nanos { nanos: i128, unit: i128 },
    /// A number of the column's own units.
    Units,
    /// The literal is of another kind than the column.
    Mismatch,
}

/// What `literal` says on a column of this type; `None` for a type that counts no units of time.
///
/// # Errors
///
/// `InvalidInput` for text that is not what the column holds.
pub(super) fn count(data_type: &DataType, literal: &Literal) -> Result<Option<Count>> {
    Ok(Some(match data_type {
        DataType::Timestamp(unit, _) => instant(literal, nanos_per(*unit))?,
        DataType::Date32 => instant(literal, NANOS_PER_DAY)?,
        DataType::Date64 => instant(literal, nanos_per(TimeUnit::Millisecond))?,
        DataType::Time32(unit) | DataType::Time64(unit) => match literal {
            Literal::Text(text) => {
                Count::Nanos { nanos: parse_time_of_day(text)?.into(), unit: nanos_per(*unit) }
            }
            _ => Count::Mismatch,
        },
        DataType::Duration(unit) => match literal {
            Literal::Text(text) => Count::Nanos { nanos: parse_duration(text)?, unit: nanos_per(*unit) },
            Literal::Int(_) | Literal::Float(_) => Count::Units,
            _ => Count::Mismatch,
        },
        _ => return Ok(None),
    }))
}

fn instant(literal: &Literal, unit: i128) -> Result<Count> {
    Ok(match literal {
        Literal::Time(nanos) => Count::Nanos { nanos: *nanos, unit },
        Literal::Text(text) => Count::Nanos { nanos: parse_time(text)?, unit },
        _ => Count::Mismatch,
    })
}

fn nanos_per(unit: TimeUnit) -> i128 {
    NANOS_PER_SECOND / i128::from(units_per_second(unit))
}

/// Reads a time in ISO 8601 (or with a space for the `T`), in UTC unless it has a zone, as nanoseconds since 1970. A date
/// alone is its first instant.
///
/// # Errors
///
/// `InvalidInput` for anything else.
pub fn parse_time(text: &str) -> Result<i128> {
    let time = arrow_cast::parse::string_to_datetime(&chrono::Utc, text).map_err(|error| {
        Error::invalid_input("not a time; write it like 2024-01-31T08:30:00Z")
            .with("text", text)
            .with("cause", error)
    })?;
    Ok(i128::from(time.timestamp()) * NANOS_PER_SECOND + i128::from(time.timestamp_subsec_nanos()))
}

/// Reads a time of day, such as `08:30` or `08:30:00.25`, as nanoseconds since midnight.
///
/// # Errors
///
/// `InvalidInput` for anything else.
pub fn parse_time_of_day(text: &str) -> Result<i64> {
    arrow_cast::parse::string_to_time_nanoseconds(text).map_err(|error| {
        Error::invalid_input("not a time of day; write it like 08:30:00")
            .with("text", text)
            .with("cause", error)
    })
}

/// Reads a duration: a number, which may have a sign and a fraction, and a unit (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`), such as
/// `1500ms` or `-2.5 h`, as nanoseconds.
///
/// # Errors
///
/// `InvalidInput` for anything else, for parts of a nanosecond, and for what 128 bits of nanoseconds cannot say.
pub fn parse_duration(text: &str) -> Result<i128> {
    nanos_of_duration(text.trim()).ok_or_else(|| {
        Error::invalid_input("not a duration; write a number and ns, us, ms, s, m, h or d, such as 1500ms")
            .with("text", text)
    })
}

fn nanos_of_duration(text: &str) -> Option<i128> {
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(end)?;
    let unit: i128 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3_600 * NANOS_PER_SECOND,
        "d" => NANOS_PER_DAY,
        _ => return None,
    };
    let number = number.trim();
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if ![whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let whole = whole.parse::<i128>().ok()?.checked_mul(unit)?;
    let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = fraction.parse::<i128>().ok()?.checked_mul(unit)?;
    if parts % scale != 0 {
        return None;
    }
    let nanos = whole.checked_add(parts / scale)?;
    Some(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact_or_refused() {
        let cases = [
            ("1500ms", 1_500_000_000),
            ("-2.5 h", -9_000_000_000_000),
            ("+1d", 86_400_000_000_000),
            ("0.000000001s", 1),
            (" 7ns ", 7),
            ("3us", 3_000),
            ("1.50m", 90_000_000_000),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text).unwrap(), nanos, "{text}");
        }
        for text in ["", "5", "ms", "1.5ns", "1h30m", "--1s", "1.s", ".5s", "1e3s", "1 week", "é"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.to_string().contains("1500ms"), "{text}: {error}");
        }
    }

    #[test]
    fn times_of_day_are_nanoseconds_since_midnight() {
        assert_eq!(parse_time_of_day("08:30").unwrap(), 30_600_000_000_000);
        assert_eq!(parse_time_of_day("00:00:00.25").unwrap(), 250_000_000);
        assert!(parse_time_of_day("25:00").unwrap_err().to_string().contains("08:30:00"));
    }
}
