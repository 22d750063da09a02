//! Making an input that shows a difference small: fewer queries, segments and rows, and simpler queries.
//!
//! Not left to `proptest`: it draws anew whatever depends on what it made smaller, and seldom gets below hundreds of rows.

use tsds_traits::Predicate;

use super::input::{Input, Query};
use crate::Failure;

/// The smallest input found that still fails, by trying at most `steps` smaller ones.
pub(super) fn shrink(
    mut input: Input,
    mut failure: Failure,
    steps: u32,
    mut fails: impl FnMut(&Input) -> Option<Failure>,
) -> (Input, Failure) {
    let mut left = steps;
    let mut next = |input: &Input| {
        let mut tried = smaller(input).take_while(|_| {
            let goes_on = left > 0;
            left = left.saturating_sub(1);
            goes_on
        });
        tried.find_map(|candidate| fails(&candidate).map(|failure| (candidate, failure)))
    };
    while let Some(found) = next(&input) {
        (input, failure) = found;
    }
    (input, failure)
}

/// Inputs that lack something, those that lack most first.
fn smaller(input: &Input) -> Box<dyn Iterator<Item = Input> + '_> {
    let one_query = (0..input.queries.len()).filter(|_| input.queries.len() > 1).map(|kept| {
        let queries = input.queries.iter().skip(kept).take(1).cloned().collect();
        Input { queries, ..input.clone() }
    });
    let fewer_segments = (0..input.segments.len()).filter(|_| input.segments.len() > 1).map(|dropped| {
        let mut smaller = input.clone();
        smaller.segments.remove(dropped);
        smaller
    });
    let fewer_rows = (0..input.segments.len()).flat_map(move |index| {
        let rows = input.segments.get(index).map_or(0, |segment| segment.rows.len());
        let lengths = std::iter::successors(Some(rows / 2), |length| Some(length / 2));
        let spans = lengths.take_while(|length| *length > 0).flat_map(move |length| {
            (0..rows).step_by(length).map(move |start| start..(start + length).min(rows))
        });
        spans.filter(move |span| span.len() < rows).map(move |span| input.without_rows(index, span))
    });
    let simpler_queries = input.queries.iter().enumerate().flat_map(move |(index, query)| {
        simpler(query).into_iter().map(move |query| {
            let mut smaller = input.clone();
            smaller.queries.splice(index..=index, [query]);
            smaller
        })
    });
    let one_piece = (input.pieces > 1).then(|| Input { pieces: 1, ..input.clone() });
    Box::new(one_query.chain(simpler_queries).chain(fewer_segments).chain(fewer_rows).chain(one_piece))
}

fn simpler(query: &Query) -> Vec<Query> {
    let mut simpler = Vec::new();
    let mut push = |change: &dyn Fn(&mut Query)| {
        let mut changed = query.clone();
        change(&mut changed);
        simpler.push(changed);
    };
    match query {
        Query::Scan { projection, predicate, order, limit, .. } => {
            for part in predicate.iter().flat_map(parts) {
                push(&|query| set_predicate(query, part.clone()));
            }
            let fewer = limit.map_or(Vec::new(), |limit| vec![None, Some(limit.min(1)), Some(limit / 2)]);
            for fewer in fewer.into_iter().filter(|fewer| fewer != limit) {
                push(&|query| {
                    if let Query::Scan { limit, .. } = query {
                        *limit = fewer
                    }
                });
            }
            for index in 0..order.len() {
                push(&|query| {
                    if let Query::Scan { order, .. } = query {
                        order.remove(index);
                    }
                });
            }
            for index in 0..projection.len() {
                push(&|query| {
                    if let Query::Scan { projection, .. } = query {
                        projection.remove(index);
                    }
                });
            }
        }
        Query::Aggregate { predicate, plan } => {
            for part in predicate.iter().flat_map(parts) {
                push(&|query| set_predicate(query, part.clone()));
            }
            for index in 0..plan.aggregates.len().saturating_mul(usize::from(plan.aggregates.len() > 1)) {
                push(&|query| {
                    if let Query::Aggregate { plan, .. } = query {
                        plan.aggregates.remove(index);
                    }
                });
            }
            for index in 0..plan.group_by.len() {
                push(&|query| {
                    if let Query::Aggregate { plan, .. } = query {
                        plan.group_by.remove(index);
                    }
                });
            }
            if plan.bucket.is_some() {
                push(&|query| {
                    if let Query::Aggregate { plan, .. } = query {
                        plan.bucket = None
                    }
                });
            }
        }
    }
    simpler
}

fn set_predicate(query: &mut Query, part: Option<Predicate>) {
    match query {
        Query::Scan { predicate, .. } | Query::Aggregate { predicate, .. } => *predicate = part,
    }
}

/// No predicate, or a part of it.
fn parts(predicate: &Predicate) -> Vec<Option<Predicate>> {
    let mut parts = vec![None];
    match predicate {
        Predicate::And(list) | Predicate::Or(list) => parts.extend(list.iter().cloned().map(Some)),
        Predicate::Not(inner) => parts.push(Some((**inner).clone())),
        _ => {}
    }
    // A part of a part, with what stands around it.
    if let Predicate::And(list) | Predicate::Or(list) = predicate
        && list.len() > 1
    {
        for index in 0..list.len() {
            let mut rest = list.clone();
            rest.remove(index);
            let same = if matches!(predicate, Predicate::And(_)) { Predicate::And } else { Predicate::Or };
            parts.push(Some(same(rest)));
        }
    }
    parts
}
