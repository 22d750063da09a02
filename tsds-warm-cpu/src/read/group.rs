//! Reads one group: finds its matching rows and gathers them.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;
use tsds_compute::Verdict;
use tsds_traits::{CodecLookup, ColumnId, Error, ReadMeter, Result, SegmentMeta, World};

use super::gather::{GroupRows, gather};
use super::top::{Bound, Top, first_rows};
use crate::filter::{Filter, Selection, Survey, Term, select, survey};
use crate::segment::{Group, Part, Segment};
use tsds_device::residency::Stop;

/// So many rows are decoded for one visit: few enough that what comes out is still in the processor's cache when it is read.
const DECODED_ROWS: usize = 16_384;

/// What is wanted of every group of a request.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) filter: Filter,
    /// The columns to gather, each once.
    pub(crate) columns: Vec<ColumnId>,
    /// Only the first rows in this order are of interest.
    pub(crate) top: Option<Top>,
}

impl Wanted {
    /// Every column that is read, each once.
    fn needed(&self) -> BTreeSet<ColumnId> {
        let deciding = self.filter.columns().into_iter().chain(self.top.iter().flat_map(Top::columns));
        deciding.chain(self.columns.iter().copied()).collect()
    }

    /// The same, of rows that also meet this condition.
    #[must_use]
    pub(crate) fn with_term(&self, term: &Term) -> Self {
        Self { filter: self.filter.with_term(term), columns: self.columns.clone(), top: self.top.clone() }
    }
}

/// Reads one group of a segment.
#[derive(Clone, Debug)]
pub(crate) struct GroupReader {
    pub(crate) world: World,
    pub(crate) codecs: Arc<dyn CodecLookup>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) meter: ReadMeter,
    pub(crate) segment: Segment,
    pub(crate) group: Group,
    /// Shared by the groups of a segment whose first rows are wanted.
    pub(crate) bound: Option<Arc<Bound>>,
}

impl GroupReader {
    /// Finds the rows of the group that are wanted, at most `limit`, and gives them to `then`, on the blocking pool. `None` if
    /// there are none.
    ///
    /// # Errors
    ///
    /// `Corrupt`; `Closed` if nobody waits any more; as for I/O.
    pub(crate) async fn read<T: Send + 'static>(
        self,
        wanted: &Arc<Wanted>,
        limit: Option<u64>,
        then: impl FnOnce(Matches<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let rows = self.group.len();
        let stats = |column| self.segment.group_stats(column, self.group.index);
        if wanted.filter.verdict(&stats, rows as u64) == Verdict::None {
            self.meter.blocks_skipped(self.blocks(wanted));
            return Ok(None);
        }
        match &self.segment {
            Segment::Memory(_) => self.read_memory(Arc::clone(wanted), limit, then).await,
            Segment::File(_) => self.read_file(wanted, limit, then).await,
        }
    }

    /// Everything is at hand: one job.
    async fn read_memory<T: Send + 'static>(
        self,
        wanted: Arc<Wanted>,
        limit: Option<u64>,
        then: impl FnOnce(Matches<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let executor = Arc::clone(&self.world.executor);
        let job = move || {
            self.stop.check()?;
            let Segment::Memory(segment) = &self.segment else { return Ok(None) };
            let survey = survey(&wanted.filter, &self.segment, &self.group);
            self.count_possible(&wanted, &survey);
            let mut parts = HashMap::new();
            for column in wanted.needed() {
                parts.insert(column, segment.part(column, self.group.index)?);
            }
            let selection = self.select(&wanted, &survey, &parts, limit)?;
            self.matches(&wanted, &selection, &parts).map(then).transpose()
        };
        (*executor).blocking(job).await
    }

