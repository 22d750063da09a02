//! How much a batch takes as its table stores it: a few bytes can stand for any number, in dictionaries and in views of shared text,
//! bytes and lists.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, OffsetSizeTrait, RecordBatch};
use arrow_schema::DataType;
use tsds_traits::{Error, Result, TableSchema, is_payload_type, payload_type};

use super::validate::is_text;

/// What all text and payload of a batch together may come to. No value of a payload column is longer than that in a segment file, nor
/// the text of one column too long for 32-bit offsets.
const MAX_UNPACKED: u64 = 1 << 30;
/// What a number of a length or of an offset may take.
const LENGTH_BYTES: u64 = 5;

/// Refuses a batch whose text or payload would take too much memory as the table stores it. Text that comes so is not unpacked, and
/// takes what it takes.
///
/// # Errors
///
/// `InvalidInput`, naming the column with which it became too much.
pub(super) fn check_unpacked(batch: &RecordBatch, schema: &TableSchema) -> Result<()> {
    let mut all = 0_u64;
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let Some(column) = schema.column_named(field.name()) else { continue };
        let given = field.data_type();
        let unpacked = match is_payload_type(&column.data_type) {
            // What is of another type is refused later, as what it is.
            true if payload_type(given).is_some() => Sizes::of(array)?.total(array.len()),
            false if is_text(given) && *given != column.data_type => unpacked_text(array, &column.data_type)?,
            _ => 0,
        };
        all = all.saturating_add(unpacked);
        if all > MAX_UNPACKED {
            return Err(Error::invalid_input(
                "the text and payload of a batch unpack to too much; ingest fewer rows at once",
            )
            .with("column", &column.name)
            .with("bytes", all)
            .with("limit_bytes", MAX_UNPACKED));
        }
    }
    Ok(())
}

/// The bytes of text that are copied when an array becomes `to`, where that can be more than it holds.
fn unpacked_text(array: &ArrayRef, to: &DataType) -> Result<u64> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let values = unpacked_text(dictionary.values(), &DataType::Utf8)?;
        return match to {
            DataType::Dictionary(..) => Ok(values),
            _ => Ok(values.saturating_add(Sizes::of(array)?.total(array.len()))),
        };
    }
    match array.data_type() {
        DataType::Utf8View => Ok(Sizes::of(array)?.total(array.len())),
        _ => Ok(0),
    }
}

/// How many bytes each row of an array takes at the most, in memory or in a file, unpacked.
enum Sizes {
    /// Every row as many.
    Same(u64),
    Each(Vec<u64>),
}

