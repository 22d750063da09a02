//! Text columns: one sorted dictionary per segment, or plain.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BinaryArray, DictionaryArray, StringArray, UInt32Array};
use tsds_compute::column_stats;
use tsds_traits::{ColumnId, ColumnStats, Result};

/// The code of a null. Dictionaries have fewer values: at most one for every two rows.
const NULL: u32 = u32::MAX;
/// The most bytes of a dictionary: what readers keep in memory for a column. Larger ones are stored plain.
const MAX_BYTES: usize = 32 << 20;

/// The distinct values of a text column, ascending bytewise, and the code of every row.
pub(super) struct Dictionary<'a> {
    sorted: Vec<&'a str>,
    codes: Vec<u32>,
}

impl<'a> Dictionary<'a> {
    /// `None` where a dictionary does not pay: more than one distinct value for every two rows, or too many bytes.
    pub(super) fn build(batches: impl Iterator<Item = &'a ArrayRef>, rows: usize) -> Result<Option<Self>> {
        let mut interner = Interner { codes: HashMap::new(), bytes: 0, last: None, max_values: rows / 2 };
        let mut codes = Vec::with_capacity(rows);
        for array in batches {
            let fits = match array.as_dictionary_opt::<Int32Type>() {
                Some(dictionary) => interner.add_dictionary(dictionary, &mut codes),
                None => interner.add_text(array.as_string(), &mut codes),
            };
            if fits.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(interner.finish(codes)))
    }

    /// The values as a dictionary block holds them.
    pub(super) fn values(&self) -> BinaryArray {
        BinaryArray::from_iter_values(&self.sorted)
    }

    /// What the dictionary block's statistics say.
    pub(super) fn stats(&self, column: ColumnId) -> Result<ColumnStats> {
        let ends = self.sorted.first().zip(self.sorted.last());
        text_stats(column, 0, ends.map(|(first, last)| (*first, *last)))
    }

    /// The codes of a block, and the statistics of its values.
    pub(super) fn block(&self, column: ColumnId, rows: &Range<u32>) -> Result<(UInt32Array, ColumnStats)> {
        let codes = self.codes.get(rows.start as usize..rows.end as usize).unwrap_or_default();
        let nulls = codes.contains(&NULL).then(|| codes.iter().map(|code| *code != NULL).collect());
        let array = UInt32Array::try_new(codes.to_vec().into(), nulls)?;
        let text = |code: u32| self.sorted.get(code as usize).copied();
        // The code of a null is larger than any other.
        let min = codes.iter().copied().min().and_then(text);
        let max = codes.iter().map(|code| if *code == NULL { 0 } else { *code }).max().and_then(text);
        let ends = min.zip(max);
        let stats = text_stats(column, array.null_count() as u64, ends)?;
        Ok((array, stats))
    }
}

/// The statistics of values of which the smallest and the largest are known.
fn text_stats(column: ColumnId, null_count: u64, ends: Option<(&str, &str)>) -> Result<ColumnStats> {
    let ends = ends.map(|(min, max)| vec![min, max]).unwrap_or_default();
    Ok(ColumnStats { null_count, ..column_stats(column, &StringArray::from(ends))? })
}

/// Numbers distinct values in order of appearance.
struct Interner<'a> {
    codes: HashMap<&'a str, u32>,
    bytes: usize,
    /// Rows are sorted by series, so most values repeat the one before.
    last: Option<(&'a str, u32)>,
    max_values: usize,
}

impl<'a> Interner<'a> {
    /// Appends the code of every row, or gives up.
    fn add_text(&mut self, text: &'a StringArray, codes: &mut Vec<u32>) -> Option<()> {
        for value in text {
            codes.push(match value {
                Some(value) => self.code(value)?,
                None => NULL,
            });
        }
        Some(())
    }

    /// Appends the code of every row, or gives up. A value that no row uses is not part of the column.
    fn add_dictionary(
        &mut self,
        dictionary: &'a DictionaryArray<Int32Type>,
        codes: &mut Vec<u32>,
    ) -> Option<()> {
        let values = dictionary.values().as_string::<i32>();
        let mut known: Vec<Option<u32>> = vec![None; values.len()];
        for row in 0..dictionary.len() {
            // A null row and a row whose value is null are the same.
            let Some(key) = dictionary.key(row).filter(|key| values.is_valid(*key)) else {
                codes.push(NULL);
                continue;
            };
            let code = match known[key] {
                Some(code) => code,
                None => *known[key].insert(self.code(values.value(key))?),
            };
            codes.push(code);
        }
        Some(())
    }

