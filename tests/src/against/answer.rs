//! What a tier answers.

use std::sync::Arc;

use tsds_traits::{AggregateRequest, ErrorKind, ScanRequest, SegmentHandle, TableSchema, Tier, Value};

use super::input::Query;
use crate::cases::tier::bench;
use crate::data::segments::Row;
use crate::model::{self, Group, GroupKey, GroupState};
use crate::outcome::{ensure_eq, ensure_same_sequence};
use crate::{CaseResult, Failure};

/// An answer without what may differ between tiers.
#[derive(Debug)]
pub(super) enum Answer {
    Rows(Vec<(usize, Row)>),
    Groups(Group),
    Refused(ErrorKind),
}

/// Asks a tier.
///
/// # Errors
///
/// A failure if the answer breaks the contract of scans or aggregates.
pub(super) async fn ask(
    tier: &Arc<dyn Tier>,
    schema: &Arc<TableSchema>,
    segments: &[SegmentHandle],
    query: &Query,
) -> CaseResult<Answer> {
    match query.clone() {
        Query::Scan { projection, predicate, order, limit, batch_rows } => {
            let plain = ScanRequest::new(schema.clone(), segments.to_vec(), projection);
            let request = ScanRequest { predicate, order, limit, batch_rows, ..plain };
            match bench::collect(tier, request.clone()).await {
                (batches, None) => Ok(Answer::Rows(bench::rows(&request, &batches)?)),
                (_, Some(error)) => Ok(Answer::Refused(error.kind())),
            }
        }
        Query::Aggregate { predicate, plan } => {
            let (schema, segments) = (schema.clone(), segments.to_vec());
            let request = AggregateRequest {
                predicate,
                ..AggregateRequest::new(schema.clone(), segments, plan.clone())
            };
            match bench::aggregate(tier, request).await {
                Ok(states) => Ok(Answer::Groups(model::merge_states(&schema, &plan, &states)?)),
                Err(error) => Ok(Answer::Refused(error.kind())),
            }
        }
    }
}

/// Fails unless two tiers give the same answer about the same segments.
pub(super) fn ensure_same(actual: &Answer, expected: &Answer) -> CaseResult {
    match (actual, expected) {
        (Answer::Rows(actual), Answer::Rows(expected)) => {
            ensure_same_sequence(actual, expected, "rows of a scan, with the places of their segments")
        }
        (Answer::Groups(actual), Answer::Groups(expected)) => {
            ensure_same_sequence(&listed(actual), &listed(expected), "groups of an aggregate")
        }
        (Answer::Refused(actual), Answer::Refused(expected)) => {
            ensure_eq(actual, expected, "kinds of errors")
        }
        (actual, expected) => {
            Err(Failure::new(format!("expected {}, but got {}", outline(expected), outline(actual))))
        }
    }
}

/// Fails unless a tier gives the same answer about the same rows in other segments. Of a scan with a limit nothing can be said.
pub(super) fn ensure_same_across_cuts(query: &Query, actual: &Answer, expected: &Answer) -> CaseResult {
    match (query, actual, expected) {
        (Query::Scan { limit: Some(_), .. }, ..) => Ok(()),
        (_, Answer::Rows(actual), Answer::Rows(expected)) => {
            ensure_same_sequence(&sorted(actual), &sorted(expected), "sorted rows of another cut")
        }
        (_, Answer::Groups(actual), Answer::Groups(expected)) => {
            ensure_same_sequence(&finished(actual), &finished(expected), "groups of another cut")
        }
        (_, actual, expected) => {
            ensure_same(actual, expected).map_err(|failure| failure.during("another cut"))
        }
    }
}

fn outline(answer: &Answer) -> String {
    match answer {
        Answer::Rows(rows) => format!("{} rows", rows.len()),
        Answer::Groups(groups) => format!("{} groups", groups.len()),
        Answer::Refused(kind) => format!("an error of kind {kind:?}"),
    }
}

fn listed(groups: &Group) -> Vec<(GroupKey, Vec<GroupState>)> {
    groups.iter().map(|(key, states)| (key.clone(), states.clone())).collect()
}

fn sorted(rows: &[(usize, Row)]) -> Vec<Row> {
    let mut rows: Vec<Row> = rows.iter().map(|(_, row)| row.clone()).collect();
    rows.sort();
    rows
}

/// A state without the place of a row.
#[derive(Debug, PartialEq)]
enum Finished {
    State(GroupState),
    Edge(i64, Row, Value),
}

fn finished(groups: &Group) -> Vec<(GroupKey, Vec<Finished>)> {
    let finished = |state: &GroupState| match state {
        GroupState::Edge(Some(pick)) => Finished::Edge(pick.time, pick.series.clone(), pick.value.clone()),
        state => Finished::State(state.clone()),
    };
    groups.iter().map(|(key, states)| (key.clone(), states.iter().map(finished).collect())).collect()
}
