//! Progress of long work: a bar on a terminal, else a line every few seconds.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tsds_traits::Clock;

use super::{Output, bytes, rate, seconds, thousands};

const BAR_PERIOD: Duration = Duration::from_millis(100);
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Rows.
    Rows,
    /// Bytes.
    Bytes,
    /// Cases of a suite.
    Cases,
}

/// Progress of one stretch of work.
#[derive(Debug)]
pub(crate) struct Progress {
    output: Output,
    clock: Arc<dyn Clock>,
    what: &'static str,
    unit: Unit,
    total: u64,
    started: Duration,
    shown: Duration,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Starts to show progress towards `total`; 0 stands for an unknown end.
    pub(crate) fn start(
        output: &Output,
        clock: &Arc<dyn Clock>,
        what: &'static str,
        unit: Unit,
        total: u64,
    ) -> Self {
        let bar = (output.shared.words_to_terminal && !output.shared.quiet).then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total.max(1)), ProgressDrawTarget::stderr_with_hz(10));
            let template = if total == 0 {
                "{prefix}  {wide_msg}"
            } else {
                "{prefix} {bar:20} {percent:>3}%  {wide_msg}"
            };
            // A template that does not parse leaves the default look.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸ "));
            }
            bar.set_prefix(what);
            bar
        });
        output.set_bar(bar.clone());
        let now = clock.monotonic();
        Self {
            output: output.clone(),
            clock: Arc::clone(clock),
            what,
            unit,
            total,
            started: now,
            shown: now,
            bar,
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    /// Shows that `done` is done, if it is time to show anything; `more` says what else there is to know.
    pub(crate) fn update(&mut self, done: u64, more: impl FnOnce() -> String) {
        let now = self.clock.monotonic();
        let period = if self.bar.is_some() { BAR_PERIOD } else { LINE_PERIOD };
        if self.output.shared.quiet || now.saturating_sub(self.shown) < period {
            return;
        }
        self.shown = now;
        let text = self.text(done, now.saturating_sub(self.started), &more());
        match &self.bar {
            Some(bar) => {
                bar.set_position(done.min(self.total));
                bar.set_message(text);
            }
            None => self.output.note(&format!("{}: {text}", self.what)),
        }
    }

    /// Waits for `work`, showing meanwhile what `state` says.
    pub(crate) async fn watch<T>(
        &mut self,
        work: impl Future<Output = T>,
        mut state: impl FnMut() -> (u64, String),
    ) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            match select(work, self.clock.sleep(BAR_PERIOD)).await {
                Either::Left((done, _)) => return done,
                Either::Right(((), unfinished)) => work = unfinished,
            }
            let (done, more) = state();
            self.update(done, || more);
        }
    }

    fn text(&self, done: u64, elapsed: Duration, more: &str) -> String {
        let amount = |n| match self.unit {
            Unit::Rows | Unit::Cases => thousands(n),
            Unit::Bytes => bytes(n),
        };
        let mut parts = Vec::new();
        let per_second = done as f64 / elapsed.as_secs_f64().max(1e-9);
        if self.total > 0 {
            let unit = match self.unit {
                Unit::Rows => " rows",
                Unit::Bytes => "",
                Unit::Cases => " cases",
            };
            parts.push(format!("{} of {}{unit}", amount(done), amount(self.total)));
            match self.unit {
                Unit::Rows => parts.push(format!("{} rows/s", rate(per_second))),
                Unit::Bytes => parts.push(format!("{}/s", bytes(per_second as u64))),
                // Some cases take a thousand times as long as others: a rate would say nothing.
                Unit::Cases => {}
            }
        }
        if !more.is_empty() {
            parts.push(more.into());
        }
        if self.total > done && done > 0 {
            let left = (self.total - done) as f64 / per_second;
            parts.push(format!(
                "{} left",
                seconds(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX))
            ));
        } else {
            parts.push(seconds(elapsed));
        }
        parts.join(", ")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.output.set_bar(None);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::BoxFuture;

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn wall_nanos(&self) -> i64 {
            0
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    fn text(unit: Unit, total: u64, done: u64, elapsed: u64, more: &str) -> String {
        let clock: Arc<dyn Clock> = Arc::new(Still);
        let progress = Progress::start(&Output::new(true), &clock, "ingest", unit, total);
        progress.text(done, Duration::from_secs(elapsed), more)
    }

    #[test]
    fn progress_says_how_much_how_fast_and_how_long() {
        assert_eq!(
            text(Unit::Rows, 10_000, 2_500, 5, "hot 2,500"),
            "2,500 of 10,000 rows, 500 rows/s, hot 2,500, 15.0 s left"
        );
        assert_eq!(
            text(Unit::Bytes, 4 << 20, 1 << 20, 2, ""),
            "1.00 MiB of 4.00 MiB, 512 KiB/s, 6.00 s left"
        );
    }

    #[test]
    fn an_unknown_end_shows_the_time_taken() {
        assert_eq!(text(Unit::Rows, 0, 0, 3, "moving"), "moving, 3.00 s");
    }

    #[test]
    fn nothing_done_yet_promises_nothing() {
        assert_eq!(text(Unit::Rows, 10, 0, 1, ""), "0 of 10 rows, 0 rows/s, 1.00 s");
    }
}
