//! `tsds query`: one query, written as it comes.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use futures::StreamExt;
use serde_json::json;
use sqlparser::tokenizer::Span;
use tsds_engine::Table;
use tsds_engine::query::{Aggregation, Direction, Every, Query, QueryStream};
use tsds_traits::{Clock, Error, TableSchema};

use super::closing;
use crate::arguments::{Explain, Query as Arguments};
use crate::failure::{Failure, Result};
use crate::names::{SortColumn, parse_sort};
use crate::output::{counted, seconds};
use crate::result::{Format, file_writer, writer};
use crate::session::Session;
use crate::sql::{Call, Complaint, Filter, parse_calls, parse_filter};

/// Runs the query.
pub(super) async fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let request = Request::parse(arguments)?;
    let to_terminal = arguments.output.is_none() && session.output.data_to_terminal();
    if arguments.format().is_binary() && to_terminal && arguments.explain.is_none() {
        return Err(Failure::usage(format!(
            "the format {} is not for a terminal",
            arguments.format().name()
        ))
        .hint("give --output FILE, or pipe it into a program"));
    }
    let database = session.open_existing().await?;
    let outcome = match database.table(&arguments.table) {
        Ok(table) => answer(session, &table, &request).await,
        Err(error) => Err(error.into()),
    };
    closing(&database, outcome).await
}

async fn answer(session: &Session, table: &Table, request: &Request<'_>) -> Result<()> {
    let query = request.query(table, &*table.schema()?)?;
    let located = |error: Error| request.locate(error);
    let json = request.arguments.format() == Format::Json;
    match request.arguments.explain {
        Some(Explain::Plan) => {
            let plan = query.explain().await.map_err(located)?;
            return if json {
                session.output.print_json(&plan)
            } else {
                session.output.print(&plan.to_string())
            };
        }
        Some(Explain::Analyze) => {
            let found = query.analyze().await.map_err(located)?;
            return if json {
                session.output.print_json(&found)
            } else {
                session.output.print(&found.to_string())
            };
        }
        None => {}
    }
    let mut runs = Vec::new();
    for _ in 1..request.arguments.repeat {
        let mut run = Run::start(&query, session.clock()).await.map_err(located)?;
        while run.next().await.map_err(located)?.is_some() {}
        runs.push(run);
    }
    let mut run = Run::start(&query, session.clock()).await.map_err(located)?;
    let (target, name) = target(session, request.arguments)?;
    let writing = |error: std::io::Error| Failure::writing(&error, &name);
    let mut result = writer(request.arguments.format(), run.stream.schema(), target).map_err(writing)?;
    while let Some(batch) = run.next().await.map_err(located)? {
        result.write(&batch).map_err(writing)?;
    }
    result.finish().map_err(writing)?;
    runs.push(run);
    report(session, request.arguments, &runs);
    Ok(())
}

fn report(session: &Session, arguments: &Arguments, runs: &[Run]) {
    let Some(last) = runs.last() else { return };
    if arguments.timing {
        let spans =
            |of: fn(&Run) -> Duration| runs.iter().map(|run| of(run).as_secs_f64()).collect::<Vec<_>>();
        let timing = json!({
            "rows": last.rows,
            "seconds": spans(|run| run.spent),
            "first_batch_seconds": spans(|run| run.first.unwrap_or(run.spent)),
        });
        session.output.words(&format!("{timing}\n"));
    } else if arguments.format() == Format::Table {
        session.output.note(&format!("{} in {}", counted(last.rows, "row"), seconds(last.spent)));
    }
}

/// Where the result goes, and what that is called.
fn target(session: &Session, arguments: &Arguments) -> Result<(Box<dyn Write + Send>, String)> {
    let Some(path) = &arguments.output else { return Ok((session.output.data(), "stdout".into())) };
    let name = path.display().to_string();
    let file = file_writer(&*session.world.vfs, path).map_err(|error| Failure::writing(&error, &name))?;
    Ok((file, name))
}

/// One run of a query; its time is what was spent waiting for the engine, not what writing took.
struct Run {
    stream: QueryStream,
    clock: Arc<dyn Clock>,
    spent: Duration,
    first: Option<Duration>,
    rows: u64,
}

impl Run {
    async fn start(query: &Query, clock: &Arc<dyn Clock>) -> tsds_traits::Result<Self> {
        let began = clock.monotonic();
        let stream = query.stream().await?;
        let spent = clock.monotonic().saturating_sub(began);
        Ok(Self { stream, clock: Arc::clone(clock), spent, first: None, rows: 0 })
    }

