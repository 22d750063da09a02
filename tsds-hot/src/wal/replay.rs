//! The records that were there at opening, as a stream that holds a few megabytes at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, TryStreamExt, iter, try_unfold};
use tsds_traits::{Error, Result, Sequence, WalRecord, World};

use super::NAME;
use super::read::{LogFile, Part, RecordCursor};

/// Bytes of payload after which a step ends.
const STEP_BYTES: usize = 8 << 20;
/// Records after which a step ends.
const STEP_RECORDS: usize = 4096;

struct Progress {
    files: VecDeque<Arc<LogFile>>,
    current: Option<(Arc<LogFile>, RecordCursor)>,
    after: Sequence,
}

/// Reads `files` in order, from the record after `after` on. No I/O happens before the first poll.
pub(crate) fn replay(
    world: World,
    files: Vec<Arc<LogFile>>,
    after: Sequence,
) -> BoxStream<'static, Result<WalRecord>> {
    let progress = Progress { files: files.into(), current: None, after };
    let steps = try_unfold((world, progress), |(world, mut progress)| async move {
        let job = move || {
            let records = progress.step()?;
            Ok((records, progress))
        };
        let (records, progress) = (*world.executor).blocking(job).await?;
        Ok::<_, Error>((!records.is_empty()).then_some((records, (world, progress))))
    });
    let records = steps.map_ok(|records| iter(records.into_iter().map(Ok))).try_flatten();
    records.map_err(|error: Error| error.in_plugin(NAME).during("replay")).boxed()
}

impl Progress {
    /// The next records; empty at the end.
    fn step(&mut self) -> Result<Vec<WalRecord>> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < STEP_BYTES && records.len() < STEP_RECORDS {
            let Some(record) = self.next()? else { break };
            bytes += record.payload.iter().map(bytes::Bytes::len).sum::<usize>();
            records.push(record);
        }
        Ok(records)
    }

    fn next(&mut self) -> Result<Option<WalRecord>> {
        loop {
            let (file, cursor) = match &mut self.current {
                Some(current) => current,
                None => {
                    let Some(file) = self.files.pop_front() else { return Ok(None) };
                    if file.last <= self.after {
                        continue;
                    }
                    let cursor = file.records();
                    self.current.insert((file, cursor))
                }
            };
            let next = cursor.next(Part::Above(self.after))?;
            if let Some(record) = next.filter(|record| record.sequence <= file.last) {
                return Ok(Some(record));
            }
            if cursor.last() < file.last {
                return Err(Error::corrupt("a write-ahead log file was damaged after it was opened")
                    .with("file", file.path.display())
                    .with("offset", cursor.good_end())
                    .with("last_good_sequence", cursor.last())
                    .with("durable_sequence", file.last));
            }
            self.current = None;
        }
    }
}
