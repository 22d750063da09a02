//! [`Watched`]: a stream of a plugin that cannot take the engine down with it.
//!
//! A plugin that ships with the engine is polled where the engine polls. Any other, and a tier that may call a codec that does
//! not ship, is polled on the blocking pool, one job for each poll, so that code that blocks where it should not hangs a thread
//! that nobody needs, and that the pool replaces. Either way the plugin gets a
//! waker of its own, whose use is a sign of life: a long aggregate answers late, but its parts wake it all the time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, Stream, StreamExt};
use futures::task::AtomicWaker;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, TryAcquireError};
use tsds_traits::{Error, ErrorKind, Result};

use super::health::Health;
use super::watch::Watch;

/// A plugin that keeps waking itself but never answers is given up after so many deadlines.
const PATIENCE: u32 = 60;

/// Who is called, and how.
pub(super) struct CallSite {
    pub watch: Arc<Watch>,
    pub health: Arc<Health>,
    pub operation: &'static str,
    /// Polled on the blocking pool.
    pub away: bool,
}

pub(super) struct Watched<T: Send + 'static> {
    site: CallSite,
    state: State<T>,
    signal: Arc<Signal>,
    waker: Waker,
    /// The plugin was not polled since it last answered.
    fresh: bool,
    /// The plugin has answered since the timer was set.
    alive: bool,
    timer: Option<BoxFuture<'static, ()>>,
    /// How many deadlines have passed since the plugin last answered.
    rounds: u32,
}

type Answers<T> = BoxStream<'static, Result<T>>;
type Polled<T> = std::thread::Result<Poll<Option<Result<T>>>>;

enum State<T> {
    Here(Answers<T>),
    /// Other jobs of the plugin come first.
    Queued(Answers<T>, BoxFuture<'static, std::result::Result<OwnedSemaphorePermit, AcquireError>>),
    /// A job with this number polls.
    Away(u64, oneshot::Receiver<(Answers<T>, Polled<T>)>),
    Ended,
}

/// What the plugin wakes.
#[derive(Default)]
struct Signal {
    /// The plugin wants to be polled.
    woken: AtomicBool,
    /// The plugin was woken since the timer was set.
    sign: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.sign.store(true, Ordering::Release);
        self.woken.store(true, Ordering::Release);
        self.outer.wake();
    }
}

