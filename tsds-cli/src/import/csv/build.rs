//! From text to Arrow.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder, StringDictionaryBuilder,
    UInt64Builder,
};
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use csv::ByteRecord;
use tsds_engine::query::{Literal, parse_duration, parse_time_of_day};
use tsds_traits::{Error, Result, ValueClass, integer_form, is_payload_type, type_name};

use super::super::header::Header;
use super::super::plan::{Origin, Plan, Planned, in_unit};
use super::super::time::TimeFormat;
use super::infer::parse_bool;
use super::source::Source;

const NANOS_PER_DAY: i128 = 86_400 * 1_000_000_000;

/// A parsed value; text stays where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Decimal(i128),
    Text,
    FileStem,
}

/// Parses a column's value of one row, whose time is `nanos`.
///
/// # Errors
///
/// What is wrong with it, as text for the user.
pub(super) fn parse_cell(
    source: &Source,
    record: &ByteRecord,
    header: &Header,
    column: &Planned,
    nanos: i128,
) -> Result<Cell, String> {
    let data_type = column.data_type.as_ref().unwrap_or(&DataType::Utf8);
    match column.origin {
        Origin::Time => match data_type {
            DataType::Timestamp(unit, _) => in_unit(nanos, *unit).map(Cell::Int),
            _ => Err("the time column is no timestamp".into()),
        },
        Origin::FileStem => Ok(Cell::FileStem),
        Origin::Field(index) => {
            let text = field(record, header, index)?;
            let is_text = ValueClass::of(data_type) == Some(ValueClass::Text);
            if source.is_null(text) || (!is_text && text.trim().is_empty()) {
                return if column.is_nullable() { Ok(Cell::Null) } else { Err(column.null_refused()) };
            }
            if is_payload_type(data_type) {
                return Err(format!(
                    "column {}: {} cannot come from text; import Parquet or Arrow files",
                    column.name,
                    type_name(data_type)
                ));
            }
            parse_text(text, data_type)
                .map_err(|what| format!("column {}: '{text}' is no {what}", column.name))
        }
    }
}

/// Parses a value by its type; on failure, what it is not.
fn parse_text(text: &str, data_type: &DataType) -> Result<Cell, &'static str> {
    fn int<T: std::str::FromStr + Into<i64>>(text: &str, what: &'static str) -> Result<Cell, &'static str> {
        text.trim().parse::<T>().map(|value| Cell::Int(value.into())).map_err(|_| what)
    }
    fn uint<T: std::str::FromStr + Into<u64>>(text: &str, what: &'static str) -> Result<Cell, &'static str> {
        text.trim().parse::<T>().map(|value| Cell::UInt(value.into())).map_err(|_| what)
    }
    match data_type {
        DataType::Boolean => parse_bool(text.trim()).map(Cell::Bool).ok_or("boolean"),
        DataType::Int8 => int::<i8>(text, "8-bit integer"),
        DataType::Int16 => int::<i16>(text, "16-bit integer"),
        DataType::Int32 => int::<i32>(text, "32-bit integer"),
        DataType::Int64 => int::<i64>(text, "integer"),
        DataType::UInt8 => uint::<u8>(text, "unsigned 8-bit integer"),
        DataType::UInt16 => uint::<u16>(text, "unsigned 16-bit integer"),
        DataType::UInt32 => uint::<u32>(text, "unsigned 32-bit integer"),
        DataType::UInt64 => uint::<u64>(text, "unsigned integer"),
        DataType::Float32 => {
            text.trim().parse::<f32>().map(|value| Cell::Float(value.into())).map_err(|_| "number")
        }
        DataType::Float64 => text.trim().parse().map(Cell::Float).map_err(|_| "number"),
        DataType::Timestamp(unit, _) => {
            let nanos = TimeFormat::Iso.nanos(text).map_err(|_| "time in ISO 8601")?;
            in_unit(nanos, *unit).map(Cell::Int).map_err(|_| "time in the column's unit")
        }
        DataType::Decimal128(precision, scale) => decimal(text, *precision, *scale),
        DataType::Date32 => {
            let nanos = TimeFormat::Iso.nanos(text).map_err(|_| "date in ISO 8601")?;
            let days = (nanos % NANOS_PER_DAY == 0).then(|| i64::try_from(nanos / NANOS_PER_DAY).ok());
            days.flatten().map(Cell::Int).ok_or("whole day")
        }
        DataType::Date64 => {
            let nanos = TimeFormat::Iso.nanos(text).map_err(|_| "date in ISO 8601")?;
            in_unit(nanos, TimeUnit::Millisecond).map(Cell::Int).map_err(|_| "date in milliseconds")
        }
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let nanos = parse_time_of_day(text.trim()).map_err(|_| "time of day, such as 08:30:00")?;
            in_unit(nanos.into(), *unit).map(Cell::Int).map_err(|_| "time of day in the column's unit")
        }
        DataType::Duration(unit) => duration(text.trim(), *unit),
        _ => Ok(Cell::Text),
    }
}

