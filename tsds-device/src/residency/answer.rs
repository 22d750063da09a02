//! When the work for a request ends before its time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::BoxStream;
use tsds_traits::{Error, ErrorKind, Result};

/// Tells the jobs of one request that nobody wants their result.
#[derive(Debug)]
pub struct Stop {
    plugin: &'static str,
    dropped: AtomicBool,
    closed: Arc<AtomicBool>,
}

impl Stop {
    /// `closed` says that the tier `plugin` was closed.
    pub(super) fn new(plugin: &'static str, closed: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { plugin, dropped: AtomicBool::new(false), closed })
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// `Closed` if not.
    pub fn check(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed(self.plugin));
        }
        if self.dropped.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the answer is no longer wanted"));
        }
        Ok(())
    }
}

/// What every call but a few gives once the tier is closed.
pub(super) fn closed(plugin: &'static str) -> Error {
    Error::new(ErrorKind::Closed, "tier is closed").in_plugin(plugin)
}

/// The answer to a request: ends after the first error, and stops the work behind it when dropped.
pub struct Answer<T> {
    inner: Option<BoxStream<'static, Result<T>>>,
    stop: Arc<Stop>,
    operation: &'static str,
}

impl<T> Answer<T> {
    /// The answer that `inner` gives.
    pub fn new(inner: BoxStream<'static, Result<T>>, stop: Arc<Stop>, operation: &'static str) -> Self {
        Self { inner: Some(inner), stop, operation }
    }
}

impl<T> Stream for Answer<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
        let next = inner.as_mut().poll_next(context);
        let next = match next {
            Poll::Ready(Some(Ok(_))) if self.stop.closed.load(Ordering::Acquire) => {
                Poll::Ready(Some(Err(closed(self.stop.plugin))))
            }
            other => other,
        };
        match next {
            Poll::Ready(Some(Err(error))) => {
                self.inner = None;
                Poll::Ready(Some(Err(error.in_plugin(self.stop.plugin).during(self.operation))))
            }
            Poll::Ready(None) => {
                self.inner = None;
                Poll::Ready(None)
            }
            other => other,
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.stop.dropped.store(true, Ordering::Release);
    }
}
