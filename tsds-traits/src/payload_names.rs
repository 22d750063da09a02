//! Names of payload types: `list(float64)`, `struct(a:int64,"b c":utf8)`. Frozen: `docs/formats/schema-record.md`.

use std::fmt::Write;

use arrow_schema::{DataType, Field, Fields};

use crate::payload::{MAX_PAYLOAD_DEPTH, is_payload_type, item, map_of};
use crate::schema_record::parse_scalar;
use crate::type_name;

/// The name of a payload type; `None` for another type.
pub(crate) fn payload_name(data_type: &DataType) -> Option<String> {
    is_payload_type(data_type).then(|| nested_name(data_type))
}

fn nested_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Binary => "binary".into(),
        DataType::FixedSizeBinary(size) => format!("fixed_size_binary({size})"),
        DataType::List(field) => format!("list({})", nested_name(field.data_type())),
        DataType::FixedSizeList(field, size) => {
            format!("fixed_size_list({},{size})", nested_name(field.data_type()))
        }
        DataType::Struct(fields) => {
            let field = |field: &std::sync::Arc<Field>| {
                format!("{}:{}", field_name(field.name()), nested_name(field.data_type()))
            };
            format!("struct({})", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let parts = fields.iter().map(|field| nested_name(field.data_type()));
                format!("map({})", parts.collect::<Vec<_>>().join(","))
            }
            other => other.to_string(),
        },
        scalar => type_name(scalar),
    }
}

