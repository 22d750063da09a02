//! `tsds conformance --against`: one tier held to the answers of another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tsds_conformance::DEFAULT_SEED;
use tsds_conformance::against::{Against, AgainstReport};
use tsds_traits::{Clock, World};

use super::backends::Backends;
use super::required;
use crate::arguments::Conformance;
use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, Unit, counted, seconds, thousands};

/// How many inputs are tried where neither a number nor a time is given.
const DEFAULT_INPUTS: u32 = 1_000;

/// Compares the tiers.
pub(super) async fn run(
    world: &World,
    output: &Output,
    backends: &Backends,
    arguments: &Conformance,
    (subject, reference): (&str, &str),
) -> Result<()> {
    if subject == reference {
        return Err(
            Failure::usage("a tier is compared with another one, not with itself").value("id", subject)
        );
    }
    let subjects = backends.tier(subject)?;
    let reference = backends.tier(reference)?.into_iter().next();
    let reference = reference.ok_or_else(|| Failure::failed("the tier to compare with cannot be opened"))?;
    let against = subjects.into_iter().fold(Against::new(reference), Against::subject);
    let end = arguments.seconds.map(|limit| world.clock.monotonic() + Duration::from_secs(limit));
    let inputs = arguments.cases.unwrap_or(if end.is_some() { u32::MAX } else { DEFAULT_INPUTS });
    let seed = arguments.seed.unwrap_or(DEFAULT_SEED);

    // Where a time ends the run, the number of inputs is not known.
    let total = if arguments.cases.is_some() || end.is_none() { u64::from(inputs) } else { 0 };
    let mut progress = Progress::start(output, &world.clock, "comparing", Unit::Cases, total);
    let done = Arc::new(AtomicU64::new(0));
    let (seen, clock): (_, Arc<dyn Clock>) = (Arc::clone(&done), Arc::clone(&world.clock));
    let job = move || {
        Ok(against.run(seed, inputs, |tally| {
            seen.store(tally.inputs, Ordering::Relaxed);
            end.is_none_or(|end| clock.monotonic() < end)
        }))
    };
    let state = || {
        let done = done.load(Ordering::Relaxed);
        (done, if total == 0 { format!("{} cases", thousands(done)) } else { String::new() })
    };
    let report = progress.watch((*world.executor).blocking(job), state).await?;
    let elapsed = progress.elapsed();
    drop(progress);
    if arguments.json {
        let mut document = json!(report);
        document["seconds"] = json!(elapsed.as_secs_f64());
        output.print_json(&document)?;
    } else {
        output.print(&text(&report, elapsed))?;
    }
    verdict(&report, arguments)
}

fn verdict(report: &AgainstReport, arguments: &Conformance) -> Result<()> {
    let required = required(arguments);
    if let Some((tier, why)) = report.absent().next() {
        let plugin = tier.split_once('+').map_or(tier, |(plugin, _)| plugin);
        // Nothing was compared, as asked for nothing that is here.
        return match required.contains(plugin) || required.contains(tier) {
            true => Err(Failure::failed("a required tier is absent").value("tier", tier).value("why", why)),
            false => Ok(()),
        };
    }
    match &report.difference {
        None if report.is_clean() => Ok(()),
        None => {
            Err(Failure::failed("nothing was compared: the tiers took no segment, or refused every query"))
        }
        Some(difference) => {
            let [reference, subject, ..] = &report.tiers[..] else {
                return Err(Failure::failed("an answer differs"));
            };
            let seed = difference.seed;
            let plugin = |id: &str| id.split_once('+').map_or(id, |(plugin, _)| plugin).to_owned();
            Err(Failure::failed("an answer differs").value("seed", format!("{seed:#x}")).hint(format!(
                "the same again: tsds conformance --backend {} --against {} --seed {seed:#x} --cases 1",
                plugin(&subject.backend),
                plugin(&reference.backend)
            )))
        }
    }
}

fn text(report: &AgainstReport, elapsed: Duration) -> String {
    let mut text = String::new();
    for (place, tier) in report.tiers.iter().enumerate() {
        let device = tier.device.as_ref().map(|device| format!(" on {device}")).unwrap_or_default();
        let role = if place == 0 { "reference" } else { "compared " };
        text.push_str(&format!("{role}  {}{device}\n", tier.backend));
    }
    if report.absent().next().is_some() {
        for (tier, why) in report.absent() {
            text.push_str(&format!("\nignored: {tier} is absent: {why}\n"));
        }
        return text;
    }
    let tally = &report.tally;
    text.push_str(&format!(
        "\n{} in {}, seed {:#x}: {} with {}, {} with {}",
        counted(tally.inputs, "case"),
        seconds(elapsed),
        report.seed,
        counted(tally.scans, "scan"),
        counted(tally.rows, "row"),
        counted(tally.aggregates, "aggregate"),
        counted(tally.groups, "group"),
    ));
    match &report.difference {
        None => text.push_str(", all the same to the bit\n"),
        Some(difference) => text.push_str(&format!("\n\nan answer differs: {}\n", difference.what)),
    }
    text
}
