//! Times that are written as text, as nanoseconds since 1970 UTC.

use chrono::format::{Item, ParseErrorKind, Parsed, StrftimeItems};
use chrono::{NaiveDate, NaiveDateTime};

use tsds_engine::query::parse_time;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
/// The first instant of year 1 and of year 10,000: what TSDS stores lies between them.
const FIRST: i128 = -62_135_596_800 * NANOS_PER_SECOND;
const END: i128 = 253_402_300_800 * NANOS_PER_SECOND;

/// How a time is written.
#[derive(Clone, Debug)]
pub(crate) enum TimeFormat {
    /// ISO 8601, also with a blank for the `T`.
    Iso,
    /// A number since 1970; how many nanoseconds one of them is.
    Epoch(i128),
    /// A strftime pattern.
    Pattern(Vec<Item<'static>>),
}

impl TimeFormat {
    /// Reads `--time-format`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as text for the user.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "iso" => Self::Iso,
            "s" => Self::Epoch(NANOS_PER_SECOND),
            "ms" => Self::Epoch(1_000_000),
            "us" => Self::Epoch(1_000),
            "ns" => Self::Epoch(1),
            pattern if pattern.contains('%') => Self::Pattern(
                StrftimeItems::new(pattern)
                    .parse_to_owned()
                    .map_err(|_| format!("the time format {pattern} has an unknown % sequence"))?,
            ),
            other => {
                return Err(format!(
                    "unknown time format {other}: use s, ms, us, ns, or a pattern such as %d.%m.%Y %H:%M:%S"
                ));
            }
        })
    }

    /// Reads one time.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as text for the user.
    pub(super) fn nanos(&self, text: &str) -> Result<i128, String> {
        let text = text.trim();
        let nanos = match self {
            Self::Iso => parse_time(text).ok(),
            Self::Epoch(nanos) => epoch(text, *nanos),
            Self::Pattern(items) => by_pattern(text, items),
        };
        match nanos {
            Some(nanos) => ranged(nanos, text),
            None if text.is_empty() => Err("the time is missing".into()),
            None => Err(format!("'{text}' is no time{}", self.advice(text))),
        }
    }

    fn advice(&self, text: &str) -> &'static str {
        let number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match self {
            Self::Iso if number => "; for numbers since 1970 give --time-format s, ms, us or ns",
            Self::Iso => " in ISO 8601; give its form as --time-format",
            Self::Epoch(_) => " as a number since 1970",
            Self::Pattern(_) => " in the form of --time-format",
        }
    }
}

/// Reads a time from its year, month, day, hour, minute and second, which may have a fraction.
pub(super) fn from_parts(parts: &[&str]) -> Result<i128, String> {
    let shown = || format!("{} is no time", parts.join("-"));
    let part = |index: usize, missing: u32| match parts.get(index) {
        Some(text) => whole(text).ok_or_else(shown),
        None => Ok(missing),
    };
    let (second, nanos) = match parts.get(5) {
        Some(text) => seconds(text).ok_or_else(shown)?,
        None => (0, 0),
    };
    let year = i32::try_from(part(0, 0)?).map_err(|_| shown())?;
    let time = NaiveDate::from_ymd_opt(year, part(1, 1)?, part(2, 1)?).and_then(|date| {
        Some(date.and_time(chrono::NaiveTime::from_hms_nano_opt(
            part(3, 0).ok()?,
            part(4, 0).ok()?,
            second,
            nanos,
        )?))
    });
    ranged(instant(time.ok_or_else(shown)?), &parts.join("-"))
}

/// Whether a time can be stored.
pub(super) fn in_range(nanos: i128) -> bool {
    (FIRST..END).contains(&nanos)
}

fn ranged(nanos: i128, text: &str) -> Result<i128, String> {
    if in_range(nanos) { Ok(nanos) } else { Err(format!("the time '{text}' is outside the years 1 to 9999")) }
}

fn instant(time: NaiveDateTime) -> i128 {
    let time = time.and_utc();
    i128::from(time.timestamp()) * NANOS_PER_SECOND + i128::from(time.timestamp_subsec_nanos())
}

/// A whole number, also written as `3.0`.
fn whole(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text
        .split_once('.')
        .filter(|(_, zeros)| zeros.bytes().all(|zero| zero == b'0'))
        .map_or(text, |(digits, _)| digits);
    digits.parse().ok()
}

fn seconds(text: &str) -> Option<(u32, u32)> {
    let nanos = epoch(text.trim(), NANOS_PER_SECOND)?;
    if nanos < 0 {
        return None;
    }
    Some((u32::try_from(nanos / NANOS_PER_SECOND).ok()?, u32::try_from(nanos % NANOS_PER_SECOND).ok()?))
}

/// A decimal number of units, exactly; digits below a nanosecond must be zeros.
fn epoch(text: &str, unit: i128) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut nanos = whole.parse::<i128>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        let digit = i128::from(digit - b'0');
        if place % 10 != 0 && digit != 0 {
            return None;
        }
        place /= 10;
        nanos = nanos.checked_add(digit.checked_mul(place)?)?;
    }
    Some(if negative { -nanos } else { nanos })
}

