//! About what rows take, before any of them is read.

use arrow_schema::DataType;
use tsds_traits::{Column, ColumnId, SegmentMeta, TableSchema, Value};

/// What a text is taken for whose bounds are not known.
const UNKNOWN_TEXT: u64 = 64;

/// About how many bytes some columns of a segment take in memory. Metadata says what all columns take together: where widths are
/// fixed, each column's part is known; what is left belongs to long text and payload, and is counted whole as soon as one such
/// column is wanted. So it is rather too much than too little: what does not fit is sorted on disk, where it is measured.
pub(super) fn held_bytes(meta: &SegmentMeta, schema: &TableSchema, wanted: &[ColumnId]) -> u64 {
    let columns = schema.columns();
    let kinds: Vec<(Kind, bool)> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let is_series = schema.series_indices().contains(&index);
            (Kind::of(column, is_series, meta), wanted.contains(&column.id))
        })
        .collect();
    let fixed = |(kind, _): &(Kind, bool)| kind.fixed_bytes(meta.rows);
    let all: u64 = kinds.iter().map(fixed).sum();
    let rest = meta.plain_bytes.saturating_sub(all);
    let known: u64 = kinds.iter().filter(|(_, wanted)| *wanted).map(fixed).sum();
    let is_open = |(kind, _): &&(Kind, bool)| matches!(kind, Kind::Open);
    if kinds.iter().filter(is_open).any(|(_, wanted)| *wanted) {
        return known + rest;
    }
    let coded = |only_wanted: bool| {
        let of = kinds.iter().filter(move |(_, wanted)| *wanted || !only_wanted);
        of.map(|(kind, _)| kind.text_bytes(meta.rows)).fold(0_u64, u64::saturating_add)
    };
    let text = coded(true);
    if kinds.iter().any(|kind| is_open(&kind)) {
        return known + text.min(rest);
    }
    let share = u128::from(rest) * u128::from(text) / u128::from(coded(false).max(1));
    known + u64::try_from(share).unwrap_or(rest)
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
    fn of(column: &Column, is_series: bool, meta: &SegmentMeta) -> Self {
        let stats = meta.stats(column.id);
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
        held_bytes(meta, schema, &wanted)
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
