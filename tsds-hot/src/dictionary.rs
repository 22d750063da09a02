//! Dictionaries that are larger than their rows need.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_select::dictionary::garbage_collect_any_dictionary;
use tsds_traits::Result;

/// A dictionary with no more values is never worth rewriting.
const FEW_VALUES: usize = 64;

/// The column without the values that it does not use, if its dictionary is much larger than its rows need: shared with
/// other batches, it would be held for all of them.
pub(crate) fn used_values(column: &ArrayRef) -> Result<ArrayRef> {
    match column.as_any_dictionary_opt() {
        Some(dictionary) if dictionary.values().len() > 2 * column.len().max(FEW_VALUES) => {
            Ok(garbage_collect_any_dictionary(dictionary)?)
        }
        _ => Ok(column.clone()),
    }
}