/// A pattern may leave out what is finer than it says: then it means the beginning.
fn by_pattern(text: &str, items: &[Item<'static>]) -> Option<i128> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, items.iter()).ok()?;
    let offset = parsed.offset().unwrap_or(0);
    let time = match parsed.to_naive_datetime_with_offset(offset) {
        Ok(time) => time,
        Err(error) if error.kind() == ParseErrorKind::NotEnough => {
            complete(&mut parsed);
            parsed.to_naive_datetime_with_offset(offset).ok()?
        }
        Err(_) => return None,
    };
    Some(instant(time) - i128::from(offset) * NANOS_PER_SECOND)
}

/// Setting a field that is set already fails, which is what is wanted.
fn complete(parsed: &mut Parsed) {
    let by_week =
        parsed.isoweek().is_some() || parsed.week_from_mon().is_some() || parsed.week_from_sun().is_some();
    if parsed.ordinal().is_none() && !by_week {
        let _ = parsed.set_month(1);
        let _ = parsed.set_day(1);
    }
    let _ = parsed.set_hour(0);
    let _ = parsed.set_minute(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str) -> Result<i128, String> {
        TimeFormat::parse(format)?.nanos(text)
    }

    const SECOND: i128 = NANOS_PER_SECOND;
    /// 2015-02-02T14:19:00Z
    const T: i128 = 1_422_886_740 * SECOND;

    #[test]
    fn iso_times_are_read_with_t_or_blank_and_zone() {
        let cases = [
            ("2015-02-02 14:19:00", T),
            ("2015-02-02T14:19:00", T),
            (" 2015-02-02T14:19:00Z ", T),
            ("2015-02-02T16:19:00+02:00", T),
            ("2015-02-02 14:19:00.123456789", T + 123_456_789),
            ("1969-12-31 23:59:59.5", -SECOND / 2),
        ];
        for (text, nanos) in cases {
            assert_eq!(read("iso", text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn numbers_since_1970_are_exact_in_every_unit() {
        let cases = [
            ("s", "1422886740", T),
            ("s", "1422886740.000000001", T + 1),
            ("s", "-1.5", -3 * SECOND / 2),
            ("ms", "1422886740123", T + 123_000_000),
            ("ms", "0.000001", 1),
            ("us", "1", 1_000),
            ("ns", "1422886740000000007", T + 7),
            ("ns", "7.0", 7),
        ];
        for (format, text, nanos) in cases {
            assert_eq!(read(format, text), Ok(nanos), "{format} {text}");
        }
        for (format, text) in [("ns", "0.5"), ("s", "1e9"), ("s", "."), ("s", "--1"), ("s", "1.0000000001")] {
            assert!(read(format, text).is_err(), "{format} {text}");
        }
    }

    #[test]
    fn patterns_mean_the_beginning_of_what_they_leave_out() {
        let cases = [
            ("%d.%m.%Y %H:%M:%S", "02.02.2015 14:19:00", T),
            ("%Y%m%d%H%M%S%.f", "20150202141900.25", T + SECOND / 4),
            ("%Y-%m-%d %H:%M:%S %z", "2015-02-02 16:19:00 +0200", T),
            ("%Y-%m-%d %H", "2015-02-02 14", T - 19 * 60 * SECOND),
            ("%Y-%m-%d", "2015-02-02", T - (14 * 60 + 19) * 60 * SECOND),
            ("%Y-%m", "2015-02", T - (24 * 60 + 14 * 60 + 19) * 60 * SECOND),
            ("%Y", "1970", 0),
            ("%Y-%j", "1970-002", 86_400 * SECOND),
            ("%s", "1422886740", T),
        ];
        for (format, text, nanos) in cases {
            assert_eq!(read(format, text), Ok(nanos), "{format} {text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_advice() {
        let cases = [
            ("iso", "noon", "'noon' is no time in ISO 8601; give its form as --time-format"),
            (
                "iso",
                "1381211948450",
                "'1381211948450' is no time; for numbers since 1970 give --time-format s, ms, us or ns",
            ),
            ("ms", "x", "'x' is no time as a number since 1970"),
            ("%d.%m.%Y", "31.02.2015", "'31.02.2015' is no time in the form of --time-format"),
            ("iso", "", "the time is missing"),
            ("s", "999999999999", "the time '999999999999' is outside the years 1 to 9999"),
        ];
        for (format, text, message) in cases {
            assert_eq!(read(format, text), Err(message.to_owned()), "{format} {text}");
        }
    }

    #[test]
    fn unknown_formats_are_refused() {
        assert_eq!(
            TimeFormat::parse("unix").unwrap_err(),
            "unknown time format unix: use s, ms, us, ns, or a pattern such as %d.%m.%Y %H:%M:%S"
        );
        assert_eq!(
            TimeFormat::parse("%Y-%Q").unwrap_err(),
            "the time format %Y-%Q has an unknown % sequence"
        );
    }

    #[test]
    fn parts_make_a_time() {
        assert_eq!(from_parts(&["2015", "2", "02", "14", "19"]), Ok(T));
        assert_eq!(from_parts(&["2015", "2", "2", "14", "19", "0.5"]), Ok(T + SECOND / 2));
        assert_eq!(from_parts(&["2015.0", "2", "2", "14.0", "19"]), Ok(T));
        for parts in [
            ["2015", "2", "30", "0"],
            ["2015", "2", "2", "24"],
            ["2015", "x", "2", "0"],
            ["0", "1", "1", "0"],
        ] {
            assert!(from_parts(&parts).is_err(), "{parts:?}");
        }
        assert_eq!(from_parts(&["2015", "2", "30"]), Err("2015-2-30 is no time".into()));
    }
}
