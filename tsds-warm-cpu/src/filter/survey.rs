//! What statistics leave to be tested.

use std::ops::Range;

use tsds_compute::Verdict;

use super::Filter;
use crate::segment::{Group, Segment};

/// Which rows of a group can match, and which conditions must be tested where. Ranges are of whole blocks, ascend, and are
/// relative to the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The rows that can match.
    pub(crate) possible: Vec<Range<usize>>,
    /// For each condition the possible rows of which statistics do not prove it.
    pub(crate) open: Vec<Vec<Range<usize>>>,
}

/// Judges the blocks of a group by their statistics. No I/O.
pub(crate) fn survey(filter: &Filter, segment: &Segment, group: &Group) -> Survey {
    let terms = filter.terms();
    let mut survey = Survey { possible: Vec::new(), open: vec![Vec::new(); terms.len()] };
    if terms.is_empty() {
        survey.possible.push(0..group.len());
        return survey;
    }
    let mut verdicts = Vec::with_capacity(terms.len());
    for block in group.blocks.clone() {
        let rows = segment.cuts().block_in(group, block);
        verdicts.clear();
        for term in terms {
            let stats = |column| segment.block_stats(column, block);
            verdicts.push(term.test.verdict(&stats, rows.len() as u64));
            if verdicts.last() == Some(&Verdict::None) {
                break;
            }
        }
        if verdicts.last() == Some(&Verdict::None) {
            continue;
        }
        push(&mut survey.possible, rows.clone());
        for (open, verdict) in survey.open.iter_mut().zip(&verdicts) {
            if *verdict == Verdict::Some {
                push(open, rows.clone());
            }
        }
    }
    survey
}

fn push(ranges: &mut Vec<Range<usize>>, rows: Range<usize>) {
    match ranges.last_mut() {
        Some(last) if last.end == rows.start => last.end = rows.end,
        _ => ranges.push(rows),
    }
}
