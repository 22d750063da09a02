//! Driving an [`Encoder`] from a source, on the blocking pool, batch by batch.

use std::sync::Arc;

use futures::StreamExt;
use object_store::path::Path;
use tsds_traits::{DatabaseId, Error, Executor, Result, SegmentSource};

use super::encoder::{Encoded, Encoder};
use super::target::Target;
use crate::record::FileRecord;
use crate::settings::ParquetSettings;

/// What became of encoding a segment.
pub(super) enum Outcome {
    Encoded(FileRecord),
    Declined(String),
}

/// What is encoded, and how.
pub(super) struct Job<'a> {
    pub(super) source: &'a Arc<dyn SegmentSource>,
    pub(super) database: DatabaseId,
    pub(super) settings: &'a ParquetSettings,
    pub(super) path: Path,
    pub(super) executor: &'a Arc<dyn Executor>,
}

impl Job<'_> {
    /// Encodes the whole source. Parts go to `target`, or nowhere without one. Memory is bounded by one row group, one
    /// batch and two parts.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the source gives another number of rows than its metadata says; what the source and the target say.
    pub(super) async fn run(self, mut target: Option<&mut Target<'_>>) -> Result<Outcome> {
        let meta = self.source.meta();
        let mut encoder =
            Encoder::new(meta, self.source.schema(), self.database, self.settings, target.is_some())?;
        let mut batches = self.source.batches();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let mut moved = encoder;
            let (back, declined, parts) = (**self.executor)
                .blocking(move || {
                    let declined = moved.write(&batch)?;
                    let parts = moved.take_parts();
                    Ok((moved, declined, parts))
                })
                .await?;
            encoder = back;
            if let Some(reason) = declined {
                return Ok(Outcome::Declined(reason));
            }
            if let Some(target) = &mut target {
                target.send(parts).await?;
            }
        }
        let path = self.path;
        let finished = (**self.executor).blocking(move || encoder.finish(path)).await?;
        let Encoded { parts, record } = match finished {
            Ok(encoded) => encoded,
            Err(reason) => return Ok(Outcome::Declined(reason)),
        };
        if record.rows() != meta.rows {
            return Err(Error::corrupt(
                "source of a segment gave another number of rows than its metadata says",
            )
            .with("segment", meta.id)
            .with("rows", record.rows())
            .with("expected", meta.rows));
        }
        if let Some(target) = target {
            target.send(parts).await?;
        }
        Ok(Outcome::Encoded(record))
    }
}
