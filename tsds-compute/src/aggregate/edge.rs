//! The first or last value per group, by (time, series columns, arrival).

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use tsds_traits::{Error, Result, TableSchema, Value, key_of_i64};

use super::SegmentPosition;
use super::accumulator::{counts_array, u64s};
use super::groups::is_text;
use super::runs::{Run, times};
use super::selection::Selection;
use crate::array::{Column, Columns, Values, from_decimals, from_keys, from_texts, nulls_of, views};

pub(super) struct Edges {
    data_type: DataType,
    time_type: DataType,
    series_types: Vec<DataType>,
    last: bool,
    edges: Vec<Option<Edge>>,
    heap_bytes: usize,
}

/// One row that is first or last so far.
struct Edge {
    time: i64,
    series: Box<[Option<Value>]>,
    sequence: u64,
    row: u64,
    value: Value,
}

/// A row that may become the edge of its group, where it stands.
struct Candidate<'a, 'b> {
    time: i64,
    series: &'a [Column<'b>],
    value: &'a Column<'b>,
    /// The row in the batch.
    index: usize,
    sequence: u64,
    row: u64,
}

impl Edges {
    pub(super) fn new(schema: &TableSchema, data_type: DataType, last: bool) -> Self {
        let series = schema.series_indices().iter().map(|index| schema.columns()[*index].data_type.clone());
        Self {
            data_type,
            time_type: schema.time_column().data_type.clone(),
            series_types: series.collect(),
            last,
            edges: Vec::new(),
            heap_bytes: 0,
        }
    }

    pub(super) fn resize(&mut self, groups: usize) {
        self.edges.resize_with(groups, || None);
    }

    pub(super) fn update(
        &mut self,
        runs: &[Run],
        value: &Column<'_>,
        columns: &Columns<'_>,
        schema: &TableSchema,
        position: SegmentPosition,
        mask: Option<&BooleanBuffer>,
    ) -> Result<()> {
        let times = times(schema, columns)?;
        let arrays = schema.series_indices().iter().map(|index| columns.array(schema.columns()[*index].id));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let series = views(arrays.into_iter().map(|array| array.as_ref()))?;
        let selected = Selection::new(mask, value.nulls.as_ref());
        for run in runs {
            let mut best: Option<usize> = None;
            selected.for_each_slice(run.start, run.end, |from, to| {
                for row in from..to {
                    if best.is_none_or(|best| self.goes_beyond(times, &series, row, best)) {
                        best = Some(row);
                    }
                }
            });
            if let Some(index) = best {
                let (time, row) = (times[index], position.first_row.saturating_add(index as u64));
                let sequence = position.sequence;
                self.offer(run.group, &Candidate { time, series: &series, value, index, sequence, row });
            }
        }
        Ok(())
    }

