//! Text as codes of one sorted dictionary.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray, UInt32Array};
use arrow_schema::DataType;
use tsds_traits::{Error, Result};

use super::conform;

/// Codes the arrays of a column of text, of either of its types: each becomes `Dictionary(UInt32, Utf8)`, and all share the
/// dictionary, which comes second: their sorted distinct values. `None` if there are more than `most` of them.
///
/// # Errors
///
/// `InvalidInput` for an array that is no text; `Internal` if Arrow refuses.
pub fn code_text(arrays: &[ArrayRef], most: usize) -> Result<Option<(Vec<ArrayRef>, ArrayRef)>> {
    let signed = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let arrays: Vec<ArrayRef> = arrays.iter().map(|array| conform(array, &signed)).collect::<Result<_>>()?;
    let dictionaries: Vec<&DictionaryArray<Int32Type>> =
        arrays.iter().map(|array| array.as_dictionary::<Int32Type>()).collect();
    let mut ids: HashMap<&str, u32> = HashMap::new();
    let mut texts: Vec<&str> = Vec::new();
    let mut rows_of = Vec::with_capacity(dictionaries.len());
    for dictionary in &dictionaries {
        let values: &StringArray = dictionary.values().as_string();
        let mut known: Vec<Option<u32>> = vec![None; values.len()];
        let mut codes: Vec<Option<u32>> = Vec::with_capacity(dictionary.len());
        for row in 0..dictionary.len() {
            let slot = dictionary.key(row).filter(|slot| values.is_valid(*slot));
            let Some((slot, seen)) = slot.and_then(|slot| Some((slot, known.get_mut(slot)?))) else {
                codes.push(None);
                continue;
            };
            let id = match *seen {
                Some(id) => id,
                None => {
                    let next =
                        u32::try_from(texts.len()).map_err(|_| Error::internal("too many texts to code"))?;
                    let text = values.value(slot);
                    let id = *ids.entry(text).or_insert_with(|| {
                        texts.push(text);
                        next
                    });
                    *seen = Some(id);
                    id
                }
            };
            codes.push(Some(id));
        }
        rows_of.push(codes);
    }
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if texts.len() > most || i32::try_from(bytes).is_err() {
        return Ok(None);
    }

    let mut order: Vec<u32> = (0..texts.len() as u32).collect();
    let text = |id: &u32| texts.get(*id as usize).copied().unwrap_or_default();
    order.sort_unstable_by_key(|id| text(id));
    let mut ranks = vec![0u32; texts.len()];
    for (rank, id) in order.iter().enumerate() {
        if let Some(slot) = ranks.get_mut(*id as usize) {
            *slot = rank as u32;
        }
    }
    let sorted: ArrayRef = Arc::new(StringArray::from_iter_values(order.iter().map(text)));
    let coded = rows_of.into_iter().map(|codes| {
        let codes = codes.into_iter().map(|id| id.and_then(|id| ranks.get(id as usize).copied()));
        let codes: UInt32Array = codes.collect();
        Ok(Arc::new(DictionaryArray::try_new(codes, Arc::clone(&sorted))?) as ArrayRef)
    });
    Ok(Some((coded.collect::<Result<_>>()?, sorted)))
}

#[cfg(test)]
mod tests {
    use arrow_array::types::UInt32Type;

    use super::*;

    #[test]
    fn repeated_text_shares_one_sorted_dictionary() {
        let first: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        let second: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("c"), Some("c")]));
        let (arrays, dictionary) = code_text(&[first, second], 3).unwrap().unwrap();
        let values: Vec<_> = dictionary.as_string::<i32>().iter().flatten().collect();
        assert_eq!(values, ["a", "b", "c"]);
        let codes: Vec<_> =
            arrays.iter().flat_map(|array| array.as_dictionary::<UInt32Type>().keys().iter()).collect();
        assert_eq!(codes, [Some(1), None, Some(0), Some(1), Some(0), Some(2), Some(2)]);
    }

    #[test]
    fn too_many_texts_are_not_coded() {
        let array: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
        assert!(code_text(std::slice::from_ref(&array), 1).unwrap().is_none());
        assert!(code_text(&[array], 2).unwrap().is_some());
    }
}
