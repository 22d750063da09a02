//! [`Losses`]: tiers that lose their device.
//!
//! A tier that said `DeviceLost` once is not asked any more: whatever runs on it ends at once with that error, so that queries
//! go on elsewhere and nobody waits for a device that is gone. The engine builds another tier in its place.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::Shared;
use futures::stream::{BoxStream, Stream, StreamExt};
use tokio::sync::Notify;
use tsds_traits::{Error, ErrorKind, Result};

use crate::core::lock;

/// What became of the tiers that the engine has built one after the other in one place.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    count: AtomicU64,
    last: Mutex<Option<String>>,
    noticed: Notify,
}

impl Losses {
    /// How many tiers have lost their device.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// What the last one said.
    pub(crate) fn last(&self) -> Option<String> {
        lock(&self.last).clone()
    }

    /// Completes when a device was lost, or somebody woke whoever waits.
    pub(crate) async fn noticed(&self) {
        self.noticed.notified().await;
    }

    /// Wakes whoever waits for a loss.
    pub(crate) fn wake(&self) {
        self.noticed.notify_one();
    }
}

/// One tier's time with its device.
#[derive(Debug)]
pub(super) struct Life {
    plugin: &'static str,
    losses: Arc<Losses>,
    /// Why it ended.
    lost: OnceLock<String>,
    /// Dropped when it ends.
    alive: Mutex<Option<oneshot::Sender<Infallible>>>,
    ended: Ended,
}

type Ended = Shared<oneshot::Receiver<Infallible>>;

impl Life {
    pub(super) fn new(plugin: &'static str, losses: &Arc<Losses>) -> Arc<Self> {
        let (alive, ended) = oneshot::channel();
        Arc::new(Self {
            plugin,
            losses: Arc::clone(losses),
            lost: OnceLock::new(),
            alive: Mutex::new(Some(alive)),
            ended: ended.shared(),
        })
    }

    /// Why the tier is not asked any more; `None` while it is.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Looks whether an error says that the device is lost.
    pub(super) fn note(&self, error: &Error) {
        if error.kind() != ErrorKind::DeviceLost || self.lost.set(error.to_string()).is_err() {
            return;
        }
        tracing::error!(%error, "device is lost; its segments are read from their files");
        *lock(&self.losses.last) = Some(error.to_string());
        self.losses.count.fetch_add(1, Ordering::AcqRel);
        drop(lock(&self.alive).take());
        self.losses.wake();
    }

    fn error(&self, operation: &'static str) -> Error {
        Error::new(ErrorKind::DeviceLost, "the device is lost")
            .with("reason", self.lost().unwrap_or("unknown"))
            .in_plugin(self.plugin)
            .during(operation)
    }

    /// Answers of the tier, which end with `DeviceLost` when any of its answers says so.
    pub(super) fn watch<T: Send + 'static>(
        self: &Arc<Self>,
        operation: &'static str,
        answers: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let (life, ended) = (Arc::clone(self), self.ended.clone());
        UntilLost { life, operation, ended, answers: Some(answers) }.boxed()
    }
}

struct UntilLost<T> {
    life: Arc<Life>,
    operation: &'static str,
    ended: Ended,
    answers: Option<BoxStream<'static, Result<T>>>,
}

impl<T> Stream for UntilLost<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(answers) = &mut this.answers else { return Poll::Ready(None) };
        if this.life.lost().is_some() {
            this.answers = None;
            return Poll::Ready(Some(Err(this.life.error(this.operation))));
        }
        let answer = answers.poll_next_unpin(context);
        if let Poll::Ready(Some(Err(error))) = &answer {
            this.life.note(error);
        }
        // Registers this task, to be woken when another answer of the tier brings the bad news.
        if answer.is_pending() && this.ended.poll_unpin(context).is_ready() {
            this.answers = None;
            return Poll::Ready(Some(Err(this.life.error(this.operation))));
        }
        answer
    }
}
