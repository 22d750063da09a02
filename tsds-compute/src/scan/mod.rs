//! What every tier does with the rows of a scan, once it has them.

mod assemble;
mod ordered;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::SchemaRef;
use arrow_select::filter::FilterBuilder;
use tsds_traits::{ColumnId, Error, Result, ScanRequest, SegmentBatch, SortKey, TableSchema};

use crate::array::{BatchSize, Columns, conform, record_batch};
use crate::predicate::CompiledPredicate;
use assemble::Assembler;
use ordered::Ordered;

/// The columns that a scan reads: projection, predicate and order. Ascending by id.
pub fn needed_columns(request: &ScanRequest) -> Vec<ColumnId> {
    let mut columns = request.projection.clone();
    columns.extend(request.order.iter().map(|key| key.column));
    if let Some(predicate) = &request.predicate {
        predicate.visit_columns(&mut |column| columns.push(column));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// Turns the rows of a request's segments into the batches that [`ScanRequest`] promises.
///
/// Feed each segment in request order: its rows in storage order through [`SegmentScan::push`], then
/// [`SegmentScan::finish_segment`], also where a segment has no rows or was pruned. [`SegmentScan::needs_rows`] says when the
/// rest of a segment can be skipped, [`SegmentScan::is_done`] when the rest of the request can.
#[derive(Debug)]
pub struct SegmentScan {
    schema: std::sync::Arc<TableSchema>,
    projection: Vec<ColumnId>,
    output: SchemaRef,
    predicate: Option<CompiledPredicate>,
    order: Vec<SortKey>,
    limit: u64,
    size: BatchSize,
    /// Whether each segment of the request has a single series.
    single_series: Vec<bool>,
    segment: usize,
    /// How many rows the limit still allows: in the request, or with an order in this segment.
    left: u64,
    assembler: Assembler,
    /// The rows of this segment, where its order is not the wanted one.
    ordered: Option<Ordered>,
}

impl SegmentScan {
    /// Prepares for a request.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for unknown columns, literals of a wrong class and `batch_rows` zero; `Unsupported` for a kind of
    /// predicate that is not known here.
    pub fn new(request: &ScanRequest) -> Result<Self> {
        let output = request.schema.project(&request.projection)?;
        if let Some(key) = request.order.iter().find(|key| request.schema.column(key.column).is_none()) {
            return Err(Error::invalid_input("order names an unknown column").with("column", key.column));
        }
        if request.batch_rows == 0 {
            return Err(Error::invalid_input("batch_rows must be positive"));
        }
        let predicate = request.predicate.as_ref();
        let predicate =
            predicate.map(|predicate| CompiledPredicate::new(predicate, &request.schema)).transpose()?;
        let limit = request.limit.unwrap_or(u64::MAX);
        let size = BatchSize::new(request.batch_rows, request.batch_bytes);
        let mut scan = Self {
            schema: std::sync::Arc::clone(&request.schema),
            projection: request.projection.clone(),
            assembler: Assembler::new(std::sync::Arc::clone(&output), size),
            output,
            predicate,
            order: request.order.clone(),
            limit,
            size,
            single_series: request.segments.iter().map(|segment| segment.meta.series == 1).collect(),
            segment: 0,
            left: limit,
            ordered: None,
        };
        scan.begin_segment()?;
        Ok(scan)
    }

    /// The compiled predicate, for pruning and for evaluating it before other columns are read.
    pub fn predicate(&self) -> Option<&CompiledPredicate> {
        self.predicate.as_ref()
    }

    /// The position in the request of the segment whose rows are expected.
    pub fn segment(&self) -> usize {
        self.segment
    }

    /// Whether more rows of this segment can change the answer.
    pub fn needs_rows(&self) -> bool {
        self.left > 0
    }

    /// Whether nothing can change the answer any more: the limit of a request without order is reached.
    pub fn is_done(&self) -> bool {
        self.limit == 0 || (self.order.is_empty() && self.left == 0)
    }

    /// Takes the next rows of the segment, with the columns of [`needed_columns`]. `ids` names the batch's columns.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the batch lacks a column or has it in another type.
    pub fn push(&mut self, ids: &[ColumnId], batch: &RecordBatch) -> Result<Vec<SegmentBatch>> {
        if !self.needs_rows() || batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let mask = self.predicate.as_ref().map(|predicate| predicate.evaluate(ids, batch)).transpose()?;
        self.push_matching(ids, batch, mask.as_ref())
    }

    /// As [`SegmentScan::push`], where the caller has applied the predicate: takes the rows that `mask` selects, or all.
    /// The batch needs the columns of projection and order only.
    ///
    /// # Errors
    ///
    /// As [`SegmentScan::push`]; `InvalidInput` for a mask of another length.
    pub fn push_matching(
        &mut self,
        ids: &[ColumnId],
        batch: &RecordBatch,
        mask: Option<&BooleanBuffer>,
    ) -> Result<Vec<SegmentBatch>> {
        let columns = Columns::new(ids, batch)?;
        let rows = columns.rows();
        if mask.is_some_and(|mask| mask.len() != rows) {
            return Err(Error::invalid_input("mask does not have one bit per row").with("rows", rows));
        }
        let selected = mask.map_or(rows, BooleanBuffer::count_set_bits);
        if !self.needs_rows() || selected == 0 {
            return Ok(Vec::new());
        }
        if let Some(ordered) = &mut self.ordered {
            let kept = ordered.columns().iter().map(|id| columns.array(*id)).collect::<Result<Vec<_>>>()?;
            let kept = select(&kept, mask, selected, 0..rows)?;
            ordered.push(kept, selected)?;
            return Ok(Vec::new());
        }
        let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(selected);
        self.left -= taken as u64;
        // The rows up to the last one that the limit allows.
        let range = match mask {
            _ if taken == selected => 0..rows,
            None => 0..taken,
            Some(mask) => 0..mask.find_nth_set_bit_position(0, taken),
        };
        let arrays = self.projection.iter().map(|id| columns.array(*id)).collect::<Result<Vec<_>>>()?;
        let arrays = select(&arrays, mask, taken, range)?;
        let batch = self.conform(arrays, taken)?;
        self.assembler.push(batch);
        if self.left == 0 { self.assembler.flush(self.segment) } else { self.assembler.take(self.segment) }
    }

    /// Ends the segment and goes on to the next one of the request.
    ///
    /// # Errors
    ///
    /// `Internal` where Arrow fails to join what was pushed.
    pub fn finish_segment(&mut self) -> Result<Vec<SegmentBatch>> {
        if let Some(ordered) = self.ordered.take() {
            for (arrays, rows) in ordered.finish(&self.projection)? {
                let batch = self.conform(arrays, rows)?;
                self.assembler.push(batch);
            }
        }
        let batches = self.assembler.flush(self.segment)?;
        self.segment += 1;
        self.begin_segment()?;
        Ok(batches)
    }

    fn begin_segment(&mut self) -> Result<()> {
        if self.order.is_empty() {
            return Ok(());
        }
        self.left = self.limit;
        let single_series = self.single_series.get(self.segment).copied().unwrap_or(false);
        if !is_storage_order(&self.order, &self.schema, single_series) {
            let ordered = Ordered::new(&self.schema, &self.projection, &self.order, self.limit, self.size)?;
            self.ordered = Some(ordered);
        }
        Ok(())
    }

    fn conform(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let typed = arrays.iter().zip(self.output.fields());
        let typed =
            typed.map(|(array, field)| conform(array, field.data_type())).collect::<Result<Vec<_>>>()?;
        record_batch(&self.output, typed, rows)
    }
}

/// The selected rows of `range`; `count` of them.
fn select(
    arrays: &[&ArrayRef],
    mask: Option<&BooleanBuffer>,
    count: usize,
    range: std::ops::Range<usize>,
) -> Result<Vec<ArrayRef>> {
    let sliced = arrays.iter().map(|array| array.slice(range.start, range.len()));
    let Some(mask) = mask.filter(|_| count < range.len()) else {
        return Ok(sliced.collect());
    };
    let filter = BooleanArray::new(mask.slice(range.start, range.len()), None);
    let filter = FilterBuilder::new(&filter).optimize().build();
    sliced.map(|array| Ok(filter.filter(&array)?)).collect()
}

/// Whether rows as segments store them, by (series columns, time) with nulls first, are in this order; `single_series` says that
/// those in question are all of one series.
pub fn is_storage_order(order: &[SortKey], schema: &TableSchema, single_series: bool) -> bool {
    let is_series = |id: ColumnId| {
        let series = schema.series_indices().iter().map(|index| schema.columns()[*index].id);
        series.into_iter().any(|series| series == id)
    };
    // A column that does not vary does not order.
    let mut stored = schema.sort_columns().into_iter().filter(|id| !(single_series && is_series(*id)));
    let mut wanted = order.iter().filter(|key| !(single_series && is_series(key.column)));
    wanted.all(|key| {
        let nulls_fit = key.nulls_first || schema.column(key.column).is_some_and(|column| !column.nullable);
        stored.next() == Some(key.column) && !key.descending && nulls_fit
    })
}
