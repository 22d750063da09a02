//! Which column of the table comes from what in the files.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_traits::{Error, Result, TableSchema};

use super::checked::Checked;
use super::time::{TimeFormat, from_parts};

/// The name of the pseudo-column that holds the file's name without directory and ending.
const FILE_COLUMN: &str = "file";
/// The names that tell the parts of a time apart, if they are written in another order.
const PARTS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];

/// What the user asked for.
#[derive(Clone, Debug)]
pub(crate) struct PlanOptions {
    /// The columns that make the time.
    pub(crate) time: Vec<String>,
    /// What the time column is called.
    pub(crate) time_as: Option<String>,
    /// Whether the parts of a time stay columns of their own.
    pub(crate) keep_parts: bool,
    /// How times are written.
    pub(crate) format: TimeFormat,
    /// The series columns.
    pub(crate) series: Vec<String>,
    /// The columns to take, besides those above; all of them if there is no list.
    pub(crate) columns: Option<Vec<String>>,
}

impl PlanOptions {
    /// Whether a column of the files is taken.
    pub(super) fn wants(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|other| other == name);
        self.columns.as_deref().is_none_or(named) || named(&self.time) || named(&self.series)
    }

    /// The names that are taken of a file's.
    pub(super) fn wanted(&self, own: &[String]) -> Vec<String> {
        own.iter().filter(|name| self.wants(name)).cloned().collect()
    }
}

/// Which column of the table comes from what in the files.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    time: TimeFields,
    format: TimeFormat,
    columns: Vec<Planned>,
    series: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum TimeFields {
    /// One column.
    One(usize),
    /// A date and a time of day.
    DateAndTime(usize, usize),
    /// Year, month, day and so on.
    Parts(Vec<usize>),
}

/// One column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(super) name: String,
    pub(super) origin: Origin,
    /// Known from the table, or once all files have been seen.
    pub(super) data_type: Option<DataType>,
    nullable: bool,
}

impl Planned {
    /// Whether the column takes nulls.
    pub(super) fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// What is wrong with a null in a column that takes none.
    pub(super) fn null_refused(&self) -> String {
        format!("column {} must not be null", self.name)
    }
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Time,
    Field(usize),
    FileStem,
}

impl Plan {
    /// A plan for a table that does not exist yet. `names` are the columns of the files.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for names in the options that the files lack, and for clashes.
    pub(crate) fn for_new_table(names: &[String], options: &PlanOptions) -> Result<Self> {
        let (time, time_name) = resolve_time(names, options)?;
        if let Some(unknown) = options.columns.iter().flatten().find(|name| !names.contains(name)) {
            return Err(no_such_column("--columns", unknown, names));
        }
        let mut columns = Vec::with_capacity(names.len() + 2);
        let planned = |name: &str, origin| Planned {
            name: name.into(),
            origin,
            data_type: None,
            nullable: origin != Origin::Time,
        };
        let composed = !matches!(time, TimeFields::One(_));
        if composed {
            columns.push(planned(&time_name, Origin::Time));
        }
        for (index, name) in names.iter().enumerate() {
            if time.uses(index) && !composed {
                columns.push(planned(&time_name, Origin::Time));
            } else if !time.uses(index) || options.keep_parts {
                columns.push(planned(name, Origin::Field(index)));
            }
        }
        let wants_file = options.series.iter().any(|name| name == FILE_COLUMN);
        if wants_file && !columns.iter().any(|column| column.name == FILE_COLUMN) {
            let after_time =
                columns.iter().position(|column| column.origin == Origin::Time).map_or(0, |index| index + 1);
            columns.insert(after_time, planned(FILE_COLUMN, Origin::FileStem));
        }
        if columns.iter().filter(|column| column.name == time_name).count() > 1 {
            return Err(Error::invalid_input(
                "the time column has the name of another column; give another --time-as",
            )
            .with("name", time_name));
        }
        for name in &options.series {
            if !columns.iter().any(|column| column.name == *name && column.origin != Origin::Time) {
                return Err(no_such_column("--series", name, names));
            }
        }
        Ok(Self { time, format: options.format.clone(), columns, series: options.series.clone() })
    }

