//! What the numbers of a column on a device stand for.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, DictionaryArray, Int64Array, PrimitiveArray, UInt32Array, UInt64Array,
};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::take::{TakeOptions, take};
use tsds_compute::predicate::TextSet;
use tsds_compute::{RowBytes, code_text};
use tsds_traits::{Column, Error, KeySet, RangeSet, Result, ValueClass, is_payload_type, key_of_i64};

/// The most that the values of a payload column of one segment may take.
const MOST_PAYLOAD_BYTES: u64 = 1 << 30;
/// The most items that arrays within it may have: their offsets have 31 bits.
const MOST_ITEMS: usize = i32::MAX as usize;

/// What the numbers of a column stand for. Devices compare and add 64 bits at most; what has more, or another form, lies on the host.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// Themselves.
    Values,
    /// Decimals of this type, all of which fit 64 bits: their digits.
    Digits(DataType),
    /// Texts, or decimals that do not all fit 64 bits: places among the sorted distinct ones.
    Codes(ArrayRef),
    /// Payload, into which no device looks: rows of the whole column.
    Rows(ArrayRef),
}

/// A column on its way to a device.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// What lies on the device: numbers or booleans, with the nulls of the column.
    pub(crate) array: ArrayRef,
    /// What statistics are made of: the column as it was, text as `Dictionary(UInt32, Utf8)`.
    pub(crate) values: ArrayRef,
    pub(crate) meaning: Meaning,
}

impl Numbers {
    /// The rows of a column, in one piece.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a column that has too much text or payload.
    pub(crate) fn of(column: &Column, arrays: &[ArrayRef]) -> Result<Self> {
        let too_much = |what| {
            Error::unsupported(format!("column has too much {what} for a device"))
                .with("column", &column.name)
        };
        let joined = |arrays: &[ArrayRef]| {
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            Ok::<_, Error>(concat(&arrays)?)
        };
        if is_payload_type(&column.data_type) {
            let bytes: u64 = arrays.iter().map(bytes_of).sum();
            let items: usize = arrays.iter().map(|array| most_items(array, 0..array.len())).sum();
            if bytes > MOST_PAYLOAD_BYTES || items > MOST_ITEMS {
                return Err(too_much("payload"));
            }
            // Beside another, an array is copied: alone it would keep what it shares with others, and room to grow.
            let nothing = arrays.iter().take(1).map(|array| array.slice(0, 0));
            return Ok(Self::rows_of(joined(&arrays.iter().cloned().chain(nothing).collect::<Vec<_>>())?));
        }
        match ValueClass::of(&column.data_type) {
            Some(ValueClass::Text) => {
                let (coded, sorted) = code_text(arrays, usize::MAX)?.ok_or_else(|| too_much("text"))?;
                let values = joined(&coded)?;
                let codes = values.as_dictionary_opt::<UInt32Type>();
                let codes = codes.ok_or_else(|| Error::internal("text was not coded"))?.keys().clone();
                Ok(Self { array: Arc::new(codes), values, meaning: Meaning::Codes(sorted) })
            }
            Some(ValueClass::Decimal) => Self::decimals(joined(arrays)?),
            _ => {
                let values = joined(arrays)?;
                Ok(Self { array: Arc::clone(&values), values, meaning: Meaning::Values })
            }
        }
    }

    /// Payload as row numbers.
    fn rows_of(values: ArrayRef) -> Self {
        let rows = UInt32Array::new((0..values.len() as u32).collect(), values.logical_nulls());
        Self { array: Arc::new(rows), meaning: Meaning::Rows(Arc::clone(&values)), values }
    }

    fn decimals(values: ArrayRef) -> Result<Self> {
        let decimals = values.as_primitive_opt::<Decimal128Type>();
        let decimals = decimals.ok_or_else(|| Error::internal("column holds no decimals"))?;
        let mut sorted: Vec<i128> = decimals.iter().flatten().collect();
        let fit = sorted.iter().all(|value| i64::try_from(*value).is_ok());
        // What stands under a null may be anything, and is cut.
        let (numbers, meaning): (Int64Array, _) = match fit {
            true => (decimals.unary(|value| value as i64), Meaning::Digits(values.data_type().clone())),
            false => {
                sorted.sort_unstable();
                sorted.dedup();
                sorted.shrink_to_fit();
                let codes = decimals.unary(|value| sorted.partition_point(|other| *other < value) as i64);
                let sorted = Decimal128Array::from(sorted).with_data_type(values.data_type().clone());
                (codes, Meaning::Codes(Arc::new(sorted)))
            }
        };
        Ok(Self { array: Arc::new(numbers), values, meaning })
    }
}

impl Meaning {
    /// How much memory of the host it takes.
    pub(crate) fn host_bytes(&self) -> u64 {
        match self {
            Self::Values | Self::Digits(_) => 0,
            Self::Codes(values) | Self::Rows(values) => values.get_buffer_memory_size() as u64,
        }
    }

