//! Block statistics as bytes.

use tsds_traits::{ColumnId, ColumnStats, Error, Result, Value, ValueClass};

use super::bytes::Reader;

const HAS_NAN: u8 = 1;
const HAS_MIN: u8 = 2;
const HAS_MAX: u8 = 4;
const EXACT: u8 = 8;

/// The fewest bytes that statistics take.
pub(super) const MIN_LEN: usize = 5;

pub(super) fn encode(stats: &ColumnStats, out: &mut Vec<u8>) -> Result<()> {
    let nulls = u32::try_from(stats.null_count)
        .map_err(|_| Error::invalid_input("block has an impossible number of nulls"))?;
    out.extend_from_slice(&nulls.to_le_bytes());
    let flag = |set, flag| if set { flag } else { 0 };
    out.push(
        flag(stats.has_nan, HAS_NAN)
            | flag(stats.min.is_some(), HAS_MIN)
            | flag(stats.max.is_some(), HAS_MAX)
            | flag(stats.exact, EXACT),
    );
    [&stats.min, &stats.max].into_iter().flatten().try_for_each(|value| encode_value(value, out))
}

fn encode_value(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Bool(value) => out.push(u8::from(*value)),
        Value::Int(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::UInt(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::F32(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
        Value::F64(value) => out.extend_from_slice(&value.to_bits().to_le_bytes()),
        Value::Text(value) => {
            let len = u32::try_from(value.len())
                .map_err(|_| Error::invalid_input("text bound is too long for the segment index"))?;
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(value.as_bytes());
        }
        Value::Decimal(value) => out.extend_from_slice(&value.to_le_bytes()),
        other => return Err(Error::internal("value has no stored form").with("value", format!("{other:?}"))),
    }
    Ok(())
}

/// Reads the statistics of a block of `rows` values of `class`, or of payload, which has no bounds, and checks what must hold of any.
pub(super) fn decode(
    reader: &mut Reader<'_>,
    column: ColumnId,
    class: Option<ValueClass>,
    rows: u32,
) -> Result<ColumnStats> {
    let nulls = reader.u32()?;
    let flags = reader.u8()?;
    let mut bound = |flag| match flags & flag {
        0 => Ok(None),
        _ => match class {
            Some(class) => decode_value(reader, class).map(Some),
            None => Err(Error::corrupt("segment file has bounds of payload").with("column", column)),
        },
    };
    let (min, max) = (bound(HAS_MIN)?, bound(HAS_MAX)?);
    let stats = ColumnStats {
        column,
        null_count: nulls.into(),
        has_nan: flags & HAS_NAN != 0,
        min,
        max,
        exact: flags & EXACT != 0,
    };
    let is_float = matches!(class, Some(ValueClass::F32 | ValueClass::F64));
    let bounds = || [&stats.min, &stats.max].into_iter().flatten();
    let possible = flags <= HAS_NAN | HAS_MIN | HAS_MAX | EXACT
        && nulls <= rows
        && (is_float || !stats.has_nan)
        && (nulls < rows || (bounds().next().is_none() && !stats.has_nan))
        && bounds().is_sorted()
        && !bounds().any(Value::is_nan);
    match possible {
        true => Ok(stats),
        false => Err(Error::corrupt("segment file has impossible block statistics").with("column", column)),
    }
}

fn decode_value(reader: &mut Reader<'_>, class: ValueClass) -> Result<Value> {
    Ok(match class {
        ValueClass::Bool => match reader.u8()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => {
                return Err(Error::corrupt(
                    "segment file has a boolean bound that is neither true nor false",
                ));
            }
        },
        ValueClass::Int => Value::Int(reader.i64()?),
        ValueClass::UInt => Value::UInt(reader.u64()?),
        ValueClass::F32 => Value::F32(f32::from_bits(reader.u32()?)),
        ValueClass::F64 => Value::F64(f64::from_bits(reader.u64()?)),
        ValueClass::Decimal => {
            let (low, high) = (reader.u64()?, reader.i64()?);
            Value::Decimal(i128::from(high) << 64 | i128::from(low))
        }
        ValueClass::Text => {
            let len = reader.u32()? as usize;
            Value::Text(reader.text(len)?.to_owned())
        }
        other => return Err(Error::internal(format!("unknown value class {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(min: Value, max: Value) -> ColumnStats {
        ColumnStats {
            column: ColumnId(1),
            null_count: 3,
            has_nan: false,
            min: Some(min),
            max: Some(max),
            exact: true,
        }
    }

    #[test]
    fn bounds_of_every_class_read_back() {
        let pairs = [
            (Value::Bool(false), Value::Bool(true)),
            (Value::Int(i64::MIN), Value::Int(i64::MAX)),
            (Value::UInt(0), Value::UInt(u64::MAX)),
            (Value::F32(-0.0), Value::F32(0.0)),
            (Value::F64(f64::NEG_INFINITY), Value::F64(f64::INFINITY)),
            (Value::Text(String::new()), Value::Text("\0ü".into())),
            (Value::Decimal(-(1 << 100)), Value::Decimal(i128::from(u64::MAX))),
        ];
        for (min, max) in pairs {
            let class = min.class();
            let stats = stats(min, max);
            let mut bytes = Vec::new();
            encode(&stats, &mut bytes).unwrap();
            let mut reader = Reader::new(&bytes, "test");
            assert_eq!(decode(&mut reader, ColumnId(1), Some(class), 9).unwrap(), stats);
            reader.end().unwrap();
        }
    }

    #[test]
    fn impossible_statistics_are_refused() {
        let nan = Value::F64(f64::NAN);
        let impossible = [
            (stats(Value::Int(2), Value::Int(1)), ValueClass::Int, 9, "descending"),
            (stats(Value::Int(1), Value::Int(2)), ValueClass::Int, 2, "more nulls than rows"),
            (stats(Value::Int(1), Value::Int(2)), ValueClass::Int, 3, "bounds of nothing"),
            (stats(nan.clone(), nan), ValueClass::F64, 9, "NaN bounds"),
            (
                ColumnStats { has_nan: true, ..stats(Value::Int(1), Value::Int(2)) },
                ValueClass::Int,
                9,
                "NaN integers",
            ),
        ];
        for (stats, class, rows, why) in impossible {
            let mut bytes = Vec::new();
            encode(&stats, &mut bytes).unwrap();
            assert!(
                decode(&mut Reader::new(&bytes, "test"), ColumnId(1), Some(class), rows).is_err(),
                "{why}"
            );
        }
    }
}