    /// Columns that decide are read first, and of the others only blocks with matches.
    async fn read_file<T: Send + 'static>(
        self,
        wanted: &Arc<Wanted>,
        limit: Option<u64>,
        then: impl FnOnce(Matches<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let survey = survey(&wanted.filter, &self.segment, &self.group);
        if survey.possible.is_empty() {
            self.meter.blocks_skipped(self.blocks(wanted));
            return Ok(None);
        }
        let (mut parts, mut loaded) = (HashMap::new(), 0);
        for (column, rows) in deciding(wanted, &survey) {
            parts.insert(column, self.load(column, &rows, &mut loaded).await?);
        }
        let (reader, request) = (self.clone(), Arc::clone(wanted));
        let found = move || {
            reader.stop.check()?;
            let prepared = parts.into_iter().map(|(id, part)| Ok((id, part.prepared(&*reader.codecs)?)));
            let parts: HashMap<_, _> = prepared.collect::<Result<_>>()?;
            let selection = reader.select(&request, &survey, &parts, limit)?;
            Ok((selection, parts))
        };
        let (selection, mut parts) = (*self.world.executor).blocking(found).await?;
        let blocks = self.matching_blocks(&selection, usize::MAX);
        if blocks.is_empty() {
            self.meter.blocks_skipped(self.blocks(wanted).saturating_sub(loaded));
            return Ok(None);
        }
        for column in &wanted.columns {
            let missing = match parts.get(column) {
                Some(part) => part.missing(&blocks),
                None => blocks.clone(),
            };
            if missing.is_empty() {
                continue;
            }
            let more = self.load(*column, &missing, &mut loaded).await?;
            let part = parts.get(column).map_or_else(|| more.clone(), |part| part.with(&more));
            parts.insert(*column, part);
        }
        self.meter.blocks_skipped(self.blocks(wanted).saturating_sub(loaded));
        let (executor, request) = (Arc::clone(&self.world.executor), Arc::clone(wanted));
        let job = move || {
            self.stop.check()?;
            self.matches(&request, &selection, &parts).map(then).transpose()
        };
        (*executor).blocking(job).await
    }

    /// Loads blocks of a column, and adds to `loaded` how many.
    async fn load(&self, column: ColumnId, rows: &[Range<usize>], loaded: &mut u64) -> Result<Part> {
        let part = self.segment.load(column, &self.group, rows, &self.meter).await?;
        *loaded += part.pieces().len() as u64;
        Ok(part)
    }

    /// How many blocks the columns of a request have in the group.
    fn blocks(&self, wanted: &Wanted) -> u64 {
        (wanted.needed().len() * self.group.blocks.len()) as u64
    }

    /// Counts blocks that are at hand, by what statistics leave of them.
    fn count_possible(&self, wanted: &Wanted, survey: &Survey) {
        if !self.meter.is_counting() {
            return;
        }
        let possible = self.group.blocks.clone().filter(|block| {
            let rows = self.segment.cuts().block_in(&self.group, *block);
            survey.possible.iter().any(|range| range.start < rows.end && rows.start < range.end)
        });
        let read = (possible.count() * wanted.needed().len()) as u64;
        self.meter.blocks_read(read);
        self.meter.blocks_skipped(self.blocks(wanted).saturating_sub(read));
    }

    fn select(
        &self,
        wanted: &Wanted,
        survey: &Survey,
        parts: &HashMap<ColumnId, Part>,
        limit: Option<u64>,
    ) -> Result<Selection> {
        let rows = self.group.len();
        let at_most = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let selection = select(&wanted.filter, survey, rows, parts, &*self.codecs)?;
        let selection = match (&wanted.top, &self.bound) {
            (Some(top), Some(bound)) if selection.count(rows) > top.limit => {
                first_rows(selection, &self.segment, &self.group, parts, top, bound)?
            }
            _ => selection,
        };
        Ok(match limit {
            Some(limit) => selection.first(at_most(limit), rows),
            None => selection,
        })
    }