impl Sizes {
    fn of(array: &ArrayRef) -> Result<Self> {
        let nulls = array.nulls();
        let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        // What lies under a null is not looked at.
        let each = |size: &dyn Fn(usize) -> u64| {
            let size = |row| if valid(row) { size(row).saturating_add(LENGTH_BYTES) } else { LENGTH_BYTES };
            Self::Each((0..array.len()).map(size).collect())
        };
        if let Some(dictionary) = array.as_any_dictionary_opt() {
            let values = Self::of(dictionary.values())?;
            let keys = arrow_cast::cast(dictionary.keys(), &DataType::Int64)?;
            let keys = keys.as_primitive::<Int64Type>().values();
            let key = |row: usize| keys.get(row).and_then(|key| usize::try_from(*key).ok());
            return Ok(each(&|row| key(row).map_or(0, |key| values.row(key))));
        }
        Ok(match array.data_type() {
            DataType::Utf8 => each(&of_offsets(array.as_string::<i32>().value_offsets())),
            DataType::LargeUtf8 => each(&of_offsets(array.as_string::<i64>().value_offsets())),
            DataType::Binary => each(&of_offsets(array.as_binary::<i32>().value_offsets())),
            DataType::LargeBinary => each(&of_offsets(array.as_binary::<i64>().value_offsets())),
            // The low half of a view is its length.
            DataType::Utf8View => each(&of_views(array.as_string_view().views())),
            DataType::BinaryView => each(&of_views(array.as_binary_view().views())),
            DataType::FixedSizeBinary(bytes) => Self::Same(u64::try_from(*bytes).unwrap_or_default()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                each(&Self::items(list.values())?.spans(&ends(list.value_offsets())))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                each(&Self::items(list.values())?.spans(&ends(list.value_offsets())))
            }
            DataType::ListView(_) => {
                let list = array.as_list_view::<i32>();
                each(&Self::items(list.values())?.spans(&starts_and_ends(list.offsets(), list.sizes())))
            }
            DataType::LargeListView(_) => {
                let list = array.as_list_view::<i64>();
                each(&Self::items(list.values())?.spans(&starts_and_ends(list.offsets(), list.sizes())))
            }
            DataType::FixedSizeList(_, size) => {
                let size = usize::try_from(*size).unwrap_or_default();
                let list = array.as_fixed_size_list();
                match Self::of(list.values())? {
                    Self::Same(bytes) => Self::Same(bytes.saturating_add(1).saturating_mul(size as u64) + 1),
                    items => {
                        let spans: Vec<_> =
                            (0..array.len()).map(|row| (row * size, (row + 1) * size)).collect();
                        // A null has all its items, too.
                        let span = Self::items_of(items).spans(&spans);
                        Self::Each((0..array.len()).map(span).collect())
                    }
                }
            }
            DataType::Struct(_) => {
                let fields = array.as_struct().columns().iter().map(Self::of).collect::<Result<Vec<_>>>()?;
                let own = fields.len() as u64 / 8 + 1;
                match fields.iter().all(|field| matches!(field, Self::Same(_))) {
                    true => {
                        Self::Same(fields.iter().fold(own, |sum, field| sum.saturating_add(field.row(0))))
                    }
                    false => {
                        let row =
                            |row| fields.iter().fold(own, |sum, field| sum.saturating_add(field.row(row)));
                        Self::Each((0..array.len()).map(row).collect())
                    }
                }
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
                each(&Self::items(&entries)?.spans(&ends(map.value_offsets())))
            }
            other => Self::Same(other.primitive_width().unwrap_or(1) as u64),
        })
    }

    /// The items of lists: each has a bit besides, and offsets or indices while it is recast.
    fn items(array: &ArrayRef) -> Result<Self> {
        Ok(Self::items_of(Self::of(array)?))
    }

    fn items_of(items: Self) -> Self {
        match items {
            Self::Same(bytes) => Self::Same(bytes.saturating_add(1)),
            each => each,
        }
    }

    fn row(&self, row: usize) -> u64 {
        match self {
            Self::Same(bytes) => *bytes,
            Self::Each(rows) => rows.get(row).copied().unwrap_or_default(),
        }
    }

    fn total(&self, rows: usize) -> u64 {
        match self {
            Self::Same(bytes) => bytes.saturating_mul(rows as u64),
            Self::Each(rows) => rows.iter().fold(0, |total, bytes| total.saturating_add(*bytes)),
        }
    }

    /// What items take from some start to some end, by row.
    fn spans(self, spans: &[(usize, usize)]) -> impl Fn(usize) -> u64 {
        let before: Option<Vec<u64>> = match &self {
            Self::Same(_) => None,
            Self::Each(items) => {
                let sums = items.iter().scan(0_u64, |sum, bytes| {
                    *sum = sum.saturating_add(*bytes);
                    Some(*sum)
                });
                Some(std::iter::once(0).chain(sums).collect())
            }
        };
        move |row| {
            let (start, end) = spans.get(row).copied().unwrap_or_default();
            match &before {
                None => self.row(0).saturating_mul(end.saturating_sub(start) as u64),
                Some(sums) => {
                    let at = |index: usize| sums.get(index).copied().unwrap_or_default();
                    at(end).saturating_sub(at(start))
                }
            }
        }
    }
}

fn of_offsets<T: OffsetSizeTrait>(offsets: &[T]) -> impl Fn(usize) -> u64 {
    |row| match (offsets.get(row), offsets.get(row + 1)) {
        (Some(start), Some(end)) => end.as_usize().saturating_sub(start.as_usize()) as u64,
        _ => 0,
    }
}

fn of_views(views: &[u128]) -> impl Fn(usize) -> u64 {
    |row| views.get(row).map_or(0, |view| u64::from(*view as u32))
}

fn ends<T: OffsetSizeTrait>(offsets: &[T]) -> Vec<(usize, usize)> {
    offsets.windows(2).map(|pair| (pair[0].as_usize(), pair[1].as_usize())).collect()
}

