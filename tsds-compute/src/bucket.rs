//! Time buckets.

use arrow_schema::TimeUnit;
use tsds_traits::{Error, Result, TimeBucket, units_per_second};

use crate::calendar::{SECONDS_PER_DAY, first_day_of_month, month_of_day};

/// Finds the bucket of a time, in the units of one time column.
#[derive(Clone, Copy, Debug)]
pub struct Bucketer {
    bucket: TimeBucket,
    units_per_day: i64,
}

/// The times of one bucket that the time type can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketSpan {
    /// The bucket's start, which names it; the type's minimum where the bucket begins before that.
    pub start: i64,
    /// The last time in the bucket; the type's maximum where the bucket ends after that.
    pub last: i64,
}

impl BucketSpan {
    /// Whether `time` lies in the bucket.
    #[inline]
    pub fn contains(&self, time: i64) -> bool {
        self.start <= time && time <= self.last
    }
}

impl Bucketer {
    /// Buckets of a time column in `unit`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a width that is not positive or an origin outside it; `Unsupported` for a kind of bucket that is
    /// not known here.
    pub fn new(bucket: TimeBucket, unit: TimeUnit) -> Result<Self> {
        let possible = match bucket {
            TimeBucket::Units { width, origin } => (0..width).contains(&origin),
            TimeBucket::Months { width, origin } => width <= 12_000 && origin < width,
            _ => return Err(Error::unsupported("time bucket is of an unknown kind")),
        };
        if !possible {
            return Err(Error::invalid_input(
                "bucket width must be positive and its origin within the width",
            )
            .with("bucket", format_args!("{bucket:?}")));
        }
        Ok(Self { bucket, units_per_day: SECONDS_PER_DAY * units_per_second(unit) })
    }

    /// The bucket that holds `time`.
    pub fn span_of(&self, time: i64) -> BucketSpan {
        match self.bucket {
            TimeBucket::Months { width, origin } => self.months(time, i64::from(width), i64::from(origin)),
            TimeBucket::Units { width, origin } => units(time, width, origin),
            // `new` lets nothing else through.
            _ => BucketSpan { start: time, last: time },
        }
    }

    fn months(&self, time: i64, width: i64, origin: i64) -> BucketSpan {
        let month = month_of_day(time.div_euclid(self.units_per_day));
        let first = month - (month - origin).rem_euclid(width);
        let start_of = |month| first_day_of_month(month).checked_mul(self.units_per_day);
        BucketSpan {
            start: start_of(first).unwrap_or(i64::MIN),
            last: start_of(first + width).map_or(i64::MAX, |next| next - 1),
        }
    }

    /// The start of each time's bucket.
    pub fn starts_of(&self, times: &[i64]) -> Vec<i64> {
        let mut starts = Vec::with_capacity(times.len());
        let mut rows = times;
        while let Some(first) = rows.first() {
            let span = self.span_of(*first);
            let run = rows.iter().take_while(|time| span.contains(**time)).count();
            starts.resize(starts.len() + run, span.start);
            rows = &rows[run..];
        }
        starts
    }
}

fn units(time: i64, width: i64, origin: i64) -> BucketSpan {
    // `time - origin` can leave `i64`; both remainders lie within the width.
    let remainder = time.rem_euclid(width);
    let offset = if remainder >= origin { remainder - origin } else { remainder - origin + width };
    BucketSpan { start: time.saturating_sub(offset), last: time.saturating_add(width - 1 - offset) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(width: i64, origin: i64) -> Bucketer {
        Bucketer::new(TimeBucket::Units { width, origin }, TimeUnit::Second).unwrap()
    }

    #[test]
    fn buckets_before_1970_are_floored() {
        assert_eq!(units(60, 0).span_of(-1), BucketSpan { start: -60, last: -1 });
        assert_eq!(units(60, 59).span_of(-1), BucketSpan { start: -1, last: 58 });
    }

    #[test]
    fn buckets_at_the_ends_of_the_type_are_cut() {
        let width = 1_000;
        assert_eq!(units(width, 0).span_of(i64::MIN).start, i64::MIN);
        assert_eq!(units(width, 0).span_of(i64::MAX).last, i64::MAX);
        let widest = units(i64::MAX, i64::MAX - 1);
        assert_eq!(widest.span_of(i64::MAX), BucketSpan { start: i64::MAX - 1, last: i64::MAX });
        assert_eq!(widest.span_of(i64::MIN).start, i64::MIN);
    }

    #[test]
    fn months_follow_the_calendar() {
        let months = |width, origin| {
            Bucketer::new(TimeBucket::Months { width, origin }, TimeUnit::Millisecond).unwrap()
        };
        let day = SECONDS_PER_DAY * 1000;
        // February 1972 is a leap month; December 1969 ends at 1970.
        assert_eq!(months(1, 0).span_of(770 * day), BucketSpan { start: 761 * day, last: 790 * day - 1 });
        assert_eq!(months(1, 0).span_of(-1), BucketSpan { start: -31 * day, last: -1 });
        assert_eq!(months(12, 0).span_of(400 * day), BucketSpan { start: 365 * day, last: 730 * day - 1 });
        assert_eq!(months(3, 2).span_of(0).start, -31 * day);
    }

    #[test]
    fn months_of_nanoseconds_saturate() {
        let months =
            Bucketer::new(TimeBucket::Months { width: 12_000, origin: 0 }, TimeUnit::Nanosecond).unwrap();
        assert_eq!(months.span_of(-1), BucketSpan { start: i64::MIN, last: -1 });
        assert_eq!(months.span_of(i64::MAX), BucketSpan { start: 0, last: i64::MAX });
    }

    #[test]
    fn widths_and_origins_that_make_no_buckets_are_refused() {
        for bucket in [
            TimeBucket::Units { width: 0, origin: 0 },
            TimeBucket::Units { width: 5, origin: 5 },
            TimeBucket::Units { width: 5, origin: -1 },
            TimeBucket::Months { width: 0, origin: 0 },
            TimeBucket::Months { width: 12_001, origin: 0 },
        ] {
            assert!(Bucketer::new(bucket, TimeUnit::Second).is_err(), "{bucket:?}");
        }
    }

    proptest! {
        #[test]
        fn every_time_lies_in_its_bucket(time in any::<i64>(), width in 1..=i64::MAX, origin in any::<u64>()) {
            let origin = (origin % width as u64) as i64;
            let span = units(width, origin).span_of(time);
            prop_assert!(span.contains(time));
            if span.start != i64::MIN {
                prop_assert_eq!((i128::from(span.start) - i128::from(origin)).rem_euclid(i128::from(width)), 0);
                prop_assert!(!units(width, origin).span_of(span.start - 1).contains(time));
            }
            if span.last != i64::MAX {
                prop_assert_eq!(units(width, origin).span_of(span.last + 1).start, span.last + 1);
            }
        }

        #[test]
        fn starts_agree_row_by_row(times in prop::collection::vec(-5_000i64..5_000, 0..50), width in 1i64..2_000) {
            let buckets = units(width, 0);
            let naive: Vec<i64> = times.iter().map(|time| buckets.span_of(*time).start).collect();
            prop_assert_eq!(buckets.starts_of(&times), naive);
        }
    }
}
