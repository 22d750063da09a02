//! `tsds import`: files into a table.

mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join;
use futures::stream::{StreamExt, iter};
use tsds_engine::{Database, Receipt, Table, TableSpec};
use tsds_traits::ErrorKind;

use super::closing;
use crate::arguments::Import as Arguments;
use crate::failure::{Failure, Result};
use crate::import::{
    Checked, Input, InputFiles, NamedBatch, OnError, Plan, PlanOptions, ReadOptions, Rows, TimeFormat,
    find_files,
};
use crate::output::{Progress, Unit, counted, thousands};
use crate::session::Session;
use summary::Summary;

/// Runs the import. Whatever is wrong with the files is found before anything is written or made.
pub(super) async fn run(session: &Session, arguments: Arguments) -> Result<()> {
    let options = plan_options(&arguments)?;
    let files = Files::open(session, &arguments, &options).await?;
    let database = session.open_if_exists().await?;
    let prepared = prepare(session, &arguments, &options, &files, database.as_ref()).await;
    let (prepared, database) = match (prepared, database) {
        (Ok(prepared), Some(database)) => (prepared, database),
        (Ok(prepared), None) => (prepared, session.open_or_create().await?),
        (Err(failure), Some(database)) => return closing(&database, Err(failure)).await,
        (Err(failure), None) => return Err(failure),
    };
    let outcome = write(session, &arguments, &database, prepared, files).await;
    closing(&database, outcome).await
}

fn plan_options(arguments: &Arguments) -> Result<PlanOptions> {
    let format = arguments.time_format.as_deref().map_or(Ok(TimeFormat::Iso), TimeFormat::parse);
    Ok(PlanOptions {
        time: arguments.time.0.clone(),
        time_as: arguments.time_as.clone(),
        keep_parts: arguments.keep_parts,
        format: format.map_err(|message| Failure::usage(format!("--time-format: {message}")))?,
        series: arguments.series.as_ref().map(|series| series.0.clone()).unwrap_or_default(),
        columns: arguments.columns.as_ref().map(|columns| columns.0.clone()),
    })
}

/// The files, once it is known what they hold.
struct Files {
    files: InputFiles,
    bytes: u64,
    /// How many bytes have been read in this pass.
    read: Arc<AtomicU64>,
}

impl Files {
    async fn open(session: &Session, arguments: &Arguments, options: &PlanOptions) -> Result<Self> {
        let (vfs, paths) = (Arc::clone(&session.world.vfs), arguments.files.clone());
        let found = session.blocking(move || find_files(&vfs, &paths)).await?;
        for note in found.notes() {
            session.output.note(&note);
        }
        let (vfs, options) = (Arc::clone(&session.world.vfs), options.clone());
        let read_options =
            Arc::new(ReadOptions { delimiter: arguments.delimiter, null: arguments.null.clone() });
        let job = move || {
            let read = Arc::new(AtomicU64::new(0));
            let open = |path| Input::open(&vfs, path, &read);
            let inputs = found.files.into_iter().map(open).collect::<tsds_traits::Result<Vec<_>>>()?;
            let bytes = inputs.iter().map(|input| input.bytes).sum();
            Ok(Self { files: InputFiles::open(inputs, &read_options, &options)?, bytes, read })
        };
        session.blocking(job).await
    }
}

/// What is known once all files have been read.
struct Prepared {
    table: Option<Table>,
    plan: Plan,
    rows: u64,
    /// The last sequence that was durable before anything was written: batches up to there were there already.
    durable: u64,
    spent: Duration,
}

