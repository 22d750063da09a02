//! Which type a column of a file gets.

use arrow_schema::{DataType, Field, TimeUnit};
use tsds_traits::{Error, Result, is_stored_type, payload_type, type_name};

use super::super::plan::{Origin, Plan, TimeFields};
use super::super::time::TimeFormat;
use super::file::ColumnarFile;

/// The key in a field's metadata that names the unit of times that a file holds in another one.
pub(crate) const UNIT_KEY: &str = "tsds.unit";
/// The value of [`UNIT_KEY`] for seconds, which Parquet does not know.
pub(crate) const SECONDS: &str = "s";

/// Whether values are text, in whichever form.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// The type of the table's that holds what a column of a file holds. A column that says nothing but null is `Null`.
pub(super) fn taken_type(field: &Field) -> Option<DataType> {
    let in_seconds = field.metadata().get(UNIT_KEY).is_some_and(|unit| unit == SECONDS);
    match field.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, zone) if in_seconds => {
            Some(DataType::Timestamp(TimeUnit::Second, zone.clone()))
        }
        data_type => taken(data_type),
    }
}

fn taken(data_type: &DataType) -> Option<DataType> {
    match data_type {
        data_type if is_text(data_type) => Some(DataType::Utf8),
        DataType::Float16 => Some(DataType::Float32),
        DataType::Null => Some(DataType::Null),
        // A zone without a name is what no zone is elsewhere.
        DataType::Timestamp(unit, Some(zone)) if zone.is_empty() => Some(DataType::Timestamp(*unit, None)),
        DataType::Dictionary(_, values) => taken(values),
        data_type if is_stored_type(data_type) => Some(data_type.clone()),
        data_type => payload_type(data_type),
    }
}

/// Whether times can be read out of values of this type, by way of text.
fn makes_time(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(
            data_type,
            DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) | DataType::Null
        )
        || is_text(data_type)
}

/// The type that holds the values of both, if each of them fits.
fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Date32, Date64, Duration, Float32, Float64, Int64, Null, Time32, Time64, Timestamp};
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or_default();
    let wider = |a: &DataType, b: &DataType| if width(a) >= width(b) { a.clone() } else { b.clone() };
    Some(match (a, b) {
        (a, b) if a == b => a.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Float32, Float64) | (Float64, Float32) => Float64,
        (a, Float32 | Float64) | (Float32 | Float64, a) if a.is_integer() => Float64,
        (a, b) if a.is_signed_integer() && b.is_signed_integer() => wider(a, b),
        (a, b) if a.is_unsigned_integer() && b.is_unsigned_integer() => wider(a, b),
        (a, b) if a.is_integer() && b.is_integer() => Int64,
        (Timestamp(a, zone), Timestamp(b, other)) if zone == other => Timestamp(*a.max(b), zone.clone()),
        (Date32, Date64) | (Date64, Date32) => Date64,
        (Time32(a), Time32(b)) => Time32(*a.max(b)),
        (Time64(a), Time64(b)) => Time64(*a.max(b)),
        (Time32(_), Time64(unit)) | (Time64(unit), Time32(_)) => Time64(*unit),
        (Duration(a), Duration(b)) => Duration(*a.max(b)),
        _ => return None,
    })
}

/// For each column of all files, the type that holds its values in all of them; nothing where values are read out of text, or
/// there are no values.
///
/// # Errors
///
/// `Unsupported` for all columns of types that no table has; `InvalidInput` for types that do not go together.
pub(in super::super) fn common_types(
    files: &[&ColumnarFile],
    names: &[String],
    plan: &Plan,
) -> Result<Vec<Option<DataType>>> {
    let mut types: Vec<Option<DataType>> = vec![None; names.len()];
    for file in files {
        check_times(file, names, plan)?;
        check_held(file, plan)?;
    }
    // What a table has is decided, however different the files are.
    for column in plan.columns().iter().filter(|column| column.data_type.is_none()) {
        let index = match (column.origin, plan.time()) {
            (Origin::Field(index), _) => index,
            (Origin::Time, TimeFields::One(index)) => *index,
            _ => continue,
        };
        let mut known: Option<(DataType, &ColumnarFile)> = None;
        for file in files {
            let Some(own) = taken_type(file.field(index)?) else { continue };
            let Some((before, first)) = known else {
                known = Some((own, file));
                continue;
            };
            let Some(both) = common(&before, &own) else {
                if column.origin == Origin::Time {
                    // Times are read out of each file as it has them.
                    known = Some((DataType::Null, first));
                    break;
                }
                return Err(Error::invalid_input("the files have types that do not go together")
                    .with("column", &column.name)
                    .with("type", type_name(&before))
                    .with("file", &first.input().name)
                    .with("other_type", type_name(&own))
                    .with("other_file", &file.input().name));
            };
            known = Some((both, first));
        }
        let found = known.map(|(data_type, _)| data_type).filter(|data_type| match column.origin {
            Origin::Time => matches!(data_type, DataType::Timestamp(..)),
            _ => *data_type != DataType::Null,
        });
        if let Some(slot) = types.get_mut(index) {
            *slot = found;
        }
    }
    Ok(types)
}

