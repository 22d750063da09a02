//! Rows of several batches, one by one.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowDictionaryKeyType, Int32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use tsds_traits::Result;

use super::record_batch;

/// The rows at `places`: the number of a batch, and of a row in it. Dictionaries that share their values keep them.
///
/// # Errors
///
/// `Internal` where Arrow fails to copy rows.
pub(crate) fn pick<B: Borrow<RecordBatch>>(
    schema: &SchemaRef,
    batches: &[B],
    mut places: Vec<(usize, usize)>,
) -> Result<RecordBatch> {
    // What is copied of a dictionary is copied for each array, whether or not rows of it are wanted.
    let mut numbers: Vec<Option<usize>> = vec![None; batches.len()];
    let mut used: Vec<&RecordBatch> = Vec::new();
    for (batch, _) in &mut places {
        let Some((number, own)) = numbers.get_mut(*batch).zip(batches.get(*batch)) else { continue };
        *batch = *number.get_or_insert_with(|| {
            used.push(own.borrow());
            used.len() - 1
        });
    }
    let columns = (0..schema.fields().len()).map(|column| {
        let arrays: Vec<&dyn Array> = used.iter().map(|batch| batch.column(column).as_ref()).collect();
        match shared::<UInt32Type>(&arrays, &places)?.or(shared::<Int32Type>(&arrays, &places)?) {
            Some(array) => Ok(array),
            None => Ok(interleave(&arrays, &places)?),
        }
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    record_batch(schema, columns, places.len())
}

/// Rows of dictionaries, if they share their values: Arrow would copy these once for each array.
fn shared<K: ArrowDictionaryKeyType>(
    arrays: &[&dyn Array],
    places: &[(usize, usize)],
) -> Result<Option<ArrayRef>> {
    let dictionaries: Option<Vec<&DictionaryArray<K>>> =
        arrays.iter().map(|array| array.as_dictionary_opt::<K>()).collect();
    let Some((first, others)) = dictionaries.as_deref().and_then(|all| all.split_first()) else {
        return Ok(None);
    };
    if !others.iter().all(|other| Arc::ptr_eq(other.values(), first.values())) {
        return Ok(None);
    }
    let keys: Vec<&dyn Array> =
        [first].into_iter().chain(others).map(|dictionary| dictionary.keys() as &dyn Array).collect();
    let keys = interleave(&keys, places)?;
    let keys = keys.as_primitive::<K>().clone();
    Ok(Some(Arc::new(DictionaryArray::<K>::try_new(keys, Arc::clone(first.values()))?)))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray, UInt32Array};
    use arrow_schema::{Field, Schema};

    use super::*;

    fn batch(codes: &UInt32Array, values: &ArrayRef, numbers: &Int64Array) -> RecordBatch {
        let texts = DictionaryArray::<UInt32Type>::try_new(codes.clone(), Arc::clone(values)).unwrap();
        let schema = Schema::new(vec![
            Field::new("text", texts.data_type().clone(), true),
            Field::new("number", numbers.data_type().clone(), true),
        ]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(texts), Arc::new(numbers.clone())]).unwrap()
    }

    #[test]
    fn rows_come_from_where_they_are_and_shared_values_are_not_copied() {
        let values: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let one = batch(
            &UInt32Array::from(vec![Some(2), None, Some(0)]),
            &values,
            &Int64Array::from(vec![0, 1, 2]),
        );
        let two = batch(&UInt32Array::from(vec![1, 1]), &values, &Int64Array::from(vec![3, 4]));
        let unused: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let unused = batch(&UInt32Array::from(vec![0]), &unused, &Int64Array::from(vec![9]));
        let places = vec![(2, 1), (0, 1), (0, 0), (2, 0), (0, 2)];
        let found = pick(&one.schema(), &[&one, &unused, &two], places).unwrap();
        let texts = found.column(0).as_dictionary::<UInt32Type>();
        assert!(Arc::ptr_eq(texts.values(), &values));
        let codes: Vec<Option<u32>> = texts.keys().iter().collect();
        assert_eq!(codes, [Some(1), None, Some(2), Some(1), Some(0)]);
        let expected = Int64Array::from(vec![4, 1, 0, 3, 2]);
        assert_eq!(found.column(1).as_ref(), &expected as &dyn Array);
    }

    #[test]
    fn values_of_different_dictionaries_are_told_apart() {
        let values = |texts: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
        let numbers = Int64Array::from(vec![0, 1]);
        let codes = UInt32Array::from(vec![0, 1]);
        let batches = [["a", "b"], ["b", "c"]].map(|texts| batch(&codes, &values(texts), &numbers));
        let found = pick(&batches[0].schema(), &batches, vec![(1, 1), (0, 0), (1, 0), (0, 1)]).unwrap();
        let texts = found.column(0).as_dictionary::<UInt32Type>();
        let texts: Vec<&str> = texts.downcast_dict::<StringArray>().unwrap().into_iter().flatten().collect();
        assert_eq!(texts, ["c", "a", "b", "b"]);
    }
}
