//! `tsds import`: CSV files into a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join;
use futures::stream::{StreamExt, iter};
use serde_json::json;
use tsds_engine::{Database, Table, TableSpec};
use tsds_traits::{ErrorKind, TableSchema, type_name};

use super::closing;
use crate::arguments::Import as Arguments;
use crate::failure::{Failure, Result};
use crate::import::{
    Checked, Header, OnError, Plan, PlanOptions, ReadOptions, Rows, Source, TimeFormat, check, read_headers,
};
use crate::output::{Progress, Unit, counted, rate, seconds, thousands};
use crate::session::Session;

/// Runs the import. Whatever is wrong with the files is found before anything is written or made.
pub(super) async fn run(session: &Session, arguments: Arguments) -> Result<()> {
    let options = plan_options(&arguments)?;
    let files = Files::open(session, &arguments).await?;
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
    })
}

/// The files, with their headers read.
struct Files {
    files: Vec<(Source, Header)>,
    names: Vec<String>,
    bytes: u64,
    /// How many bytes have been read in this pass.
    read: Arc<AtomicU64>,
}

impl Files {
    async fn open(session: &Session, arguments: &Arguments) -> Result<Self> {
        let (vfs, paths) = (Arc::clone(&session.world.vfs), arguments.files.clone());
        let options = Arc::new(ReadOptions { delimiter: arguments.delimiter, null: arguments.null.clone() });
        let job = move || {
            let read = Arc::new(AtomicU64::new(0));
            let open = |path| Source::open(&vfs, path, &options, &read);
            let sources = paths.into_iter().map(open).collect::<tsds_traits::Result<Vec<_>>>()?;
            let bytes = sources.iter().map(|source| source.bytes).sum();
            let (names, headers) = read_headers(&sources)?;
            Ok(Self { files: sources.into_iter().zip(headers).collect(), names, bytes, read })
        };
        session.blocking(job).await
    }
}

/// What is known once all files have been read.
struct Prepared {
    table: Option<Table>,
    plan: Plan,
    rows: u64,
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
        Some(schema) => Plan::for_table(&files.names, options, schema),
        None => Plan::for_new_table(&files.names, options),
    }
    .map_err(|error| Failure::from(error).value("table", &arguments.table))?;
    let mut progress =
        Progress::start(&session.output, session.clock(), "checking", Unit::Bytes, files.bytes);
    let checked = check_all(session, files, &plan, arguments.on_error, &mut progress).await?;
    let spent = progress.elapsed();
    drop(progress);
    report_bad_rows(session, &checked, arguments.on_error)?;
    if checked.rows == 0 && table.is_none() {
        return Err(Failure::failed("the files hold no rows, which leaves the types of the columns unknown"));
    }
    plan.resolve(&checked)?;
    Ok(Prepared { table, plan, rows: checked.rows, spent })
}

/// Reads all files to the end, some at the same time.
async fn check_all(
    session: &Session,
    files: &Files,
    plan: &Plan,
    on_error: OnError,
    progress: &mut Progress,
) -> Result<Checked> {
    files.read.store(0, Ordering::Relaxed);
    let plan = Arc::new(plan.clone());
    let jobs = iter(files.files.clone()).map(|(source, header)| {
        let plan = Arc::clone(&plan);
        session.blocking(move || check(&source, &header, &plan, on_error))
    });
    let mut jobs = jobs.buffered(session.executor().parallelism());
    let mut checked = Checked::new(plan.columns().len());
    while let Some(one) =
        progress.watch(jobs.next(), || (files.read.load(Ordering::Relaxed), String::new())).await
    {
        checked.merge(one?);
        if on_error == OnError::Stop && checked.bad_rows > 0 {
            break;
        }
    }
    Ok(checked)
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
    let Prepared { table, plan, rows: expected, spent } = prepared;
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
    let (file_count, read) = (files.files.len(), Arc::clone(&files.read));
    let mut progress =
        Progress::start(&session.output, session.clock(), "importing", Unit::Bytes, files.bytes);
    let mut rows = Rows::new(files.files, Arc::new(plan), arguments.batch_size, arguments.on_error);
    let next_of = |mut rows: Rows| {
        session.blocking(move || {
            let chunk = rows.next_chunk()?;
            Ok((rows, chunk))
        })
    };
    let (mut written, mut skipped) = (0, 0);
    let (first, mut chunk) = next_of(rows).await?;
    rows = first;
    while let Some(batch) = chunk.batch.take() {
        skipped += chunk.skipped;
        let both = join(table.ingest(batch), next_of(rows));
        let state = || (read.load(Ordering::Relaxed), format!("{} rows", thousands(written)));
        let (receipt, next) = progress.watch(both, state).await;
        written += receipt.map_err(|error| incomplete(error.into(), written))?.rows;
        (rows, chunk) = next.map_err(|failure| incomplete(failure, written))?;
    }
    skipped += chunk.skipped;
    let elapsed = spent + progress.elapsed();
    drop(progress);
    if written != expected {
        return Err(Failure::failed("the files changed while they were imported")
            .value("rows_checked", expected)
            .value("rows_imported", written));
    }
    let summary = Summary {
        created,
        files: file_count,
        bytes: files.bytes,
        rows: written,
        skipped,
        check: spent,
        elapsed,
    };
    summary.show(session, arguments, &*table.schema()?)
}

fn incomplete(failure: Failure, written: u64) -> Failure {
    failure.value("rows_imported_before", thousands(written))
}

/// What an import did.
struct Summary {
    created: bool,
    files: usize,
    bytes: u64,
    rows: u64,
    skipped: u64,
    check: Duration,
    elapsed: Duration,
}

impl Summary {
    fn show(&self, session: &Session, arguments: &Arguments, schema: &TableSchema) -> Result<()> {
        let per_second = self.rows as f64 / self.elapsed.as_secs_f64().max(1e-9);
        if arguments.json {
            return session.output.print_json(&json!({
                "table": arguments.table,
                "created": self.created,
                "files": self.files,
                "bytes": self.bytes,
                "rows": self.rows,
                "skipped": self.skipped,
                "seconds": self.elapsed.as_secs_f64(),
                "check_seconds": self.check.as_secs_f64(),
                "rows_per_s": per_second,
                "columns": columns(schema),
            }));
        }
        let skipped =
            if self.skipped > 0 { format!(", {} left out", thousands(self.skipped)) } else { String::new() };
        session.output.print(&format!(
            "{} of {} from {} into {} table {} in {} ({} rows/s){skipped}\n",
            counted(self.rows, "row"),
            counted(schema.columns().len() as u64, "column"),
            counted(self.files as u64, "file"),
            if self.created { "the new" } else { "the" },
            arguments.table,
            seconds(self.elapsed),
            rate(per_second),
        ))
    }
}

fn columns(schema: &TableSchema) -> Vec<serde_json::Value> {
    let role = |index: usize| match index {
        index if index == schema.time_index() => "time",
        index if schema.series_indices().contains(&index) => "series",
        _ => "value",
    };
    let describe = schema.columns().iter().enumerate().map(|(index, column)| {
        json!({ "name": column.name, "type": type_name(&column.data_type), "role": role(index) })
    });
    describe.collect()
}
