//! `tsds bench`.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use futures::StreamExt;
use serde_json::{Value as Json, json};
use tsds_traits::{BuildContext, DatabaseId, Error, Registry, SegmentSource, Tier, World};

use crate::arguments::{Bench, BenchDevice};
use crate::bench::{Loaded, Outcome, Skipped, Trades, compare, copy_bandwidth_of, operations};
use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, Unit, thousands};

/// The tier that every other one is compared with.
const CPU: &str = "tsds.warm.cpu";
/// What it may take for each row, in bytes, and at least, in MiB.
const CPU_ROW_BYTES: u64 = 64;
const CPU_LEAST_MB: u64 = 1024;

/// Runs a benchmark.
pub(super) async fn run(world: &World, output: &Output, registry: &Registry, arguments: Bench) -> Result<()> {
    match arguments {
        Bench::Device(arguments) => device(world, output, registry, &arguments).await,
    }
}

async fn device(world: &World, output: &Output, registry: &Registry, arguments: &BenchDevice) -> Result<()> {
    let settings = arguments.tier_settings.clone().unwrap_or_else(|| json!({}));
    let device = open(world, registry, &arguments.backend, settings.clone()).await?;
    // It has to hold as much as the device.
    let most_rows = arguments.rows.0.last().copied().unwrap_or_default();
    let cpu_mb = (most_rows.saturating_mul(CPU_ROW_BYTES) >> 20).max(CPU_LEAST_MB);
    let cpu = open(world, registry, CPU, json!({ "max_memory_mb": cpu_mb })).await?;
    let mut progress = Progress::start(output, &world.clock, "measuring", Unit::Rows, 0);
    let mut outcome = Outcome {
        backend: arguments.backend.clone(),
        device: device.capabilities().device.clone(),
        baseline: CPU,
        copy_bytes_per_s: None,
        measured: Vec::new(),
        faster_from: Vec::new(),
        skipped: Vec::new(),
    };
    if let Some(measure) = copy_bandwidth_of(&arguments.backend) {
        progress.update(0, || "copies within the device".into());
        match measure(settings, world.clone()).await {
            Ok(bandwidth) => outcome.copy_bytes_per_s = Some(bandwidth),
            Err(error) => output.warn(&format!("the device's copies were not measured: {error}")),
        }
    }
    let tiers = (Loaded::new(Arc::clone(&device)), Loaded::new(Arc::clone(&cpu)));
    let measured = sizes(world, &mut progress, &arguments.rows.0, tiers, &mut outcome).await;
    drop(progress);
    let closed = (device.close().await, cpu.close().await);
    measured?;
    closed.0?;
    closed.1?;
    outcome.settle();
    if arguments.json { output.print_json(&outcome) } else { output.print(&outcome.text()) }
}

/// Measures every operation on each number of rows, ascending: the segments of one number are the first ones of the next.
async fn sizes(
    world: &World,
    progress: &mut Progress,
    sizes: &[u64],
    (mut device, mut cpu): (Loaded, Loaded),
    outcome: &mut Outcome,
) -> Result<()> {
    let mut trades = Trades::new(sizes.last().copied().unwrap_or_default())?;
    let schema = Arc::clone(trades.schema());
    let mut seen = Vec::new();
    let mut full: Option<String> = None;
    for rows in sizes {
        while full.is_none() {
            progress
                .update(0, || format!("loading {} of {} rows", thousands(trades.rows()), thousands(*rows)));
            let (upto, mut maker) = (*rows, trades);
            let job = move || {
                let source = maker.next(upto);
                Ok((maker, source))
            };
            let source;
            (trades, source) = (*world.executor).blocking(job).await?;
            let Some(source) = source? else { break };
            sample_prices(&source, &mut seen).await?;
            full = device.load(Arc::clone(&source)).await?;
            if let (None, Some(why)) = (&full, cpu.load(source).await?) {
                full = Some(format!("{CPU}: {why}"));
            }
        }
        if let Some(why) = &full {
            outcome.skipped.push(Skipped { rows: *rows, why: why.clone() });
            continue;
        }
        seen.sort_unstable_by(f64::total_cmp);
        let above = |share: usize| seen.get(seen.len() * share / 1_000).copied().unwrap_or_default();
        for operation in &operations(above(500), above(900), above(999)) {
            progress.update(0, || format!("{}, {} rows", operation.name, thousands(*rows)));
            outcome.measured.push(compare(&*world.clock, &schema, operation, (&device, &cpu)).await?);
        }
    }
    Ok(())
}

/// One row in so many is asked for its price.
const SAMPLED: usize = 10;

/// Adds some prices of a segment.
async fn sample_prices(source: &Arc<dyn SegmentSource>, prices: &mut Vec<f64>) -> Result<()> {
    let mut batches = source.batches();
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let column =
            batch.column_by_name("price").and_then(|column| column.as_primitive_opt::<Float64Type>());
        let column = column.ok_or_else(|| Error::internal("trades have no price"))?;
        prices.extend(column.values().iter().step_by(SAMPLED));
    }
    Ok(())
}

/// Opens a tier, which must be there. It has a directory of its own, which it creates if it needs one.
async fn open(world: &World, registry: &Registry, id: &str, settings: Json) -> Result<Arc<dyn Tier>> {
    let mut number = [0; 8];
    world.random.fill(&mut number)?;
    let directory: PathBuf =
        std::env::temp_dir().join(format!("tsds-bench-{:016x}", u64::from_le_bytes(number)));
    let codecs = Arc::new(registry.codecs()?);
    let context = BuildContext::new(world.clone(), DatabaseId(*b"tsds-bench------"), directory, codecs);
    registry.tier(id, settings, context).await.map_err(|error| {
        let software = error.message().contains("allow_software");
        let failure = Failure::from(error);
        if software { failure.hint("give --settings '{\"allow_software\": true}'") } else { failure }
    })
}
