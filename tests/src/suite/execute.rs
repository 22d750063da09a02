//! Running a suite without a test harness, and what makes a run as such a failure.

use std::collections::{BTreeMap, BTreeSet};

use tsds_traits::Presence;

use super::{Backend, BackendReport, Outcome, PreparedCase, Report, Suite};
use crate::{CaseResult, Settings};

impl Suite {
    /// Runs every case whose trial name, `<role>/<id>/<case>`, `wanted` takes, one after the other.
    pub fn execute(&self, settings: &Settings, wanted: impl Fn(&str) -> bool) -> Report {
        self.execute_watched(settings, wanted, |_| {})
    }

    /// As [`Suite::execute`]; `begins` is called with the trial name of each case before it is run.
    pub fn execute_watched(
        &self,
        settings: &Settings,
        wanted: impl Fn(&str) -> bool,
        begins: impl Fn(&str),
    ) -> Report {
        let (mut filtered, mut failed) = (false, false);
        let mut reports = Vec::new();
        for backend in &self.backends {
            let mut outcomes = BTreeMap::new();
            for case in &backend.cases {
                let outcome = if let Some(skip) = &case.skip {
                    Outcome::Skipped(skip.kind())
                } else if failed && settings.fail_fast {
                    Outcome::NotRun
                } else if wanted(&backend.trial_name(case.name)) {
                    begins(&backend.trial_name(case.name));
                    outcome_of((case.body)(settings))
                } else {
                    filtered = true;
                    Outcome::NotRun
                };
                failed |= matches!(outcome, Outcome::Failed(_));
                outcomes.insert(case.name.to_string(), outcome);
            }
            reports.push(backend.report(outcomes));
        }
        self.report(settings, filtered, reports)
    }

    pub(super) fn report(&self, settings: &Settings, filtered: bool, backends: Vec<BackendReport>) -> Report {
        Report {
            suite: env!("CARGO_PKG_VERSION"),
            seed: settings.seed,
            inputs: settings.inputs,
            filtered,
            problems: self
                .problems(settings)
                .into_iter()
                .map(|(name, why)| format!("{name}: {why}"))
                .collect(),
            backends,
        }
    }

    /// What is wrong with a run before a case is run, each as the name of a trial that fails and the reason. A run that
    /// tests nothing, or not what was asked for, must not look like one that found nothing.
    pub(super) fn problems(&self, settings: &Settings) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        if self.backends.is_empty() {
            problems.push(("suite/has_backends".into(), "the suite has no backends".into()));
        }
        for backend in &self.backends {
            let mut problem = |trial: &str, why: String| problems.push((backend.trial_name(trial), why));
            if !seen.insert((backend.role, &backend.id)) {
                problem("is_there_once", "two backends of one role have this id".into());
            }
            if let Err(failure) = &backend.claims {
                problem("opens", failure.to_string());
            }
            match &backend.presence {
                Presence::Absent(why) if settings.required.iter().any(|id| backend.is(id)) => {
                    problem("is_present", format!("required, but absent: {why}"));
                }
                Presence::Present(_)
                    if backend.claims.is_ok() && !backend.cases.iter().any(PreparedCase::runs) =>
                {
                    problem("has_cases", "no case applies to what the backend claims".into());
                }
                _ => {}
            }
        }
        for id in &settings.required {
            if !self.backends.iter().any(|backend| backend.is(id)) {
                let why = "required, but not part of this suite".into();
                problems.push((format!("required/{id}/is_present"), why));
            }
        }
        problems
    }
}

impl PreparedCase {
    pub(super) fn runs(&self) -> bool {
        self.skip.is_none()
    }
}

impl Backend {
    /// Whether this is the backend of an id, or a variant of it (`<id>+<variant>`).
    pub(super) fn is(&self, id: &str) -> bool {
        self.id == id || self.id.split_once('+').is_some_and(|(plugin, _)| plugin == id)
    }

    pub(super) fn trial_name(&self, case: &str) -> String {
        format!("{}/{}/{case}", self.role, self.id)
    }

    pub(super) fn device(&self) -> Option<&str> {
        match &self.presence {
            Presence::Present(device) if !device.is_empty() => Some(device),
            _ => None,
        }
    }

    pub(super) fn report(&self, outcomes: BTreeMap<String, Outcome>) -> BackendReport {
        let absent = match &self.presence {
            Presence::Absent(why) => Some(why.clone()),
            Presence::Present(_) => None,
        };
        let device = self.device().map(ToString::to_string);
        BackendReport::new(self.role, self.id.clone(), device, absent, outcomes)
    }
}

pub(super) fn outcome_of(result: CaseResult) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(failure) => Outcome::Failed(failure.to_string()),
    }
}
