//! Merging sorted streams with bounded memory.

use std::cmp::Ordering;
use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use futures::future::try_join_all;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use tsds_traits::{ColumnId, Error, Result, SortKey, Value};

use crate::array::{BatchSize, RowBytes, pick, record_batch};
use crate::sort::{KeyedBatch, RowOrder};

/// One sorted stream.
pub struct MergeInput {
    /// Values of the first sort keys that come before or with every row of the stream, where they are known. The stream is
    /// opened when the merge reaches them; without them, at once.
    pub lower_bound: Option<Vec<Option<Value>>>,
    /// Opens the stream.
    pub open: Box<dyn FnOnce() -> BoxStream<'static, Result<RecordBatch>> + Send>,
}

impl MergeInput {
    /// An open stream.
    pub fn of_stream(stream: BoxStream<'static, Result<RecordBatch>>) -> Self {
        Self { lower_bound: None, open: Box::new(move || stream) }
    }
}

impl std::fmt::Debug for MergeInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergeInput").field("lower_bound", &self.lower_bound).finish_non_exhaustive()
    }
}

/// Merges streams whose rows are sorted by `keys` into one. Equal rows come by the position of their input, and in the order
/// of their input, so that the result is a function of the inputs alone.
///
/// `ids` names the columns of every batch, `schema` is their schema and that of the result. Batches are as large as `size` says;
/// after `limit` rows the stream ends and drops its inputs. Memory: one batch of each open input, and the batches behind one
/// batch of output.
pub fn merge(
    inputs: Vec<MergeInput>,
    schema: SchemaRef,
    ids: Vec<ColumnId>,
    keys: Vec<SortKey>,
    limit: Option<u64>,
    size: BatchSize,
) -> BoxStream<'static, Result<RecordBatch>> {
    let merge = Merge::new(inputs, schema, ids, keys, limit, size);
    try_unfold(merge, |mut merge| async move { Ok(merge.next().await?.map(|batch| (batch, merge))) }).boxed()
}

struct Merge {
    schema: SchemaRef,
    ids: Vec<ColumnId>,
    order: RowOrder,
    left: u64,
    size: BatchSize,
    /// Inputs that are not open, the one that is reached first at the end.
    waiting: Vec<Waiting>,
    /// Open inputs as a binary heap, the one with the first row at the top.
    heap: Vec<Open>,
    /// The rows of the next batch of output.
    runs: Vec<RunOfRows>,
    run_rows: usize,
    run_bytes: u64,
}

struct Waiting {
    input: usize,
    bound: Option<Vec<Option<Value>>>,
    open: Box<dyn FnOnce() -> BoxStream<'static, Result<RecordBatch>> + Send>,
}

struct Open {
    input: usize,
    stream: BoxStream<'static, Result<RecordBatch>>,
    batch: RecordBatch,
    keyed: KeyedBatch,
    sizes: RowBytes,
    row: usize,
    /// How many batches the input gave before this one.
    number: u64,
}

struct RunOfRows {
    /// Input and number of the batch.
    source: (usize, u64),
    batch: RecordBatch,
    start: usize,
    len: usize,
}

