//! Sorting rows for a segment: stably by (series columns, time).

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Int32Array, RecordBatch, UInt32Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use tsds_traits::{Error, Result, TableSchema};

use super::series::{NULL, Ranks, TextColumn, combine, rank_numbers};
use crate::array::{Column, Values, conform, record_batch};

/// Rows in the order of a segment.
#[derive(Clone, Debug)]
pub struct SortedRows {
    /// The rows, with the schema's exact types. Dictionaries are sorted and hold what occurs, once.
    pub batch: RecordBatch,
    /// The first row of each series, ascending, starting with 0; empty if there are no rows.
    pub run_starts: Vec<u32>,
}

/// Joins batches in order of arrival and sorts their rows stably by (series columns with nulls first, time).
///
/// Batches have every column of the schema in its order.
///
/// # Errors
///
/// `InvalidInput` for batches that do not have the schema's columns, for a null where the schema has none, and for more
/// than 2^31 - 1 rows.
pub fn sort_for_segment(schema: &TableSchema, batches: &[RecordBatch]) -> Result<SortedRows> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    if i32::try_from(rows).is_err() {
        return Err(Error::invalid_input("too many rows for one segment").with("rows", rows));
    }
    for batch in batches {
        if batch.num_columns() != schema.columns().len() {
            return Err(Error::invalid_input("batch does not have the columns of its schema")
                .with("columns", batch.num_columns())
                .with("schema_columns", schema.columns().len()));
        }
    }
    let arrays = |index: usize| batches.iter().map(|batch| batch.column(index)).collect::<Vec<_>>();
    let texts = intern_texts(schema, &arrays, rows)?;
    let series = rank_series(schema, &arrays, &texts, rows)?;
    let times = gather_times(&arrays(schema.time_index()), rows)?;
    let (order, run_starts) = order_rows(series.as_ref(), &times);
    let places = order.map(|order| Places::new(order, batches));

    let gather = |(index, field): (usize, &Arc<arrow_schema::Field>)| match texts.get(&index) {
        Some(text) => text_array(text, places.as_ref(), field.data_type()),
        None => other_array(&arrays(index), places.as_ref(), field.data_type()),
    };
    let columns = schema.arrow().fields().iter().enumerate().map(gather).collect::<Result<Vec<_>>>()?;
    Ok(SortedRows { batch: record_batch(schema.arrow(), columns, rows)?, run_starts })
}

/// The text columns whose rows repeat few texts: series columns, dictionaries, and what comes as codes.
fn intern_texts<'a>(
    schema: &TableSchema,
    arrays: &impl Fn(usize) -> Vec<&'a ArrayRef>,
    rows: usize,
) -> Result<HashMap<usize, TextColumn>> {
    let mut texts = HashMap::new();
    for (index, column) in schema.columns().iter().enumerate() {
        let coded = |data_type: &DataType| matches!(data_type, DataType::Dictionary(_, _));
        let is_text = coded(&column.data_type) || column.data_type == DataType::Utf8;
        if !is_text {
            continue;
        }
        let arrays = arrays(index);
        for array in &arrays {
            if !matches!(Column::new(array.as_ref())?.values, Values::Text(_)) {
                return Err(Error::invalid_input("column does not have its schema's type")
                    .with("column", &column.name)
                    .with("type", array.data_type()));
            }
        }
        let repeats = schema.series_indices().contains(&index)
            || coded(&column.data_type)
            || arrays.iter().any(|array| coded(array.data_type()));
        if repeats {
            texts.insert(index, TextColumn::new(&arrays, rows)?);
        }
    }
    Ok(texts)
}

/// The rank of each row's series; `None` without series columns.
fn rank_series<'a>(
    schema: &TableSchema,
    arrays: &impl Fn(usize) -> Vec<&'a ArrayRef>,
    texts: &HashMap<usize, TextColumn>,
    rows: usize,
) -> Result<Option<Ranks>> {
    let mut series: Option<Ranks> = None;
    for index in schema.series_indices() {
        let next = match texts.get(index) {
            Some(text) => text.ranks(),
            None => rank_numbers(&arrays(*index), rows)?,
        };
        series = Some(match series {
            Some(so_far) => combine(&so_far, &next),
            None => next,
        });
    }
    Ok(series)
}

fn gather_times(arrays: &[&ArrayRef], rows: usize) -> Result<Vec<i64>> {
    let mut times = Vec::with_capacity(rows);
    for array in arrays {
        let column = Column::new(array.as_ref())?;
        match (&column.values, &column.nulls) {
            (Values::I64(values), None) => times.extend_from_slice(values),
            _ => return Err(Error::invalid_input("time column must be a timestamp that is never null")),
        }
    }
    Ok(times)
}