    fn matches<'a>(
        &'a self,
        wanted: &'a Wanted,
        selection: &'a Selection,
        parts: &'a HashMap<ColumnId, Part>,
    ) -> Option<Matches<'a>> {
        let any = *selection != Selection::Nothing;
        any.then_some(Matches { reader: self, columns: &wanted.columns, selection, parts })
    }

    /// The blocks that hold a selected row, as ranges of rows relative to the group: neighbours are one range, as long as that
    /// has not more than `most` rows.
    fn matching_blocks(&self, selection: &Selection, most: usize) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for block in self.group.blocks.clone() {
            let rows = self.segment.cuts().block_in(&self.group, block);
            let matches = match selection {
                Selection::Nothing => false,
                Selection::Everything => true,
                Selection::Rows(bits) => bits.slice(rows.start, rows.len()).set_indices().next().is_some(),
            };
            match ranges.last_mut() {
                _ if !matches => {}
                Some(last) if last.end == rows.start && rows.end - last.start <= most => last.end = rows.end,
                _ => ranges.push(rows),
            }
        }
        ranges
    }
}

/// The rows of a group that are wanted; at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matches<'a> {
    reader: &'a GroupReader,
    columns: &'a [ColumnId],
    selection: &'a Selection,
    parts: &'a HashMap<ColumnId, Part>,
}

impl Matches<'_> {
    /// The segment's metadata.
    pub(crate) fn meta(&self) -> &SegmentMeta {
        self.reader.segment.meta()
    }

    /// The rows alone, with the columns of [`Wanted::columns`].
    ///
    /// # Errors
    ///
    /// `Corrupt`; what a codec says.
    pub(crate) fn gather(&self) -> Result<GroupRows> {
        gather(self.columns, self.selection, self.parts, self.reader.group.len())
    }

    /// Calls `visit` with the rows as they are stored, in one or more stretches: the number of a stretch's first row in the
    /// segment, its columns, and which of its rows are meant, unless all are.
    ///
    /// # Errors
    ///
    /// `Corrupt`; what a codec says; what `visit` returns.
    pub(crate) fn visit(
        &self,
        mut visit: impl FnMut(u64, &RecordBatch, Option<&BooleanBuffer>) -> Result<()>,
    ) -> Result<()> {
        let group = &self.reader.group;
        let at_hand =
            |column: &ColumnId| self.parts.get(column).is_some_and(|part| part.whole(group.len()).is_some());
        let mut stretches = self.reader.matching_blocks(self.selection, DECODED_ROWS);
        if self.columns.iter().all(at_hand)
            && let (Some(first), Some(last)) = (stretches.first(), stretches.last())
        {
            let hull = first.start..last.end;
            stretches.truncate(1);
            stretches.fill(hull);
        }
        for rows in stretches {
            let part = |column| {
                let missing = || Error::internal("a column was not loaded").with("column", column);
                self.parts.get(column).ok_or_else(missing)?.slice(&rows)
            };
            let arrays = self.columns.iter().map(part).collect::<Result<Vec<_>>>()?;
            let batch = GroupRows { columns: arrays, rows: rows.len() }.batch()?;
            let mask = match self.selection {
                Selection::Rows(bits) => Some(bits.slice(rows.start, rows.len())),
                _ => None,
            };
            visit(group.rows.start + rows.start as u64, &batch, mask.as_ref())?;
        }
        Ok(())
    }
}

/// The columns that decide which rows are wanted, and the rows for which each does.
fn deciding(wanted: &Wanted, survey: &Survey) -> HashMap<ColumnId, Vec<Range<usize>>> {
    let mut deciding: HashMap<ColumnId, Vec<Range<usize>>> = HashMap::new();
    for (term, open) in wanted.filter.terms().iter().zip(&survey.open) {
        for column in term.test.columns().iter().filter(|_| !open.is_empty()) {
            let rows = deciding.entry(*column).or_default();
            // Two conditions may need different blocks of one column.
            *rows = union(rows, open);
        }
    }
    for column in wanted.top.iter().flat_map(Top::columns) {
        deciding.insert(column, survey.possible.clone());
    }
    deciding
}

fn union(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = a.iter().chain(b).cloned().collect();
    all.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(all.len());
    for range in all {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        assert_eq!(union(&[0..10, 30..40], &[5..12, 12..20, 50..60]), [0..20, 30..40, 50..60]);
        let one = std::slice::from_ref(&(3..4)).to_vec();
        assert_eq!(union(&[], &one), one);
    }
}