/// A decimal in units of the column's scale; more digits behind the point must be zeros.
fn decimal(text: &str, precision: u8, scale: i8) -> Result<Cell, &'static str> {
    let Some(Literal::Decimal(value, own)) = Literal::decimal(text.trim()) else { return Err("decimal") };
    let misfit = "decimal of the column's digits";
    let more = i32::from(scale) - i32::from(own);
    let power = 10i128.checked_pow(more.unsigned_abs()).ok_or(misfit)?;
    let units = match more {
        0.. => value.checked_mul(power),
        _ => (value % power == 0).then_some(value / power),
    };
    let end = 10u128.checked_pow(precision.into()).unwrap_or(u128::MAX);
    units.filter(|units| units.unsigned_abs() < end).map(Cell::Decimal).ok_or(misfit)
}

/// A whole number of the column's unit, or a number with a unit of its own.
fn duration(text: &str, unit: TimeUnit) -> Result<Cell, &'static str> {
    if let Ok(units) = text.parse() {
        return Ok(Cell::Int(units));
    }
    let nanos = parse_duration(text).map_err(|_| "duration, such as 1500ms")?;
    in_unit(nanos, unit).map(Cell::Int).map_err(|_| "duration in the column's unit")
}

/// The text of a field.
pub(super) fn field<'a>(record: &'a ByteRecord, header: &Header, index: usize) -> Result<&'a str, String> {
    let bytes = record.get(header.position(index)).unwrap_or_default();
    std::str::from_utf8(bytes)
        .map_err(|_| format!("field {} is not UTF-8", header.position(index).saturating_add(1)))
}

/// Builds one batch after the other.
pub(super) struct BatchBuilder {
    schema: SchemaRef,
    columns: Vec<Builder>,
    cells: Vec<Cell>,
    rows: usize,
}

enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    UInt(UInt64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Dictionary(StringDictionaryBuilder<Int32Type>),
}

