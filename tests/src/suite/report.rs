//! What a run found.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// The report of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of the suite.
    pub suite: &'static str,
    /// The seed with which the run can be repeated.
    pub seed: u64,
    /// How many inputs every property was tried with.
    pub inputs: u32,
    /// Only part of the cases was asked for, so that missing ones mean nothing.
    pub filtered: bool,
    /// What is wrong with the run itself: a required backend is absent, a backend does not open, nothing was run.
    pub problems: Vec<String>,
    /// The backends, in the order in which they were added.
    pub backends: Vec<BackendReport>,
}

/// What a run found about one backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendReport {
    /// `tier`, `codec`, `wal`, `evictor` or `key_provider`.
    pub role: &'static str,
    /// The id of the fixture.
    pub backend: String,
    /// The device, if it has one.
    pub device: Option<String>,
    /// Why the backend cannot run here, if it cannot.
    pub absent_because: Option<String>,
    /// How many cases were run.
    pub executed: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How many do not apply, since the backend does not claim what they need.
    pub unsupported: usize,
    /// How many do not apply, since the backend claims what they want it not to.
    pub claimed: usize,
    /// How many were not run, since the backend is absent or does not open.
    pub absent: usize,
    /// Every case.
    pub cases: BTreeMap<String, Outcome>,
}

/// What became of one case. In JSON: `passed`, `failed`, `not run`, `unsupported:<claim>`, `claimed:<claim>`,
/// `absent:<why>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was run and holds.
    Passed,
    /// It was run and does not hold; why.
    Failed(String),
    /// It was filtered out.
    NotRun,
    /// It does not apply; the kind of its trial says why.
    Skipped(String),
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::NotRun => "not run",
            Self::Skipped(kind) => kind,
        })
    }
}

impl BackendReport {
    /// Counts outcomes.
    pub(super) fn new(
        role: &'static str,
        backend: String,
        device: Option<String>,
        absent_because: Option<String>,
        cases: BTreeMap<String, Outcome>,
    ) -> Self {
        let count =
            |wanted: &dyn Fn(&Outcome) -> bool| cases.values().filter(|outcome| wanted(outcome)).count();
        let skipped = |prefix: &str| {
            count(&|outcome| matches!(outcome, Outcome::Skipped(kind) if kind.starts_with(prefix)))
        };
        Self {
            role,
            backend,
            device,
            absent_because,
            executed: count(&|outcome| matches!(outcome, Outcome::Passed | Outcome::Failed(_))),
            failed: count(&|outcome| matches!(outcome, Outcome::Failed(_))),
            unsupported: skipped("unsupported:"),
            claimed: skipped("claimed:"),
            absent: skipped("absent:"),
            cases,
        }
    }

    /// The names of the cases that failed, with their failures.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Failed(why) => Some((name.as_str(), why.as_str())),
            _ => None,
        })
    }
}

impl Report {
    /// Whether nothing failed and nothing is wrong with the run.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.backends.iter().all(|backend| backend.failed == 0)
    }
}
