//! About what rows take, before any of them is read.

use std::collections::HashMap;

use arrow_schema::DataType;
use tsds_traits::{Column, ColumnId, ColumnStats, SegmentMeta, TableSchema, Value};

/// What a text is taken for whose bounds are not known.
const UNKNOWN_TEXT: u64 = 64;

/// About how many bytes some columns of a segment take in memory. Metadata says what all columns take together: where widths are
/// fixed, each column's part is known; what is left belongs to long text and payload, and is counted whole as soon as one such
/// column is wanted. So it is rather too much than too little.
pub fn expected_bytes(meta: &SegmentMeta, schema: &TableSchema, wanted: &[ColumnId]) -> u64 {
    Parts::of(meta, schema).wanted(meta, wanted)
}

/// As [`expected_bytes`], of long text and payload alone: rows of which can be of any size, whatever they are on an average.
pub fn expected_long_bytes(meta: &SegmentMeta, schema: &TableSchema, wanted: &[ColumnId]) -> u64 {
    let parts = Parts::of(meta, schema);
    let is_wanted = parts.kinds.iter().any(|(id, kind)| matches!(kind, Kind::Open) && wanted.contains(id));
    if is_wanted { parts.rest(meta) } else { 0 }
}

/// The columns of a segment.
struct Parts {
    kinds: Vec<(ColumnId, Kind)>,
}

impl Parts {
    fn of(meta: &SegmentMeta, schema: &TableSchema) -> Self {
        let stats: HashMap<ColumnId, &ColumnStats> =
            meta.columns.iter().map(|stats| (stats.column, stats)).collect();
        let kinds = schema.columns().iter().enumerate().map(|(index, column)| {
            let is_series = schema.series_indices().contains(&index);
            (column.id, Kind::of(column, is_series, meta, stats.get(&column.id).copied()))
        });
        Self { kinds: kinds.collect() }
    }

    /// What is left of the bytes of all columns.
    fn rest(&self, meta: &SegmentMeta) -> u64 {
        let fixed: u64 = self.kinds.iter().map(|(_, kind)| kind.fixed_bytes(meta.rows)).sum();
        meta.plain_bytes.saturating_sub(fixed)
    }

    fn wanted(&self, meta: &SegmentMeta, wanted: &[ColumnId]) -> u64 {
        let rest = self.rest(meta);
        let own: Vec<Kind> =
            self.kinds.iter().filter(|(id, _)| wanted.contains(id)).map(|(_, kind)| *kind).collect();
        let fixed: u64 = own.iter().map(|kind| kind.fixed_bytes(meta.rows)).sum();
        if own.iter().any(|kind| matches!(kind, Kind::Open)) {
            return fixed + rest;
        }
        let text = |sum: u64, kind: &Kind| sum.saturating_add(kind.text_bytes(meta.rows));
        let own = own.iter().fold(0, text);
        if self.kinds.iter().any(|(_, kind)| matches!(kind, Kind::Open)) {
            return fixed + own.min(rest);
        }
        let all = self.kinds.iter().map(|(_, kind)| kind).fold(0, text);
        let share = u128::from(rest) * u128::from(own) / u128::from(all.max(1));
        fixed + u64::try_from(share).unwrap_or(rest)
    }
}

/// How a column takes memory.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// So many bits in every row.
    Fixed(u64),
    /// Codes, or text that repeats, of about so many bytes each.
    Text(u64),
    /// Any number of bytes.
    Open,
}

impl Kind {
    fn of(column: &Column, is_series: bool, meta: &SegmentMeta, stats: Option<&ColumnStats>) -> Self {
        let validity = u64::from(stats.is_none_or(|stats| stats.null_count > 0));
        if let Some(bits) = fixed_bits(&column.data_type) {
            return Self::Fixed(bits + validity);
        }
        if stats.is_some_and(|stats| stats.null_count == meta.rows) {
            return Self::Text(0);
        }
        let is_text = matches!(column.data_type, DataType::Utf8);
        let is_coded = matches!(column.data_type, DataType::Dictionary(_, _));
        if !(is_coded || is_text && is_series) {
            return Self::Open;
        }
        let bounds = stats.and_then(|stats| stats.min.as_ref().zip(stats.max.as_ref()));
        let longest = bounds.and_then(|bounds| match bounds {
            (Value::Text(min), Value::Text(max)) => Some(min.len().max(max.len()) as u64),
            _ => None,
        });
        // Of a dictionary each text is there once; so few rows share one that not more than a part is counted.
        let text = longest.unwrap_or(UNKNOWN_TEXT);
        Self::Text(if is_coded { text / 4 } else { text })
    }

    /// Without text.
    fn fixed_bytes(self, rows: u64) -> u64 {
        match self {
            Self::Fixed(bits) => rows.saturating_mul(bits).div_ceil(8),
            Self::Text(_) | Self::Open => rows.saturating_mul(4),
        }
    }

    fn text_bytes(self, rows: u64) -> u64 {
        match self {
            Self::Text(bytes) => rows.saturating_mul(bytes),
            Self::Fixed(_) | Self::Open => 0,
        }
    }
}