    /// Whether a later row of the batch is more at the edge than an earlier one.
    fn goes_beyond(&self, times: &[i64], series: &[Column<'_>], row: usize, than: usize) -> bool {
        let ordering = times[row].cmp(&times[than]).then_with(|| {
            let columns = series.iter().map(|column| compare_rows(column, row, than));
            columns.fold(Ordering::Equal, Ordering::then)
        });
        // Among equals the later row is last and never first.
        if self.last { ordering != Ordering::Less } else { ordering == Ordering::Less }
    }

    fn offer(&mut self, group: usize, candidate: &Candidate<'_, '_>) {
        let own = &mut self.edges[group];
        if let Some(own) = own {
            let ordering = candidate.compare(own);
            if ordering == Ordering::Equal || (ordering == Ordering::Greater) != self.last {
                return;
            }
        }
        // The batch was checked: a candidate's value is not null.
        let Some(value) = candidate.value.value(candidate.index) else { return };
        let series = candidate.series.iter().map(|column| column.value(candidate.index)).collect();
        let edge =
            Edge { time: candidate.time, series, sequence: candidate.sequence, row: candidate.row, value };
        self.heap_bytes += edge.heap_bytes();
        self.heap_bytes -= own.as_ref().map_or(0, Edge::heap_bytes);
        *own = Some(edge);
    }

    pub(super) fn state_columns(&self) -> usize {
        self.series_types.len() + 4
    }

    pub(super) fn states(&self) -> Result<Vec<ArrayRef>> {
        let order: Vec<u32> = (0..self.edges.len() as u32).collect();
        let edges = || self.edges.iter().map(Option::as_ref);
        let valid = || nulls_of(self.edges.iter().map(Option::is_some));
        let mut arrays = vec![self.results(&order)?];
        let times: Vec<u64> = edges().map(|edge| edge.map_or(0, |edge| key_of_i64(edge.time))).collect();
        arrays.push(from_keys(&self.time_type, &times, valid())?);
        for (index, data_type) in self.series_types.iter().enumerate() {
            let values = edges().map(|edge| edge.and_then(|edge| edge.series.get(index)?.as_ref()));
            arrays.push(values_array(data_type, values)?);
        }
        let numbers = |number: fn(&Edge) -> u64| {
            let array = counts_array(edges().map(|edge| edge.map_or(0, number)));
            match valid() {
                None => Ok(array),
                nulls => from_keys(
                    &DataType::UInt64,
                    &edges().map(|edge| edge.map_or(0, number)).collect::<Vec<_>>(),
                    nulls,
                ),
            }
        };
        arrays.push(numbers(|edge| edge.sequence)?);
        arrays.push(numbers(|edge| edge.row)?);
        Ok(arrays)
    }

    pub(super) fn merge(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let [value, time, series @ .., sequences, rows] = columns else {
            return Err(Error::internal("state of an edge has another number of columns"));
        };
        let (value, time) = (Column::new(value.as_ref())?, Column::new(time.as_ref())?);
        let series = views(series.iter().map(|array| array.as_ref()))?;
        let Values::I64(times) = time.values else {
            return Err(Error::invalid_input("time column must be a timestamp"));
        };
        for (index, group) in groups.iter().enumerate().filter(|(row, _)| !value.is_null(*row)) {
            if time.is_null(index) || sequences.is_null(index) || rows.is_null(index) {
                return Err(Error::corrupt("first or last has a value without its place"));
            }
            let candidate = Candidate {
                time: times[index],
                series: &series,
                value: &value,
                index,
                sequence: u64s(sequences)?[index],
                row: u64s(rows)?[index],
            };
            self.offer(*group as usize, &candidate);
        }
        Ok(())
    }

    pub(super) fn results(&self, order: &[u32]) -> Result<ArrayRef> {
        let edges = order.iter().map(|group| self.edges[*group as usize].as_ref());
        values_array(&self.data_type, edges.map(|edge| edge.map(|edge| &edge.value)))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.edges.capacity() * size_of::<Option<Edge>>() + self.heap_bytes
    }
}

impl Edge {
    fn heap_bytes(&self) -> usize {
        let text = |value: &Value| match value {
            Value::Text(text) => text.len(),
            _ => 0,
        };
        let series: usize = self.series.iter().flatten().map(text).sum();
        self.series.len() * size_of::<Option<Value>>() + series + text(&self.value)
    }
}

impl Candidate<'_, '_> {
    fn compare(&self, edge: &Edge) -> Ordering {
        let series = || {
            let columns = self.series.iter().zip(&edge.series);
            let columns = columns.map(|(column, value)| compare_value(column, self.index, value.as_ref()));
            columns.fold(Ordering::Equal, Ordering::then)
        };
        self.time
            .cmp(&edge.time)
            .then_with(series)
            .then_with(|| (self.sequence, self.row).cmp(&(edge.sequence, edge.row)))
    }
}

/// Compares two rows of a column, nulls first.
fn compare_rows(column: &Column<'_>, a: usize, b: usize) -> Ordering {
    match (column.is_null(a), column.is_null(b)) {
        (false, false) => match &column.values {
            Values::Text(text) => text.value(a).cmp(text.value(b)),
            _ => column.value(a).cmp(&column.value(b)),
        },
        (a_null, b_null) => b_null.cmp(&a_null),
    }
}

/// Compares a row of a column with a value, nulls first.
fn compare_value(column: &Column<'_>, row: usize, value: Option<&Value>) -> Ordering {
    match (&column.values, value) {
        (Values::Text(text), Some(Value::Text(value))) if !column.is_null(row) => text.value(row).cmp(value),
        _ => column.value(row).as_ref().cmp(&value),
    }
}

/// The array of these values.
fn values_array<'a>(
    data_type: &DataType,
    values: impl ExactSizeIterator<Item = Option<&'a Value>> + Clone,
) -> Result<ArrayRef> {
    if is_text(data_type) {
        let text = |value: Option<&'a Value>| match value {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        return from_texts(data_type, values.map(text));
    }
    if matches!(data_type, DataType::Decimal128(_, _)) {
        let decimal = |value: Option<&'a Value>| match value {
            Some(Value::Decimal(value)) => Some(*value),
            _ => None,
        };
        return from_decimals(data_type, values.map(decimal));
    }
    let keys: Vec<u64> =
        values.clone().map(|value| value.and_then(Value::order_key).unwrap_or_default()).collect();
    from_keys(data_type, &keys, nulls_of(values.map(|value| value.is_some())))
}
