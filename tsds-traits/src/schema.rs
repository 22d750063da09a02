//! A table's schema: an Arrow schema with one time column, series columns and catalog ids.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{DECIMAL128_MAX_PRECISION, DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{ColumnId, Error, Result, SchemaVersion, TableId, ValueClass, is_payload_type, refuse_payload};

/// One column of a [`TableSchema`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The catalog id, the same in every schema version.
    pub id: ColumnId,
    /// The user's name.
    pub name: String,
    /// The Arrow type in which the column is stored and returned.
    pub data_type: DataType,
    /// Whether nulls are allowed. The time column never has any.
    pub nullable: bool,
}

/// One version of a table's schema. Batches of the table have exactly these columns in this order.
///
/// Segments are stably sorted by (series columns, time); series columns order nulls first, each in the total order of
/// [`crate::Value`].
///
/// Schemas are equal if their rows are laid out alike: the table's name does not count.
#[derive(Clone, Debug)]
pub struct TableSchema {
    table: TableId,
    name: Option<String>,
    version: SchemaVersion,
    columns: Vec<Column>,
    time: usize,
    series: Vec<usize>,
    arrow: SchemaRef,
}

impl TableSchema {
    /// Checks and builds a schema. `time` and `series` name columns by id; the series columns keep the given order,
    /// which is the order of sorting.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a type that TSDS does not store, and for a series column of payload; `InvalidInput` for a missing, nullable or non-timestamp time
    /// column, for a series column that is unknown, repeated or the time column, and for duplicate names or ids.
    pub fn new(
        table: TableId,
        version: SchemaVersion,
        columns: Vec<Column>,
        time: ColumnId,
        series: &[ColumnId],
    ) -> Result<Self> {
        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        for column in &columns {
            if matches!(&column.data_type, DataType::Timestamp(_, Some(zone)) if zone.is_empty()) {
                return Err(Error::unsupported(
                    "timestamp has an empty time zone; name one, such as UTC, or leave it out",
                )
                .with("column", &column.name)
                .with("type", &column.data_type));
            }
            if !is_stored_type(&column.data_type) {
                return Err(Error::unsupported(
                    "column type is not supported; use one of those that tables hold",
                )
                .with("column", &column.name)
                .with("type", &column.data_type)
                .with("supported", STORED_TYPES));
            }
            if !names.insert(column.name.as_str()) || !ids.insert(column.id) {
                return Err(
                    Error::invalid_input("column name or id occurs twice").with("column", &column.name)
                );
            }
        }
        let position = |id: ColumnId, role: &'static str| {
            columns.iter().position(|column| column.id == id).ok_or_else(|| {
                Error::invalid_input("schema names a column that it does not have").with(role, id)
            })
        };
        let time = position(time, "time_column")?;
        let time_column = &columns[time];
        if !matches!(time_column.data_type, DataType::Timestamp(_, _)) || time_column.nullable {
            return Err(Error::invalid_input("time column must be a timestamp that is never null")
                .with("column", &time_column.name)
                .with("type", &time_column.data_type));
        }
        let series = series.iter().map(|id| position(*id, "series_column")).collect::<Result<Vec<_>>>()?;
        if series.iter().collect::<HashSet<_>>().len() != series.len() || series.contains(&time) {
            return Err(Error::invalid_input("series columns must be distinct and exclude the time column"));
        }
        for index in &series {
            columns.get(*index).map_or(Ok(()), |column| refuse_payload(column, "a series column"))?;
        }
        let fields: Vec<Field> =
            columns.iter().map(|c| Field::new(&c.name, c.data_type.clone(), c.nullable)).collect();
        Ok(Self { table, name: None, version, time, series, arrow: Arc::new(Schema::new(fields)), columns })
    }

    /// Says what the table is called. Files that are written with the schema carry the name, for whoever has nothing but
    /// files; the catalog alone decides which name is right.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The table.
    pub fn table(&self) -> TableId {
        self.table
    }

    /// What the table was called when the schema was made, if that is known.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The schema's version.
    pub fn version(&self) -> SchemaVersion {
        self.version
    }

    /// The columns in batch order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The Arrow schema of every batch of this version. Without metadata.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The position of the time column.
    pub fn time_index(&self) -> usize {
        self.time
    }

    /// The time column.
    pub fn time_column(&self) -> &Column {
        &self.columns[self.time]
    }

    /// The unit of the time column.
    pub fn time_unit(&self) -> TimeUnit {
        match self.time_column().data_type {
            DataType::Timestamp(unit, _) => unit,
            // `new` admits nothing but timestamps.
            _ => TimeUnit::Nanosecond,
        }
    }

    /// The positions of the series columns, in sorting order.
    pub fn series_indices(&self) -> &[usize] {
        &self.series
    }

    /// The ids of the columns by which segments are sorted and ties are broken: series columns, then time.
    pub fn sort_columns(&self) -> Vec<ColumnId> {
        self.series.iter().chain([&self.time]).map(|index| self.columns[*index].id).collect()
    }

    /// The position of the column with this id.
    pub fn index_of(&self, id: ColumnId) -> Option<usize> {
        self.columns.iter().position(|column| column.id == id)
    }

    /// The column with this id.
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        self.index_of(id).map(|index| &self.columns[index])
    }

    /// The column with this name.
    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The Arrow schema of a projection, in the projection's order.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an id that this version lacks.
    pub fn project(&self, projection: &[ColumnId]) -> Result<SchemaRef> {
        let fields = projection.iter().map(|id| {
            let index = self.index_of(*id).ok_or_else(|| {
                Error::invalid_input("projection names an unknown column").with("column", id)
            })?;
            Ok(self.arrow.field(index).clone())
        });
        Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
    }
}