    /// How many bits of the host's memory a row takes on the average when it is looked up one by one.
    pub(crate) fn host_row_bits(&self) -> u64 {
        match self {
            Self::Rows(values) => self.host_bytes().saturating_mul(8) / (values.len() as u64).max(1),
            _ => 0,
        }
    }

    /// How many codes there are, if numbers are codes.
    pub(crate) fn codes(&self) -> Option<u64> {
        match self {
            Self::Codes(sorted) => Some(sorted.len() as u64),
            _ => None,
        }
    }

    /// Whether looking up what numbers stand for is work.
    pub(crate) fn is_work(&self) -> bool {
        match self {
            Self::Values => false,
            Self::Codes(sorted) => *sorted.data_type() != DataType::Utf8,
            Self::Digits(_) | Self::Rows(_) => true,
        }
    }

    /// Whether a sum of numbers is the sum of what they stand for.
    pub(crate) fn adds_up(&self) -> bool {
        matches!(self, Self::Values | Self::Digits(_))
    }

    /// The codes of the texts in a set.
    ///
    /// # Errors
    ///
    /// `Internal` if the numbers do not stand for text.
    pub(crate) fn text_codes(&self, set: &TextSet) -> Result<KeySet> {
        let sorted = match self {
            Self::Codes(sorted) => sorted.as_string_opt::<i32>(),
            _ => None,
        };
        Ok(set.codes(sorted.ok_or_else(|| Error::internal("column holds no text"))?))
    }

    /// The keys of the decimals in a set.
    ///
    /// # Errors
    ///
    /// `Internal` if the numbers do not stand for decimals.
    pub(crate) fn decimal_keys(&self, set: &RangeSet<i128>) -> Result<KeySet> {
        let sorted = match self {
            Self::Digits(_) => None,
            Self::Codes(sorted) if sorted.as_primitive_opt::<Decimal128Type>().is_some() => {
                sorted.as_primitive_opt::<Decimal128Type>()
            }
            _ => return Err(Error::internal("column holds no decimals")),
        };
        let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
        let numbers = |first: i128, last: i128| match sorted {
            None => (first.max(least), last.min(most)),
            Some(sorted) => {
                let below = |bound: &dyn Fn(i128) -> bool| {
                    sorted.values().partition_point(|value| bound(*value)) as i128
                };
                (below(&|value| value < first), below(&|value| value <= last) - 1)
            }
        };
        let ranges = set.ranges().iter().map(|range| numbers(*range.start(), *range.end()));
        let ranges = ranges.filter(|(first, last)| first <= last);
        Ok(KeySet::from_ranges(
            ranges.map(|(first, last)| key_of_i64(first as i64)..=key_of_i64(last as i64)),
        ))
    }

    /// What numbers from a device stand for; text as `Dictionary(UInt32, Utf8)`.
    ///
    /// # Errors
    ///
    /// `Internal` for numbers that stand for nothing.
    pub(crate) fn values(&self, numbers: ArrayRef) -> Result<ArrayRef> {
        let strange = || Error::internal("device returned numbers of another type");
        let checked = Some(TakeOptions { check_bounds: true });
        Ok(match self {
            Self::Values => numbers,
            Self::Digits(data_type) => {
                let digits = numbers.as_primitive_opt::<Int64Type>().ok_or_else(strange)?;
                let decimals: PrimitiveArray<Decimal128Type> = digits.unary(i128::from);
                Arc::new(decimals.with_data_type(data_type.clone()))
            }
            Self::Codes(sorted) => match numbers.as_primitive_opt::<UInt32Type>() {
                Some(codes) => {
                    let values = Arc::clone(sorted);
                    Arc::new(DictionaryArray::<UInt32Type>::try_new(codes.clone(), values)?)
                }
                None => {
                    let codes = numbers.as_primitive_opt::<Int64Type>().ok_or_else(strange)?;
                    // Bounds are checked above alone.
                    let codes: UInt64Array = codes.unary(|code| code as u64);
                    take(sorted, &codes, checked)?
                }
            },
            Self::Rows(values) => take(values, &*numbers, checked)?,
        })
    }
}

fn bytes_of(array: &ArrayRef) -> u64 {
    RowBytes::new(std::slice::from_ref(array)).of(0..array.len())
}

/// How many items the longest array within some rows has.
fn most_items(array: &dyn Array, rows: Range<usize>) -> usize {
    let within = |offsets: &[i32], items: &dyn Array| {
        let at = |row: usize| offsets.get(row).map_or(0, |offset| *offset as usize);
        most_items(items, at(rows.start)..at(rows.end))
    };
    let own = rows.len();
    own.max(match array.data_type() {
        DataType::List(_) => within(array.as_list::<i32>().value_offsets(), array.as_list::<i32>().values()),
        DataType::Map(_, _) => within(array.as_map().value_offsets(), array.as_map().entries()),
        DataType::FixedSizeList(_, size) => {
            let size = size.unsigned_abs() as usize;
            let items = rows.start.saturating_mul(size)..rows.end.saturating_mul(size);
            most_items(array.as_fixed_size_list().values(), items)
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            columns.map(|column| most_items(column, rows.clone())).max().unwrap_or(0)
        }
        _ => 0,
    })
}