/// A name as it is, where it is made of letters, digits and underscores of ASCII and begins with no digit; else in double quotes, those in it
/// twice.
fn field_name(name: &str) -> String {
    if is_plain(name) {
        return name.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in name.chars() {
        let _ = write!(quoted, "{}{c}", if c == '"' { "\"" } else { "" });
    }
    quoted + "\""
}

fn is_plain(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(word) && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

/// Reads a payload type. `None` for anything that [`payload_name`] does not write.
pub(crate) fn parse_payload(name: &str) -> Option<DataType> {
    let mut parser = Parser { rest: name };
    let data_type = parser.data_type(0)?;
    (parser.rest.is_empty() && payload_name(&data_type).as_deref() == Some(name)).then_some(data_type)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn size(&mut self) -> Option<i32> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        digits.parse().ok()
    }

    fn data_type(&mut self, depth: usize) -> Option<DataType> {
        // One more than is nested, for the scalars.
        if depth > MAX_PAYLOAD_DEPTH + 1 {
            return None;
        }
        let end = self.rest.find(['(', ')', ',']).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at_checked(end)?;
        let nested = matches!(word, "fixed_size_binary" | "list" | "fixed_size_list" | "struct" | "map");
        if !nested {
            return self.scalar(word);
        }
        self.rest = after;
        self.take("(")?;
        let data_type = match word {
            "fixed_size_binary" => DataType::FixedSizeBinary(self.size()?),
            "list" => DataType::List(item(self.data_type(depth + 1)?)),
            "fixed_size_list" => {
                let inner = item(self.data_type(depth + 1)?);
                self.take(",")?;
                DataType::FixedSizeList(inner, self.size()?)
            }
            "map" => {
                let key = self.data_type(depth + 1)?;
                self.take(",")?;
                map_of(key, self.data_type(depth + 1)?)
            }
            _ => self.fields(depth)?,
        };
        self.take(")")?;
        Some(data_type)
    }

    /// A scalar reaches to its closing parenthesis if it has an opening one: zones inside of payloads have none.
    fn scalar(&mut self, word: &str) -> Option<DataType> {
        let after = self.rest.get(word.len()..)?;
        let end = match after.starts_with('(') {
            true => word.len() + after.find(')')? + 1,
            false => word.len(),
        };
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        if name == "binary" { Some(DataType::Binary) } else { parse_scalar(name) }
    }

    fn fields(&mut self, depth: usize) -> Option<DataType> {
        let mut fields = Vec::new();
        loop {
            let name = self.field_name()?;
            self.take(":")?;
            fields.push(Field::new(name, self.data_type(depth + 1)?, true));
            if self.take(",").is_none() {
                return Some(DataType::Struct(Fields::from(fields)));
            }
        }
    }

    fn field_name(&mut self) -> Option<String> {
        if self.take("\"").is_none() {
            let (name, _) = self.rest.split_once(':')?;
            self.rest = self.rest.get(name.len()..)?;
            return Some(name.to_owned());
        }
        let mut name = String::new();
        loop {
            let (part, rest) = self.rest.split_once('"')?;
            name.push_str(part);
            self.rest = rest;
            // A quote that stands twice is one of the name.
            if self.take("\"").is_none() {
                return Some(name);
            }
            name.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parse_type;

    #[test]
    fn the_names_of_payload_types_are_frozen() {
        let zoned = DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, Some("Europe/Berlin".into()));
        let fields = |fields: Vec<(&str, DataType)>| -> DataType {
            DataType::Struct(
                fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect(),
            )
        };
        let list = |inner| DataType::List(item(inner));
        for (name, data_type) in [
            ("binary", DataType::Binary),
            ("fixed_size_binary(16)", DataType::FixedSizeBinary(16)),
            ("list(float64)", list(DataType::Float64)),
            ("fixed_size_list(float32,1536)", DataType::FixedSizeList(item(DataType::Float32), 1536)),
            ("struct(a:int64,_b2:utf8)", fields(vec![("a", DataType::Int64), ("_b2", DataType::Utf8)])),
            ("struct(\"a \"\":,)\":binary)", fields(vec![("a \":,)", DataType::Binary)])),
            ("map(utf8,int64)", map_of(DataType::Utf8, DataType::Int64)),
            (
                "list(struct(at:timestamp(ns,Europe/Berlin),d:decimal128(18,2)))",
                list(fields(vec![("at", zoned), ("d", DataType::Decimal128(18, 2))])),
            ),
        ] {
            assert_eq!(type_name(&data_type), name);
            assert_eq!(parse_type(name).unwrap(), data_type);
        }
    }

    #[test]
    fn what_is_no_name_of_a_payload_type_is_refused() {
        let deep = "list(".repeat(100_000);
        for name in [
            "list",
            "list(",
            "list()",
            "list(int64",
            "list(int64))",
            "list( int64)",
            "list(null)",
            "struct()",
            "struct(a:)",
            "struct(\"a\":int8)",
            "struct(a:int8,a:int8)",
            "struct(a b:int8)",
            "map(utf8)",
            "fixed_size_binary(0)",
            "fixed_size_binary(016)",
            "fixed_size_binary(-1)",
            "fixed_size_list(int8)",
            "list(dictionary(int32,utf8))",
            "list(timestamp(s,a(b)))",
            "large_list(int8)",
            &deep,
        ] {
            assert!(parse_type(name).is_err(), "{name}");
        }
    }

    fn any_payload() -> impl Strategy<Value = DataType> {
        let leaf = prop::sample::select(vec![
            DataType::Binary,
            DataType::FixedSizeBinary(3),
            DataType::Boolean,
            DataType::Utf8,
            DataType::Time64(arrow_schema::TimeUnit::Nanosecond),
            DataType::Timestamp(arrow_schema::TimeUnit::Second, Some("+02:00".into())),
            DataType::Decimal128(38, 4),
        ]);
        leaf.clone().prop_recursive(5, 24, 4, move |inner| {
            let names = prop::collection::vec(prop_oneof!["[a-z_]{1,3}", "[ -~ä]{1,4}"], 4);
            prop_oneof![
                inner.clone().prop_map(|inner| DataType::List(item(inner))),
                (inner.clone(), 1..5).prop_map(|(inner, size)| DataType::FixedSizeList(item(inner), size)),
                (leaf.clone(), inner.clone()).prop_map(|(key, value)| map_of(key, value)),
                (prop::collection::vec(inner, 1..4), names).prop_map(|(inner, names)| {
                    let fields =
                        inner.into_iter().zip(names).map(|(inner, name)| Field::new(name, inner, true));
                    DataType::Struct(fields.collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_payload_type_reads_back_from_its_name(data_type in any_payload()) {
            if is_payload_type(&data_type) {
                prop_assert_eq!(parse_type(&type_name(&data_type)).unwrap(), data_type);
            }
        }

        #[test]
        fn any_text_is_a_type_or_refused(text in "(list|struct|map|fixed_size_list|[a-z\",:()0-9]){0,12}") {
            if let Ok(data_type) = parse_type(&text) {
                prop_assert_eq!(type_name(&data_type), text);
            }
        }
    }
}
