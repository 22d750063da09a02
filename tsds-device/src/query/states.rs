//! From what a device found of runs to state batches.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array};
use arrow_buffer::NullBuffer;
use tsds_compute::{Bucketer, ExactSum, conform, from_keys, sum_state_columns};
use tsds_traits::{AggregatePlan, ColumnId, Error, Function, Result, SumState, TableSchema, key_of_i64};

use crate::device::Device;
use crate::kernel::{NONE, REDUCED_WORDS, reduce};
use crate::wave::{FoldPlan, Folded, PartRows, Wave, WavePart};

/// Folded runs of a wave, on their way to state batches: one for each part, with one row for each piece of a run.
pub(crate) struct States<D: Device> {
    pub(crate) wave: Wave<D>,
    pub(crate) plan: AggregatePlan,
    pub(crate) fold: FoldPlan,
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) bucketer: Option<Bucketer>,
    pub(crate) folded: Folded<D>,
}

/// What the device found of one column, for each piece of one part.
struct Pieces<'a> {
    words: &'a [u32],
}

/// The rows with the first or last value of each piece.
struct Edges {
    rows: Vec<PartRows>,
    numbers: Vec<Vec<u32>>,
}

/// The values of the pieces of each part whose sums the device found too wide, and which pieces those are.
struct Wide {
    pieces: Vec<Vec<usize>>,
    values: Vec<PartRows>,
}

/// What has to be copied from the device beside what was folded: for groups, and for each aggregate.
struct Copied {
    groups: Vec<PartRows>,
    of_aggregates: Vec<(Option<Edges>, Option<Wide>)>,
}

impl<D: Device> States<D> {
    /// # Errors
    ///
    /// What the device says.
    pub(crate) async fn batches(self) -> Result<Vec<RecordBatch>> {
        let copied = self.copied().await?;
        let executor = Arc::clone(&self.wave.world.executor);
        (*executor).blocking(move || self.assembled(copied)).await
    }

    async fn copied(&self) -> Result<Copied> {
        let time = self.schema.time_column().id;
        let firsts: Vec<Vec<u32>> =
            (0..self.wave.parts.len()).map(|part| self.starts(part).to_vec()).collect();
        let mut columns = self.plan.group_by.clone();
        columns.extend(self.bucketer.as_ref().map(|_| time));
        let groups = match columns.is_empty() {
            true => Vec::new(),
            false => self.wave.at_items(&self.folded.rows, &firsts, &columns).await?,
        };
        let mut of_aggregates = Vec::with_capacity(self.plan.aggregates.len());
        for (number, aggregate) in self.plan.aggregates.iter().enumerate() {
            of_aggregates.push(match aggregate.function {
                Function::First | Function::Last => (Some(self.edges(number, aggregate.column).await?), None),
                Function::Sum | Function::Avg => (None, self.wide(number, aggregate.column).await?),
                _ => (None, None),
            });
        }
        Ok(Copied { groups, of_aggregates })
    }

