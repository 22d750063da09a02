//! What a segment's metadata say must be what its blocks add up to.

use tsds_traits::{ColumnStats, Error, Result, SegmentMeta, TableSchema, Value, ValueClass};

use super::ColumnIndex;

/// Compares a segment's metadata with the statistics of its blocks.
///
/// # Errors
///
/// `Corrupt`, naming the first difference.
pub(crate) fn check_totals(meta: &SegmentMeta, schema: &TableSchema, columns: &[ColumnIndex]) -> Result<()> {
    let wrong = |what: &str| Error::corrupt(format!("segment metadata do not describe its rows: {what}"));
    meta.validate()?;
    if (meta.table, meta.schema_version) != (schema.table(), schema.version()) {
        return Err(wrong("another table or schema version"));
    }
    if columns.len() != schema.columns().len() {
        return Err(wrong("other columns"));
    }
    let mut known = meta.columns.iter().peekable();
    for (column, index) in schema.columns().iter().zip(columns) {
        if let Some(stats) = known.next_if(|stats| stats.column == column.id) {
            check_column(stats, ValueClass::of(&column.data_type), index)
                .map_err(|what| wrong(what).with("column", column.id))?;
        }
    }
    if let Some(stats) = known.next() {
        return Err(wrong("a column that is unknown or out of order").with("column", stats.column));
    }
    let times =
        || columns.get(schema.time_index()).into_iter().flat_map(|index| &index.blocks).map(|b| &b.stats);
    let earliest = times().filter_map(|stats| stats.min.clone()).min();
    let latest = times().filter_map(|stats| stats.max.clone()).max();
    let range = (Some(Value::Int(meta.time_range.0)), Some(Value::Int(meta.time_range.1)));
    let known = |stats: &ColumnStats| stats.exact && stats.min.is_some() && stats.max.is_some();
    match times().all(known) && (earliest, latest) == range {
        true => Ok(()),
        false => Err(wrong("another time range")),
    }
}

fn check_column(
    stats: &ColumnStats,
    class: Option<ValueClass>,
    index: &ColumnIndex,
) -> Result<(), &'static str> {
    let blocks = || index.blocks.iter().map(|block| &block.stats);
    if blocks().map(|block| block.null_count).sum::<u64>() != stats.null_count {
        return Err("another number of nulls");
    }
    if blocks().any(|block| block.has_nan) != stats.has_nan {
        return Err("other NaNs");
    }
    if [&stats.min, &stats.max].into_iter().flatten().any(|bound| Some(bound.class()) != class) {
        return Err("bounds of another type");
    }
    // Bounds that need not occur can lie any distance away: only those that occur can contradict the metadata.
    let occurring = || blocks().filter(|block| block.exact);
    let min = occurring().filter_map(|block| block.min.as_ref()).min();
    let max = occurring().filter_map(|block| block.max.as_ref()).max();
    let contained = stats.min.as_ref().is_none_or(|bound| min.is_none_or(|min| bound <= min))
        && stats.max.as_ref().is_none_or(|bound| max.is_none_or(|max| max <= bound));
    // What occurs in the segment occurs in a block, which shows where every block says what occurs in it.
    let all_known = index.blocks.iter().all(|block| {
        let (stats, empty) = (&block.stats, block.stats.null_count >= u64::from(block.rows));
        empty || (stats.exact && stats.min.is_some() && stats.max.is_some())
    });
    let same = !(stats.exact && all_known)
        || (stats.min.as_ref().is_none_or(|bound| Some(bound) == min)
            && stats.max.as_ref().is_none_or(|bound| Some(bound) == max));
    if contained && same { Ok(()) } else { Err("other bounds") }
}
