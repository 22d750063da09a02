//! `tsds conformance`: the suite over the plugins of this binary.

mod against;
mod backends;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tsds_conformance::{BackendReport, Report, Settings};
use tsds_traits::{Registry, World};

use backends::Backends;

use crate::arguments::Conformance;
use crate::failure::{Failure, Result};
use crate::output::{Align, Output, Progress, TextTable, Unit, counted, seconds};

/// Runs the suite.
pub(super) async fn run(
    world: &World,
    output: &Output,
    registry: &Registry,
    arguments: &Conformance,
) -> Result<()> {
    let backends = Backends::new(registry)?;
    if let (Some(subject), Some(reference)) = (&arguments.backend, &arguments.against) {
        return against::run(world, output, &backends, arguments, (subject, reference)).await;
    }
    let only = arguments.backend.clone();
    let suite = (*world.executor).blocking(move || backends.suite(only.as_deref())).await?;
    let mut settings = Settings { report: None, required: required(arguments), ..Settings::default() };
    settings.inputs = arguments.cases.unwrap_or(settings.inputs);
    settings.seed = arguments.seed.unwrap_or(settings.seed);
    let total = suite.applicable_cases() as u64;
    let mut progress = Progress::start(output, &world.clock, "checking", Unit::Cases, total);
    let shared = Arc::new((AtomicU64::new(0), Mutex::new(String::new())));
    let seen = Arc::clone(&shared);
    let job = move || {
        let begins = |trial: &str| {
            seen.0.fetch_add(1, Ordering::Relaxed);
            trial.clone_into(&mut seen.1.lock().unwrap_or_else(PoisonError::into_inner));
        };
        Ok(suite.execute_watched(&settings, |_| true, begins))
    };
    let state = || {
        let begun = shared.0.load(Ordering::Relaxed);
        let trial = shared.1.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (begun.saturating_sub(1), trial)
    };
    let report = progress.watch((*world.executor).blocking(job), state).await?;
    let elapsed = progress.elapsed();
    drop(progress);
    if arguments.json {
        output.print_json(&report)?;
    } else {
        output.print(&text(&report, elapsed))?;
    }
    if report.is_clean() {
        return Ok(());
    }
    let failed = report.backends.iter().map(|backend| backend.failed).sum::<usize>();
    Err(Failure::failed("the plugins do not keep their contracts")
        .value("failed_cases", failed)
        .value("problems", report.problems.len())
        .hint(format!(
            "run again with --seed {:#x} --cases {} and --backend of one that fails",
            report.seed, report.inputs
        )))
}

/// Backends whose absence is a failure: those of the command line, and of the variable that the suite's test binaries read.
fn required(arguments: &Conformance) -> BTreeSet<String> {
    let variable = std::env::var("TSDS_REQUIRE").unwrap_or_default();
    let named = variable.split(',').map(str::trim).filter(|id| !id.is_empty()).map(ToOwned::to_owned);
    // With --backend nothing else is asked about, and a variable that is meant for all runs says nothing of this one.
    let named = named.filter(|id| arguments.backend.as_ref().is_none_or(|backend| backend == id));
    named.chain(arguments.require.iter().flat_map(|list| list.0.iter().cloned())).collect()
}

fn text(report: &Report, elapsed: Duration) -> String {
    let mut table = TextTable::new([
        ("role", Align::Left),
        ("backend", Align::Left),
        ("device", Align::Left),
        ("passed", Align::Right),
        ("failed", Align::Right),
        ("not claimed", Align::Right),
        ("absent", Align::Left),
    ])
    .unlimited();
    for backend in &report.backends {
        let device = backend.device.as_deref().unwrap_or("-");
        table.row([
            backend.role,
            &backend.backend,
            device,
            &(backend.executed - backend.failed).to_string(),
            &backend.failed.to_string(),
            &(backend.unsupported + backend.claimed).to_string(),
            backend.absent_because.as_deref().unwrap_or("-"),
        ]);
    }
    let mut text = table.text();
    let executed: usize = report.backends.iter().map(|backend| backend.executed).sum();
    text.push_str(&format!(
        "\n{} in {}, seed {:#x}, {} inputs for each property\n",
        counted(executed as u64, "case"),
        seconds(elapsed),
        report.seed,
        report.inputs
    ));
    for problem in &report.problems {
        text.push_str(&format!("\nproblem: {problem}\n"));
    }
    for backend in &report.backends {
        text.push_str(&failures(backend));
    }
    text
}

fn failures(backend: &BackendReport) -> String {
    let failure =
        |(case, why): (&str, &str)| format!("\n{}/{}/{case}\n{why}\n", backend.role, backend.backend);
    backend.failures().map(failure).collect()
}