    fn assembled(&self, copied: Copied) -> Result<Vec<RecordBatch>> {
        let mut arrays: Vec<Vec<ArrayRef>> = Vec::with_capacity(self.wave.parts.len());
        for part in 0..self.wave.parts.len() {
            let rows = copied.groups.get(part);
            let column = |index: usize| {
                let array = rows.and_then(|rows| rows.rows.columns().get(index)).cloned();
                array.ok_or_else(|| Error::internal("group columns were not gathered"))
            };
            let mut own = Vec::new();
            for (index, id) in self.plan.group_by.iter().enumerate() {
                own.push(self.typed(&column(index)?, *id)?);
            }
            if let Some(bucketer) = &self.bucketer {
                own.push(self.buckets(bucketer, &column(self.plan.group_by.len())?)?);
            }
            arrays.push(own);
        }
        let aggregates = self.plan.aggregates.iter().zip(&copied.of_aggregates).enumerate();
        for (number, (aggregate, (edges, wide))) in aggregates {
            let wide = wide.as_ref().map(|wide| self.wide_sums(wide)).transpose()?.unwrap_or_default();
            for (at, own) in arrays.iter_mut().enumerate() {
                let (part, pieces) = (self.part(at)?, self.pieces(number, at));
                own.extend(match (aggregate.function, aggregate.column, edges) {
                    (Function::Count, _, _) => vec![pieces.counts()],
                    (Function::Sum | Function::Avg, _, _) => {
                        pieces.sums(wide.get(at).map(Vec::as_slice).unwrap_or_default())?
                    }
                    (Function::Min | Function::Max, Some(column), _) => {
                        vec![self.extremes(part, column, &pieces, aggregate.function)?]
                    }
                    (_, Some(column), Some(edges)) => self.edge_columns(part, at, column, edges)?,
                    _ => return Err(Error::unsupported("aggregate function is not known")),
                });
            }
        }
        let schema = self.plan.state_schema(&self.schema)?;
        let batch = |(at, arrays): (usize, Vec<ArrayRef>)| {
            let options = RecordBatchOptions::new().with_row_count(Some(self.starts(at).len()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?)
        };
        let batches = arrays.into_iter().enumerate().map(batch).collect::<Result<Vec<_>>>()?;
        Ok(batches.into_iter().filter(|batch| batch.num_rows() > 0).collect())
    }

    fn part(&self, at: usize) -> Result<&WavePart<D>> {
        self.wave.parts.get(at).ok_or_else(|| Error::internal("wave lacks a part"))
    }

    /// The first item of each piece of a part.
    fn starts(&self, part: usize) -> &[u32] {
        let (first, count) = self.folded.of_part.get(part).copied().unwrap_or_default();
        let (first, count) = (first as usize, count as usize);
        self.folded.pieces.get(first..first + count).unwrap_or_default()
    }

    /// The items of each piece of a part.
    fn ranges(&self, part: usize) -> impl Iterator<Item = std::ops::Range<u32>> + '_ {
        let (start, items) = self.folded.rows.items.get(part).copied().unwrap_or_default();
        let starts = self.starts(part);
        let ends = starts.iter().skip(1).copied().chain([start + items]);
        starts.iter().copied().zip(ends).map(|(start, end)| start..end)
    }

