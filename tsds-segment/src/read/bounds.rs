//! Whether statistics hold of values, whoever computed them and however far away they put their bounds.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use tsds_compute::column_stats;
use tsds_traits::{ColumnStats, Result, Value};

/// Whether the statistics hold: nulls and NaN as they are, bounds that occur where they are said to, else bounds that contain
/// every value. A bound that is left out claims nothing.
///
/// # Errors
///
/// `Unsupported` for values of a type that is not stored.
pub(super) fn hold(claimed: &ColumnStats, values: &ArrayRef) -> Result<bool> {
    let actual = column_stats(claimed.column, values)?;
    if (claimed.null_count, claimed.has_nan) != (actual.null_count, actual.has_nan) {
        return Ok(false);
    }
    // What is computed of text is cut.
    let (least, greatest) = text_bounds(values).unwrap_or((actual.min, actual.max));
    let occurs = |bound: &Option<Value>, actual: &Option<Value>| bound.is_none() || bound == actual;
    if claimed.exact {
        return Ok(occurs(&claimed.min, &least) && occurs(&claimed.max, &greatest));
    }
    let ordered = |low: &Option<Value>, high: &Option<Value>| {
        low.as_ref().zip(high.as_ref()).is_none_or(|(low, high)| low <= high)
    };
    Ok(ordered(&claimed.min, &least) && ordered(&greatest, &claimed.max))
}

/// The least and the greatest text, whole; `None` if the values are no text.
fn text_bounds(values: &ArrayRef) -> Option<(Option<Value>, Option<Value>)> {
    fn bounds<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> (Option<Value>, Option<Value>) {
        let value = |text: &str| Value::Text(text.to_owned());
        (texts.clone().min().map(value), texts.max().map(value))
    }
    if let Some(texts) = values.as_string_opt::<i32>() {
        return Some(bounds(texts.iter().flatten()));
    }
    let dictionary = values.as_dictionary_opt::<UInt32Type>()?;
    let texts = dictionary.values().as_string_opt::<i32>()?;
    // The dictionary of a segment ascends, and so codes compare as texts do.
    let codes = || dictionary.keys().iter().flatten();
    let ends = codes().min().into_iter().chain(codes().max());
    let ends: Vec<_> = ends.map(|code| texts.value(code as usize)).collect();
    Some(bounds(ends.into_iter()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{DictionaryArray, Float64Array, Int64Array, StringArray, UInt32Array};
    use tsds_traits::ColumnId;

    use super::*;

    fn stats(min: Option<Value>, max: Option<Value>, exact: bool) -> ColumnStats {
        ColumnStats { column: ColumnId(1), null_count: 1, has_nan: false, min, max, exact }
    }

    fn texts(texts: &[Option<&str>]) -> [ArrayRef; 2] {
        let mut distinct: Vec<&str> = texts.iter().copied().flatten().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let code = |text: &str| distinct.iter().position(|other| *other == text).unwrap() as u32;
        let codes: UInt32Array = texts.iter().map(|text| text.map(code)).collect();
        let values = Arc::new(StringArray::from_iter_values(&distinct));
        let coded = DictionaryArray::<UInt32Type>::try_new(codes, values).unwrap();
        [Arc::new(StringArray::from(texts.to_vec())), Arc::new(coded)]
    }

    #[test]
    fn bounds_may_lie_anywhere_unless_they_are_said_to_occur() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(-3), None, Some(7)]));
        let holds = |min: Option<i64>, max: Option<i64>, exact| {
            hold(&stats(min.map(Value::Int), max.map(Value::Int), exact), &values).unwrap()
        };
        for (min, max) in [(Some(-3), Some(7)), (Some(-3), None), (None, Some(7)), (None, None)] {
            assert!(holds(min, max, true) && holds(min, max, false), "{min:?} {max:?}");
        }
        for (min, max) in [(Some(-4), Some(7)), (Some(-3), Some(8)), (Some(i64::MIN), None)] {
            assert!(!holds(min, max, true) && holds(min, max, false), "{min:?} {max:?}");
        }
        for (min, max) in [(Some(-2), Some(7)), (Some(-3), Some(6)), (None, Some(-9))] {
            assert!(!holds(min, max, true) && !holds(min, max, false), "{min:?} {max:?}");
        }
    }

    #[test]
    fn nulls_and_nan_are_exact() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN)]));
        let right = ColumnStats { has_nan: true, ..stats(None, None, false) };
        assert!(hold(&right, &values).unwrap());
        assert!(!hold(&ColumnStats { has_nan: false, ..right.clone() }, &values).unwrap());
        assert!(!hold(&ColumnStats { null_count: 0, ..right.clone() }, &values).unwrap());
        assert!(!hold(&ColumnStats { null_count: 2, ..right }, &values).unwrap());
    }

    #[test]
    fn text_may_be_cut_at_any_length_or_not_at_all() {
        let long = "m".repeat(100);
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        for values in texts(&[Some(&long), None, Some("b")]) {
            let holds = |max: &str, exact| hold(&stats(text("b"), text(max), exact), &values).unwrap();
            assert!(holds(&long, true) && holds(&long, false), "whole");
            assert!(holds("n", false) && !holds("n", true), "cut");
            assert!(!holds("m", false), "cut to a text before it");
        }
    }

    #[test]
    fn nothing_can_occur_where_there_is_no_value() {
        for values in texts(&[None]) {
            assert!(hold(&stats(None, None, true), &values).unwrap());
            assert!(!hold(&stats(Some(Value::Text("a".into())), None, true), &values).unwrap());
        }
    }
}
