//! Aggregates as users ask for them.

use std::str::FromStr;

use arrow_schema::{Field, Schema, SchemaRef};
use tsds_traits::{
    Aggregate, AggregatePlan, Error, Function, Result, TableSchema, TimeBucket, type_name, units_per_second,
};

use super::bind::column_named;

/// What to group by and to compute.
///
/// The result has the group columns, then the time bucket under the time column's name, then one column for each function:
/// `count`, `count(x)`, `sum(x)` and so on.
///
/// ```
/// use tsds_engine::query::Aggregation;
///
/// let per_day = Aggregation::new().every("1d".parse()?).by(["station"]).count().avg("temperature");
/// # let _ = per_day;
/// # Ok::<(), tsds_traits::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregation {
    every: Option<Every>,
    by: Vec<String>,
    functions: Vec<(Function, Option<String>)>,
}

/// The width of time buckets, such as `15m`, `1h`, `1d`, `1w`, `1mo` or `1y`. Buckets of a fixed width begin at 1970, weeks on
/// Mondays; months and years are the calendar's, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Every(Width);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Width {
    Nanos { width: i64, origin: i64 },
    Months(u32),
}

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

impl FromStr for Every {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::invalid_input(
                "not a bucket width; write a positive number and one of ns, us, ms, s, m, h, d, w, mo, y",
            )
            .with("text", text)
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: i64 = number.parse().map_err(|_| bad())?;
        if number <= 0 {
            return Err(bad());
        }
        let months = |each: i64| {
            let months = number.checked_mul(each).and_then(|months| u32::try_from(months).ok());
            months
                .filter(|months| *months <= 12_000)
                .map(|months| Self(Width::Months(months)))
                .ok_or_else(bad)
        };
        let fixed = |each: i64, origin: i64| {
            number.checked_mul(each).map(|width| Self(Width::Nanos { width, origin })).ok_or_else(bad)
        };
        match unit {
            "ns" => fixed(1, 0),
            "us" => fixed(1_000, 0),
            "ms" => fixed(1_000_000, 0),
            "s" => fixed(SECOND, 0),
            "m" => fixed(60 * SECOND, 0),
            "h" => fixed(3_600 * SECOND, 0),
            "d" => fixed(DAY, 0),
            // 1970 began on a Thursday: the first Monday is four days later.
            "w" => fixed(7 * DAY, 4 * DAY),
            "mo" => months(1),
            "y" => months(12),
            _ => Err(bad()),
        }
    }
}

impl Every {
    /// The bucket in the unit of the table's time column.
    fn bind(self, schema: &TableSchema) -> Result<TimeBucket> {
        match self.0 {
            Width::Months(width) => Ok(TimeBucket::Months { width, origin: 0 }),
            Width::Nanos { width, origin } => {
                let unit = SECOND / units_per_second(schema.time_unit());
                if width % unit != 0 {
                    return Err(Error::invalid_input("bucket width is finer than the time column")
                        .with("column", &schema.time_column().name)
                        .with("type", type_name(&schema.time_column().data_type)));
                }
                let width = width / unit;
                Ok(TimeBucket::Units { width, origin: (origin / unit).rem_euclid(width) })
            }
        }
    }
}

impl Aggregation {
    /// Everything as one group, and nothing computed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Groups by time buckets of this width.
    #[must_use]
    pub fn every(self, every: Every) -> Self {
        Self { every: Some(every), ..self }
    }

    /// Groups by these columns.
    #[must_use]
    pub fn by<S: Into<String>>(self, columns: impl IntoIterator<Item = S>) -> Self {
        Self { by: columns.into_iter().map(Into::into).collect(), ..self }
    }

    /// Computes a function of a column, or of no column for `count(*)`.
    #[must_use]
    pub fn function(mut self, function: Function, column: Option<String>) -> Self {
        self.functions.push((function, column));
        self
    }

    /// Counts rows.
    #[must_use]
    pub fn count(self) -> Self {
        self.function(Function::Count, None)
    }

