//! Payload columns: bytes and nested values. They are stored and returned, and nothing is computed of them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};

use crate::schema::is_scalar_type;
use crate::{Column, Error, Result, ValueClass};

/// How deep types are nested at most: a list of structs of lists is three deep.
pub const MAX_PAYLOAD_DEPTH: usize = 4;
/// The most types that one column is made of, itself among them.
const MAX_PARTS: usize = 1_024;
/// The most bytes of a fixed size in one value. What is null takes as much in Arrow's memory as what is not, so that this
/// bounds what a few bytes on disk can grow to.
const MAX_FIXED: usize = 65_536;
/// The longest name of a field of a struct, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Whether columns of this type are payload: `Binary`, `FixedSizeBinary`, and lists, lists of a fixed size, structs and maps, in exactly
/// the form of [`payload_type`].
pub fn is_payload_type(data_type: &DataType) -> bool {
    payload_type(data_type).as_ref() == Some(data_type)
}

/// The type in which payload of this type is stored: names, metadata and nullability that Arrow's libraries choose each in their own way are
/// set to one, bytes, text and lists of every layout to `Binary`, `Utf8` and `List`, and text behind dictionaries to text. Everything inside of a
/// payload is nullable but the keys of maps. `None` for what cannot be a payload column: a type that is no payload, more than
/// [`MAX_PAYLOAD_DEPTH`] deep, made of more than 1,024 types, or with more than 65,536 bytes of a fixed size in one value; fields of structs need
/// names that differ in more than case, of 1 to 256 bytes.
pub fn payload_type(data_type: &DataType) -> Option<DataType> {
    let mut parts = 0;
    let stored = nested(data_type, 0, &mut parts)?;
    fixed_size(&stored)?;
    Some(stored)
}

fn nested(data_type: &DataType, depth: usize, parts: &mut usize) -> Option<DataType> {
    *parts += 1;
    if depth >= MAX_PAYLOAD_DEPTH || *parts > MAX_PARTS {
        return None;
    }
    let mut inner = |field: &Field| inside(field.data_type(), depth + 1, parts);
    Some(match data_type {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::FixedSizeBinary(1..) => data_type.clone(),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => DataType::List(item(inner(field)?)),
        DataType::FixedSizeList(field, size @ 1..) => DataType::FixedSizeList(item(inner(field)?), *size),
        DataType::Struct(fields) if !fields.is_empty() => {
            let mut names = HashSet::new();
            let field = |field: &Arc<Field>| {
                let name = field.name();
                let possible = (1..=MAX_NAME_BYTES).contains(&name.len())
                    && !name.chars().any(char::is_control)
                    && names.insert(name.to_lowercase());
                Some(Field::new(name, inner(field).filter(|_| possible)?, true))
            };
            DataType::Struct(fields.iter().map(field).collect::<Option<Fields>>()?)
        }
        // Arrow recasts no map whose keys are sorted to one whose are not.
        DataType::Map(entries, false) => {
            let DataType::Struct(fields) = entries.data_type() else { return None };
            let [key, value] = &fields[..] else { return None };
            let (key, value) = (inner(key)?, inner(value)?);
            let flat = matches!(key, DataType::Binary | DataType::FixedSizeBinary(_)) || is_leaf(&key);
            flat.then(|| map_of(key, value))?
        }
        _ => return None,
    })
}

/// What lies inside of a nested type.
fn inside(data_type: &DataType, depth: usize, parts: &mut usize) -> Option<DataType> {
    let leaf = match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, values) => match **values {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
            _ => return None,
        },
        other => other.clone(),
    };
    if is_leaf(&leaf) {
        *parts += 1;
        return (*parts <= MAX_PARTS).then_some(leaf);
    }
    // Bytes nest nothing.
    let depth = match leaf {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            depth.saturating_sub(1)
        }
        _ => depth,
    };
    nested(&leaf, depth, parts)
}

/// Scalars inside of payloads. A time zone stands in the name of its type, whose end must be found.
fn is_leaf(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, _) => false,
        DataType::Timestamp(_, Some(zone)) => {
            !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric() || "_+-:/".contains(c))
        }
        other => is_scalar_type(other) && ValueClass::of(other).is_some(),
    }
}

