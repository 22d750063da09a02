//! Which values a bloom filter of a row group is asked for.

use parquet::bloom_filter::Sbbf;
use tsds_compute::predicate::Test;
use tsds_traits::{ColumnId, KeySet, TableSchema, ValueClass, key_of_i64};

use arrow_schema::DataType;

/// More values than this are not looked up: nearly always one of them is there.
const MAX_MEMBERS: u64 = 64;

/// Whether a row can pass, as far as bloom filters know: of each column that has one.
pub(super) fn may_pass<'a>(
    test: &Test,
    schema: &TableSchema,
    filter: &impl Fn(ColumnId) -> Option<&'a Sbbf>,
) -> bool {
    match test {
        Test::Constant(passes) => *passes,
        Test::All(parts) => parts.iter().all(|part| may_pass(part, schema, filter)),
        Test::Any(parts) => parts.iter().any(|part| may_pass(part, schema, filter)),
        Test::Text(column, texts) => match (filter(*column), texts.members()) {
            (Some(filter), Some(texts)) => texts.iter().any(|text| filter.check(*text)),
            _ => true,
        },
        Test::Keys(column, keys) => {
            let Some(filter) = filter(*column) else { return true };
            let data_type = schema.column(*column).map(|column| &column.data_type);
            match data_type.and_then(|data_type| members(keys, data_type)) {
                Some(values) => values.iter().any(|value| value.is_in(filter)),
                None => true,
            }
        }
        _ => true,
    }
}

/// Whether [`may_pass`] can say no for a column.
pub(super) fn asks_for_members(test: &Test, schema: &TableSchema, column: ColumnId) -> bool {
    match test {
        Test::All(parts) | Test::Any(parts) => {
            parts.iter().any(|part| asks_for_members(part, schema, column))
        }
        Test::Text(own, texts) => *own == column && texts.members().is_some(),
        Test::Keys(own, keys) => {
            let data_type = schema.column(column).map(|column| &column.data_type);
            *own == column && data_type.and_then(|data_type| members(keys, data_type)).is_some()
        }
        _ => false,
    }
}

/// An integer as Parquet stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Narrow(i32),
    Wide(i64),
}

impl Stored {
    fn is_in(self, filter: &Sbbf) -> bool {
        match self {
            Self::Narrow(value) => filter.check(&value),
            Self::Wide(value) => filter.check(&value),
        }
    }
}

/// The members of a set of keys of integers, dates, times of day and durations, if they are few. Floats have several bits for
/// what is equal, and timestamps other units in files: they are not looked up.
fn members(keys: &KeySet, data_type: &DataType) -> Option<Vec<Stored>> {
    let class = ValueClass::of(data_type)?;
    let mut stored = Vec::new();
    for range in keys.ranges() {
        let span = range.end().checked_sub(*range.start())?;
        if span >= MAX_MEMBERS || stored.len() as u64 + span >= MAX_MEMBERS {
            return None;
        }
        for key in range.clone() {
            let signed = (key ^ key_of_i64(0)) as i64;
            let narrow = |value: i64| i32::try_from(value).map(Stored::Narrow);
            let value = match (class, data_type) {
                (ValueClass::Int, DataType::Timestamp(_, _)) => return None,
                (ValueClass::Int, other) => match other.primitive_width()? {
                    8 => Ok(Stored::Wide(signed)),
                    _ => narrow(signed),
                },
                // The same bits.
                (ValueClass::UInt, DataType::UInt64) => Ok(Stored::Wide(key as i64)),
                (ValueClass::UInt, _) => u32::try_from(key).map(|key| Stored::Narrow(key as i32)),
                _ => return None,
            };
            // What the column cannot hold is not in it.
            stored.extend(value);
        }
    }
    Some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsds_traits::Value;

    fn of(value: Value) -> KeySet {
        let key = value.order_key().unwrap();
        KeySet::from_ranges([key..=key])
    }

    #[test]
    fn integers_are_looked_up_as_parquet_stores_them() {
        let int = |value: i64, data_type: DataType| members(&of(Value::Int(value)), &data_type);
        assert_eq!(int(-3, DataType::Int16), Some(vec![Stored::Narrow(-3)]));
        assert_eq!(int(-3, DataType::Int64), Some(vec![Stored::Wide(-3)]));
        assert_eq!(int(-3, DataType::Date32), Some(vec![Stored::Narrow(-3)]));
        assert_eq!(int(1 << 40, DataType::Date32), Some(vec![]), "cannot be there");
        let seconds = DataType::Duration(arrow_schema::TimeUnit::Second);
        assert_eq!(int(-3, seconds), Some(vec![Stored::Wide(-3)]));
        let unsigned = |value: u64, data_type: DataType| members(&of(Value::UInt(value)), &data_type);
        assert_eq!(unsigned(u64::from(u32::MAX), DataType::UInt32), Some(vec![Stored::Narrow(-1)]));
        assert_eq!(unsigned(u64::MAX, DataType::UInt64), Some(vec![Stored::Wide(-1)]));
        assert_eq!(unsigned(1 << 40, DataType::UInt32), Some(vec![]), "cannot be there");
    }

    #[test]
    fn ranges_floats_and_times_are_not_looked_up() {
        assert_eq!(members(&KeySet::full(), &DataType::Int32), None);
        assert_eq!(members(&KeySet::from_ranges([0..=63]), &DataType::UInt8).unwrap().len(), 64);
        assert_eq!(members(&KeySet::from_ranges([0..=64]), &DataType::UInt8), None);
        assert_eq!(members(&of(Value::F64(0.0)), &DataType::Float64), None);
        let time = DataType::Timestamp(arrow_schema::TimeUnit::Second, None);
        assert_eq!(members(&of(Value::Int(1)), &time), None);
    }
}
