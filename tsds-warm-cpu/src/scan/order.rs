//! Orders within a segment.

use std::sync::Arc;

use arrow_schema::Schema;
use tsds_compute::SortedBatches;
use tsds_traits::{ColumnId, Result, SegmentMeta, SortKey, TableSchema};

use crate::read::GroupRows;

/// Whether rows are stored in this order already, so that nothing needs to be sorted: what is left of it without columns
/// that have one value only begins like the storage order without those. Equal rows come in storage order in any case.
pub(crate) fn is_stored(order: &[SortKey], schema: &TableSchema, meta: &SegmentMeta) -> bool {
    let series = |column: ColumnId| {
        let index = schema.index_of(column);
        index.is_some_and(|index| schema.series_indices().contains(&index))
    };
    let varies = |column: &ColumnId| !(is_constant(*column, meta) || meta.series == 1 && series(*column));
    let mut stored = schema.sort_columns().into_iter().filter(varies);
    let mut seen = Vec::with_capacity(order.len());
    for key in order.iter().filter(|key| varies(&key.column)) {
        // A column that comes again decides nothing.
        if seen.contains(&key.column) {
            continue;
        }
        seen.push(key.column);
        // What stands after the last storage column would have to order rows that are equal in all of them.
        if stored.next() != Some(key.column) || key.descending {
            return false;
        }
        let has_nulls = meta.stats(key.column).is_none_or(|stats| stats.null_count > 0);
        let never_null = schema.column(key.column).is_some_and(|column| !column.nullable);
        if has_nulls && !never_null && !key.nulls_first {
            return false;
        }
    }
    true
}

/// Whether every row has the same value, for certain.
fn is_constant(column: ColumnId, meta: &SegmentMeta) -> bool {
    meta.stats(column).is_some_and(|stats| {
        stats.null_count == meta.rows
            || (stats.null_count == 0
                && !stats.has_nan
                && stats.exact
                && stats.min.is_some()
                && stats.min == stats.max)
    })
}

/// Sorts the rows of consecutive groups of a segment and keeps the first `limit`.
///
/// # Errors
///
/// As [`SortedBatches::new`].
pub(crate) fn sort(
    groups: Vec<GroupRows>,
    columns: &[ColumnId],
    order: &[SortKey],
    limit: Option<u64>,
) -> Result<SortedBatches> {
    let batches = groups.iter().map(GroupRows::batch).collect::<Result<Vec<_>>>()?;
    drop(groups);
    let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), |batch| batch.schema());
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    SortedBatches::new(&schema, columns, batches, order, limit)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};
    use tsds_traits::{Column, ColumnStats, SchemaVersion, TableId, Value};

    use super::*;
    use crate::segment::tests::meta;

    fn schema() -> TableSchema {
        let column = |id, name: &str, data_type, nullable| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type,
            nullable,
        };
        let columns = vec![
            column(1, "time", DataType::Timestamp(TimeUnit::Second, None), false),
            column(2, "host", DataType::Utf8, true),
            column(3, "value", DataType::Int64, true),
        ];
        TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[ColumnId(2)]).unwrap()
    }

    fn by(column: u32, descending: bool, nulls_first: bool) -> SortKey {
        SortKey { column: ColumnId(column), descending, nulls_first }
    }

    fn host_stats(null_count: u64, min: &str, max: &str, exact: bool) -> SegmentMeta {
        let text = |text: &str| Some(Value::Text(text.into()));
        let stats = ColumnStats {
            column: ColumnId(2),
            null_count,
            has_nan: false,
            min: text(min),
            max: text(max),
            exact,
        };
        SegmentMeta { columns: vec![stats], series: 2, ..meta(10) }
    }

    fn stored(order: &[SortKey], meta: &SegmentMeta) -> bool {
        is_stored(order, &schema(), meta)
    }

    #[test]
    fn the_storage_order_and_its_beginnings_need_no_sort() {
        let meta = host_stats(0, "a", "b", true);
        assert!(stored(&[], &meta));
        assert!(stored(&[by(2, false, false)], &meta));
        assert!(stored(&[by(2, false, true), by(2, true, true), by(1, false, false)], &meta));
        assert!(!stored(&[by(2, true, true)], &meta));
        assert!(!stored(&[by(1, false, true)], &meta));
        assert!(!stored(&[by(2, false, true), by(1, false, true), by(3, false, true)], &meta));
    }

    #[test]
    fn nulls_must_come_where_they_are_stored() {
        let some = host_stats(1, "a", "b", true);
        assert!(stored(&[by(2, false, true)], &some));
        assert!(!stored(&[by(2, false, false)], &some));
    }

    #[test]
    fn a_column_of_one_value_orders_nothing() {
        let one = host_stats(0, "a", "a", true);
        assert!(stored(&[by(1, false, true)], &one));
        assert!(stored(&[by(2, true, true), by(1, false, true)], &one));
        assert!(!stored(&[by(1, false, true)], &host_stats(0, "a", "a", false)));
        assert!(!stored(&[by(1, false, true)], &host_stats(1, "a", "a", true)));
        assert!(stored(&[by(1, false, true)], &host_stats(10, "a", "a", true)));
    }

    #[test]
    fn an_unknown_column_may_have_nulls() {
        let unknown = SegmentMeta { series: 2, ..meta(10) };
        assert!(!stored(&[by(2, false, false)], &unknown));
        assert!(stored(&[by(2, false, true)], &unknown));
    }

    #[test]
    fn a_segment_of_one_series_is_stored_by_time() {
        assert!(stored(&[by(1, false, false)], &meta(10)));
        assert!(stored(&[by(2, true, false), by(1, false, false)], &meta(10)));
        assert!(!stored(&[by(1, true, false)], &meta(10)));
    }
}