impl<T: Send + 'static> Watched<T> {
    pub(super) fn new(site: CallSite, answers: Answers<T>) -> Self {
        let signal = Arc::new(Signal::default());
        let waker = Waker::from(Arc::clone(&signal));
        let state = State::Here(answers);
        Self { site, state, signal, waker, fresh: true, alive: false, timer: None, rounds: 0 }
    }

    fn poll_here(&mut self) -> Poll<Option<Result<T>>> {
        let State::Here(answers) = &mut self.state else { return Poll::Ready(None) };
        self.signal.woken.store(false, Ordering::Release);
        let mut context = Context::from_waker(&self.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| answers.poll_next_unpin(&mut context)));
        polled.unwrap_or_else(|panic| self.end(self.site.health.panicked(self.site.operation, &*panic)))
    }

    fn poll_away(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Here(answers) => {
                    let woken = self.signal.woken.swap(false, Ordering::AcqRel);
                    if !woken && !self.fresh {
                        self.state = State::Here(answers);
                        return Poll::Pending;
                    }
                    self.fresh = false;
                    let Some(jobs) = self.site.health.jobs() else {
                        self.state = self.send_away(answers, None);
                        continue;
                    };
                    self.state = match Arc::clone(&jobs).try_acquire_owned() {
                        Ok(turn) => self.send_away(answers, Some(turn)),
                        Err(TryAcquireError::NoPermits) => {
                            State::Queued(answers, Box::pin(jobs.acquire_owned()))
                        }
                        Err(TryAcquireError::Closed) => {
                            self.state = State::Here(answers);
                            return self.refuse();
                        }
                    };
                }
                State::Queued(answers, mut turn) => match turn.poll_unpin(context) {
                    Poll::Pending => {
                        self.state = State::Queued(answers, turn);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(turn)) => self.state = self.send_away(answers, Some(turn)),
                    Poll::Ready(Err(_)) => {
                        self.state = State::Here(answers);
                        return self.refuse();
                    }
                },
                State::Away(number, mut back) => {
                    let Poll::Ready(returned) = back.poll_unpin(context) else {
                        self.state = State::Away(number, back);
                        return Poll::Pending;
                    };
                    let Ok((answers, polled)) = returned else { return Poll::Ready(None) };
                    self.state = State::Here(answers);
                    match polled {
                        Ok(Poll::Pending) => {}
                        Ok(ready) => {
                            self.fresh = true;
                            return ready;
                        }
                        Err(panic) => {
                            let error = self.site.health.panicked(self.site.operation, &*panic);
                            return self.end(error);
                        }
                    }
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    fn send_away(&self, mut answers: Answers<T>, turn: Option<OwnedSemaphorePermit>) -> State<T> {
        let (sender, back) = oneshot::channel();
        let (health, operation, waker) =
            (Arc::clone(&self.site.health), self.site.operation, self.waker.clone());
        let number = health.number();
        let job = move || {
            let entered = health.enter(number, operation);
            let polled =
                catch_unwind(AssertUnwindSafe(|| answers.poll_next_unpin(&mut Context::from_waker(&waker))));
            if sender.is_canceled() {
                discard(answers);
                return;
            }
            drop(entered);
            drop(turn);
            if let Err((answers, _)) = sender.send((answers, polled)) {
                discard(answers);
            }
        };
        self.site.watch.world().executor.spawn_blocking(Box::new(job));
        State::Away(number, back)
    }

    fn refuse(&mut self) -> Poll<Option<Result<T>>> {
        match self.site.health.check(self.site.operation) {
            Err(error) => self.end(error),
            Ok(()) => self.end(Error::new(ErrorKind::Closed, "plugin takes no more calls")),
        }
    }

    /// Nothing comes after this error.
    fn end(&mut self, error: Error) -> Poll<Option<Result<T>>> {
        self.release();
        Poll::Ready(Some(Err(error)))
    }

    /// The plugin does not answer: looks whether its time is up.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let Some(deadline) = self.site.watch.deadline() else { return Poll::Pending };
        loop {
            let timer = self.timer.get_or_insert_with(|| {
                self.alive = false;
                self.signal.sign.store(false, Ordering::Release);
                self.site.watch.world().clock.sleep(deadline)
            });
            if timer.poll_unpin(context).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
            self.rounds += 1;
            let sign = self.signal.sign.load(Ordering::Acquire) || self.alive;
            let silent = !sign && self.is_with_the_plugin();
            if silent || self.rounds >= PATIENCE {
                let error = self.give_up(deadline);
                return self.end(error);
            }
        }
    }

    /// Not so while its job waits for a thread.
    fn is_with_the_plugin(&self) -> bool {
        match &self.state {
            State::Here(_) => true,
            State::Away(number, _) => self.site.health.is_running(*number),
            State::Queued(..) | State::Ended => false,
        }
    }

    fn give_up(&self, deadline: std::time::Duration) -> Error {
        let CallSite { watch, health, operation, .. } = &self.site;
        if health.role() != "codec"
            && let Some((codec, call)) = watch.stuck_codec()
        {
            return codec.late(call, deadline).with("waited_for_by", health.id());
        }
        if let State::Away(number, _) = &self.state
            && !health.shipped()
        {
            health.abandon(*number, deadline);
        }
        health.timed_out(operation, deadline)
    }

    /// Drops the plugin's stream where its destructor can do no harm.
    fn release(&mut self) {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Here(answers) | State::Queued(answers, _) if self.site.away => {
                let (health, operation) = (Arc::clone(&self.site.health), self.site.operation);
                let job = move || {
                    let _entered = health.enter(health.number(), operation);
                    discard(answers);
                };
                self.site.watch.world().executor.spawn_blocking(Box::new(job));
            }
            State::Here(answers) | State::Queued(answers, _) => discard(answers),
            // The job that polls drops what nobody waits for.
            State::Away(..) | State::Ended => {}
        }
    }
}

fn discard<T>(answers: Answers<T>) {
    // What a destructor says is of no use to anybody.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(answers)));
}

impl<T: Send + 'static> Stream for Watched<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if matches!(this.state, State::Ended) {
            return Poll::Ready(None);
        }
        if this.site.health.is_disabled() {
            return this.refuse();
        }
        this.signal.outer.register(context.waker());
        let polled = if this.site.away { this.poll_away(context) } else { this.poll_here() };
        match polled {
            Poll::Pending => this.wait(context),
            Poll::Ready(None) => {
                this.release();
                Poll::Ready(None)
            }
            Poll::Ready(Some(answer)) => {
                (this.alive, this.rounds) = (true, 0);
                let CallSite { health, operation, .. } = &this.site;
                Poll::Ready(Some(answer.map_err(|error| error.in_plugin(health.id()).during(operation))))
            }
        }
    }
}

impl<T: Send + 'static> Drop for Watched<T> {
    fn drop(&mut self) {
        self.release();
    }
}
