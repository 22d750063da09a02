//! `tsds conformance`: the suite over the plugins of this binary.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tsds_conformance::fixture::PluginFixture;
use tsds_conformance::{BackendReport, Report, Settings, Suite};
use tsds_traits::{Registry, World};

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
    let suite = suite_of(registry, arguments)?;
    let mut settings = Settings { report: None, ..Settings::default() };
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

/// The plugins of the registry; those that ship with TSDS as their crates want to be checked, others with default settings.
fn suite_of(registry: &Registry, arguments: &Conformance) -> Result<Suite> {
    let codecs = Arc::new(registry.codecs()?);
    let shipped: Vec<PluginFixture> = [
        #[cfg(feature = "codec-gorilla")]
        tsds_codec_gorilla::conformance::fixtures(),
        tsds_segment::conformance::fixtures(),
        tsds_hot::conformance::fixtures(),
        tsds_warm_cpu::conformance::fixtures(),
        tsds_cold_parquet::conformance::fixtures(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let fixtures = registry.plugins().flat_map(|plugin| {
        let own = shipped.iter().filter(|fixture| fixture.plugin().id == plugin.id).cloned();
        let own: Vec<PluginFixture> = own.collect();
        if own.is_empty() { vec![PluginFixture::new(*plugin)] } else { own }
    });
    let all = fixtures.fold(Suite::new(), |suite, fixture| suite.plugin(fixture.with_codecs(codecs.clone())));
    let Some(id) = &arguments.backend else { return Ok(all) };
    // An unknown id is an error that lists what there is.
    registry.get(id)?;
    Ok(all.only(id))
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
