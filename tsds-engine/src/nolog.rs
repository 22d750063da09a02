//! The write-ahead log that is none: for databases that trade durability for speed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_traits::{Durability, Error, ErrorKind, Result, Sequence, WalRecord, WalSink, WalUsage};

/// Acknowledges everything at once and remembers nothing.
#[derive(Debug)]
pub(crate) struct NoLog {
    appended: AtomicU64,
    closed: AtomicBool,
}

impl NoLog {
    pub(crate) fn new(next: Sequence) -> Self {
        Self { appended: AtomicU64::new(next.0.saturating_sub(1)), closed: AtomicBool::new(false) }
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        Ok(())
    }
}

#[async_trait]
impl WalSink for NoLog {
    fn name(&self) -> &'static str {
        "tsds.wal.none"
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }

    async fn append(&self, record: WalRecord) -> Result<()> {
        self.check_open()?;
        let last = record.sequence.0.saturating_sub(1);
        self.appended
            .compare_exchange(last, record.sequence.0, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(|found| {
                Error::internal("record is out of sequence").with("last", found).with("next", record.sequence)
            })
    }

    async fn sync(&self, up_to: Sequence) -> Result<Sequence> {
        self.check_open()?;
        let durable = self.durable();
        if up_to > durable {
            return Err(
                Error::invalid_input("sync asks for a record that was not appended").with("sequence", up_to)
            );
        }
        Ok(durable)
    }

    fn durable(&self) -> Sequence {
        Sequence(self.appended.load(Ordering::Acquire))
    }

    fn replay(&self, _after: Sequence) -> BoxStream<'static, Result<WalRecord>> {
        stream::empty().boxed()
    }

    async fn release(&self, _up_to: Sequence) -> Result<()> {
        Ok(())
    }

    fn usage(&self) -> WalUsage {
        WalUsage::default()
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}