    /// A plan for a table that exists: the same columns, with the types that it has. Files may lack the columns of `added`, which are
    /// not in the plan then.
    ///
    /// # Errors
    ///
    /// As [`Plan::for_new_table`], and for columns that only one side has.
    pub(crate) fn for_table(
        names: &[String],
        options: &PlanOptions,
        schema: &TableSchema,
        added: &[String],
    ) -> Result<Self> {
        let series: Vec<_> = schema
            .series_indices()
            .iter()
            .filter_map(|index| schema.columns().get(*index))
            .map(|column| column.name.clone())
            .collect();
        if !options.series.is_empty() && options.series != series {
            return Err(Error::invalid_input("the table exists with other series columns")
                .with("table_has", series.join(","))
                .with("asked_for", options.series.join(",")));
        }
        let mut own = Self::for_new_table(
            names,
            &PlanOptions { series: series_in(names, &series), ..options.clone() },
        )?;
        let time_name = &schema.time_column().name;
        let planned_time =
            own.columns.iter().find(|column| column.origin == Origin::Time).map(|column| column.name.clone());
        if planned_time.as_ref() != Some(time_name) {
            return Err(Error::invalid_input(
                "the table exists with another time column; name it with --time-as",
            )
            .with("table_has", time_name)
            .with("files_have", planned_time.unwrap_or_default()));
        }
        let mut columns = Vec::with_capacity(schema.columns().len());
        let mut missing = Vec::new();
        for column in schema.columns() {
            match own.columns.iter().position(|planned| planned.name == column.name) {
                Some(index) => {
                    let planned = own.columns.swap_remove(index);
                    columns.push(Planned {
                        data_type: Some(column.data_type.clone()),
                        nullable: column.nullable,
                        ..planned
                    });
                }
                None if column.name == FILE_COLUMN => columns.push(Planned {
                    name: FILE_COLUMN.into(),
                    origin: Origin::FileStem,
                    data_type: Some(column.data_type.clone()),
                    nullable: column.nullable,
                }),
                None if added.contains(&column.name) => {}
                None => missing.push(column.name.as_str()),
            }
        }
        let mut extra: Vec<_> = own.columns.iter().map(|column| column.name.as_str()).collect();
        extra.sort_by_key(|name| names.iter().position(|other| other == name));
        if !missing.is_empty() || !extra.is_empty() {
            let mut error = Error::invalid_input("the table exists with other columns than the files");
            if !missing.is_empty() {
                error = error.with("only_in_table", missing.join(","));
            }
            if !extra.is_empty() {
                error = error.with("only_in_files", extra.join(","));
            }
            return Err(error);
        }
        Ok(Self { columns, series, ..own })
    }

    /// The columns in the order of the table.
    pub(crate) fn columns(&self) -> &[Planned] {
        &self.columns
    }

    /// The series columns, in sorting order.
    pub(crate) fn series(&self) -> &[String] {
        &self.series
    }

    /// The name of the time column.
    pub(crate) fn time_name(&self) -> &str {
        self.columns.iter().find(|column| column.origin == Origin::Time).map_or("", |column| &column.name)
    }

    /// Fixes the types that are not known yet by what all files showed.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the times need nanoseconds but lie outside their range.
    pub(crate) fn resolve(&mut self, checked: &Checked) -> Result<()> {
        let time_type = DataType::Timestamp(checked.time_unit()?, None);
        for (index, column) in self.columns.iter_mut().enumerate() {
            if column.data_type.is_some() {
                continue;
            }
            let data_type = match column.origin {
                Origin::Time => time_type.clone(),
                Origin::Field(_) => checked.data_type(index),
                Origin::FileStem => DataType::Utf8,
            };
            column.data_type = Some(stored(data_type, self.series.contains(&column.name)));
        }
        Ok(())
    }

