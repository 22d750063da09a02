//! The frozen form of a schema: `docs/formats/schema-record.md`. What catalogs and segment files store.

use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::payload_names::{parse_payload, payload_name};
use crate::{Column, ColumnId, Error, Result, SchemaVersion, TableId, TableSchema};

/// A [`TableSchema`] as it is stored: types by name, everything else as is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaRecord {
    /// The table.
    pub table: TableId,
    /// What the table was called when this was written, for whoever has nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version.
    pub version: SchemaVersion,
    /// The columns in batch order.
    pub columns: Vec<ColumnRecord>,
    /// The time column.
    pub time: ColumnId,
    /// The series columns in sorting order.
    pub series: Vec<ColumnId>,
}

/// A [`Column`] as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnRecord {
    /// The column.
    pub id: ColumnId,
    /// The user's name.
    pub name: String,
    /// [`type_name`] of the type.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether nulls are allowed.
    pub nullable: bool,
}

impl From<&TableSchema> for SchemaRecord {
    fn from(schema: &TableSchema) -> Self {
        let column = |column: &Column| ColumnRecord {
            id: column.id,
            name: column.name.clone(),
            data_type: type_name(&column.data_type),
            nullable: column.nullable,
        };
        Self {
            table: schema.table(),
            name: schema.name().map(str::to_owned),
            version: schema.version(),
            columns: schema.columns().iter().map(column).collect(),
            time: schema.time_column().id,
            series: schema.series_indices().iter().map(|index| schema.columns()[*index].id).collect(),
        }
    }
}

impl TryFrom<&SchemaRecord> for TableSchema {
    type Error = Error;

    /// Checks a stored schema as [`TableSchema::new`] does.
    fn try_from(record: &SchemaRecord) -> Result<Self> {
        let column = |column: &ColumnRecord| {
            Ok(Column {
                id: column.id,
                name: column.name.clone(),
                data_type: parse_type(&column.data_type)
                    .map_err(|error| error.with("column", &column.name))?,
                nullable: column.nullable,
            })
        };
        let columns = record.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
        let schema = TableSchema::new(record.table, record.version, columns, record.time, &record.series)?;
        Ok(match &record.name {
            Some(name) => schema.with_name(name),
            None => schema,
        })
    }
}

/// The stable name of a stored type: `int32`, `float64`, `bool`, `utf8`, `dictionary(int32,utf8)`, `timestamp(us)`,
/// `timestamp(ns,Europe/Berlin)`, `date32`, `time64(us)`, `duration(ms)`,
/// `decimal128(18,2)`, `binary`, `fixed_size_binary(16)`, `list(float64)`, `fixed_size_list(float32,3)`, `struct(a:int64,"b c":utf8)`,
/// `map(utf8,int64)`. Types that are not stored get Arrow's name.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".into(),
        DataType::Int8 => "int8".into(),
        DataType::Int16 => "int16".into(),
        DataType::Int32 => "int32".into(),
        DataType::Int64 => "int64".into(),
        DataType::UInt8 => "uint8".into(),
        DataType::UInt16 => "uint16".into(),
        DataType::UInt32 => "uint32".into(),
        DataType::UInt64 => "uint64".into(),
        DataType::Float32 => "float32".into(),
        DataType::Float64 => "float64".into(),
        DataType::Utf8 => "utf8".into(),
        DataType::Timestamp(unit, None) => format!("timestamp({})", unit_name(*unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp({},{zone})", unit_name(*unit)),
        DataType::Decimal128(precision, scale) => format!("decimal128({precision},{scale})"),
        DataType::Date32 => "date32".into(),
        DataType::Date64 => "date64".into(),
        DataType::Time32(unit) => format!("time32({})", unit_name(*unit)),
        DataType::Time64(unit) => format!("time64({})", unit_name(*unit)),
        DataType::Duration(unit) => format!("duration({})", unit_name(*unit)),
        DataType::Dictionary(keys, values) => {
            format!("dictionary({},{})", type_name(keys), type_name(values))
        }
        other => payload_name(other).unwrap_or_else(|| other.to_string()),
    }
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

/// Reads what [`type_name`] writes of stored types.
///
/// # Errors
///
/// `Unsupported` for anything else.
pub fn parse_type(name: &str) -> Result<DataType> {
    let parsed = parse_scalar(name).or_else(|| parse_payload(name));
    parsed.ok_or_else(|| Error::unsupported("unknown column type").with("type", name))
}

/// As [`parse_type`], but of no payload.
pub(crate) fn parse_scalar(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "utf8" => DataType::Utf8,
        "date32" => DataType::Date32,
        "date64" => DataType::Date64,
        "time32(s)" => DataType::Time32(TimeUnit::Second),
        "time32(ms)" => DataType::Time32(TimeUnit::Millisecond),
        "time64(us)" => DataType::Time64(TimeUnit::Microsecond),
        "time64(ns)" => DataType::Time64(TimeUnit::Nanosecond),
        "duration(s)" => DataType::Duration(TimeUnit::Second),
        "duration(ms)" => DataType::Duration(TimeUnit::Millisecond),
        "duration(us)" => DataType::Duration(TimeUnit::Microsecond),
        "duration(ns)" => DataType::Duration(TimeUnit::Nanosecond),
        "dictionary(int32,utf8)" => DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()),
        other => {
            if let Some(decimal) = other.strip_prefix("decimal128(").and_then(|rest| rest.strip_suffix(')')) {
                return parse_decimal(decimal);
            }
            let inner = other.strip_prefix("timestamp(")?.strip_suffix(')')?;
            let (unit, zone) = match inner.split_once(',') {
                Some((unit, zone)) if !zone.is_empty() => (unit, Some(zone.into())),
                Some(_) => return None,
                None => (inner, None),
            };
            let unit = match unit {
                "s" => TimeUnit::Second,
                "ms" => TimeUnit::Millisecond,
                "us" => TimeUnit::Microsecond,
                "ns" => TimeUnit::Nanosecond,
                _ => return None,
            };
            DataType::Timestamp(unit, zone)
        }
    })
}

