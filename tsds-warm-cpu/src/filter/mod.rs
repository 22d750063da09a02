//! Which blocks and rows of a group match.

mod select;
mod survey;

use tsds_compute::{CompiledPredicate, Verdict};
use tsds_traits::{ColumnId, ColumnStats, KeySet, Predicate, Result, TableSchema};

pub(crate) use select::{Selection, select};
pub(crate) use survey::{Survey, survey};

/// A predicate as conditions that must all hold. What concerns one column is one condition, so that a range is tested in
/// one pass, and so that columns of later conditions are only read where the earlier ones hold.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    terms: Vec<Term>,
}

/// One condition.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) test: CompiledPredicate,
    /// The column and the keys of its matches, where that is all there is to it.
    pub(crate) keys: Option<(ColumnId, KeySet)>,
}

impl Filter {
    /// Checks a predicate and takes it apart.
    ///
    /// # Errors
    ///
    /// As [`CompiledPredicate::new`].
    pub(crate) fn new(predicate: Option<&Predicate>, schema: &TableSchema) -> Result<Self> {
        let mut by_column: Vec<(ColumnId, Vec<Predicate>)> = Vec::new();
        let mut rest = Vec::new();
        for part in predicate.map(conjuncts).unwrap_or_default() {
            match *part.columns() {
                [column] => match by_column.iter_mut().find(|(own, _)| *own == column) {
                    Some((_, parts)) => parts.push(part.clone()),
                    None => by_column.push((column, vec![part.clone()])),
                },
                _ => rest.push(vec![part.clone()]),
            }
        }
        let terms = by_column.into_iter().map(|(_, parts)| parts).chain(rest);
        let mut terms = terms.map(|parts| Term::new(parts, schema)).collect::<Result<Vec<_>>>()?;
        // A comparison of keys is the cheapest test. The sort is stable: the user's order decides among the others.
        terms.sort_by_key(|term| term.keys.as_ref().map_or(usize::MAX, |(_, keys)| keys.ranges().len()));
        Ok(Self { terms })
    }

    /// The same with one more condition.
    #[must_use]
    pub(crate) fn with_term(&self, term: &Term) -> Self {
        Self { terms: self.terms.iter().chain([term]).cloned().collect() }
    }

    pub(crate) fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The columns that decide, each once.
    pub(crate) fn columns(&self) -> Vec<ColumnId> {
        let mut columns: Vec<_> = self.terms.iter().flat_map(|term| term.test.columns()).copied().collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// What statistics say of some rows.
    pub(crate) fn verdict<'a>(
        &self,
        stats: &dyn Fn(ColumnId) -> Option<&'a ColumnStats>,
        rows: u64,
    ) -> Verdict {
        let mut verdict = Verdict::All;
        for term in &self.terms {
            match term.test.verdict(stats, rows) {
                Verdict::None => return Verdict::None,
                Verdict::Some => verdict = Verdict::Some,
                Verdict::All => {}
            }
        }
        verdict
    }
}

impl Term {
    /// Conditions that must all hold, as one.
    ///
    /// # Errors
    ///
    /// As [`CompiledPredicate::new`].
    pub(crate) fn new(mut parts: Vec<Predicate>, schema: &TableSchema) -> Result<Self> {
        let predicate = if parts.len() == 1 { parts.remove(0) } else { Predicate::And(parts) };
        let test = CompiledPredicate::new(&predicate, schema)?;
        let keys = match test.test() {
            tsds_compute::predicate::Test::Keys(column, keys) => Some((*column, keys.clone())),
            _ => None,
        };
        Ok(Self { test, keys })
    }
}

/// The parts of which every one must be true.
fn conjuncts(predicate: &Predicate) -> Vec<&Predicate> {
    match predicate {
        Predicate::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}
