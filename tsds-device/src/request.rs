//! What every tier over residents checks of a request.

use tsds_traits::{ColumnId, Error, Result, SegmentHandle, TableSchema};

/// Refuses segments that are not of the request's schema version.
///
/// # Errors
///
/// `InvalidInput`.
pub fn check_segments(schema: &TableSchema, segments: &[SegmentHandle]) -> Result<()> {
    let fits = |meta: &tsds_traits::SegmentMeta| {
        meta.table == schema.table() && meta.schema_version == schema.version()
    };
    match segments.iter().find(|segment| !fits(&segment.meta)) {
        None => Ok(()),
        Some(other) => {
            Err(Error::invalid_input("segment is of another table or schema version than the request")
                .with("segment", other.meta.id)
                .with("schema_version", other.meta.schema_version)
                .with("requested", schema.version()))
        }
    }
}

/// Every column once, in order of first occurrence.
pub fn distinct(columns: impl IntoIterator<Item = ColumnId>) -> Vec<ColumnId> {
    let mut distinct = Vec::new();
    for column in columns {
        if !distinct.contains(&column) {
            distinct.push(column);
        }
    }
    distinct
}
