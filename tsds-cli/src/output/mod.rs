//! All that is printed: data on stdout, words on stderr. Nothing else in this crate prints.

mod human;
mod progress;
mod table;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use serde::Serialize;

use crate::failure::{Failure, Report, Result};

pub(crate) use human::{bytes, counted, rate, seconds, thousands};
pub(crate) use progress::{Progress, Unit};
pub(crate) use table::{Align, TextTable};

/// How many bytes of data are gathered before they are written.
const DATA_BUFFER: usize = 256 * 1024;

/// Where data and words go.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    data_to_terminal: bool,
    words_to_terminal: bool,
    colour: bool,
    quiet: bool,
    /// The progress bar at the bottom of the terminal, which words must not tear.
    bar: Mutex<Option<ProgressBar>>,
}

impl Output {
    /// The process's own stdout and stderr. `quiet` drops progress and notes, but never warnings and errors.
    pub(crate) fn new(quiet: bool) -> Self {
        let words_to_terminal = io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let shared = Shared {
            data_to_terminal: io::stdout().is_terminal(),
            words_to_terminal,
            colour: words_to_terminal && !no_colour,
            quiet,
            bar: Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether data goes to a terminal.
    pub(crate) fn data_to_terminal(&self) -> bool {
        self.shared.data_to_terminal
    }

    /// A buffered writer of data. Flush it: what is left when it is dropped may be lost without a word.
    pub(crate) fn data(&self) -> Box<dyn Write + Send> {
        Box::new(BufWriter::with_capacity(DATA_BUFFER, io::stdout()))
    }

    /// Prints data.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| Failure::writing(&error, "stdout"))
    }

    /// Prints one JSON document and a newline: for people on a terminal over several lines, else on one.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<()> {
        let text = if self.shared.data_to_terminal {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        let text =
            text.map_err(|error| Failure::failed("cannot write the result as JSON").value("cause", error))?;
        self.print(&format!("{text}\n"))
    }

    /// Says something in passing.
    pub(crate) fn note(&self, text: &str) {
        if !self.shared.quiet {
            self.words(&format!("{text}\n"));
        }
    }

    /// Warns.
    pub(crate) fn warn(&self, text: &str) {
        self.words(&format!("{} {text}\n", self.paint("warning:", "33;1")));
    }

    /// Says why the command failed.
    pub(crate) fn error(&self, report: &Report) {
        self.words(&format!("{} {}", self.paint("error:", "31;1"), report.text()));
    }

    /// Writes words as they are. That nobody can read them is no reason to stop.
    pub(crate) fn words(&self, text: &str) {
        let write = || {
            let mut stderr = io::stderr().lock();
            let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        };
        let bar = self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.shared.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.into() }
    }

    fn set_bar(&self, bar: Option<ProgressBar>) {
        *self.shared.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }
}
