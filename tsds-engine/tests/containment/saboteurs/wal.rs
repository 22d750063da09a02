//! A log that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use tsds_engine::builtin_registry;
use tsds_engine::traits::{
    BuildContext, Durability, Factory, Registry, Result, Sequence, WalOpen, WalRecord, WalSink, WalUsage,
};

use super::{FATAL_ROWS, WAL, block, build_functions, registry};

/// How a log misbehaves, once a record of [`FATAL_ROWS`] rows has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WalFault {
    None,
    AppendPanics,
    AppendHangs,
    SyncPanics,
    SyncHangs,
    SyncBlocks,
    SyncLies,
    ReplayPanics,
    UsagePanics,
    CloseHangs,
}

impl WalFault {
    /// A registry with a log that misbehaves so.
    pub fn registry(self) -> Registry {
        registry(
            WAL,
            Factory::Wal(build_functions!(
                self,
                WalFault {
                    None,
                    AppendPanics,
                    AppendHangs,
                    SyncPanics,
                    SyncHangs,
                    SyncBlocks,
                    SyncLies,
                    ReplayPanics,
                    UsagePanics,
                    CloseHangs
                },
                build
            )),
        )
    }
}

fn build<const FAULT: u8>(
    settings: serde_json::Value,
    context: BuildContext,
    open: WalOpen,
) -> BoxFuture<'static, Result<Arc<dyn WalSink>>> {
    async move {
        let inner = builtin_registry()?.wal("tsds.wal.arrow", settings, context, open).await?;
        Ok(Arc::new(Saboteur { fault: FAULT, inner, armed: AtomicBool::new(false) }) as Arc<dyn WalSink>)
    }
    .boxed()
}

#[derive(Debug)]
struct Saboteur {
    fault: u8,
    inner: Arc<dyn WalSink>,
    armed: AtomicBool,
}

impl Saboteur {
    fn now(&self, fault: WalFault) -> bool {
        self.fault == fault as u8 && self.armed.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl WalSink for Saboteur {
    fn name(&self) -> &'static str {
        WAL
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn append(&self, record: WalRecord) -> Result<()> {
        if record.rows == FATAL_ROWS {
            self.armed.store(true, Ordering::SeqCst);
        }
        if self.now(WalFault::AppendPanics) {
            panic!("cannot append");
        }
        if self.now(WalFault::AppendHangs) {
            futures::future::pending::<()>().await;
        }
        self.inner.append(record).await
    }

    async fn sync(&self, up_to: Sequence) -> Result<Sequence> {
        if self.now(WalFault::SyncPanics) {
            panic!("cannot sync");
        }
        if self.now(WalFault::SyncHangs) {
            futures::future::pending::<()>().await;
        }
        if self.now(WalFault::SyncBlocks) {
            block();
        }
        if self.now(WalFault::SyncLies) {
            return Ok(Sequence(up_to.0 - 1));
        }
        self.inner.sync(up_to).await
    }

    fn durable(&self) -> Sequence {
        self.inner.durable()
    }

    fn replay(&self, after: Sequence) -> BoxStream<'static, Result<WalRecord>> {
        if self.fault == WalFault::ReplayPanics as u8 {
            return stream::poll_fn(|_| panic!("cannot replay")).boxed();
        }
        self.inner.replay(after)
    }

    async fn release(&self, up_to: Sequence) -> Result<()> {
        self.inner.release(up_to).await
    }

    fn usage(&self) -> WalUsage {
        if self.now(WalFault::UsagePanics) {
            panic!("cannot count");
        }
        self.inner.usage()
    }

    async fn close(&self) -> Result<()> {
        if self.now(WalFault::CloseHangs) {
            futures::future::pending::<()>().await;
        }
        self.inner.close().await
    }
}