    /// What the device found of the column of an aggregate.
    fn pieces(&self, aggregate: usize, part: usize) -> Pieces<'_> {
        let column = self.plan.aggregates.get(aggregate).map(|one| one.column);
        let place = self.fold.columns.iter().position(|(own, _)| Some(*own) == column);
        let (first, count) = self.folded.of_part.get(part).copied().unwrap_or_default();
        let (first, count) = (first as usize, count as usize);
        let size = REDUCED_WORDS as usize;
        let words = place
            .and_then(|place| self.folded.found.get(place))
            .and_then(|found| found.get(first * size..(first + count) * size));
        Pieces { words: words.unwrap_or_default() }
    }

    /// An array in its column's type.
    fn typed(&self, array: &ArrayRef, column: ColumnId) -> Result<ArrayRef> {
        let column =
            self.schema.column(column).ok_or_else(|| Error::internal("column is not of the schema"))?;
        conform(array, &column.data_type)
    }

    fn buckets(&self, bucketer: &Bucketer, times: &ArrayRef) -> Result<ArrayRef> {
        let data = times.to_data();
        let times: &[i64] = data.buffers().first().map(|values| values.typed_data()).unwrap_or_default();
        let times = times.get(data.offset()..data.offset() + data.len()).unwrap_or_default();
        let keys: Vec<u64> = bucketer.starts_of(times).into_iter().map(key_of_i64).collect();
        from_keys(&self.schema.time_column().data_type, &keys, None)
    }

    /// The smallest or largest values.
    fn extremes(
        &self,
        part: &WavePart<D>,
        column: ColumnId,
        pieces: &Pieces<'_>,
        function: Function,
    ) -> Result<ArrayRef> {
        let word = if function == Function::Min { reduce::MIN } else { reduce::MAX };
        let keys: Vec<u64> = pieces.each().map(|piece| two_words(piece, word)).collect();
        let valid = pieces.each().map(|piece| piece.first().is_some_and(|count| *count > 0));
        let nulls = Some(NullBuffer::from_iter(valid)).filter(|nulls| nulls.null_count() > 0);
        let on_device = part.segment.column(column)?;
        let array = from_keys(&on_device.data_type, &keys, nulls)?;
        self.typed(&on_device.meaning.values(array)?, column)
    }

    /// The values of the pieces whose sums the device found too wide.
    async fn wide(&self, aggregate: usize, column: Option<ColumnId>) -> Result<Option<Wide>> {
        let mut wide: Vec<Vec<usize>> = Vec::with_capacity(self.wave.parts.len());
        let mut items: Vec<Vec<u32>> = Vec::with_capacity(self.wave.parts.len());
        for part in 0..self.wave.parts.len() {
            let is_wide = |piece: &[u32]| {
                piece.get(reduce::SUM_FLAGS).is_some_and(|flags| flags & reduce::TOO_WIDE != 0)
            };
            let pieces: Vec<usize> = self
                .pieces(aggregate, part)
                .each()
                .enumerate()
                .filter(|(_, piece)| is_wide(piece))
                .map(|(number, _)| number)
                .collect();
            let ranges: Vec<_> = self.ranges(part).collect();
            items.push(pieces.iter().filter_map(|piece| ranges.get(*piece)).cloned().flatten().collect());
            wide.push(pieces);
        }
        let Some(column) = column.filter(|_| wide.iter().any(|pieces| !pieces.is_empty())) else {
            return Ok(None);
        };
        let values = self.wave.at_items(&self.folded.rows, &items, &[column]).await?;
        Ok(Some(Wide { pieces: wide, values }))
    }

    /// The pieces of each part with wide sums, and these.
    fn wide_sums(&self, wide: &Wide) -> Result<Vec<Vec<(usize, SumState)>>> {
        let mut sums = Vec::with_capacity(wide.pieces.len());
        for (part, (pieces, values)) in wide.pieces.iter().zip(&wide.values).enumerate() {
            let ranges: Vec<_> = self.ranges(part).collect();
            let mut from = 0;
            let mut own = Vec::with_capacity(pieces.len());
            for piece in pieces {
                let len = ranges.get(*piece).map_or(0, ExactSizeIterator::len);
                own.push((*piece, exact_sum(&values.rows.column(0).slice(from, len))?));
                from += len;
            }
            sums.push(own);
        }
        Ok(sums)
    }

    /// Where the first or last value of each piece is.
    async fn edges(&self, aggregate: usize, column: Option<ColumnId>) -> Result<Edges> {
        let column = column.ok_or_else(|| Error::internal("an edge has no column"))?;
        let word = match self.plan.aggregates.get(aggregate).map(|aggregate| aggregate.function) {
            Some(Function::First) => reduce::FIRST,
            _ => reduce::LAST,
        };
        let items: Vec<Vec<u32>> = (0..self.wave.parts.len())
            .map(|part| {
                let pieces = self.pieces(aggregate, part);
                let items = pieces.each().map(|piece| piece.get(word).copied().unwrap_or(NONE));
                // One item for every piece, so that arrays need not be spread: which of them count is in `numbers`.
                items
                    .zip(self.starts(part))
                    .map(|(item, start)| if item == NONE { *start } else { item })
                    .collect()
            })
            .collect();
        let numbers = self.wave.rows_at(&self.folded.rows, &items).await?;
        let mut columns = vec![column, self.schema.time_column().id];
        columns.extend(self.series());
        Ok(Edges { rows: self.wave.at_rows(numbers.clone(), &columns).await?, numbers })
    }

    fn series(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.schema
            .series_indices()
            .iter()
            .filter_map(|index| self.schema.columns().get(*index))
            .map(|column| column.id)
    }

    /// Value, time, series, sequence and row of the edges of a part.
    fn edge_columns(
        &self,
        part: &WavePart<D>,
        at: usize,
        column: ColumnId,
        edges: &Edges,
    ) -> Result<Vec<ArrayRef>> {
        let missing = || Error::internal("edges were not gathered");
        let rows = &edges.rows.get(at).ok_or_else(missing)?.rows;
        let numbers = edges.numbers.get(at).ok_or_else(missing)?;
        let value = rows.columns().first().ok_or_else(missing)?;
        // A piece has an edge if and only if it has a valid value: the item that stands in for none has a null.
        let valid: Option<NullBuffer> = value.logical_nulls();
        let masked = |array: &ArrayRef| match &valid {
            None => Ok(Arc::clone(array)),
            Some(valid) => {
                let picks = (0..array.len() as u32).map(|row| valid.is_valid(row as usize).then_some(row));
                Ok::<_, Error>(arrow_select::take::take(array, &UInt32Array::from_iter(picks), None)?)
            }
        };
        let ids = [column, self.schema.time_column().id].into_iter().chain(self.series());
        let mut arrays = Vec::new();
        for (array, id) in rows.columns().iter().zip(ids) {
            arrays.push(masked(&self.typed(array, id)?)?);
        }
        let first_row = part.part()?.first_row;
        let sequence = part.segment.meta.interval.upto.0;
        arrays.push(masked(
            &(Arc::new(UInt64Array::from_iter_values(numbers.iter().map(|_| sequence))) as ArrayRef),
        )?);
        let rows = numbers.iter().map(|row| first_row + u64::from(*row));
        arrays.push(masked(&(Arc::new(UInt64Array::from_iter_values(rows)) as ArrayRef))?);
        Ok(arrays)
    }
}

