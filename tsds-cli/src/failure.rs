//! Why a command ended without success, and what the user reads about it.

use std::fmt::Write as _;
use std::io;

use tsds_traits::{Error, ErrorKind};

use crate::sql::Complaint;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong: exit code 2.
    Usage(Report),
    /// The command did not succeed: exit code 1.
    Failed(Report),
    /// Nobody reads the output any more, as with `| head`: no error at all.
    ReaderGone,
}

/// What the user reads: one sentence, the values that explain it, the place in what they typed, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    message: String,
    values: Vec<(String, String)>,
    excerpt: Option<String>,
    hint: Option<String>,
}

impl Report {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    #[must_use]
    pub(crate) fn value(mut self, key: &str, value: impl ToString) -> Self {
        self.values.push((key.into(), value.to_string()));
        self
    }

    #[must_use]
    pub(crate) fn excerpt(mut self, excerpt: Option<String>) -> Self {
        self.excerpt = excerpt;
        self
    }

    /// The report below its first word `error`, each line ended.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", printable(&self.message));
        for line in self.excerpt.iter().flat_map(|excerpt| excerpt.lines()) {
            let _ = writeln!(text, "    {line}");
        }
        let width = self.values.iter().map(|(key, _)| key.chars().count()).max().unwrap_or_default();
        for (key, value) in &self.values {
            let _ = writeln!(text, "  {key:width$} = {}", printable(value));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
        text
    }
}

/// Keeps control characters in names and values from reaching the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(
            |c| if c.is_control() { Escaped::Control(c.escape_default()) } else { Escaped::Plain(Some(c)) },
        )
        .collect()
}

enum Escaped {
    Control(std::char::EscapeDefault),
    Plain(Option<char>),
}

impl Iterator for Escaped {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Control(escape) => escape.next(),
            Self::Plain(c) => c.take(),
        }
    }
}

impl Failure {
    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Report::new(message))
    }

    /// The command did not succeed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(Report::new(message))
    }

    /// An expression after `option` is refused, at its place.
    pub(crate) fn in_expression(option: &str, text: &str, complaint: &Complaint) -> Self {
        Self::Usage(Self::expression_report(option, text, complaint))
    }

    /// As [`Failure::in_expression`] for what is only wrong about the table at hand.
    pub(crate) fn expression_report(option: &str, text: &str, complaint: &Complaint) -> Report {
        let mut report =
            Report::new(format!("{option}: {}", complaint.message)).excerpt(complaint.excerpt(text));
        report.hint = complaint.hint.clone();
        report
    }

    /// Writing output failed.
    pub(crate) fn writing(error: &io::Error, target: &str) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::Failed(Report::new("cannot write the output").value("to", target).value("cause", error))
    }

    /// Adds what to do, unless there is a hint already.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Usage(report) | Self::Failed(report) = &mut self {
            report.hint.get_or_insert_with(|| hint.into());
        }
        self
    }

    /// Shows the place in what the user typed.
    #[must_use]
    pub(crate) fn at(mut self, excerpt: Option<String>) -> Self {
        if let Self::Usage(report) | Self::Failed(report) = &mut self {
            report.excerpt = excerpt;
        }
        self
    }

    /// Adds a value that explains it.
    #[must_use]
    pub(crate) fn value(mut self, key: &str, value: impl ToString) -> Self {
        if let Self::Usage(report) | Self::Failed(report) = &mut self {
            report.values.push((key.into(), value.to_string()));
        }
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut report = Report::new(error.message());
        for (key, value) in error.context() {
            report = report.value(key, value);
        }
        for (key, name) in [("operation", error.operation()), ("plugin", error.plugin())] {
            if let Some(name) = name {
                report = report.value(key, name);
            }
        }
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !report.values.iter().any(|(_, value)| *value == text) {
                report = report.value("cause", text);
            }
            source = cause.source();
        }
        let too_many_files = report.values.iter().any(|(_, value)| value.contains("Too many open files"));
        report.hint = match too_many_files {
            true => Some("let the process have more files open at once: ulimit -n 1024".into()),
            false => hint_for(error.kind()).map(Into::into),
        };
        match error.kind() {
            ErrorKind::ConfigInvalid => Self::Usage(report),
            _ => Self::Failed(report),
        }
    }
}

fn hint_for(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::Locked => "another process has this database open: end it first, or give another --path",
        ErrorKind::NoSpace => "free some disk space; every row that was acknowledged is safe",
        ErrorKind::ReadOnly => "check the permissions of the path",
        ErrorKind::Corrupt => "run `tsds verify` to see all that is damaged",
        ErrorKind::NotDurable => "run the command again to see which rows survived",
        ErrorKind::Internal => "this is a bug in TSDS or in a plugin: please report it with the text above",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(failure: Failure) -> String {
        match failure {
            Failure::Usage(report) => format!("usage: {}", report.text()),
            Failure::Failed(report) => format!("failed: {}", report.text()),
            Failure::ReaderGone => "reader gone".into(),
        }
    }

    #[test]
    fn an_engine_error_becomes_a_sentence_values_and_a_hint() {
        let error = Error::new(ErrorKind::Locked, "database is in use").with("path", "/data").with("pid", 7);
        let expected = "failed: database is in use\n  path = /data\n  pid  = 7\n  hint: another process has this database \
                        open: end it first, or give another --path\n";
        assert_eq!(text(error.into()), expected);
    }

    #[test]
    fn a_cause_is_named_once() {
        let error = Error::from(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(text(error.into()), "failed: file system operation failed\n  cause = entity not found\n");
    }

    #[test]
    fn an_invalid_setting_is_a_usage_error() {
        let error = Error::new(ErrorKind::ConfigInvalid, "unknown configuration key").with("key", "a.b");
        assert_eq!(text(error.into()), "usage: unknown configuration key\n  key = a.b\n");
    }

    #[test]
    fn an_expression_is_shown_with_its_place() {
        let complaint = crate::sql::parse_filter("a = b").unwrap_err();
        let expected = "usage: --where: two columns cannot be compared with each other\n    a = b\n        ^\n  \
                        hint: text goes in single quotes: 'AAPL'; in double quotes it names a column\n";
        assert_eq!(text(Failure::in_expression("--where", "a = b", &complaint)), expected);
    }

    #[test]
    fn a_broken_pipe_is_no_error() {
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::writing(&error, "stdout"), Failure::ReaderGone));
        let error = io::Error::from(io::ErrorKind::StorageFull);
        assert!(
            text(Failure::writing(&error, "out.csv"))
                .starts_with("failed: cannot write the output\n  to    = out.csv")
        );
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let report = Report::new("odd").value("name", "a\u{1b}[31m\nb");
        assert_eq!(report.text(), "odd\n  name = a\\u{1b}[31m\\nb\n");
    }
}
