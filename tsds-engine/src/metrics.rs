//! What is counted for an operator, by the facade of the crate `metrics`: whoever embeds the engine installs a recorder, and
//! without one nothing is counted. `docs/metrics.md` lists the names.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use arrow_array::RecordBatch;
use futures::stream::{BoxStream, Stream, StreamExt};
use tsds_traits::{Clock, Error, Result};

use crate::core::Core;
use crate::guard::GuardedTier;
use crate::query::analyze::Measuring;

/// Rows that were acknowledged.
pub(crate) fn ingested(table: &str, rows: u64) {
    counter!("tsds_ingest_rows_total", "table" => table.to_owned()).increment(rows);
}

/// Bytes that went to the log.
pub(crate) fn logged(bytes: u64) {
    counter!("tsds_wal_bytes_total").increment(bytes);
}

/// How long a write waited for the log's sync.
pub(crate) fn synced(waited: Duration) {
    histogram!("tsds_wal_fsync_duration_seconds").record(waited);
}

/// New settings were taken over.
pub(crate) fn reloaded() {
    counter!("tsds_config_reloads_total").increment(1);
}

/// New settings were refused.
pub(crate) fn reload_refused() {
    counter!("tsds_config_reload_failures_total").increment(1);
}

/// How long it took to seal a memtable.
pub(crate) fn sealed(took: Duration) {
    histogram!("tsds_flush_duration_seconds").record(took);
}

/// A part of a query that a device could have answered is read from files.
pub(crate) fn fell_back(reason: &'static str) {
    counter!("tsds_gpu_fallback_total", "reason" => reason).increment(1);
}

/// The same, since the tier failed.
pub(crate) fn failed_over(error: &Error) {
    let mut reason = String::new();
    for letter in format!("{:?}", error.kind()).chars() {
        if letter.is_ascii_uppercase() && !reason.is_empty() {
            reason.push('_');
        }
        reason.push(letter.to_ascii_lowercase());
    }
    counter!("tsds_gpu_fallback_total", "reason" => reason).increment(1);
}

impl Core {
    /// Sets what is a state and not a count, after it may have changed.
    pub(crate) fn set_gauges(&self) {
        gauge!("tsds_wal_unflushed_bytes").set(self.wal.usage().bytes as f64);
        gauge!("tsds_buffer_rows").set(self.budget.rows() as f64);
        let stats = self.tier_bytes();
        for (tier, bytes) in [("hot", stats[0]), ("warm", stats[1]), ("cold", stats[2])] {
            gauge!("tsds_tier_bytes", "tier" => tier).set(bytes as f64);
        }
        let serving = self.warm.serving();
        if serving.tier.capabilities().device.is_some() {
            let bytes = if serving.works() { serving.tier.usage().bytes } else { 0 };
            gauge!("tsds_gpu_mem_bytes").set(bytes as f64);
        }
    }
}

/// Which tier's time is measured.
#[derive(Clone, Debug)]
pub(crate) struct QueryTimer {
    pub(crate) clock: Arc<dyn Clock>,
    /// `warm` or `cold`.
    pub(crate) role: &'static str,
    /// If the query is analyzed.
    pub(crate) measuring: Option<Arc<Measuring>>,
}

impl QueryTimer {
    /// The tier could not answer.
    pub(crate) fn failed(&self, error: &Error) {
        if let Some(measuring) = &self.measuring {
            measuring.failed(error);
        }
    }

    /// The same rows; when the stream is gone, records how long its reader waited for them.
    pub(crate) fn watch<T: Rows + 'static>(
        &self,
        tier: &GuardedTier,
        rows: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let device = tier.capabilities().device.clone().unwrap_or_else(|| "host".into());
        let timed = Timed { rows, timer: self.clone(), device, since: None, waited: Duration::ZERO, read: 0 };
        timed.boxed()
    }
}

/// What has rows.
pub(crate) trait Rows {
    fn rows(&self) -> usize;
}

impl Rows for RecordBatch {
    fn rows(&self) -> usize {
        self.num_rows()
    }
}

impl Rows for (usize, RecordBatch) {
    fn rows(&self) -> usize {
        self.1.num_rows()
    }
}

struct Timed<T> {
    rows: BoxStream<'static, Result<T>>,
    timer: QueryTimer,
    device: String,
    /// When the reader began to wait for the next batch.
    since: Option<Duration>,
    waited: Duration,
    read: u64,
}

impl<T> Timed<T> {
    fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited += self.timer.clock.monotonic().saturating_sub(since);
        }
    }
}

impl<T: Rows> Stream for Timed<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.since.is_none() {
            self.since = Some(self.timer.clock.monotonic());
        }
        let next = self.rows.poll_next_unpin(context);
        if let Poll::Ready(item) = &next {
            self.stop();
            if let Some(Ok(batch)) = item {
                self.read += batch.rows() as u64;
            }
        }
        next
    }
}

impl<T> Drop for Timed<T> {
    fn drop(&mut self) {
        self.stop();
        let labels = [("tier", self.timer.role.to_owned()), ("device", std::mem::take(&mut self.device))];
        histogram!("tsds_query_duration_seconds", &labels).record(self.waited);
        counter!("tsds_query_rows_total", &labels).increment(self.read);
        if let Some(measuring) = &self.timer.measuring {
            measuring.gave(self.read, self.waited);
        }
    }
}