/// The rows in order, `None` where they are in order already, and where series begin.
fn order_rows(series: Option<&Ranks>, times: &[i64]) -> (Option<Vec<u32>>, Vec<u32>) {
    if times.is_empty() {
        return (None, Vec::new());
    }
    let Some(Ranks { ranks, count }) = series else {
        if times.is_sorted() {
            return (None, vec![0]);
        }
        let mut order: Vec<u32> = (0..times.len() as u32).collect();
        sort_by_time(&mut order, times);
        return (Some(order), vec![0]);
    };
    // Counting sort: where each series begins, then each row to the next free place of its series.
    let mut next = vec![0u32; *count as usize];
    ranks.iter().for_each(|rank| next[*rank as usize] += 1);
    let mut run_starts = Vec::new();
    let mut start = 0;
    for place in &mut next {
        if *place > 0 {
            run_starts.push(start);
        }
        start += std::mem::replace(place, start);
    }
    let mut order = vec![0u32; ranks.len()];
    for (row, rank) in ranks.iter().enumerate() {
        let place = &mut next[*rank as usize];
        order[*place as usize] = row as u32;
        *place += 1;
    }
    let ends = run_starts.iter().skip(1).copied().chain([order.len() as u32]);
    for (start, end) in run_starts.iter().zip(ends) {
        sort_by_time(&mut order[*start as usize..end as usize], times);
    }
    let in_order = order.iter().enumerate().all(|(place, row)| place == *row as usize);
    ((!in_order).then_some(order), run_starts)
}

/// Sorts rows of one series stably by time; mostly they are in order already.
fn sort_by_time(rows: &mut [u32], times: &[i64]) {
    if !rows.is_sorted_by_key(|row| times[*row as usize]) {
        let mut pairs: Vec<(i64, u32)> = rows.iter().map(|row| (times[*row as usize], *row)).collect();
        // Stable, and linear where the rows are a few sorted runs, as late arrivals are.
        pairs.sort_by_key(|(time, _)| *time);
        rows.iter_mut().zip(pairs).for_each(|(row, (_, sorted))| *row = sorted);
    }
}

/// Where the rows in order come from.
struct Places {
    /// The number of each row among all rows.
    rows: UInt32Array,
    /// Its batch and the row there, where there are several batches.
    by_batch: Vec<(usize, usize)>,
}

impl Places {
    fn new(order: Vec<u32>, batches: &[RecordBatch]) -> Self {
        let mut by_batch = Vec::new();
        if batches.len() > 1 {
            let homes = batches.iter().enumerate();
            let homes = homes.flat_map(|(batch, rows)| (0..rows.num_rows()).map(move |row| (batch, row)));
            let homes: Vec<(usize, usize)> = homes.collect();
            by_batch.extend(order.iter().map(|row| homes[*row as usize]));
        }
        Self { rows: UInt32Array::new(ScalarBuffer::from(order), None), by_batch }
    }
}

fn text_array(text: &TextColumn, places: Option<&Places>, data_type: &DataType) -> Result<ArrayRef> {
    let ids: Vec<u32> = match places {
        Some(places) => places.rows.values().iter().map(|row| text.ids[*row as usize]).collect(),
        None => text.ids.clone(),
    };
    if *data_type == DataType::Utf8 {
        let texts = || ids.iter().filter(|id| **id != NULL).map(|id| text.interner.text(*id));
        let mut builder = StringBuilder::with_capacity(ids.len(), texts().map(str::len).sum());
        ids.iter().for_each(|id| builder.append_option((*id != NULL).then(|| text.interner.text(*id))));
        return Ok(Arc::new(builder.finish()));
    }
    let ranks = text.interner.ranks();
    let mut values = StringBuilder::with_capacity(text.interner.len(), 0);
    text.interner.sorted().into_iter().for_each(|id| values.append_value(text.interner.text(id)));
    let nulls = ids.contains(&NULL).then(|| ids.iter().map(|id| *id != NULL).collect::<NullBuffer>());
    let codes = ids.iter().map(|id| ranks.get(*id as usize).map_or(0, |rank| *rank as i32));
    let codes = Int32Array::try_new(ScalarBuffer::from(codes.collect::<Vec<_>>()), nulls)?;
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(codes, Arc::new(values.finish()))?))
}

fn other_array(arrays: &[&ArrayRef], places: Option<&Places>, data_type: &DataType) -> Result<ArrayRef> {
    let arrays = arrays.iter().map(|array| conform(array, data_type)).collect::<Result<Vec<_>>>()?;
    let views: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
    match (arrays.as_slice(), places) {
        ([], _) => Ok(arrow_array::new_empty_array(data_type)),
        ([single], None) => Ok(Arc::clone(single)),
        ([single], Some(places)) => Ok(take(single, &places.rows, None)?),
        (_, None) => Ok(concat(&views)?),
        (_, Some(places)) => Ok(interleave(&views, &places.by_batch)?),
    }
}
