//! One value of a column, independent of Arrow's many types.

use std::cmp::Ordering;

use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

/// One non-null value, reduced to the physical classes that are compared and stored alike. The column's type says
/// what it means: a timestamp in any unit is an [`Value::Int`] of that unit.
///
/// Equality and order are total and by bits: floats follow IEEE `totalOrder`, text and bytes compare bytewise.
/// Predicates do *not* use this order for floats; see [`crate::Predicate`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Value {
    /// `false < true`.
    Bool(bool),
    /// Every signed integer, and timestamps, dates, times of day and durations in the unit of their column.
    Int(i64),
    /// Every unsigned integer.
    UInt(u64),
    /// A 32-bit float, by its bits.
    F32(#[serde(with = "f32_bits")] f32),
    /// A 64-bit float, by its bits.
    F64(#[serde(with = "f64_bits")] f64),
    /// UTF-8 text, plain or from a dictionary.
    Text(String),
    /// A decimal, in units of its column's scale: 12.34 at scale 2 is 1234.
    Decimal(#[serde(with = "decimal_text")] i128),
}

/// The physical class of a column: which [`Value`] variant its values take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueClass {
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Int`].
    Int,
    /// [`Value::UInt`].
    UInt,
    /// [`Value::F32`].
    F32,
    /// [`Value::F64`].
    F64,
    /// [`Value::Text`].
    Text,
    /// [`Value::Decimal`].
    Decimal,
}

impl ValueClass {
    /// The class of a supported column type, or `None` for a type that TSDS does not store.
    pub fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Self::Int,
            temporal if integer_form(temporal).is_some() => Self::Int,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Self::UInt,
            DataType::Float32 => Self::F32,
            DataType::Float64 => Self::F64,
            DataType::Utf8 => Self::Text,
            DataType::Dictionary(_, values) if **values == DataType::Utf8 => Self::Text,
            DataType::Decimal128(_, _) => Self::Decimal,
            _ => return None,
        })
    }
}

/// The integer type whose values lie in memory as those of a timestamp, a date, a time of day or a duration do: `Int32` or
/// `Int64`. `None` for every other type.
pub fn integer_form(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Date32 | DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond) => DataType::Int32,
        DataType::Date64
        | DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond)
        | DataType::Duration(_)
        | DataType::Timestamp(_, _) => DataType::Int64,
        _ => return None,
    })
}

impl Value {
    /// The class of this value.
    pub fn class(&self) -> ValueClass {
        match self {
            Self::Bool(_) => ValueClass::Bool,
            Self::Int(_) => ValueClass::Int,
            Self::UInt(_) => ValueClass::UInt,
            Self::F32(_) => ValueClass::F32,
            Self::F64(_) => ValueClass::F64,
            Self::Text(_) => ValueClass::Text,
            Self::Decimal(_) => ValueClass::Decimal,
        }
    }

    /// Whether this is a float NaN of any sign and payload.
    pub fn is_nan(&self) -> bool {
        match self {
            Self::F32(value) => value.is_nan(),
            Self::F64(value) => value.is_nan(),
            _ => false,
        }
    }

    /// The order-preserving key of every class but text and decimals: unsigned comparison of keys is [`Ord`] of values of one class.
    ///
    /// `key = raw ^ (top bit set ? NEG : POS)`: signed integers flip the top bit; floats flip the top bit when
    /// positive and every bit when negative, which is `totalOrder`; unsigned integers and booleans stay. 32-bit
    /// floats use a 32-bit key in the low half.
    pub fn order_key(&self) -> Option<u64> {
        Some(match self {
            Self::Bool(value) => u64::from(*value),
            Self::Int(value) => key_of_i64(*value),
            Self::UInt(value) => *value,
            Self::F32(value) => u64::from(key_of_f32(*value)),
            Self::F64(value) => key_of_f64(*value),
            Self::Text(_) | Self::Decimal(_) => return None,
        })
    }
}

/// The order-preserving key of a signed integer.
pub fn key_of_i64(value: i64) -> u64 {
    (value as u64) ^ (1 << 63)
}

/// The order-preserving key of a 64-bit float under IEEE `totalOrder`.
pub fn key_of_f64(value: f64) -> u64 {
    let bits = value.to_bits();
    bits ^ if bits >> 63 == 1 { u64::MAX } else { 1 << 63 }
}

/// The order-preserving key of a 32-bit float under IEEE `totalOrder`.
pub fn key_of_f32(value: f32) -> u32 {
    let bits = value.to_bits();
    bits ^ if bits >> 31 == 1 { u32::MAX } else { 1 << 31 }
}

impl Ord for Value {
    /// Values of one class by their total order; values of different classes by class, which never happens inside
    /// one column.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::UInt(a), Self::UInt(b)) => a.cmp(b),
            (Self::F32(a), Self::F32(b)) => a.total_cmp(b),
            (Self::F64(a), Self::F64(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            _ => (self.class() as u8).cmp(&(other.class() as u8)),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

mod decimal_text {
    //! Decimals travel as text: JSON's numbers lose digits beyond 64 bits, or beyond 53 with most readers.
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("decimal is no whole number of 128 bits"))
    }
}

mod f64_bits {
    //! Floats travel as their bits: JSON and decimal text lose NaN payloads and infinities.
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

mod f32_bits {
    //! As `f64_bits`.
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        u32::deserialize(deserializer).map(f32::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_floats_as_total_order_does() {
        let quiet = f64::from_bits(0x7ff8_0000_0000_0001);
        let floats = [
            -quiet,
            f64::NEG_INFINITY,
            -1.0,
            -f64::MIN_POSITIVE,
            -0.0,
            0.0,
            5e-324,
            1.0,
            f64::INFINITY,
            quiet,
        ];
        for pair in floats.windows(2) {
            assert!(key_of_f64(pair[0]) < key_of_f64(pair[1]), "{pair:?}");
            assert!(Value::F64(pair[0]) < Value::F64(pair[1]), "{pair:?}");
        }
        assert_ne!(Value::F64(0.0), Value::F64(-0.0));
        assert_eq!(Value::F64(quiet), Value::F64(quiet));
    }

    #[test]
    fn keys_order_signed_integers() {
        let ints = [i64::MIN, -1, 0, 1, i64::MAX];
        assert!(ints.windows(2).all(|pair| key_of_i64(pair[0]) < key_of_i64(pair[1])));
    }

    #[test]
    fn decimals_survive_json_as_text() {
        for value in [i128::MIN, -1, 0, i128::MAX] {
            let text = serde_json::to_string(&Value::Decimal(value)).unwrap();
            assert_eq!(text, format!("{{\"Decimal\":\"{value}\"}}"));
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), Value::Decimal(value));
        }
        assert!(serde_json::from_str::<Value>("{\"Decimal\":\"1.5\"}").is_err());
    }

    #[test]
    fn nan_payloads_survive_json() {
        let value = Value::F64(f64::from_bits(0xfff8_0000_0000_beef));
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