/// What every value takes, where all take the same.
fn fixed_bits(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Boolean => Some(1),
        DataType::FixedSizeBinary(width) => Some(8 * u64::from(width.unsigned_abs())),
        DataType::FixedSizeList(item, count) => {
            Some((fixed_bits(item.data_type())? + 1).saturating_mul(u64::from(count.unsigned_abs())))
        }
        DataType::Struct(fields) => fields.iter().map(|field| Some(fixed_bits(field.data_type())? + 1)).sum(),
        other => other.primitive_width().map(|width| 8 * width as u64),
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{Field, TimeUnit};
    use tsds_traits::{
        ChunkRange, ColumnStats, KeyDomain, SchemaVersion, SegmentId, Sequence, SequenceInterval, TableId,
    };

    use super::*;

    const ROWS: u64 = 1_000;

    fn schema(others: &[(u32, DataType)]) -> TableSchema {
        let column = |(id, data_type): (u32, DataType)| Column {
            id: ColumnId(id),
            name: format!("column {id}"),
            data_type,
            nullable: id > 1,
        };
        let time = (1, DataType::Timestamp(TimeUnit::Millisecond, None));
        let columns = [time, (2, DataType::Utf8)].into_iter().chain(others.iter().cloned()).map(column);
        TableSchema::new(TableId(1), SchemaVersion(1), columns.collect(), ColumnId(1), &[ColumnId(2)])
            .unwrap()
    }

    fn stats(id: u32, null_count: u64, text: Option<&str>) -> ColumnStats {
        let bound = text.map(|text| Value::Text(text.into()));
        ColumnStats {
            column: ColumnId(id),
            null_count,
            has_nan: false,
            min: bound.clone(),
            max: bound,
            exact: false,
        }
    }

    fn meta(plain_bytes: u64, columns: Vec<ColumnStats>) -> SegmentMeta {
        SegmentMeta {
            id: SegmentId::new(1),
            table: TableId(1),
            schema_version: SchemaVersion(1),
            chunk: ChunkRange { start: 0, end: 10 },
            key_domain: KeyDomain(0),
            interval: SequenceInterval::new(Sequence(0), Sequence(1)),
            rows: ROWS,
            time_range: (0, 0),
            series: 1,
            plain_bytes,
            columns,
        }
    }

    fn held(meta: &SegmentMeta, schema: &TableSchema, wanted: &[u32]) -> u64 {
        let wanted: Vec<ColumnId> = wanted.iter().map(|id| ColumnId(*id)).collect();
        expected_bytes(meta, schema, &wanted)
    }

    #[test]
    fn one_huge_column_is_not_averaged_away() {
        let schema = schema(&[(3, DataType::Int64), (4, DataType::Float64), (5, DataType::Binary)]);
        let known =
            vec![stats(1, 0, None), stats(2, 0, Some("host-01")), stats(3, 0, None), stats(4, 0, None)];
        let wide = meta(1_000 << 20, known);
        assert!(held(&wide, &schema, &[5]) > 999 << 20);
        assert!(held(&wide, &schema, &[1, 3, 5]) > 999 << 20);
        assert_eq!(held(&wide, &schema, &[1, 3]), 16 * ROWS, "numbers take what they take");
        assert_eq!(held(&wide, &schema, &[1, 2]), (8 + 4 + 7) * ROWS);
        assert_eq!(held(&wide, &schema, &[]), 0);
        let long = |id: u32| expected_long_bytes(&wide, &schema, &[ColumnId(id)]);
        assert!(long(5) > 999 << 20 && long(3) == 0 && long(2) == 0);
    }

    #[test]
    fn all_columns_take_all_bytes() {
        let code = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
        let schema = schema(&[(3, code), (4, DataType::Boolean)]);
        let narrow = meta(40_000, vec![stats(1, 0, None), stats(2, 0, Some("a")), stats(3, 0, Some("b"))]);
        let all = held(&narrow, &schema, &[1, 2, 3, 4]);
        assert!(all.abs_diff(40_000) < 200, "{all}");
        assert!(held(&narrow, &schema, &[2]) + held(&narrow, &schema, &[3]) < 40_000);
    }

    #[test]
    fn a_column_without_values_takes_none_of_the_rest() {
        let schema = schema(&[(3, DataType::Binary), (4, DataType::Utf8)]);
        let one = meta(50 << 20, vec![stats(1, 0, None), stats(2, 0, Some("a")), stats(3, ROWS, None)]);
        assert_eq!(held(&one, &schema, &[3]), 4 * ROWS);
        assert!(held(&one, &schema, &[4]) > 49 << 20);
    }

    #[test]
    fn payload_of_a_fixed_size_is_known() {
        let item = Field::new("item", DataType::Float32, true);
        let schema = schema(&[(3, DataType::FixedSizeList(item.into(), 128)), (4, DataType::Binary)]);
        let wide = meta(1 << 30, vec![stats(3, 0, None)]);
        assert_eq!(held(&wide, &schema, &[3]), 33 * 128 * ROWS / 8);
    }
}
