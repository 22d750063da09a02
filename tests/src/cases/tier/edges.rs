//! Segments with every edge value of every type.

use std::sync::Arc;

use tsds_traits::{Put, SegmentHandle, TableSchema, Tier, Value};

use super::bench::put;
use crate::CaseResult;
use crate::data::arrays::value_of;
use crate::data::edges::{edge_cells, narrow_types};
use crate::data::schemas;
use crate::data::segments::{Row, Segment};
use crate::outcome::ensure;

/// A segment in which each column has each of its edge values, and nulls.
fn edge_segment(schema: &Arc<TableSchema>, number: u64) -> Segment {
    let of_column = |column: &tsds_traits::Column| -> Vec<Option<Value>> {
        let edges = edge_cells(&column.data_type);
        edges.iter().map(|cell| value_of(&column.data_type, cell)).chain([None]).collect()
    };
    let columns: Vec<Vec<Option<Value>>> = schema.columns().iter().map(of_column).collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0) * 2;
    let value = |index: usize, row: usize| match &columns[index] {
        _ if index == schema.time_index() => Some(Value::Int(row as i64 * 7_919)),
        // Series columns repeat, so that there are ties.
        values if schema.series_indices().contains(&index) => values[row % 3].clone(),
        values => values[row % values.len()].clone(),
    };
    let row = |row: usize| -> Row { (0..columns.len()).map(|index| value(index, row)).collect() };
    Segment::new(schema, number, 0, (0..rows).map(row).collect())
}

/// Stores every edge value of every type, each segment as `prepare` wants it: in one segment if the tier takes it, and in one for
/// each type that this one lacks, as far as the tier takes it; else in one for each type that it takes.
pub(super) async fn store_edges(
    tier: &Arc<dyn Tier>,
    prepare: impl Fn(Segment) -> Segment,
) -> CaseResult<Vec<(Segment, SegmentHandle)>> {
    let whole = prepare(edge_segment(&schemas::every_type()?, 0));
    let mut taken = Vec::new();
    if let Put::Stored(stored) = put(tier, &whole).await? {
        let handle = whole.handle(&stored.record);
        taken.push((whole, handle));
    }
    let has_whole = !taken.is_empty();
    let narrow = narrow_types();
    for (number, schema) in (1..).zip(schemas::each_type()?) {
        let covered = schema.columns().iter().all(|column| narrow.contains(&column.data_type));
        if has_whole && covered {
            continue;
        }
        let segment = prepare(edge_segment(&schema, number));
        if let Put::Stored(stored) = put(tier, &segment).await? {
            let handle = segment.handle(&stored.record);
            taken.push((segment, handle));
        }
    }
    ensure(has_whole || taken.len() >= 10, || {
        format!("the tier takes only {} types of columns", taken.len())
    })?;
    Ok(taken)
}
