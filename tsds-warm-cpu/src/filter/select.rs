//! Tests the rows of a group.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::{Field, Schema};
use tsds_traits::{CodecLookup, ColumnId, EncodedBlock, Error, KeySet, Result};

use super::{Filter, Survey, Term};
use crate::segment::{Body, Part};

/// Fewer rows than this between two ranges are tested along with them: a test of more rows costs less than another test.
const TEST_THROUGH_ROWS: usize = 2_048;

/// The matching rows of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// None.
    Nothing,
    /// Every row.
    Everything,
    /// Those whose bit is set: neither none nor all of them.
    Rows(BooleanBuffer),
}

impl Selection {
    /// The rows whose bit is set.
    pub(crate) fn of(bits: BooleanBuffer) -> Self {
        match bits.count_set_bits() {
            0 => Self::Nothing,
            count if count == bits.len() => Self::Everything,
            _ => Self::Rows(bits),
        }
    }

    /// The rows in `ranges`.
    fn of_ranges(ranges: &[Range<usize>], rows: usize) -> Self {
        match ranges {
            [] => Self::Nothing,
            [all] if *all == (0..rows) => Self::Everything,
            ranges => {
                let mut bits = BooleanBufferBuilder::new(rows);
                for range in ranges {
                    bits.append_n(range.start - bits.len(), false);
                    bits.append_n(range.len(), true);
                }
                bits.append_n(rows - bits.len(), false);
                Self::of(bits.finish())
            }
        }
    }

    /// How many of `rows` rows match.
    pub(crate) fn count(&self, rows: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Everything => rows,
            Self::Rows(bits) => bits.count_set_bits(),
        }
    }

    /// The first `limit` matching rows.
    #[must_use]
    pub(crate) fn first(self, limit: usize, rows: usize) -> Self {
        if limit == 0 {
            return Self::Nothing;
        }
        match self {
            Self::Everything if limit < rows => Self::of_ranges(std::slice::from_ref(&(0..limit)), rows),
            Self::Rows(bits) => match bits.set_indices().nth(limit) {
                Some(end) => {
                    let mut first = BooleanBufferBuilder::new(rows);
                    first.append_buffer(&bits.slice(0, end));
                    first.append_n(rows - end, false);
                    Self::of(first.finish())
                }
                None => Self::Rows(bits),
            },
            other => other,
        }
    }

    /// Drops the rows of `ranges` that do not pass.
    fn narrow(self, tested: Vec<(Range<usize>, BooleanBuffer)>, rows: usize) -> Self {
        if let [(all, _)] = &*tested
            && *all == (0..rows)
        {
            let Some((_, bits)) = tested.into_iter().next() else { return self };
            return match self {
                Self::Nothing => Self::Nothing,
                Self::Everything => Self::of(bits),
                Self::Rows(own) => Self::of(&own & &bits),
            };
        }
        let mut passed = BooleanBufferBuilder::new(rows);
        for (range, bits) in tested {
            passed.append_n(range.start - passed.len(), true);
            passed.append_buffer(&bits);
        }
        passed.append_n(rows - passed.len(), true);
        self.narrow(vec![(0..rows, passed.finish())], rows)
    }
}

/// The rows of a group that match. `parts` has the columns that decide, with at least the blocks that `survey` leaves open.
///
/// # Errors
///
/// `Corrupt`; what a codec says.
pub(crate) fn select(
    filter: &Filter,
    survey: &Survey,
    rows: usize,
    parts: &HashMap<ColumnId, Part>,
    codecs: &dyn CodecLookup,
) -> Result<Selection> {
    let mut selection = Selection::of_ranges(&survey.possible, rows);
    for (term, open) in filter.terms().iter().zip(&survey.open) {
        if selection == Selection::Nothing {
            break;
        }
        if open.is_empty() {
            continue;
        }
        let tested = test_ranges(term, open, rows, parts, codecs)?;
        selection = selection.narrow(tested, rows);
    }
    Ok(selection)
}