    /// The value's number, or `None` if there is no room for another.
    fn code(&mut self, value: &'a str) -> Option<u32> {
        if let Some((last, code)) = self.last
            && last == value
        {
            return Some(code);
        }
        let next = self.codes.len();
        let code = match self.codes.get(value) {
            Some(code) => *code,
            None => {
                self.bytes += value.len();
                if next >= self.max_values || self.bytes > MAX_BYTES {
                    return None;
                }
                let code = u32::try_from(next).ok()?;
                self.codes.insert(value, code);
                code
            }
        };
        self.last = Some((value, code));
        Some(code)
    }

    /// Renumbers by order of the values.
    fn finish(self, mut codes: Vec<u32>) -> Dictionary<'a> {
        let mut values: Vec<(&str, u32)> = self.codes.into_iter().collect();
        values.sort_unstable();
        let mut ranks = vec![NULL; values.len()];
        for (rank, (_, code)) in values.iter().enumerate() {
            ranks[*code as usize] = rank as u32;
        }
        for code in codes.iter_mut().filter(|code| **code != NULL) {
            *code = ranks[*code as usize];
        }
        Dictionary { sorted: values.into_iter().map(|(value, _)| value).collect(), codes }
    }
}

/// Text without a dictionary.
pub(super) fn plain(array: &ArrayRef) -> Result<StringArray> {
    let text = match array.as_dictionary_opt::<Int32Type>() {
        Some(dictionary) => &arrow_select::take::take(dictionary.values(), dictionary.keys(), None)?,
        None => array,
    };
    Ok(text.as_string::<i32>().clone())
}

/// Text as the bytes that codecs take.
pub(super) fn bytes(text: &ArrayRef) -> Result<ArrayRef> {
    let (offsets, values, nulls) = text.as_string::<i32>().clone().into_parts();
    Ok(Arc::new(BinaryArray::try_new(offsets, values, nulls)?))
}

#[cfg(test)]
mod tests {
    use tsds_traits::Value;

    use super::*;

    fn text(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn codes_are_ranks_of_the_sorted_distinct_values() {
        let batches =
            [text(&[Some("b"), None, Some("b"), Some("a")]), text(&[Some("ü"), Some("b"), Some("")])];
        let batches = batches.iter().chain(&batches);
        let dictionary = Dictionary::build(batches, 14).unwrap().unwrap();
        assert_eq!(dictionary.sorted, ["", "a", "b", "ü"]);
        let (codes, stats) = dictionary.block(ColumnId(1), &(1..6)).unwrap();
        assert_eq!(codes, UInt32Array::from(vec![None, Some(2), Some(1), Some(3), Some(2)]));
        assert_eq!((stats.null_count, stats.min), (1, Some(Value::Text("a".into()))));
        assert_eq!((stats.max, stats.exact), (Some(Value::Text("ü".into())), true));
    }

    #[test]
    fn values_of_a_batch_dictionary_that_no_row_uses_do_not_count() {
        let keys = arrow_array::Int32Array::from(vec![Some(2), Some(2), None, Some(0)]);
        let values = StringArray::from(vec![None, Some("unused"), Some("used")]);
        let array: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(values)));
        let dictionary = Dictionary::build([&array].into_iter(), 4).unwrap().unwrap();
        assert_eq!(dictionary.sorted, ["used"]);
        assert_eq!(dictionary.codes, [0, 0, NULL, NULL]);
    }

    #[test]
    fn more_than_one_distinct_value_for_two_rows_is_stored_plain() {
        let three_of_five = [text(&[Some("a"), Some("b"), Some("c"), Some("a"), None])];
        assert!(Dictionary::build(three_of_five.iter(), 5).unwrap().is_none());
        let two_of_four = [text(&[Some("a"), Some("b"), Some("b"), Some("a")])];
        assert!(Dictionary::build(two_of_four.iter(), 4).unwrap().is_some());
    }
}
