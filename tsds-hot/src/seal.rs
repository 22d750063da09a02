//! From memory to segments: the rows of a snapshot by chunk, each sorted for its segment.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use tsds_compute::chunk::{partition, second_of};
use tsds_compute::{ChunkInterval, sort_for_segment};
use tsds_traits::{ChunkRange, Result};

use crate::MemtableSnapshot;

/// The rows of one segment to be.
#[derive(Clone, Debug)]
pub struct SealedRows {
    /// The chunk that holds every row.
    pub chunk: ChunkRange,
    /// The rows, sorted stably by (series columns, time); never none.
    pub rows: RecordBatch,
    /// The first row of each series, ascending, starting with 0.
    pub run_starts: Vec<u32>,
}

/// Cuts the rows of a snapshot into chunks, ascending, and sorts each. Together they are the rows of the snapshot, each
/// once. Computes for long: call it from a blocking job.
///
/// # Errors
///
/// `InvalidInput` for more than 2^31 - 1 rows of one chunk.
pub fn seal(snapshot: &MemtableSnapshot, interval: ChunkInterval) -> Result<Vec<SealedRows>> {
    let chunks = chunks(snapshot, interval)?;
    let sorted = chunks.into_iter().map(|(chunk, batches)| {
        let sorted = sort_for_segment(&snapshot.schema, &batches)?;
        Ok(SealedRows { chunk, rows: sorted.batch, run_starts: sorted.run_starts })
    });
    sorted.collect()
}

fn chunks(
    snapshot: &MemtableSnapshot,
    interval: ChunkInterval,
) -> Result<BTreeMap<ChunkRange, Vec<RecordBatch>>> {
    let Some((first, last)) = snapshot.time_range else { return Ok(BTreeMap::new()) };
    let (time, unit) = (snapshot.schema.time_index(), snapshot.schema.time_unit());
    let chunk = interval.range_of(second_of(first, unit));
    if chunk.contains_second(second_of(last, unit)) {
        return Ok(BTreeMap::from([(chunk, snapshot.batches.to_vec())]));
    }
    let mut chunks: BTreeMap<ChunkRange, Vec<RecordBatch>> = BTreeMap::new();
    for batch in snapshot.batches.iter() {
        for (chunk, rows) in partition(batch, time, unit, interval)? {
            chunks.entry(chunk).or_default().push(rows);
        }
    }
    Ok(chunks)
}