    /// Counts the values of a column that are not null.
    #[must_use]
    pub fn count_of(self, column: impl Into<String>) -> Self {
        self.function(Function::Count, Some(column.into()))
    }

    /// Adds up a column, exactly.
    #[must_use]
    pub fn sum(self, column: impl Into<String>) -> Self {
        self.function(Function::Sum, Some(column.into()))
    }

    /// The smallest value of a column.
    #[must_use]
    pub fn min(self, column: impl Into<String>) -> Self {
        self.function(Function::Min, Some(column.into()))
    }

    /// The largest value of a column.
    #[must_use]
    pub fn max(self, column: impl Into<String>) -> Self {
        self.function(Function::Max, Some(column.into()))
    }

    /// The mean of a column: its exact sum over its count, rounded once.
    #[must_use]
    pub fn avg(self, column: impl Into<String>) -> Self {
        self.function(Function::Avg, Some(column.into()))
    }

    /// The first value of a column by time that is not null.
    #[must_use]
    pub fn first(self, column: impl Into<String>) -> Self {
        self.function(Function::First, Some(column.into()))
    }

    /// The last value of a column by time that is not null.
    #[must_use]
    pub fn last(self, column: impl Into<String>) -> Self {
        self.function(Function::Last, Some(column.into()))
    }

    /// Binds names to ids.
    pub(crate) fn bind(&self, schema: &TableSchema) -> Result<AggregatePlan> {
        if self.functions.is_empty() && self.by.is_empty() && self.every.is_none() {
            return Err(Error::invalid_input("aggregation computes nothing; name a function or a group"));
        }
        let id = |name: &String| column_named(schema, name).map(|column| column.id);
        let aggregate = |(function, column): &(Function, Option<String>)| {
            Ok(Aggregate { function: *function, column: column.as_ref().map(id).transpose()? })
        };
        let plan = AggregatePlan {
            group_by: self.by.iter().map(id).collect::<Result<_>>()?,
            bucket: self.every.map(|every| every.bind(schema)).transpose()?,
            aggregates: self.functions.iter().map(aggregate).collect::<Result<_>>()?,
        };
        plan.validate(schema)?;
        Ok(plan)
    }

    /// The names of the result's columns.
    pub(crate) fn names(&self, schema: &TableSchema) -> Vec<String> {
        let mut names = self.by.clone();
        if self.every.is_some() {
            names.push(schema.time_column().name.clone());
        }
        names.extend(self.functions.iter().map(|(function, column)| match column {
            Some(column) => format!("{}({column})", function.name()),
            None => function.name().to_owned(),
        }));
        names
    }

    /// The schema of the result.
    pub(crate) fn output_schema(&self, schema: &TableSchema) -> Result<SchemaRef> {
        let plan = self.bind(schema)?;
        let mut types: Vec<(arrow_schema::DataType, bool)> = Vec::new();
        for id in &plan.group_by {
            types.extend(schema.column(*id).map(|column| (column.data_type.clone(), true)));
        }
        if plan.bucket.is_some() {
            types.push((schema.time_column().data_type.clone(), false));
        }
        types.extend(
            plan.aggregates.iter().map(|one| (one.result_type(schema), one.function != Function::Count)),
        );
        let fields = self.names(schema).into_iter().zip(types);
        let fields: Vec<_> =
            fields.map(|(name, (data_type, nullable))| Field::new(name, data_type, nullable)).collect();
        Ok(Schema::new(fields).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_read_as_written() {
        let every = |text: &str| text.parse::<Every>().unwrap().0;
        assert_eq!(every("15m"), Width::Nanos { width: 900 * SECOND, origin: 0 });
        assert_eq!(every("1mo"), Width::Months(1));
        assert_eq!(every("2y"), Width::Months(24));
        assert_eq!(every("1w"), Width::Nanos { width: 7 * DAY, origin: 4 * DAY });
    }

    #[test]
    fn widths_that_cannot_be_are_refused() {
        for text in ["", "m", "0m", "-1m", "1", "1 m", "1mm", "99999999999d", "9999999mo", "1.5h"] {
            assert!(text.parse::<Every>().is_err(), "{text}");
        }
    }
}