impl<'a> Pieces<'a> {
    fn each(&self) -> impl Iterator<Item = &'a [u32]> {
        self.words.chunks_exact(REDUCED_WORDS as usize)
    }

    fn counts(&self) -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(self.each().map(count)))
    }

    /// The columns of sums, those that were too wide for the device aside.
    fn sums(&self, wide: &[(usize, SumState)]) -> Result<Vec<ArrayRef>> {
        let counts: Vec<u64> = self.each().map(count).collect();
        let mut states = self.each().map(sum_state).collect::<Result<Vec<_>>>()?;
        for (piece, state) in wide {
            if let Some(own) = states.get_mut(*piece) {
                own.clone_from(state);
            }
        }
        Ok(sum_state_columns(&counts, &states))
    }
}

fn count(piece: &[u32]) -> u64 {
    piece.get(reduce::COUNT).copied().unwrap_or_default().into()
}

fn two_words(piece: &[u32], at: usize) -> u64 {
    let word = |at: usize| u64::from(piece.get(at).copied().unwrap_or_default());
    word(at) | word(at + 1) << 32
}

fn sum_state(piece: &[u32]) -> Result<SumState> {
    let flags = piece.get(reduce::SUM_FLAGS).copied().unwrap_or_default();
    let is = |flag: u32| flags & flag != 0;
    if is(reduce::NAN | reduce::POSITIVE_INFINITY | reduce::NEGATIVE_INFINITY) {
        return Ok(SumState::special(
            is(reduce::NAN),
            is(reduce::POSITIVE_INFINITY),
            is(reduce::NEGATIVE_INFINITY),
        ));
    }
    let (low, high) = (two_words(piece, reduce::SUM), two_words(piece, reduce::SUM + 2));
    let exponent = piece.get(reduce::EXPONENT).copied().unwrap_or_default() as i32;
    SumState::finite((u128::from(high) << 64 | u128::from(low)) as i128, exponent)
}

/// The sum of the valid values of an array of floats.
fn exact_sum(array: &ArrayRef) -> Result<SumState> {
    let mut sum = ExactSum::new();
    let is_valid = |row: usize| array.is_valid(row);
    if let Some(array) = array.as_primitive_opt::<Float64Type>() {
        let valid: Vec<f64> =
            (0..array.len()).filter(|row| is_valid(*row)).map(|row| array.value(row)).collect();
        sum.add_f64s(&valid);
    } else if let Some(array) = array.as_primitive_opt::<Float32Type>() {
        let valid: Vec<f32> =
            (0..array.len()).filter(|row| is_valid(*row)).map(|row| array.value(row)).collect();
        sum.add_f32s(&valid);
    } else {
        return Err(Error::internal("only sums of floats are too wide"));
    }
    sum.state()
}