    /// The Arrow schema of the batches, once every type is known.
    pub(crate) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| {
            Field::new(&column.name, column.data_type.clone().unwrap_or(DataType::Utf8), column.nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Where the time comes from.
    pub(super) fn time(&self) -> &TimeFields {
        &self.time
    }

    /// How times are written.
    pub(super) fn time_format(&self) -> &TimeFormat {
        &self.format
    }

    /// The time of a row in nanoseconds, whose texts `field` gives, or what is wrong with it.
    pub(super) fn time_of<'a>(
        &self,
        field: impl Fn(usize) -> Result<&'a str, String>,
    ) -> Result<i128, String> {
        match &self.time {
            TimeFields::One(index) => self.format.nanos(field(*index)?),
            TimeFields::DateAndTime(date, time) => {
                self.format.nanos(&format!("{} {}", field(*date)?.trim(), field(*time)?.trim()))
            }
            TimeFields::Parts(indices) => {
                from_parts(&indices.iter().map(|index| field(*index)).collect::<Result<Vec<_>, _>>()?)
            }
        }
    }

    /// Fixes the types that are not known yet by those of the files' columns, as far as these say them: text in series
    /// columns becomes a dictionary.
    pub(crate) fn assume(&mut self, types: &[Option<DataType>]) {
        let of = |index: usize| types.get(index).cloned().flatten();
        for column in &mut self.columns {
            let known = match (column.origin, &self.time) {
                (Origin::Field(index), _) => of(index),
                (Origin::Time, TimeFields::One(index)) => of(*index),
                _ => None,
            };
            if column.data_type.is_none() {
                column.data_type =
                    known.map(|data_type| stored(data_type, self.series.contains(&column.name)));
            }
        }
    }
}

/// The type in which values are stored: the text of series as a dictionary.
fn stored(data_type: DataType, is_series: bool) -> DataType {
    match data_type {
        DataType::Utf8 if is_series => DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
        other => other,
    }
}

impl TimeFields {
    /// The columns of the files that make the time.
    pub(super) fn indices(&self) -> Vec<usize> {
        match self {
            Self::One(one) => vec![*one],
            Self::DateAndTime(date, time) => vec![*date, *time],
            Self::Parts(parts) => parts.clone(),
        }
    }

    fn uses(&self, index: usize) -> bool {
        self.indices().contains(&index)
    }
}

fn resolve_time(names: &[String], options: &PlanOptions) -> Result<(TimeFields, String)> {
    let index_of = |name: &String| {
        names.iter().position(|other| other == name).ok_or_else(|| no_such_column("--time", name, names))
    };
    let indices = options.time.iter().map(index_of).collect::<Result<Vec<_>>>()?;
    let named = |name: &str| options.time_as.clone().unwrap_or_else(|| name.to_owned());
    match indices.as_slice() {
        [one] => Ok((TimeFields::One(*one), named(options.time.first().map_or("time", String::as_str)))),
        [date, time] => Ok((TimeFields::DateAndTime(*date, *time), named("time"))),
        [_, _, _, ..] if indices.len() <= PARTS.len() => {
            Ok((TimeFields::Parts(by_part(&options.time, indices)), named("time")))
        }
        _ => Err(Error::invalid_input(
            "--time takes one column, a date and a time of day, or 3 to 6 columns from year to second",
        )
        .with("columns", options.time.join(","))),
    }
}

/// The columns in the order year to second: by their names if these say so, else as given.
fn by_part(given: &[String], indices: Vec<usize>) -> Vec<usize> {
    let mut ordered: Vec<_> = given
        .iter()
        .zip(&indices)
        .filter_map(|(name, index)| {
            Some((PARTS.iter().position(|part| name.eq_ignore_ascii_case(part))?, *index))
        })
        .collect();
    ordered.sort_unstable();
    let complete = ordered.iter().enumerate().all(|(expected, (part, _))| expected == *part);
    if ordered.len() == indices.len() && complete {
        ordered.into_iter().map(|(_, index)| index).collect()
    } else {
        indices
    }
}

/// The series columns of a table as far as the files have them, and the pseudo-column.
fn series_in(names: &[String], series: &[String]) -> Vec<String> {
    series.iter().filter(|name| names.contains(name) || *name == FILE_COLUMN).cloned().collect()
}

fn no_such_column(option: &'static str, name: &str, names: &[String]) -> Error {
    Error::invalid_input("the files have no such column")
        .with("option", option)
        .with("column", name)
        .with("columns", names.join(","))
}

/// A time in units of a column, exactly.
///
/// # Errors
///
/// What does not fit, as text for the user.
pub(super) fn in_unit(nanos: i128, unit: TimeUnit) -> Result<i64, String> {
    let per_unit = 1_000_000_000 / i128::from(tsds_traits::units_per_second(unit));
    if nanos % per_unit != 0 {
        return Err(format!("the time is finer than the column's unit, {}", unit_name(unit)));
    }
    i64::try_from(nanos / per_unit)
        .map_err(|_| format!("the time is beyond what {} can hold", unit_name(unit)))
}

pub(super) fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
