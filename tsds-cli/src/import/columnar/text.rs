//! Text in all forms that columnar files have it in.

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{ArrowError, DataType};

/// What the text of one column of a batch may take: dictionaries and views can stand for far more than they are.
const MAX_BYTES: usize = 1 << 30;

/// Casts that leave null where a value does not fit.
pub(super) const LENIENT: CastOptions<'static> =
    CastOptions { safe: true, format_options: arrow_cast::display::FormatOptions::new() };

/// Text as such.
///
/// # Errors
///
/// What is no text; text beyond a gibibyte.
pub(super) fn as_text(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    match array.data_type() {
        DataType::Utf8 => Ok(array.as_string::<i32>().clone()),
        DataType::LargeUtf8 => gather(array.len(), array.as_string::<i64>().iter()),
        DataType::Utf8View => gather(array.len(), array.as_string_view().iter()),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let texts = as_text(dictionary.values())?;
            let codes = cast(dictionary.keys(), &DataType::Int64)?;
            let text = |code: Option<i64>| {
                let code = usize::try_from(code?).ok().filter(|code| *code < texts.len())?;
                texts.is_valid(code).then(|| texts.value(code))
            };
            gather(array.len(), codes.as_primitive::<Int64Type>().iter().map(text))
        }
        other => Err(ArrowError::CastError(format!("{other} is no text"))),
    }
}

fn gather<'a>(rows: usize, texts: impl Iterator<Item = Option<&'a str>>) -> Result<StringArray, ArrowError> {
    let mut builder = StringBuilder::with_capacity(rows, 0);
    let mut bytes: usize = 0;
    for text in texts {
        bytes = bytes.saturating_add(text.map_or(0, str::len));
        if bytes > MAX_BYTES {
            return Err(ArrowError::CastError(format!("the text of {rows} rows takes more than 1 GiB")));
        }
        builder.append_option(text);
    }
    Ok(builder.finish())
}

/// Text with null in place of what stands for it.
pub(super) fn with_nulls(texts: StringArray, null: Option<&str>) -> StringArray {
    let Some(null) = null else { return texts };
    let is_null = |text: &str| text == null || text.trim() == null;
    if !texts.iter().flatten().any(is_null) {
        return texts;
    }
    texts.iter().map(|text| text.filter(|text| !is_null(text))).collect()
}

/// Values that times are read out of as text: numbers without exponents, dates and times of day as in ISO 8601.
pub(super) fn spelled(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    match array.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let numbers = cast(array, &DataType::Float64)?;
            let spelled = numbers.as_primitive::<arrow_array::types::Float64Type>().iter();
            Ok(spelled.map(|number| number.map(|number| number.to_string())).collect())
        }
        DataType::Dictionary(_, values) if !super::types::is_text(values) => spelled(&cast(array, values)?),
        data_type if super::types::is_text(data_type) => as_text(array),
        _ => Ok(cast_with_options(array, &DataType::Utf8, &LENIENT)?.as_string::<i32>().clone()),
    }
}
