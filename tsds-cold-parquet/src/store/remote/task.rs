//! Requests as tasks of the executor: a client needs the reactor there, and whoever waits may be polled anywhere.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::Result;
use tokio::sync::{mpsc, oneshot};
use tsds_traits::{Error, ErrorKind, Executor};

use crate::store::errors::carried;

/// Items of a stream that wait for whoever reads them.
const AHEAD: usize = 4;

/// Runs `request` as a task. If nobody waits for it any more, it is dropped where it is.
pub(super) async fn in_task<T: Send + 'static>(
    executor: &Arc<dyn Executor>,
    request: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let (mut sender, receiver) = oneshot::channel();
    executor.spawn(Box::pin(async move {
        let outcome = match select(Box::pin(request), pin!(sender.closed())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => return,
        };
        // Nobody waits any more: the outcome is not wanted.
        let _ = sender.send(outcome);
    }));
    receiver.await.unwrap_or_else(|_| {
        let error =
            Error::new(ErrorKind::Closed, "a request ended without an answer: the executor has shut down");
        Err(carried(error))
    })
}

/// The items of `items`, which are asked for by a task from the first poll on.
pub(super) fn pumped<T: Send + 'static>(
    executor: &Arc<dyn Executor>,
    mut items: BoxStream<'static, Result<T>>,
) -> BoxStream<'static, Result<T>> {
    let executor = Arc::clone(executor);
    let started = async move {
        let (sender, receiver) = mpsc::channel(AHEAD);
        executor.spawn(Box::pin(async move {
            while let Some(item) = items.next().await {
                if sender.send(item).await.is_err() {
                    return;
                }
            }
        }));
        stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) })
    };
    stream::once(started).flatten().boxed()
}
