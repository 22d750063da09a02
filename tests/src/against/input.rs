//! What tiers are fed with and asked.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::DataType;
use proptest::prelude::*;
use tsds_traits::{AggregatePlan, ColumnId, Predicate, SortKey, TableSchema, TierCapabilities, Value};

use crate::data::segments::{Row, Segment, Statistics};
use crate::data::{queries, schemas, segments};

/// Enough copies of the rows to fill more than one block of any kernel, with as many rows that tie.
const COPIES: usize = 20;
/// Numbers of segments of the second cut begin here: no id is taken twice.
const SECOND_CUT: u64 = 100;
/// Segment `n` of the first cut becomes at most so many of the second.
const MOST_PIECES: u64 = 5;

/// Segments of a table, how they are cut a second time, and what is asked about both cuts.
#[derive(Clone)]
pub(super) struct Input {
    pub(super) schema: Arc<TableSchema>,
    pub(super) segments: Vec<Segment>,
    /// Into how many pieces each segment is cut at most.
    pub(super) pieces: u64,
    /// Whether a piece has rows that follow each other.
    pub(super) contiguous: bool,
    pub(super) queries: Vec<Query>,
}

impl Input {
    /// The segments, and the same rows in other segments.
    pub(super) fn cuts(&self) -> [Vec<Segment>; 2] {
        let cut = |(number, segment)| cut_up(number, segment, self.pieces, self.contiguous);
        [self.segments.clone(), (0..).zip(&self.segments).flat_map(cut).collect()]
    }

    /// Without some rows of a segment, of which some must stay.
    pub(super) fn without_rows(&self, segment: usize, rows: Range<usize>) -> Self {
        let mut smaller = self.clone();
        if let Some(segment) = smaller.segments.get_mut(segment) {
            let mut left = segment.rows.clone();
            left.drain(rows);
            *segment = with_rows(segment, left);
        }
        smaller
    }
}

/// One question.
#[derive(Clone, Debug)]
pub(super) enum Query {
    Scan {
        projection: Vec<ColumnId>,
        predicate: Option<Predicate>,
        order: Vec<SortKey>,
        limit: Option<u64>,
        batch_rows: usize,
    },
    Aggregate {
        predicate: Option<Predicate>,
        plan: AggregatePlan,
    },
}

impl Query {
    /// The same question without what not all tiers claim; `None` if nothing of it is left.
    pub(super) fn within(&self, claimed: &TierCapabilities) -> Option<Self> {
        let mut query = self.clone();
        match &mut query {
            Self::Scan { predicate, order, limit, .. } => {
                predicate.take_if(|_| !claimed.predicate);
                limit.take_if(|_| !claimed.limit);
                if !claimed.order {
                    order.clear();
                }
            }
            Self::Aggregate { .. } if !claimed.aggregate => return None,
            Self::Aggregate { predicate, .. } => {
                predicate.take_if(|_| !claimed.predicate);
            }
        }
        Some(query)
    }
}

/// Any table, up to three segments of it, any queries.
pub(super) fn inputs() -> impl Strategy<Value = Input> {
    // There are many types of integers and times, and floats are where devices differ.
    let more = [DataType::Float32, DataType::Float64].into_iter().cycle().take(6);
    schemas::any_schema_of(more.collect()).prop_flat_map(|schema| {
        let copies = prop_oneof![5 => Just(1), 1 => Just(COPIES)];
        let cut = (1..=MOST_PIECES, any::<bool>());
        let queries = proptest::collection::vec(query(&schema), 1..=4);
        (segments::segments(&schema, 3, 130), copies, cut, queries).prop_map(
            move |(segments, copies, (pieces, contiguous), queries)| {
                let segments = segments.into_iter().map(|segment| copied(segment, copies)).collect();
                Input { schema: schema.clone(), segments, pieces, contiguous, queries }
            },
        )
    })
}

/// None, one test of one column, or a nest of them, in which one wrong bit is easily lost.
fn predicate(schema: &Arc<TableSchema>) -> BoxedStrategy<Option<Predicate>> {
    let columns = proptest::sample::select(schema.columns().to_vec());
    let test = columns.prop_flat_map(|column| queries::tests_of(&column));
    prop_oneof![2 => Just(None), 3 => test.prop_map(Some), 3 => queries::predicates(schema).prop_map(Some)]
        .boxed()
}