/// Makes a plan and checks every row against it.
async fn prepare(
    session: &Session,
    arguments: &Arguments,
    options: &PlanOptions,
    files: &Files,
    database: Option<&Database>,
) -> Result<Prepared> {
    let table = match database.map(|database| database.table(&arguments.table)) {
        Some(Ok(table)) => Some(table),
        Some(Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => None,
    };
    let schema = table.as_ref().map(Table::schema).transpose()?;
    let mut plan = match &schema {
        Some(schema) => {
            let added = table.as_ref().map(Table::added_columns).transpose()?.unwrap_or_default();
            Plan::for_table(&files.files.names, options, schema, &added)
        }
        None => Plan::for_new_table(&files.files.names, options),
    }
    .map_err(|error| Failure::from(error).value("table", &arguments.table))?;
    plan.assume(&files.files.types(&plan)?);
    let mut progress =
        Progress::start(&session.output, session.clock(), "checking", Unit::Bytes, files.bytes);
    let (checked, batches) = check_all(session, arguments, files, &plan, &mut progress).await?;
    let spent = progress.elapsed();
    drop(progress);
    report_bad_rows(session, &checked, arguments.on_error)?;
    if checked.rows == 0 && table.is_none() {
        return Err(Failure::failed("the files hold no rows, which leaves the types of the columns unknown"));
    }
    plan.resolve(&checked)?;
    if !arguments.again {
        warn_of_forgetting(session, batches)?;
    }
    let durable = match database {
        Some(database) => database.stats().await?.wal.durable,
        None => 0,
    };
    Ok(Prepared { table, plan, rows: checked.rows, durable, spent })
}

/// An import of more batches than a table remembers would write the first ones again.
fn warn_of_forgetting(session: &Session, batches: u64) -> Result<()> {
    let remembered = session.layers.settings()?.ingest.remembered_batches as u64;
    if batches > remembered {
        session.output.warn(&format!(
            "this import has {} batches, and a table remembers the last {}: should it be interrupted, it cannot be resumed, and run \
             twice, it writes rows twice; a larger --batch-size or --set ingest.remembered_batches={batches} changes that",
            thousands(batches),
            thousands(remembered),
        ));
    }
    Ok(())
}

/// Reads all files to the end, some at the same time; also says how many batches their rows make.
async fn check_all(
    session: &Session,
    arguments: &Arguments,
    files: &Files,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<(Checked, u64)> {
    files.read.store(0, Ordering::Relaxed);
    let (plan, on_error) = (Arc::new(plan.clone()), arguments.on_error);
    let jobs = iter(files.files.files.clone()).map(|file| {
        let plan = Arc::clone(&plan);
        session.blocking(move || file.check(&plan, on_error))
    });
    let mut jobs = jobs.buffered(session.executor().parallelism());
    let (mut checked, mut batches) = (Checked::new(plan.columns().len()), 0);
    while let Some(one) =
        progress.watch(jobs.next(), || (files.read.load(Ordering::Relaxed), String::new())).await
    {
        let one = one?;
        batches += one.rows.div_ceil(arguments.batch_size as u64);
        checked.merge(one);
        if on_error == OnError::Stop && checked.bad_rows > 0 {
            break;
        }
    }
    Ok((checked, batches))
}

fn report_bad_rows(session: &Session, checked: &Checked, on_error: OnError) -> Result<()> {
    let Some(first) = checked.bad.first() else { return Ok(()) };
    if on_error == OnError::Stop {
        return Err(Failure::failed(format!("{first}; nothing was imported"))
            .hint("mend the row, or leave such rows out with --on-error skip"));
    }
    for bad in &checked.bad {
        session.output.warn(&format!("left out: {bad}"));
    }
    let more = checked.bad_rows.saturating_sub(checked.bad.len() as u64);
    if more > 0 {
        session.output.warn(&format!("left out: {} more", counted(more, "row")));
    }
    Ok(())
}

/// Writes all rows, each batch while the next one is read.
async fn write(
    session: &Session,
    arguments: &Arguments,
    database: &Database,
    prepared: Prepared,
    files: Files,
) -> Result<()> {
    let Prepared { table, plan, rows: expected, durable, spent } = prepared;
    let created = table.is_none();
    let table = match table {
        Some(table) => table,
        None => {
            let spec = TableSpec::new(&arguments.table, plan.schema(), plan.time_name())
                .series(plan.series().to_vec());
            database.create_table(spec).await?
        }
    };
    files.read.store(0, Ordering::Relaxed);
    let (file_count, read) = (files.files.files.len(), Arc::clone(&files.read));
    let mut progress =
        Progress::start(&session.output, session.clock(), "importing", Unit::Bytes, files.bytes);
    let mut rows = Rows::new(files.files.files, Arc::new(plan), arguments.batch_size, arguments.on_error);
    let next_of = |mut rows: Rows| {
        session.blocking(move || {
            let chunk = rows.next_chunk()?;
            Ok((rows, chunk))
        })
    };
    let (mut written, mut already_there, mut skipped) = (0, 0, 0);
    let (first, mut chunk) = next_of(rows).await?;
    rows = first;
    while let Some(batch) = chunk.batch.take() {
        skipped += chunk.skipped;
        let both = join(ingest(&table, batch, arguments.again), next_of(rows));
        let state = || (read.load(Ordering::Relaxed), format!("{} rows", thousands(written + already_there)));
        let (receipt, next) = progress.watch(both, state).await;
        let receipt = receipt.map_err(|error| incomplete(error.into(), written, arguments.again))?;
        if receipt.sequence.0 <= durable {
            already_there += receipt.rows;
        } else {
            written += receipt.rows;
        }
        (rows, chunk) = next.map_err(|failure| incomplete(failure, written, arguments.again))?;
    }
    skipped += chunk.skipped;
    let elapsed = spent + progress.elapsed();
    drop(progress);
    if written + already_there != expected {
        return Err(Failure::failed("the files changed while they were imported")
            .value("rows_checked", expected)
            .value("rows_imported", written + already_there));
    }
    let summary = Summary {
        created,
        files: file_count,
        bytes: files.bytes,
        rows: written,
        already_there,
        skipped,
        check: spent,
        elapsed,
    };
    summary.show(session, arguments, &*table.schema()?)
}

async fn ingest(table: &Table, batch: NamedBatch, again: bool) -> tsds_traits::Result<Receipt> {
    if again { table.ingest(batch.rows).await } else { table.ingest_once(batch.id, batch.rows).await }
}

fn incomplete(failure: Failure, written: u64, again: bool) -> Failure {
    let failure = failure.value("rows_imported_before", thousands(written));
    if again {
        failure
    } else {
        failure.hint("the same command again writes what is missing, and nothing twice")
    }
}