impl PartialEq for TableSchema {
    fn eq(&self, other: &Self) -> bool {
        // The Arrow schema follows from the columns.
        let Self { table, name: _, version, columns, time, series, arrow: _ } = self;
        (*table, *version, *time) == (other.table, other.version, other.time)
            && *columns == other.columns
            && *series == other.series
    }
}

impl Eq for TableSchema {}

/// The types of [`is_stored_type`], by the names of [`crate::type_name`], for whoever was refused another one.
pub const STORED_TYPES: &str = "bool, int8 to int64, uint8 to uint64, float32, float64, utf8, dictionary(int32,utf8), \
     timestamp(s|ms|us|ns[,zone]), date32, date64, time32(s|ms), time64(us|ns), duration(s|ms|us|ns), decimal128(1..38,0..=precision); as payload also \
     binary, fixed_size_binary(n), list(type), fixed_size_list(type,n), struct(name:type,...), map(type,type), at most 4 deep, of \
     these and of the types before, but no dictionaries";

/// Whether columns of this type can be stored: integers, 32- and 64-bit floats, bool, timestamps of every unit without a
/// zone or with one that is not empty, dates, times of day, durations, 128-bit decimals whose scale lies
/// between 0 and their precision, UTF-8 text, `Dictionary(Int32, Utf8)`, and payload: [`is_payload_type`].
pub fn is_stored_type(data_type: &DataType) -> bool {
    is_scalar_type(data_type) || is_payload_type(data_type)
}

/// Whether this is a stored type whose values can be compared: one with a [`ValueClass`].
pub(crate) fn is_scalar_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => !zone.is_empty(),
        DataType::Decimal128(precision, scale) => {
            (1..=DECIMAL128_MAX_PRECISION).contains(precision)
                && u8::try_from(*scale).is_ok_and(|scale| scale <= *precision)
        }
        DataType::Dictionary(keys, values) => **keys == DataType::Int32 && **values == DataType::Utf8,
        other => ValueClass::of(other).is_some(),
    }
}

/// Units of the time column in one second.
pub fn units_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(id: u32, name: &str, data_type: DataType) -> Column {
        Column { id: ColumnId(id), name: name.into(), data_type, nullable: false }
    }

    fn time() -> Column {
        column(1, "time", DataType::Timestamp(TimeUnit::Microsecond, None))
    }

    fn build(columns: Vec<Column>, series: &[ColumnId]) -> Result<TableSchema> {
        TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), series)
    }

    #[test]
    fn sort_columns_are_series_then_time() {
        let schema = build(vec![time(), column(2, "host", DataType::Utf8)], &[ColumnId(2)]).unwrap();
        assert_eq!(schema.sort_columns(), [ColumnId(2), ColumnId(1)]);
        assert_eq!(schema.time_unit(), TimeUnit::Microsecond);
    }

    #[test]
    fn schemas_under_two_names_are_equal_and_others_are_not() {
        let host = || column(2, "host", DataType::Utf8);
        let schema = build(vec![time(), host()], &[ColumnId(2)]).unwrap();
        let named = schema.clone().with_name("air");
        assert_eq!((named.name(), schema.name()), (Some("air"), None));
        assert_eq!(named, schema);
        assert_ne!(build(vec![time(), host()], &[]).unwrap(), schema);
        assert_ne!(build(vec![host(), time()], &[ColumnId(2)]).unwrap(), schema);
    }

    #[test]
    fn an_unsupported_type_is_refused_by_name() {
        let error = build(vec![time(), column(2, "half", DataType::Float16)], &[]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
        assert!(error.to_string().contains("column=half type=Float16"), "{error}");
    }

    #[test]
    fn payload_is_no_series_column() {
        let columns = || vec![time(), column(2, "blob", DataType::Binary)];
        assert!(build(columns(), &[]).is_ok());
        let error = build(columns(), &[ColumnId(2)]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
        assert!(error.to_string().contains("column=blob type=binary"), "{error}");
    }

    #[test]
    fn an_empty_time_zone_is_refused_by_name() {
        let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("".into()));
        assert!(!is_stored_type(&zone));
        for columns in [
            vec![Column { data_type: zone.clone(), ..time() }],
            vec![time(), column(2, "since", zone.clone())],
        ] {
            let name = columns.last().unwrap().name.clone();
            let error = build(columns, &[]).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
            assert!(error.to_string().contains(&format!("column={name}")), "{error}");
            assert!(error.to_string().contains("zone"), "{error}");
        }
    }

    #[test]
    fn a_time_column_that_is_nullable_or_no_timestamp_is_refused() {
        let nullable = Column { nullable: true, ..time() };
        assert!(build(vec![nullable], &[]).is_err());
        assert!(build(vec![column(1, "time", DataType::Int64)], &[]).is_err());
    }

    #[test]
    fn series_columns_must_exist_once_and_not_be_time() {
        let columns = vec![time(), column(2, "host", DataType::Utf8)];
        for series in [vec![ColumnId(9)], vec![ColumnId(2), ColumnId(2)], vec![ColumnId(1)]] {
            assert!(build(columns.clone(), &series).is_err(), "{series:?}");
        }
    }
}