fn starts_and_ends<T: OffsetSizeTrait>(offsets: &[T], sizes: &[T]) -> Vec<(usize, usize)> {
    let span = |(start, size): (&T, &T)| (start.as_usize(), start.as_usize().saturating_add(size.as_usize()));
    offsets.iter().zip(sizes).map(span).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
    use arrow_array::{
        DictionaryArray, FixedSizeListArray, Float32Array, Int8Array, Int32Array, ListArray, ListViewArray,
        StringArray, StructArray,
    };
    use arrow_buffer::{OffsetBuffer, ScalarBuffer};
    use arrow_schema::Field;

    fn sizes(array: impl Array + 'static) -> Vec<u64> {
        let array: ArrayRef = Arc::new(array);
        let sizes = Sizes::of(&array).unwrap();
        (0..array.len()).map(|row| sizes.row(row)).collect()
    }

    fn plus(bytes: &[u64]) -> Vec<u64> {
        bytes.iter().map(|bytes| bytes + LENGTH_BYTES).collect()
    }

    #[test]
    fn plain_text_is_as_long_as_it_is() {
        let plain = StringArray::from(vec!["ab", "", "c"]);
        assert_eq!(sizes(plain.slice(1, 2)), plus(&[0, 1]));
        assert_eq!(unpacked_text(&(Arc::new(plain) as _), &DataType::Utf8).unwrap(), 0);
    }

    #[test]
    fn text_of_dictionaries_counts_once_a_row_and_nothing_under_nulls() {
        let keys = Int8Array::new(vec![0, 99, 1, 0].into(), Some(vec![true, false, true, true].into()));
        let packed: ArrayRef =
            Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["four", "two"]))));
        let per_row = 2 * LENGTH_BYTES;
        assert_eq!(unpacked_text(&packed, &DataType::Utf8).unwrap(), 4 + 3 + 4 + 3 * per_row + LENGTH_BYTES);
        let packed_again = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        assert_eq!(unpacked_text(&packed, &packed_again).unwrap(), 0);
    }

    #[test]
    fn views_of_shared_text_and_bytes_count_each() {
        let (mut text, mut bytes) = (StringViewBuilder::new(), BinaryViewBuilder::new());
        let texts = text.append_block("x".repeat(100).into_bytes().into());
        let blocks = bytes.append_block(vec![255; 100].into());
        for offset in 0..5 {
            text.try_append_view(texts, offset, 90).unwrap();
            bytes.try_append_view(blocks, offset, 90).unwrap();
        }
        assert_eq!(sizes(text.finish()), plus(&[90; 5]));
        assert_eq!(sizes(bytes.finish()), plus(&[90; 5]));
    }

    #[test]
    fn lists_count_their_items_and_views_of_shared_items_count_each() {
        let item = Arc::new(Field::new_list_field(DataType::Float32, true));
        let floats: ArrayRef = Arc::new(Float32Array::from(vec![0.0; 10]));
        let offsets = OffsetBuffer::new(vec![0, 3, 3, 10].into());
        let lists = ListArray::new(Arc::clone(&item), offsets, Arc::clone(&floats), None);
        assert_eq!(sizes(lists.slice(1, 2)), plus(&[0, 35]));
        let (starts, lengths) = (ScalarBuffer::from(vec![0, 2, 0]), ScalarBuffer::from(vec![10, 8, 10]));
        let views = ListViewArray::new(Arc::clone(&item), starts, lengths, Arc::clone(&floats), None);
        assert_eq!(sizes(views), plus(&[50, 40, 50]));
        assert_eq!(sizes(FixedSizeListArray::new(item, 5, floats, None)), [26, 26]);
    }

    #[test]
    fn fields_of_structs_count_together() {
        let fields = vec![
            (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1, 2])) as _),
            (
                Arc::new(Field::new("b", DataType::Utf8, true)),
                Arc::new(StringArray::from(vec!["", "xyz"])) as _,
            ),
        ];
        assert_eq!(sizes(StructArray::from(fields)), [1 + 4 + LENGTH_BYTES, 1 + 4 + 3 + LENGTH_BYTES]);
    }
}