/// Tests at least the rows of `ranges`.
fn test_ranges(
    term: &Term,
    ranges: &[Range<usize>],
    rows: usize,
    parts: &HashMap<ColumnId, Part>,
    codecs: &dyn CodecLookup,
) -> Result<Vec<(Range<usize>, BooleanBuffer)>> {
    let columns = term.test.columns().iter().map(|id| part(parts, *id).map(|part| (*id, part)));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    if columns.iter().all(|(_, part)| part.whole(rows).is_some()) {
        let schema = TestSchema::default();
        let ranges = bridge(ranges).into_iter();
        return ranges.map(|range| Ok((range.clone(), evaluate(term, &schema, &columns, &range)?))).collect();
    }
    match &term.keys {
        Some((column, keys)) => {
            let part = part(parts, *column)?;
            let mut tested = Vec::new();
            for range in ranges {
                test_pieces(term, (*column, part), keys, range, codecs, &mut tested)?;
            }
            Ok(tested)
        }
        None => {
            let schema = TestSchema::default();
            ranges
                .iter()
                .map(|range| Ok((range.clone(), evaluate(term, &schema, &columns, range)?)))
                .collect()
        }
    }
}

fn part(parts: &HashMap<ColumnId, Part>, id: ColumnId) -> Result<&Part> {
    parts.get(&id).ok_or_else(|| Error::internal("a column that decides was not loaded").with("column", id))
}

/// Ranges with the small gaps between them closed.
fn bridge(ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut bridged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match bridged.last_mut() {
            Some(last) if range.start - last.end < TEST_THROUGH_ROWS => last.end = range.end,
            _ => bridged.push(range.clone()),
        }
    }
    bridged
}

/// Tests piece by piece, encoded ones without decoding them where their codec can do that.
fn test_pieces(
    term: &Term,
    column: (ColumnId, &Part),
    keys: &KeySet,
    range: &Range<usize>,
    codecs: &dyn CodecLookup,
    tested: &mut Vec<(Range<usize>, BooleanBuffer)>,
) -> Result<()> {
    let schema = TestSchema::default();
    for piece in column.1.overlapping(range) {
        let rows = piece.rows.start.max(range.start)..piece.rows.end.min(range.end);
        let bits = match &piece.body {
            Body::Encoded(block) => match filter_encoded(block, keys, codecs)? {
                Some(bits) => bits.slice(rows.start - piece.rows.start, rows.len()),
                None => evaluate(term, &schema, &[column], &rows)?,
            },
            Body::Values(_) => evaluate(term, &schema, &[column], &rows)?,
        };
        tested.push((rows, bits));
    }
    Ok(())
}

/// `None` where the codec does not filter.
fn filter_encoded(
    block: &EncodedBlock,
    keys: &KeySet,
    codecs: &dyn CodecLookup,
) -> Result<Option<BooleanBuffer>> {
    let layout = &block.layout;
    let codec = codecs.codec(&layout.codec)?;
    if !codec.capabilities().filter {
        return Ok(None);
    }
    let rows = layout.rows as usize;
    let bits = codec
        .filter(layout.version, &block.bytes, rows, &layout.data_type, keys)
        .map_err(|error| error.in_plugin(codec.id()))?;
    if bits.len() == rows {
        return Ok(Some(bits));
    }
    Err(Error::internal("codec filtered another number of rows than asked for")
        .with("rows", rows)
        .with("filtered", bits.len())
        .in_plugin(codec.id()))
}

/// The schema of the batches that one condition is tested on, made once.
#[derive(Default)]
struct TestSchema(std::cell::OnceCell<Arc<Schema>>);

impl TestSchema {
    fn of(&self, arrays: &[ArrayRef]) -> Arc<Schema> {
        let make = || {
            let fields = arrays.iter().map(|array| Field::new("", array.data_type().clone(), true));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        };
        Arc::clone(self.0.get_or_init(make))
    }
}

fn evaluate(
    term: &Term,
    schema: &TestSchema,
    columns: &[(ColumnId, &Part)],
    rows: &Range<usize>,
) -> Result<BooleanBuffer> {
    let arrays = columns.iter().map(|(_, part)| part.slice(rows)).collect::<Result<Vec<_>>>()?;
    let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch = RecordBatch::try_new_with_options(schema.of(&arrays), arrays, &options)?;
    term.test.evaluate(&ids, &batch)
}