fn query(schema: &Arc<TableSchema>) -> BoxedStrategy<Query> {
    let scan = (
        queries::projections(schema),
        predicate(schema),
        prop_oneof![Just(Vec::new()), queries::orders(schema)],
        queries::limits(130),
        proptest::sample::select(vec![1usize, 5, 64, 65_536]),
    )
        .prop_map(|(projection, predicate, order, limit, batch_rows)| Query::Scan {
            projection,
            predicate,
            order,
            limit,
            batch_rows,
        });
    let aggregate = (predicate(schema), queries::plans(schema))
        .prop_map(|(predicate, plan)| Query::Aggregate { predicate, plan });
    prop_oneof![scan, aggregate].boxed()
}

/// The segment with every row so many times.
fn copied(segment: Segment, copies: usize) -> Segment {
    if copies == 1 {
        return segment;
    }
    with_rows(&segment, (0..copies).flat_map(|_| segment.rows.iter().cloned()).collect())
}

/// The segment with other rows, as much as it may be like it.
fn with_rows(segment: &Segment, rows: Vec<Row>) -> Segment {
    let meta = &segment.meta;
    let statistics = match meta.columns.first() {
        None => Statistics::Missing,
        Some(column) if column.exact => Statistics::Exact,
        Some(_) => Statistics::Loose,
    };
    // Segment 0 owns the first thousand sequences.
    Segment::new(&segment.schema, meta.interval.upto.0 / 1_000 - 1, meta.chunk.start, rows)
        .with_layout(segment.layout, segment.batch_rows)
        .with_encoding(segment.encoding)
        .with_statistics(statistics)
}

/// The rows of segment `number` of the first cut in segments of their own. Rows of one series and time keep their order, by
/// their place in a segment or by the sequences of segments, so that `first` and `last` mean the same row.
fn cut_up(number: u64, segment: &Segment, pieces: u64, contiguous: bool) -> Vec<Segment> {
    let schema = &segment.schema;
    let key = |row: &Row| -> Vec<Option<Value>> {
        let columns = schema.series_indices().iter().copied().chain([schema.time_index()]);
        columns.map(|column| row.get(column).cloned().flatten()).collect()
    };
    let mut parts: Vec<Vec<Row>> = vec![Vec::new(); pieces as usize];
    let (mut last, mut keys) = (None, 0);
    for (place, row) in segment.rows.iter().enumerate() {
        let key = Some(key(row));
        if key != last {
            (last, keys) = (key, keys + 1);
        }
        let part = if contiguous { place * parts.len() / segment.rows.len() } else { keys % parts.len() };
        if let Some(part) = parts.get_mut(part) {
            part.push(row.clone());
        }
    }
    let numbers = SECOND_CUT + number * MOST_PIECES..;
    let day = segment.meta.chunk.start;
    let filled = parts.into_iter().filter(|rows| !rows.is_empty());
    numbers.zip(filled).map(|(number, rows)| Segment::new(schema, number, day, rows)).collect()
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.contiguous { "contiguous" } else { "interleaved" };
        writeln!(f, "the second cut has up to {} {how} pieces of each segment", self.pieces)?;
        self.segments.iter().try_for_each(|segment| write!(f, "{segment:?}"))?;
        self.queries.iter().try_for_each(|query| writeln!(f, "{query:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{ensure, ensure_same_sequence};

    #[test]
    fn both_cuts_have_the_same_rows() {
        crate::property::for_all(9, 40, &inputs(), |input| {
            let rows = |cut: &[Segment]| {
                let mut rows: Vec<Row> = cut.iter().flat_map(|segment| segment.rows.clone()).collect();
                rows.sort();
                rows
            };
            let [first, second] = &input.cuts();
            let ids = || first.iter().chain(second).map(Segment::id);
            ensure(ids().all(|id| ids().filter(|other| *other == id).count() == 1), || "ids".into())?;
            ensure_same_sequence(&rows(second), &rows(first), "rows of the second cut")
        })
        .unwrap();
    }
}