impl Merge {
    fn new(
        inputs: Vec<MergeInput>,
        schema: SchemaRef,
        ids: Vec<ColumnId>,
        keys: Vec<SortKey>,
        limit: Option<u64>,
        size: BatchSize,
    ) -> Self {
        let order = RowOrder::new(keys);
        let mut waiting: Vec<Waiting> = inputs
            .into_iter()
            .enumerate()
            .map(|(input, MergeInput { lower_bound, open })| Waiting { input, bound: lower_bound, open })
            .collect();
        // Stable: inputs with the same bound are opened by position.
        waiting.sort_by(|a, b| match (&a.bound, &b.bound) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => order.compare_bounds(a, b),
        });
        waiting.reverse();
        Self {
            schema,
            ids,
            order,
            left: limit.unwrap_or(u64::MAX),
            size: BatchSize::new(size.rows, size.bytes),
            waiting,
            heap: Vec::new(),
            runs: Vec::new(),
            run_rows: 0,
            run_bytes: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.size.rows);
        if wanted == 0 {
            return Ok(None);
        }
        while self.run_rows < wanted {
            self.refill().await?;
            self.open_reached().await?;
            let end = self.run_end(wanted - self.run_rows);
            let Some(top) = self.heap.first_mut() else { break };
            let left = self.size.bytes.saturating_sub(self.run_bytes);
            let fitting = top.sizes.end(top.row..end, BatchSize::new(end - top.row, left));
            let bytes = top.sizes.of(top.row..fitting);
            // The first row of a batch has room whatever it takes; another one waits for the next batch.
            if bytes > left && self.run_rows > 0 {
                break;
            }
            self.run_bytes += bytes;
            let is_full = fitting < end;
            let end = fitting;
            let (source, start) = ((top.input, top.number), std::mem::replace(&mut top.row, end));
            self.run_rows += end - start;
            self.runs.push(RunOfRows { source, batch: top.batch.clone(), start, len: end - start });
            if end < top.keyed.rows() {
                self.sift_down(0);
            }
            if is_full {
                break;
            }
        }
        self.left -= self.run_rows as u64;
        self.gather()
    }

    /// Opens every waiting input whose bound is not after the first row of the heap.
    async fn open_reached(&mut self) -> Result<()> {
        loop {
            let mut reached = Vec::new();
            while let Some(next) = self.waiting.last() {
                let open = match (&next.bound, self.heap.first()) {
                    (None, _) => true,
                    (Some(bound), Some(top)) => {
                        self.order.compare_bound(bound, &top.keyed, top.row) != Ordering::Greater
                    }
                    // Nothing is open: whatever comes first must be.
                    (Some(bound), None) => match reached.last() {
                        None => true,
                        Some(Waiting { bound: Some(last), .. }) => {
                            self.order.compare_bounds(bound, last) == Ordering::Equal
                        }
                        Some(Waiting { bound: None, .. }) => false,
                    },
                };
                match self.waiting.pop_if(|_| open) {
                    Some(waiting) => reached.push(waiting),
                    None => break,
                }
            }
            if reached.is_empty() {
                return Ok(());
            }
            let (order, ids) = (&self.order, &self.ids);
            let opened = reached.into_iter().map(|Waiting { input, open, .. }| async move {
                let mut stream = open();
                let first = next_batch(&mut stream, order, ids).await?;
                Ok::<_, Error>(first.map(|(batch, keyed)| Open {
                    input,
                    stream,
                    sizes: RowBytes::of_batch(&batch),
                    batch,
                    keyed,
                    row: 0,
                    number: 0,
                }))
            });
            for open in try_join_all(opened).await?.into_iter().flatten() {
                self.heap.push(open);
                self.sift_up(self.heap.len() - 1);
            }
        }
    }

    /// The end of the rows at the top that come before every other row, at most `limit` of them.
    fn run_end(&self, limit: usize) -> usize {
        let Some(top) = self.heap.first() else { return 0 };
        let last = top.keyed.rows().min(top.row.saturating_add(limit));
        let rival = match (self.heap.get(1), self.heap.get(2)) {
            (Some(a), Some(b)) => Some(if self.before(a, b) { a } else { b }),
            (one, _) => one,
        };
        let bound = self.waiting.last().and_then(|waiting| waiting.bound.as_ref());
        let first = |row: usize| {
            let before_rival = rival.is_none_or(|rival| {
                match self.order.compare(&top.keyed, row, &rival.keyed, rival.row) {
                    Ordering::Less => true,
                    Ordering::Equal => top.input < rival.input,
                    Ordering::Greater => false,
                }
            });
            before_rival
                && bound
                    .is_none_or(|bound| self.order.compare_bound(bound, &top.keyed, row) == Ordering::Greater)
        };
        // The top row itself is first. Rows are sorted, so that those that are first are a prefix: gallop to its end.
        let (mut known, mut step) = (top.row, 1);
        while known + step < last && first(known + step) {
            known += step;
            step *= 2;
        }
        let (mut low, mut high) = (known + 1, last.min(known + step));
        while low < high {
            let middle = low + (high - low) / 2;
            if first(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Goes on to the next batch of the input at the top, where its batch is used up.
    async fn refill(&mut self) -> Result<()> {
        let Some(top) = self.heap.first_mut().filter(|top| top.row == top.keyed.rows()) else {
            return Ok(());
        };
        match next_batch(&mut top.stream, &self.order, &self.ids).await? {
            Some((batch, keyed)) => {
                top.sizes = RowBytes::of_batch(&batch);
                (top.batch, top.keyed, top.row) = (batch, keyed, 0);
                top.number += 1;
            }
            None => {
                self.heap.swap_remove(0);
            }
        }
        self.sift_down(0);
        Ok(())
    }

    fn before(&self, a: &Open, b: &Open) -> bool {
        let ordering = self.order.compare(&a.keyed, a.row, &b.keyed, b.row);
        ordering.then(a.input.cmp(&b.input)) == Ordering::Less
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if !self.before(&self.heap[place], &self.heap[parent]) {
                break;
            }
            self.heap.swap(place, parent);
            place = parent;
        }
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let children = [2 * place + 1, 2 * place + 2];
            let mut first = place;
            for child in children {
                if child < self.heap.len() && self.before(&self.heap[child], &self.heap[first]) {
                    first = child;
                }
            }
            if first == place {
                return;
            }
            self.heap.swap(place, first);
            place = first;
        }
    }

    /// The runs as one batch.
    fn gather(&mut self) -> Result<Option<RecordBatch>> {
        let rows = std::mem::take(&mut self.run_rows);
        self.run_bytes = 0;
        let runs = std::mem::take(&mut self.runs);
        let Some(first) = runs.first() else { return Ok(None) };
        if runs.len() == 1 {
            return Ok(Some(first.batch.slice(first.start, first.len)));
        }
        if self.schema.fields().is_empty() {
            return Ok(Some(record_batch(&self.schema, Vec::new(), rows)?));
        }
        // Long runs are copied as slices, short ones row by row.
        if rows / runs.len() >= 32 {
            let slices: Vec<RecordBatch> =
                runs.iter().map(|run| run.batch.slice(run.start, run.len)).collect();
            return Ok(Some(concat_batches(&self.schema, &slices)?));
        }
        let mut numbers = HashMap::new();
        let mut batches: Vec<&RecordBatch> = Vec::new();
        let mut indices = Vec::with_capacity(rows);
        for run in &runs {
            let batch = *numbers.entry(run.source).or_insert_with(|| {
                batches.push(&run.batch);
                batches.len() - 1
            });
            indices.extend((run.start..run.start + run.len).map(|row| (batch, row)));
        }
        Ok(Some(pick(&self.schema, &batches, indices)?))
    }
}

/// The next batch that has rows.
async fn next_batch(
    stream: &mut BoxStream<'static, Result<RecordBatch>>,
    order: &RowOrder,
    ids: &[ColumnId],
) -> Result<Option<(RecordBatch, KeyedBatch)>> {
    while let Some(batch) = stream.next().await.transpose()? {
        if batch.num_rows() > 0 {
            let keyed = order.prepare(ids, &batch)?;
            return Ok(Some((batch, keyed)));
        }
    }
    Ok(None)
}