/// The bytes of a fixed size in one value; `None` beyond the limit, here or inside.
fn fixed_size(data_type: &DataType) -> Option<usize> {
    let size = match data_type {
        DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).ok()?,
        DataType::List(field) => fixed_size(field.data_type()).map(|_| 1)?,
        DataType::FixedSizeList(field, size) => {
            fixed_size(field.data_type())?.checked_mul(usize::try_from(*size).ok()?)?
        }
        DataType::Struct(fields) => {
            let sizes = fields.iter().map(|field| fixed_size(field.data_type()));
            sizes.sum::<Option<usize>>()?
        }
        DataType::Map(entries, _) => fixed_size(entries.data_type()).map(|_| 1)?,
        other => other.primitive_width().unwrap_or(1),
    };
    (size <= MAX_FIXED).then_some(size)
}

pub(crate) fn item(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(data_type, true))
}

pub(crate) fn map_of(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

/// Refuses a payload column where values are compared, sorted, grouped or computed. `what` says what was asked for, as in `a filter`.
///
/// # Errors
///
/// `Unsupported`, naming the column and its type.
pub fn refuse_payload(column: &Column, what: &'static str) -> Result<()> {
    if !is_payload_type(&column.data_type) {
        return Ok(());
    }
    Err(Error::unsupported(
        "payload columns are stored and returned only; beside that they can be tested for null and counted",
    )
    .with("column", &column.name)
    .with("type", crate::type_name(&column.data_type))
    .with("asked_for", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(inner: DataType) -> DataType {
        DataType::List(item(inner))
    }

    fn fields(fields: &[(&str, DataType)]) -> DataType {
        let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
        DataType::Struct(fields.iter().map(field).collect())
    }

    #[test]
    fn bytes_and_nested_types_are_payload_and_others_are_not() {
        let zoned = DataType::Timestamp(arrow_schema::TimeUnit::Second, Some("Europe/Berlin".into()));
        let payload = [
            DataType::Binary,
            DataType::FixedSizeBinary(16),
            list(DataType::Float64),
            list(DataType::Binary),
            DataType::FixedSizeList(item(DataType::Float32), 3),
            fields(&[("a", zoned), ("b", list(DataType::Utf8))]),
            map_of(DataType::Utf8, list(DataType::Int64)),
            list(list(list(list(DataType::Binary)))),
        ];
        for data_type in payload {
            assert!(is_payload_type(&data_type) && crate::is_stored_type(&data_type), "{data_type}");
            assert_eq!(ValueClass::of(&data_type), None, "{data_type}");
        }
        for data_type in [DataType::Int64, DataType::Utf8, DataType::Null, DataType::Float16] {
            assert!(!is_payload_type(&data_type), "{data_type}");
        }
    }

    #[test]
    fn what_libraries_choose_differently_becomes_one_type() {
        let element = Arc::new(Field::new("element", DataType::LargeUtf8, false));
        let coded = DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into());
        for (given, stored) in [
            (DataType::LargeBinary, DataType::Binary),
            (DataType::LargeList(element), list(DataType::Utf8)),
            (list(coded), list(DataType::Utf8)),
        ] {
            assert!(!is_payload_type(&given), "{given}");
            assert_eq!(payload_type(&given), Some(stored));
        }
    }

    #[test]
    fn types_beyond_the_limits_are_refused() {
        let five_deep = list(list(list(list(list(DataType::Int8)))));
        let vast = DataType::FixedSizeList(item(DataType::FixedSizeBinary(1_000)), 1_000);
        let DataType::Map(entries, _) = map_of(DataType::Utf8, DataType::Int8) else { panic!() };
        let sorted_map = DataType::Map(entries, true);
        let odd = DataType::Timestamp(arrow_schema::TimeUnit::Second, Some("a,b".into()));
        let wide: Vec<_> =
            (0..1_024).map(|index| Field::new(format!("f{index}"), DataType::Int8, true)).collect();
        for data_type in [
            five_deep,
            list(vast),
            list(odd),
            DataType::Struct(wide.into()),
            DataType::Struct(Fields::empty()),
            DataType::FixedSizeBinary(0),
            DataType::FixedSizeList(item(DataType::Int8), 0),
            fields(&[("a", DataType::Int8), ("A", DataType::Int8)]),
            fields(&[("", DataType::Int8)]),
            map_of(list(DataType::Int8), DataType::Int8),
            list(DataType::Float16),
            sorted_map,
        ] {
            assert_eq!(payload_type(&data_type), None, "{data_type}");
        }
    }
}
