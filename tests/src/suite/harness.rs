//! Running a suite as a test binary: one trial for each case of each backend.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use tsds_io::Runtime;
use tsds_traits::{Random, World};

use super::execute::outcome_of;
use super::{Backend, Outcome, PreparedCase, Suite};
use crate::{Failure, Settings};

/// What is known of a run so far.
type Progress = Arc<Mutex<Ran>>;

#[derive(Default)]
struct Ran {
    /// Outcomes of the cases that were run, by trial name.
    outcomes: BTreeMap<String, Outcome>,
    /// Whether one of them failed.
    failed: bool,
}

impl Suite {
    /// The whole of a `main` function of a test binary with `harness = false`: reads the command line and the environment,
    /// runs the trials, writes the report.
    #[expect(clippy::print_stderr, reason = "the main function of a test binary has nobody else to tell")]
    pub fn main(self) -> ExitCode {
        let arguments = Arguments::from_args();
        let outcome = Runtime::new(Some(1))
            .map_err(Failure::from)
            .and_then(|runtime| self.run_in(&arguments, &runtime.world()));
        outcome.unwrap_or_else(|failure| {
            eprintln!("conformance suite: {failure}");
            ExitCode::FAILURE
        })
    }

    fn run_in(self, arguments: &Arguments, world: &World) -> Result<ExitCode, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        let mut settings = Settings::read(variable, || random_number(&*world.random))?;
        if let Some(inputs) =
            self.inputs.filter(|_| variable("TSDS_CASES").is_none_or(|text| text.trim().is_empty()))
        {
            settings.inputs = inputs;
        }
        let progress = Progress::default();
        let trials = self.trials(&settings, &progress);
        let conclusion = libtest_mimic::run(arguments, trials);
        if !arguments.list {
            let filtered = arguments.filter.is_some() || !arguments.skip.is_empty() || arguments.ignored;
            let path = settings.report.clone().or_else(default_report);
            if let Some(path) = path {
                self.write_report(&settings, filtered, &progress, world, &path)?;
            }
        }
        Ok(conclusion.exit_code())
    }

    fn trials(&self, settings: &Settings, progress: &Progress) -> Vec<Trial> {
        let mut trials: Vec<Trial> = self
            .problems(settings)
            .into_iter()
            .map(|(name, why)| Trial::test(name, move || Err(Failed::from(why))))
            .collect();
        for backend in &self.backends {
            trials.extend(backend.cases.iter().map(|case| trial(backend, case, settings, progress)));
        }
        trials
    }

    fn write_report(
        &self,
        settings: &Settings,
        filtered: bool,
        progress: &Progress,
        world: &World,
        path: &Path,
    ) -> Result<(), Failure> {
        let ran = progress.lock().unwrap_or_else(PoisonError::into_inner);
        let reports = self.backends.iter().map(|backend| {
            let outcome =
                |case: &PreparedCase| match (ran.outcomes.get(&backend.trial_name(case.name)), &case.skip) {
                    (Some(outcome), _) => outcome.clone(),
                    (None, Some(skip)) => Outcome::Skipped(skip.kind()),
                    (None, None) => Outcome::NotRun,
                };
            backend.report(backend.cases.iter().map(|case| (case.name.to_string(), outcome(case))).collect())
        });
        let report = self.report(settings, filtered, reports.collect());
        let json = serde_json::to_vec_pretty(&report)
            .map_err(|error| Failure::new(format!("the report cannot be written as JSON: {error}")))?;
        if let Some(directory) = path.parent() {
            world.vfs.create_dir_all(directory)?;
        }
        Ok(world.replace_file(path, &json)?)
    }
}

fn trial(backend: &Backend, case: &PreparedCase, settings: &Settings, progress: &Progress) -> Trial {
    let name = backend.trial_name(case.name);
    if let Some(skip) = &case.skip {
        let kind = skip.kind();
        let why = format!("{name} does not apply: {kind}");
        return Trial::test(name, move || Err(Failed::from(why))).with_kind(kind).with_ignored_flag(true);
    }
    let (body, settings, progress) = (case.body.clone(), settings.clone(), progress.clone());
    let trial = Trial::test(name.clone(), move || {
        let ran = || progress.lock().unwrap_or_else(PoisonError::into_inner);
        if settings.fail_fast && ran().failed {
            return Err(Failed::from("not run: another case failed, and TSDS_FAIL_FAST is set"));
        }
        let outcome = outcome_of(body(&settings));
        let failed = matches!(outcome, Outcome::Failed(_));
        {
            let mut ran = ran();
            ran.failed |= failed;
            ran.outcomes.insert(name.clone(), outcome.clone());
        }
        match outcome {
            Outcome::Failed(why) => Err(Failed::from(format!(
                "{why}\nagain: TSDS_SEED={:#x} TSDS_CASES={} with --exact {name}",
                settings.seed, settings.inputs
            ))),
            _ => Ok(()),
        }
    });
    match backend.device() {
        Some(device) => trial.with_kind(device),
        None => trial,
    }
}

fn random_number(random: &dyn Random) -> u64 {
    let mut bytes = [0; 8];
    match random.fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => crate::DEFAULT_SEED,
    }
}

/// `tsds-conformance.json` in the `target` folder that holds this binary. Test binaries of other packages share the folder,
/// and have the package's name in theirs.
fn default_report() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    let dependencies = binary.ancestors().find(|path| path.file_name().is_some_and(|name| name == "deps"))?;
    let name = match std::env::var("CARGO_PKG_NAME") {
        Ok(package) if package != env!("CARGO_PKG_NAME") => format!("tsds-conformance.{package}.json"),
        _ => "tsds-conformance.json".into(),
    };
    Some(dependencies.parent()?.parent()?.join(name))
}