impl BatchBuilder {
    /// For batches of this schema.
    pub(super) fn new(schema: SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| Builder::new(field.data_type())).collect();
        Self { schema, columns, cells: Vec::new(), rows: 0 }
    }

    /// How many rows the next batch has so far.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row, whole or not at all.
    ///
    /// # Errors
    ///
    /// What is wrong with the row, as text for the user.
    pub(super) fn row(
        &mut self,
        source: &Source,
        record: &ByteRecord,
        header: &Header,
        plan: &Plan,
    ) -> Result<(), String> {
        let nanos = plan.time_of(|index| field(record, header, index))?;
        self.cells.clear();
        for column in plan.columns() {
            self.cells.push(parse_cell(source, record, header, column, nanos)?);
        }
        for ((column, cell), builder) in plan.columns().iter().zip(&self.cells).zip(&mut self.columns) {
            let text = match (cell, column.origin) {
                (Cell::Text, Origin::Field(index)) => field(record, header, index)?,
                (Cell::FileStem, _) => &source.input.stem,
                _ => "",
            };
            builder.append(*cell, text);
        }
        self.rows += 1;
        Ok(())
    }

    /// The batch of all rows since the last one.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        self.rows = 0;
        let arrays = self
            .columns
            .iter_mut()
            .zip(self.schema.fields())
            .map(|(builder, field)| builder.finish(field.data_type()));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match (ValueClass::of(data_type), data_type) {
            (Some(ValueClass::Bool), _) => Self::Bool(BooleanBuilder::new()),
            (Some(ValueClass::Int), _) => Self::Int(Int64Builder::new()),
            (Some(ValueClass::UInt), _) => Self::UInt(UInt64Builder::new()),
            (Some(ValueClass::F32 | ValueClass::F64), _) => Self::Float(Float64Builder::new()),
            (Some(ValueClass::Decimal), _) => Self::Decimal(Decimal128Builder::new()),
            (_, DataType::Dictionary(..)) => Self::Dictionary(StringDictionaryBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn append(&mut self, cell: Cell, text: &str) {
        match (self, cell) {
            (Self::Bool(builder), Cell::Bool(value)) => builder.append_value(value),
            (Self::Int(builder), Cell::Int(value)) => builder.append_value(value),
            (Self::UInt(builder), Cell::UInt(value)) => builder.append_value(value),
            (Self::Float(builder), Cell::Float(value)) => builder.append_value(value),
            (Self::Decimal(builder), Cell::Decimal(value)) => builder.append_value(value),
            (Self::Text(builder), Cell::Text | Cell::FileStem) => builder.append_value(text),
            (Self::Dictionary(builder), Cell::Text | Cell::FileStem) => builder.append_value(text),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Int(builder), _) => builder.append_null(),
            (Self::UInt(builder), _) => builder.append_null(),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Decimal(builder), _) => builder.append_null(),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Dictionary(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self, data_type: &DataType) -> Result<ArrayRef> {
        let array: ArrayRef = match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::UInt(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish().with_data_type(data_type.clone())),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Dictionary(builder) => Arc::new(builder.finish()),
        };
        // Values were checked against the type when they were parsed: the cast only narrows.
        if array.data_type() == data_type {
            return Ok(array);
        }
        let Some(integers) = integer_form(data_type) else {
            return arrow_cast::cast(&array, data_type).map_err(Error::from);
        };
        let array = arrow_cast::cast(&array, &integers)?;
        Ok(arrow_array::make_array(array.to_data().into_builder().data_type(data_type.clone()).build()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parsed_by_the_column_type() {
        let cases = [
            ("true", DataType::Boolean, Ok(Cell::Bool(true))),
            ("1", DataType::Boolean, Err("boolean")),
            (" -128 ", DataType::Int8, Ok(Cell::Int(-128))),
            ("128", DataType::Int8, Err("8-bit integer")),
            ("1.5", DataType::Int64, Err("integer")),
            ("-1", DataType::UInt16, Err("unsigned 16-bit integer")),
            ("18446744073709551615", DataType::UInt64, Ok(Cell::UInt(u64::MAX))),
            ("0.1", DataType::Float32, Ok(Cell::Float(f64::from(0.1f32)))),
            ("abc", DataType::Float64, Err("number")),
            ("1970-01-01 00:00:01", DataType::Timestamp(TimeUnit::Second, None), Ok(Cell::Int(1))),
            (
                "1970-01-01 00:00:01.5",
                DataType::Timestamp(TimeUnit::Second, None),
                Err("time in the column's unit"),
            ),
            ("1970-01-03", DataType::Date32, Ok(Cell::Int(2))),
            ("1970-01-03T01:00:00Z", DataType::Date32, Err("whole day")),
            ("1969-12-31", DataType::Date64, Ok(Cell::Int(-86_400_000))),
            ("08:30", DataType::Time32(TimeUnit::Second), Ok(Cell::Int(30_600))),
            ("08:30:00.5", DataType::Time32(TimeUnit::Second), Err("time of day in the column's unit")),
            ("08:30:00.5", DataType::Time64(TimeUnit::Microsecond), Ok(Cell::Int(30_600_500_000))),
            ("-7", DataType::Duration(TimeUnit::Millisecond), Ok(Cell::Int(-7))),
            ("1.5s", DataType::Duration(TimeUnit::Millisecond), Ok(Cell::Int(1_500))),
            ("soon", DataType::Duration(TimeUnit::Second), Err("duration, such as 1500ms")),
            ("-12.5", DataType::Decimal128(5, 2), Ok(Cell::Decimal(-1_250))),
            ("12.500", DataType::Decimal128(5, 2), Ok(Cell::Decimal(1_250))),
            ("12.345", DataType::Decimal128(5, 2), Err("decimal of the column's digits")),
            ("1000", DataType::Decimal128(5, 2), Err("decimal of the column's digits")),
            ("1e3", DataType::Decimal128(5, 2), Err("decimal")),
            (" x ", DataType::Utf8, Ok(Cell::Text)),
        ];
        for (text, data_type, expected) in cases {
            assert_eq!(parse_text(text, &data_type), expected, "{text} {data_type}");
        }
    }
}
