//! Comparisons as sets of order-preserving keys.

use std::ops::RangeInclusive;

use tsds_traits::{Comparison, Error, KeySet, Result, Value, ValueClass, key_of_f32, key_of_f64};

/// The keys of the values of a class for which `value comparison literal` is true.
///
/// Floats compare as IEEE says: the keys of both zeros are in the set or neither is, and NaN only matches
/// [`Comparison::NotEqual`]. Every other class compares in the order of its keys.
///
/// # Errors
///
/// `InvalidInput` if the literal is not of the class; `Unsupported` for text and decimals, which have no keys.
pub fn fold(class: ValueClass, comparison: Comparison, literal: &Value) -> Result<KeySet> {
    let equal = match equal_keys(class, literal)? {
        Some(keys) => keys,
        // A NaN literal.
        None if comparison == Comparison::NotEqual => return Ok(domain(class)),
        None => return Ok(KeySet::empty()),
    };
    Ok(match comparison {
        // NaN, which is no number, is unequal to everything.
        Comparison::NotEqual => complement(class, &KeySet::from_ranges([equal])),
        comparison => KeySet::of(comparison, equal, &numbers(class)),
    })
}

/// The keys of the values of a class that are equal to one of `literals`.
///
/// # Errors
///
/// As [`fold`].
pub fn fold_in(class: ValueClass, literals: &[Value]) -> Result<KeySet> {
    let keys = literals.iter().map(|literal| equal_keys(class, literal)).collect::<Result<Vec<_>>>()?;
    Ok(KeySet::from_ranges(keys.into_iter().flatten()))
}

/// The keys of the NaNs of a class; empty for a class without NaN.
pub fn fold_is_nan(class: ValueClass) -> KeySet {
    match class {
        ValueClass::F32 | ValueClass::F64 => complement(class, &KeySet::from_ranges([numbers(class)])),
        _ => KeySet::empty(),
    }
}

/// Every key that a value of the class can have.
pub(crate) fn domain(class: ValueClass) -> KeySet {
    let last = match class {
        ValueClass::Bool => 1,
        ValueClass::F32 => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    KeySet::from_ranges([0..=last])
}

/// The keys of the class that are not in `set`.
pub(crate) fn complement(class: ValueClass, set: &KeySet) -> KeySet {
    domain(class).intersection(&set.complement())
}

/// The keys of the class that stand for something ordered: everything but NaN.
fn numbers(class: ValueClass) -> RangeInclusive<u64> {
    match class {
        ValueClass::Bool => 0..=1,
        ValueClass::F32 => u64::from(key_of_f32(f32::NEG_INFINITY))..=u64::from(key_of_f32(f32::INFINITY)),
        ValueClass::F64 => key_of_f64(f64::NEG_INFINITY)..=key_of_f64(f64::INFINITY),
        _ => 0..=u64::MAX,
    }
}

/// The keys of what equals the literal; `None` for NaN.
fn equal_keys(class: ValueClass, literal: &Value) -> Result<Option<RangeInclusive<u64>>> {
    if literal.class() != class {
        return Err(Error::invalid_input("literal is not of its column's class")
            .with("literal", format_args!("{literal:?}"))
            .with("class", format_args!("{class:?}")));
    }
    Ok(match literal {
        Value::F32(value) if *value == 0.0 => Some(u64::from(key_of_f32(-0.0))..=u64::from(key_of_f32(0.0))),
        Value::F64(value) if *value == 0.0 => Some(key_of_f64(-0.0)..=key_of_f64(0.0)),
        value if value.is_nan() => None,
        value => match value.order_key() {
            Some(key) => Some(key..=key),
            None => return Err(Error::unsupported("text and decimals do not fold into keys")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_f64() -> impl Strategy<Value = f64> {
        let special = [
            0.0,
            -0.0,
            1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            -f64::NAN,
            f64::MIN_POSITIVE,
            5e-324,
            f64::MAX,
            f64::MIN,
        ];
        prop_oneof![prop::sample::select(special.to_vec()), any::<u64>().prop_map(f64::from_bits)]
    }

    proptest! {
        #[test]
        fn sets_of_doubles_hold_what_ieee_says(a in any_f64(), b in any_f64()) {
            for comparison in Comparison::ALL {
                let set = fold(ValueClass::F64, comparison, &Value::F64(b)).unwrap();
                prop_assert_eq!(set.contains(key_of_f64(a)), comparison.holds(&a, &b), "{} {:?} {}", a, comparison, b);
            }
            prop_assert_eq!(fold_is_nan(ValueClass::F64).contains(key_of_f64(a)), a.is_nan());
            prop_assert_eq!(fold_in(ValueClass::F64, &[Value::F64(b)]).unwrap().contains(key_of_f64(a)), a == b);
        }

        #[test]
        fn sets_of_floats_hold_what_ieee_says(a in any_f64(), b in any_f64()) {
            let (a, b) = (a as f32, b as f32);
            for comparison in Comparison::ALL {
                let set = fold(ValueClass::F32, comparison, &Value::F32(b)).unwrap();
                prop_assert_eq!(set.contains(u64::from(key_of_f32(a))), comparison.holds(&a, &b));
            }
        }

        #[test]
        fn sets_of_integers_hold_what_arithmetic_says(a in any::<i64>(), b in any::<i64>()) {
            for (a, b) in [(a, b), (a, a), (i64::MIN, b), (a, i64::MIN), (i64::MAX, b), (a, i64::MAX)] {
                for comparison in Comparison::ALL {
                    let set = fold(ValueClass::Int, comparison, &Value::Int(b)).unwrap();
                    prop_assert_eq!(set.contains(Value::Int(a).order_key().unwrap()), comparison.holds(&a, &b));
                    let (a, b) = (a as u64, b as u64);
                    let set = fold(ValueClass::UInt, comparison, &Value::UInt(b)).unwrap();
                    prop_assert_eq!(set.contains(a), comparison.holds(&a, &b));
                }
            }
        }
    }

    #[test]
    fn booleans_stay_in_their_domain() {
        let not_true = fold(ValueClass::Bool, Comparison::NotEqual, &Value::Bool(true)).unwrap();
        assert_eq!(not_true.ranges(), [0..=0]);
        assert!(fold(ValueClass::Bool, Comparison::Less, &Value::Bool(false)).unwrap().is_empty());
    }

    #[test]
    fn a_literal_of_another_class_is_refused() {
        assert!(fold(ValueClass::Int, Comparison::Equal, &Value::UInt(1)).is_err());
        assert!(fold_in(ValueClass::Int, &[Value::Int(1), Value::F64(1.0)]).is_err());
        assert!(fold(ValueClass::Text, Comparison::Equal, &Value::Text("a".into())).is_err());
    }
}
