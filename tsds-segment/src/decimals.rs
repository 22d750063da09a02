//! Decimals that fit 64 bits, as the integers that they count.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::DataType;
use tsds_traits::{Column, Error, Result};

/// Whether a column is one of decimals that all fit 64 bits. What stands under a null does not count.
pub(crate) fn fit_64_bits<'a>(column: &Column, arrays: impl IntoIterator<Item = &'a ArrayRef>) -> bool {
    matches!(column.data_type, DataType::Decimal128(_, _))
        && arrays.into_iter().all(|array| match array.as_primitive_opt::<Decimal128Type>() {
            Some(array) => valid(array).all(|value| i64::try_from(value).is_ok()),
            None => false,
        })
}

/// Decimals that fit 64 bits as integers.
///
/// # Errors
///
/// `Internal` for what are no decimals.
pub(crate) fn units(array: &ArrayRef) -> Result<ArrayRef> {
    let decimals = array.as_primitive_opt::<Decimal128Type>();
    let decimals = decimals
        .ok_or_else(|| Error::internal("column holds no decimals").with("type", array.data_type()))?;
    // What stands under a null may be anything, and is cut.
    Ok(Arc::new(decimals.unary::<_, Int64Type>(|value| value as i64)))
}

/// The decimals of a column, from either of the types in which blocks hold them.
///
/// # Errors
///
/// `Corrupt` for values with more digits than the column's type has.
pub(crate) fn from_block(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let decimals: PrimitiveArray<Decimal128Type> =
        match (array.as_primitive_opt::<Int64Type>(), array.as_primitive_opt::<Decimal128Type>()) {
            (Some(units), _) => units.unary(i128::from),
            (None, Some(decimals)) => decimals.clone(),
            _ => {
                return Err(
                    Error::corrupt("block of decimals has another type").with("type", array.data_type())
                );
            }
        };
    let DataType::Decimal128(precision, _) = data_type else {
        return Err(Error::internal("column holds no decimals").with("type", data_type));
    };
    let end = 10u128.checked_pow((*precision).into()).unwrap_or(u128::MAX);
    if valid(&decimals).any(|value| value.unsigned_abs() >= end) {
        return Err(Error::corrupt("decimal has more digits than its column").with("type", data_type));
    }
    Ok(Arc::new(decimals.with_data_type(data_type.clone())))
}

fn valid(array: &PrimitiveArray<Decimal128Type>) -> impl Iterator<Item = i128> {
    let is_valid = |row: usize| array.nulls().is_none_or(|nulls| nulls.is_valid(row));
    array.values().iter().enumerate().filter(move |(row, _)| is_valid(*row)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use arrow_array::{Decimal128Array, Int64Array};
    use tsds_traits::{ColumnId, ErrorKind};

    use super::*;

    fn decimals(values: Vec<Option<i128>>) -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_data_type(DataType::Decimal128(38, 4)))
    }

    #[test]
    fn decimals_of_64_bits_become_integers_and_come_back() {
        let data_type = DataType::Decimal128(38, 4);
        let column =
            Column { id: ColumnId(1), name: "d".into(), data_type: data_type.clone(), nullable: true };
        let small = decimals(vec![Some(i64::MIN.into()), None, Some(i64::MAX.into())]);
        assert!(fit_64_bits(&column, [&small]));
        let stored = units(&small).unwrap();
        assert_eq!(stored.data_type(), &DataType::Int64);
        assert_eq!(&from_block(stored, &data_type).unwrap(), &small);
        assert!(!fit_64_bits(&column, [&small, &decimals(vec![Some(i128::from(i64::MAX) + 1)])]));
        let number = Column { data_type: DataType::Int64, ..column };
        assert!(!fit_64_bits(&number, [&small]));
    }

    #[test]
    fn more_digits_than_the_column_has_are_corrupt() {
        let data_type = DataType::Decimal128(3, 1);
        let block = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![Some(value), None])) };
        assert!(from_block(block(-999), &data_type).is_ok());
        assert_eq!(from_block(block(1_000), &data_type).unwrap_err().kind(), ErrorKind::Corrupt);
        let other: ArrayRef = Arc::new(arrow_array::BooleanArray::from(vec![true]));
        assert_eq!(from_block(other, &data_type).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