/// Refuses columns of types that no table has, all of them at once.
fn check_held(file: &ColumnarFile, plan: &Plan) -> Result<()> {
    let mut refused = Vec::new();
    for column in plan.columns() {
        if let Origin::Field(index) = column.origin {
            let field = file.field(index)?;
            if taken_type(field).is_none() {
                refused.push(format!("{} ({})", field.name(), type_name(field.data_type())));
            }
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(Error::unsupported(
        "tables cannot hold the types of some columns; name the columns to take with --columns",
    )
    .with("columns", refused.join(", "))
    .with("file", &file.input().name))
}

/// Refuses columns that the time cannot come from.
fn check_times(file: &ColumnarFile, names: &[String], plan: &Plan) -> Result<()> {
    let is_one = matches!(plan.time(), TimeFields::One(_));
    for index in plan.time().indices() {
        let data_type = file.field(index)?.data_type();
        let refused = |message: &'static str| {
            Err(Error::invalid_input(message)
                .with("column", names.get(index).map_or("", String::as_str))
                .with("type", type_name(data_type))
                .with("file", &file.input().name))
        };
        match (data_type, plan.time_format()) {
            (DataType::Timestamp(..), TimeFormat::Iso) if is_one => {}
            (DataType::Timestamp(..), _) if is_one => {
                return refused("--time-format is for text and numbers, and the column holds times");
            }
            (data_type, TimeFormat::Iso) if is_one && (data_type.is_integer() || data_type.is_floating()) => {
                return refused(
                    "the time column holds numbers; say with --time-format s, ms, us or ns what they count",
                );
            }
            (data_type, _) if makes_time(data_type) => {}
            _ => return refused("no time can be made of such a column"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_several_files_go_together_if_one_can_hold_the_others() {
        use DataType::*;
        let us = Timestamp(TimeUnit::Microsecond, None);
        let cases = [
            (Int8, Int64, Some(Int64)),
            (UInt8, UInt16, Some(UInt16)),
            (UInt64, Int8, Some(Int64)),
            (Int64, Float64, Some(Float64)),
            (Int8, Float32, Some(Float64)),
            (Float32, Float64, Some(Float64)),
            (Null, Utf8, Some(Utf8)),
            (Timestamp(TimeUnit::Second, None), us.clone(), Some(us.clone())),
            (us.clone(), Timestamp(TimeUnit::Microsecond, Some("UTC".into())), None),
            (Date32, Date64, Some(Date64)),
            (Time32(TimeUnit::Second), Time64(TimeUnit::Nanosecond), Some(Time64(TimeUnit::Nanosecond))),
            (
                Duration(TimeUnit::Second),
                Duration(TimeUnit::Millisecond),
                Some(Duration(TimeUnit::Millisecond)),
            ),
            (Date32, us.clone(), None),
            (Utf8, Int64, None),
            (Boolean, Int8, None),
            (us, Int64, None),
        ];
        for (a, b, expected) in cases {
            assert_eq!(common(&a, &b), expected, "{a} {b}");
            assert_eq!(common(&b, &a), expected, "{b} {a}");
        }
    }

    #[test]
    fn text_is_text_in_every_form() {
        let dictionary = |values: DataType| DataType::Dictionary(DataType::Int8.into(), values.into());
        for data_type in [
            DataType::LargeUtf8,
            DataType::Utf8View,
            dictionary(DataType::Utf8),
            dictionary(DataType::Utf8View),
        ] {
            assert_eq!(taken(&data_type), Some(DataType::Utf8), "{data_type}");
        }
        assert_eq!(taken(&dictionary(DataType::Int16)), Some(DataType::Int16));
        assert_eq!(taken(&DataType::Float16), Some(DataType::Float32));
        assert_eq!(taken(&DataType::Date32), Some(DataType::Date32));
        assert_eq!(taken(&DataType::LargeBinary), Some(DataType::Binary));
        assert_eq!(taken(&DataType::Decimal256(76, 0)), None);
    }
}
