//! Rows in memory, from their acknowledgement until they are sealed.

mod coalesce;
mod footprint;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_buffer::ScalarBuffer;
use arrow_schema::TimeUnit;
use tsds_traits::{Error, ErrorKind, Result, Sequence, SequenceInterval, TableSchema};

use coalesce::Runs;
use footprint::compact;

/// The rows of one table in one schema version that are not sealed yet, in order of arrival.
///
/// One caller appends at a time (others wait for it); any number take snapshots meanwhile. Small batches are merged into
/// larger ones as they come, so that a snapshot has few batches however the rows arrived.
#[derive(Debug)]
pub struct Memtable {
    schema: Arc<TableSchema>,
    after: Sequence,
    appending: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    runs: Runs,
    upto: Sequence,
    times: Option<(i64, i64)>,
    frozen: bool,
    snapshot: Option<MemtableSnapshot>,
}

/// The rows of a memtable at one moment. Immutable, and cheap to clone; keeps the rows alive.
#[derive(Clone, Debug)]
pub struct MemtableSnapshot {
    /// The schema version of the rows.
    pub schema: Arc<TableSchema>,
    /// The rows in order of arrival. Batches of one append stay together, but their borders are not those of appends.
    pub batches: Arc<[RecordBatch]>,
    /// The number of rows.
    pub rows: u64,
    /// The memory that the rows hold, in bytes.
    pub bytes: u64,
    /// The sequences that the rows stand for: every row of the table with a sequence in here is among them.
    pub interval: SequenceInterval,
    /// The smallest and the largest time, inclusive, in the time column's unit; `None` without rows.
    pub time_range: Option<(i64, i64)>,
}

impl Memtable {
    /// An empty memtable for rows with sequences above `after`.
    pub fn new(schema: Arc<TableSchema>, after: Sequence) -> Self {
        let state = State { runs: Runs::default(), upto: after, times: None, frozen: false, snapshot: None };
        Self { schema, after, appending: Mutex::new(()), state: Mutex::new(state) }
    }

    /// The schema version of the rows.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Adds the rows of one write. A batch without rows only moves the interval on.
    ///
    /// A batch that shows a small part of large buffers is copied first, so that what [`Memtable::bytes`] counts is what
    /// is held.
    ///
    /// # Errors
    ///
    /// `Internal` if `sequence` is not above the last one, or the batch does not have the schema's columns; `Closed` once
    /// frozen. Nothing is added then.
    pub fn append(&self, sequence: Sequence, batch: RecordBatch) -> Result<()> {
        let _one_at_a_time = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = {
            let state = self.lock();
            self.check(&state, sequence, &batch)?;
            state.runs.tail_to_merge(batch.num_rows())
        };
        let times = time_range(&self.schema, &batch)?;
        let added = (batch.num_rows() > 0)
            .then(|| coalesce::merge(self.schema.arrow(), &tail, compact(&batch)?))
            .transpose()?;

        let mut state = self.lock();
        // `freeze` may have come in between.
        self.check(&state, sequence, &batch)?;
        if let Some(run) = added {
            state.runs.replace_tail(tail.len(), run);
        }
        state.upto = sequence;
        state.times = union(state.times, times);
        state.snapshot = None;
        Ok(())
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.lock().runs.rows()
    }

    /// The memory that the rows hold, in bytes.
    pub fn bytes(&self) -> u64 {
        self.lock().runs.bytes()
    }

    /// The sequences so far: above the one given at the start, up to the last appended.
    pub fn interval(&self) -> SequenceInterval {
        SequenceInterval::new(self.after, self.lock().upto)
    }

    /// Refuses further rows, and returns all there are.
    pub fn freeze(&self) -> MemtableSnapshot {
        self.lock().frozen = true;
        self.snapshot()
    }

    /// Whether further rows are refused.
    pub fn is_frozen(&self) -> bool {
        self.lock().frozen
    }

    /// The rows at this moment.
    pub fn snapshot(&self) -> MemtableSnapshot {
        let mut state = self.lock();
        let state = &mut *state;
        state
            .snapshot
            .get_or_insert_with(|| MemtableSnapshot {
                schema: self.schema.clone(),
                batches: state.runs.batches(),
                rows: state.runs.rows(),
                bytes: state.runs.bytes(),
                interval: SequenceInterval::new(self.after, state.upto),
                time_range: state.times,
            })
            .clone()
    }

    fn check(&self, state: &State, sequence: Sequence, batch: &RecordBatch) -> Result<()> {
        if state.frozen {
            return Err(Error::new(ErrorKind::Closed, "memtable is being sealed")
                .with("table", self.schema.table())
                .with("sequence", sequence));
        }
        if sequence <= state.upto {
            return Err(Error::internal("rows come to the memtable out of sequence")
                .with("table", self.schema.table())
                .with("sequence", sequence)
                .with("last_sequence", state.upto));
        }
        let has = batch.columns().iter().map(|column| column.data_type());
        if !has.eq(self.schema.columns().iter().map(|column| &column.data_type)) {
            return Err(Error::internal("rows do not have the columns of the memtable's schema")
                .with("table", self.schema.table())
                .with("schema_version", self.schema.version()));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn union(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some((low, high)), Some((other_low, other_high))) => {
            Some((low.min(other_low), high.max(other_high)))
        }
        (some, None) | (None, some) => some,
    }
}

fn time_range(schema: &TableSchema, batch: &RecordBatch) -> Result<Option<(i64, i64)>> {
    let times = times(schema, batch)?;
    Ok(times.iter().fold(None, |range, time| union(range, Some((*time, *time)))))
}

fn times(schema: &TableSchema, batch: &RecordBatch) -> Result<ScalarBuffer<i64>> {
    let column = batch.columns().get(schema.time_index());
    let values = column.and_then(|column| match schema.time_unit() {
        TimeUnit::Second => column.as_primitive_opt::<TimestampSecondType>().map(|array| array.values()),
        TimeUnit::Millisecond => {
            column.as_primitive_opt::<TimestampMillisecondType>().map(|array| array.values())
        }
        TimeUnit::Microsecond => {
            column.as_primitive_opt::<TimestampMicrosecondType>().map(|array| array.values())
        }
        TimeUnit::Nanosecond => {
            column.as_primitive_opt::<TimestampNanosecondType>().map(|array| array.values())
        }
    });
    values.cloned().ok_or_else(|| Error::internal("rows have no time column").with("table", schema.table()))
}