/// The type of decimals of `precision,scale`, both written as [`type_name`] writes them.
fn parse_decimal(text: &str) -> Option<DataType> {
    let (precision, scale) = text.split_once(',')?;
    let data_type = DataType::Decimal128(precision.parse().ok()?, scale.parse().ok()?);
    (crate::is_stored_type(&data_type) && type_name(&data_type) == format!("decimal128({text})"))
        .then_some(data_type)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The name of every type that is stored, as it was frozen.
    const NAMES: [(&str, DataType); 26] = [
        ("bool", DataType::Boolean),
        ("int8", DataType::Int8),
        ("int16", DataType::Int16),
        ("int32", DataType::Int32),
        ("int64", DataType::Int64),
        ("uint8", DataType::UInt8),
        ("uint16", DataType::UInt16),
        ("uint32", DataType::UInt32),
        ("uint64", DataType::UInt64),
        ("float32", DataType::Float32),
        ("float64", DataType::Float64),
        ("utf8", DataType::Utf8),
        ("timestamp(s)", DataType::Timestamp(TimeUnit::Second, None)),
        ("date32", DataType::Date32),
        ("date64", DataType::Date64),
        ("time32(s)", DataType::Time32(TimeUnit::Second)),
        ("time32(ms)", DataType::Time32(TimeUnit::Millisecond)),
        ("time64(us)", DataType::Time64(TimeUnit::Microsecond)),
        ("time64(ns)", DataType::Time64(TimeUnit::Nanosecond)),
        ("duration(s)", DataType::Duration(TimeUnit::Second)),
        ("duration(ms)", DataType::Duration(TimeUnit::Millisecond)),
        ("duration(us)", DataType::Duration(TimeUnit::Microsecond)),
        ("duration(ns)", DataType::Duration(TimeUnit::Nanosecond)),
        ("decimal128(38,38)", DataType::Decimal128(38, 38)),
        ("decimal128(18,2)", DataType::Decimal128(18, 2)),
        ("decimal128(1,0)", DataType::Decimal128(1, 0)),
    ];

    #[test]
    fn the_names_of_types_are_frozen() {
        let zoned = |unit, zone: &str| DataType::Timestamp(unit, Some(zone.into()));
        let others = [
            ("dictionary(int32,utf8)", DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into())),
            ("timestamp(ms)", DataType::Timestamp(TimeUnit::Millisecond, None)),
            ("timestamp(us)", DataType::Timestamp(TimeUnit::Microsecond, None)),
            ("timestamp(ns)", DataType::Timestamp(TimeUnit::Nanosecond, None)),
            ("timestamp(s,UTC)", zoned(TimeUnit::Second, "UTC")),
            ("timestamp(ms,+02:00)", zoned(TimeUnit::Millisecond, "+02:00")),
            ("timestamp(us,Europe/Berlin)", zoned(TimeUnit::Microsecond, "Europe/Berlin")),
            ("timestamp(ns,a,(b))", zoned(TimeUnit::Nanosecond, "a,(b)")),
        ];
        for (name, data_type) in NAMES.into_iter().chain(others) {
            assert!(crate::is_stored_type(&data_type), "{name}");
            assert_eq!(type_name(&data_type), name);
            assert_eq!(parse_type(name).unwrap(), data_type);
        }
    }

    /// Types that are stored, and some that are not.
    fn any_type() -> impl Strategy<Value = DataType> {
        let unit = prop_oneof![
            Just(TimeUnit::Second),
            Just(TimeUnit::Millisecond),
            Just(TimeUnit::Microsecond),
            Just(TimeUnit::Nanosecond)
        ];
        let zone = prop_oneof![
            Just(None),
            Just(Some(String::new())),
            "[,()a ]{1,4}".prop_map(Some),
            ".*".prop_map(Some)
        ];
        let plain = prop_oneof![
            prop::sample::select(NAMES.map(|(_, data_type)| data_type).to_vec()),
            (unit, zone).prop_map(|(unit, zone)| DataType::Timestamp(unit, zone.map(Into::into))),
            Just(DataType::Binary),
            Just(DataType::LargeUtf8),
            Just(DataType::Float16),
            Just(DataType::Time32(TimeUnit::Nanosecond)),
            (0..42u8, -2..42i8).prop_map(|(precision, scale)| DataType::Decimal128(precision, scale)),
            Just(DataType::Time64(TimeUnit::Second)),
        ];
        let coded = (plain.clone(), plain.clone())
            .prop_map(|(keys, values)| DataType::Dictionary(keys.into(), values.into()));
        let text = Just(DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()));
        prop_oneof![8 => plain, 1 => coded, 1 => text]
    }

    fn any_column() -> impl Strategy<Value = Column> {
        let id = prop_oneof![0..6u32, any::<u32>()].prop_map(ColumnId);
        let name = prop_oneof!["[a-c\"\\\\]{0,2}", ".*"];
        (id, name, any_type(), any::<bool>()).prop_map(|(id, name, data_type, nullable)| Column {
            id,
            name,
            data_type,
            nullable,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn every_type_that_is_stored_reads_back_from_its_name(data_type in any_type()) {
            if crate::is_stored_type(&data_type) {
                prop_assert_eq!(parse_type(&type_name(&data_type)).unwrap(), data_type);
            }
        }

        #[test]
        fn every_schema_that_is_accepted_reads_back_from_its_record(
            (unit, time_zone) in (0..4usize, prop_oneof![Just(None), ".*".prop_map(Some)]),
            others in prop::collection::vec(any_column(), 0..4),
            position in any::<prop::sample::Index>(),
            series in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
            numbers in any::<(u32, u32)>(),
        ) {
            let unit = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond][unit];
            let data_type = DataType::Timestamp(unit, time_zone.map(Into::into));
            let time = Column { id: ColumnId(77), name: "time".into(), data_type, nullable: false };
            let mut columns = others;
            columns.insert(position.index(columns.len() + 1), time);
            let series: Vec<_> = series.iter().map(|index| columns[index.index(columns.len())].id).collect();
            let (table, version) = (TableId(numbers.0), SchemaVersion(numbers.1));
            if let Ok(schema) = TableSchema::new(table, version, columns, ColumnId(77), &series) {
                let json = serde_json::to_string(&SchemaRecord::from(&schema)).unwrap();
                let record: SchemaRecord = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(TableSchema::try_from(&record).unwrap(), schema);
            }
        }
    }

    #[test]
    fn an_unknown_type_is_refused_by_name() {
        let names = ["", "decimal", "timestamp(", "timestamp(h)", "timestamp(ns,)", "dictionary(int8,utf8)"];
        for name in names.into_iter().chain([
            "date",
            "time32(us)",
            "time64(s)",
            "duration(h)",
            "duration",
            "decimal128",
            "decimal128(39,0)",
            "decimal128(0,0)",
            "decimal128(4,5)",
            "decimal128(4,-1)",
            "decimal128(04,1)",
            "decimal128(4, 1)",
        ]) {
            assert!(parse_type(name).unwrap_err().to_string().contains("type="), "{name}");
        }
    }

    #[test]
    fn the_stored_form_is_frozen() {
        let time = Column {
            id: ColumnId(1),
            name: "time".into(),
            data_type: DataType::Timestamp(TimeUnit::Microsecond, None),
            nullable: false,
        };
        let host = Column { id: ColumnId(2), name: "host".into(), data_type: DataType::Utf8, nullable: true };
        let schema =
            TableSchema::new(TableId(7), SchemaVersion(1), vec![time, host], ColumnId(1), &[ColumnId(2)])
                .unwrap();
        let record = SchemaRecord::from(&schema);
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"table":7,"version":1,"columns":[{"id":1,"name":"time","type":"timestamp(us)","nullable":false},{"id":2,"name":"host","type":"utf8","nullable":true}],"time":1,"series":[2]}"#
        );
        assert_eq!(TableSchema::try_from(&record).unwrap(), schema);
    }

    #[test]
    fn the_stored_form_with_a_name_is_frozen() {
        let text = r#"{"table":7,"name":"a \"b\"","version":1,"columns":[{"id":1,"name":"time","type":"timestamp(us)","nullable":false}],"time":1,"series":[]}"#;
        let record: SchemaRecord = serde_json::from_str(text).unwrap();
        let schema = TableSchema::try_from(&record).unwrap();
        assert_eq!(schema.name(), Some("a \"b\""));
        assert_eq!(serde_json::to_string(&SchemaRecord::from(&schema)).unwrap(), text);
    }
}