    async fn next(&mut self) -> tsds_traits::Result<Option<RecordBatch>> {
        let began = self.clock.monotonic();
        let batch = self.stream.next().await.transpose()?;
        self.spent += self.clock.monotonic().saturating_sub(began);
        if let Some(batch) = &batch {
            self.first.get_or_insert(self.spent);
            self.rows += batch.num_rows() as u64;
        }
        Ok(batch)
    }
}

/// What is asked, before any table is looked at.
pub(super) struct Request<'a> {
    arguments: &'a Arguments,
    filter: Option<(&'a str, Filter)>,
    calls: Option<(&'a str, Vec<Call>)>,
    every: Option<Every>,
    sort: Vec<SortColumn>,
}

impl<'a> Request<'a> {
    /// Reads what is asked.
    ///
    /// # Errors
    ///
    /// What is wrong with it, at its place.
    pub(super) fn parse(arguments: &'a Arguments) -> Result<Self> {
        let filter = arguments.filter.as_deref().map(|text| match parse_filter(text) {
            Ok(filter) => Ok((text, filter)),
            Err(complaint) => Err(Failure::in_expression("--where", text, &complaint)),
        });
        let calls = arguments.agg.as_deref().map(|text| match parse_calls(text) {
            Ok(calls) => Ok((text, calls)),
            Err(complaint) => Err(Failure::in_expression("--agg", text, &complaint)),
        });
        let every = arguments.every.as_deref().map(|text| {
            let usage =
                |error: Error| Failure::usage(format!("--every: {}", error.message())).value("text", text);
            text.parse::<Every>().map_err(usage)
        });
        let sort = arguments.sort.as_deref().map(parse_sort).transpose();
        Ok(Self {
            arguments,
            filter: filter.transpose()?,
            calls: calls.transpose()?,
            every: every.transpose()?,
            sort: sort.map_err(|message| Failure::usage(format!("--sort: {message}")))?.unwrap_or_default(),
        })
    }

    /// The query of a table.
    ///
    /// # Errors
    ///
    /// Columns that it lacks, at their place.
    pub(super) fn query(&self, table: &Table, schema: &TableSchema) -> Result<Query> {
        let mut query = table.query();
        if let Some((text, filter)) = &self.filter {
            check_columns("--where", text, &filter.columns, schema)?;
            query = query.filter(filter.expr.clone());
        }
        if let Some(columns) = &self.arguments.columns {
            query = query.project(columns.0.iter().cloned());
        }
        if let Some((text, calls)) = &self.calls {
            let named: Vec<_> = calls.iter().filter_map(|call| call.column.clone()).collect();
            check_columns("--agg", text, &named, schema)?;
            let mut aggregation = Aggregation::new();
            if let Some(every) = self.every {
                aggregation = aggregation.every(every);
            }
            if let Some(by) = &self.arguments.by {
                aggregation = aggregation.by(by.0.iter().cloned());
            }
            for call in calls {
                aggregation =
                    aggregation.function(call.function, call.column.as_ref().map(|(name, _)| name.clone()));
            }
            query = query.aggregate(aggregation);
        }
        for column in &self.sort {
            let direction = if column.descending { Direction::Descending } else { Direction::Ascending };
            query = query.sort_by(&column.name, direction);
        }
        Ok(match self.arguments.limit {
            Some(rows) => query.limit(rows),
            None => query,
        })
    }

    /// Points at the place in the filter that an error of the engine is about, where there is just one.
    pub(super) fn locate(&self, error: Error) -> Failure {
        let column = error.context().iter().find(|(key, _)| *key == "column").map(|(_, name)| name.clone());
        let failure = Failure::from(error);
        let (Some(column), Some((text, filter))) = (column, &self.filter) else { return failure };
        let mut mentions = filter.columns.iter().filter(|(name, _)| *name == column);
        match (mentions.next(), mentions.next()) {
            (Some((_, span)), None) => failure.at(Complaint::new("", *span).excerpt(text)),
            _ => failure,
        }
    }
}

/// Refuses a column that the table lacks, at its place.
fn check_columns(option: &str, text: &str, mentions: &[(String, Span)], schema: &TableSchema) -> Result<()> {
    let Some((name, span)) = mentions.iter().find(|(name, _)| schema.column_named(name).is_none()) else {
        return Ok(());
    };
    let names: Vec<_> = schema.columns().iter().map(|column| column.name.as_str()).collect();
    let complaint = Complaint::new(format!("the table has no column {name}"), *span);
    let complaint = match names.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => complaint.hint(format!("it has {known}: names are taken exactly as typed")),
        None => complaint.hint(format!("its columns are {}", names.join(", "))),
    };
    Err(Failure::Failed(Failure::expression_report(option, text, &complaint)))
}
