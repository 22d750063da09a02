//! The invariant behind exactly-once: a table's sealed sequences are tiled by seals, and the segments account for every row
//! of every tile.

use std::collections::BTreeMap;

use tsds_traits::{ChunkRange, Error, Result, SegmentMeta, Sequence};

use crate::catalog::{SealRecord, TableRecord};

/// Checks one table.
///
/// - The first seal begins before any sequence, each other one where the one before it ends, and the last ends at
///   `sealed_upto`: a seal that is lost cannot go unnoticed, even with its segments.
/// - Every segment's interval begins and ends at borders of seals.
/// - Segments of one chunk have disjoint intervals.
/// - The rows of all segments, plus those that recorded retention deleted, are the rows of all seals.
///
/// # Errors
///
/// `Internal`, naming table and what does not hold: installing such a version would lose or repeat rows.
pub(crate) fn check_tiling<'a>(
    table: &TableRecord,
    seals: &[SealRecord],
    segments: impl IntoIterator<Item = &'a SegmentMeta>,
) -> Result<()> {
    let broken = |what: &str| Error::internal(what).with("table", &table.name);
    let mut borders = Vec::with_capacity(seals.len());
    let mut end = Sequence::ZERO;
    let mut sealed_rows = 0u64;
    for seal in seals {
        if seal.interval.is_empty() || seal.interval.after != end {
            return Err(broken("seals of a table do not follow each other")
                .with("after", end)
                .with("interval", seal.interval));
        }
        end = seal.interval.upto;
        sealed_rows = sealed_rows.saturating_add(seal.rows);
        borders.push(seal.interval);
    }
    if end != table.sealed_upto {
        return Err(broken("seals of a table do not end where its memory begins")
            .with("sealed_upto", table.sealed_upto)
            .with("seal_upto", end));
    }
    let mut by_chunk: BTreeMap<ChunkRange, Vec<&SegmentMeta>> = BTreeMap::new();
    let mut segment_rows = table.deleted_rows;
    for meta in segments {
        let begins = borders.binary_search_by_key(&meta.interval.after, |seal| seal.after).is_ok();
        let ends = borders.binary_search_by_key(&meta.interval.upto, |seal| seal.upto).is_ok();
        if !begins || !ends {
            return Err(broken("a segment begins or ends inside a seal")
                .with("segment", meta.id)
                .with("interval", meta.interval));
        }
        segment_rows = segment_rows.saturating_add(meta.rows);
        by_chunk.entry(meta.chunk).or_default().push(meta);
    }
    for segments in by_chunk.values_mut() {
        segments.sort_by_key(|meta| (meta.key_domain, meta.interval.upto));
        for pair in segments.windows(2) {
            let [first, second] = pair else { continue };
            if first.key_domain == second.key_domain && second.interval.after < first.interval.upto {
                return Err(broken("segments of a chunk overlap")
                    .with("first", first.id)
                    .with("second", second.id));
            }
        }
    }
    if segment_rows != sealed_rows {
        return Err(broken("segments do not account for every sealed row")
            .with("sealed_rows", sealed_rows)
            .with("segment_rows", segment_rows));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsds_traits::{KeyDomain, SchemaVersion, SegmentId, SequenceInterval, TableId};

    fn interval(after: u64, upto: u64) -> SequenceInterval {
        SequenceInterval::new(Sequence(after), Sequence(upto))
    }

    fn table(sealed_upto: u64, deleted_rows: u64) -> TableRecord {
        TableRecord {
            id: TableId(1),
            name: "t".into(),
            chunk_interval: None,
            schemas: vec![],
            next_column: 1,
            sealed_upto: Sequence(sealed_upto),
            deleted_rows,
        }
    }

    fn segment(id: u64, chunk: i64, interval: SequenceInterval, rows: u64) -> SegmentMeta {
        SegmentMeta {
            id: SegmentId::new(id),
            table: TableId(1),
            schema_version: SchemaVersion(1),
            chunk: ChunkRange { start: chunk, end: chunk + 1 },
            key_domain: KeyDomain(0),
            interval,
            rows,
            time_range: (0, 0),
            series: 1,
            plain_bytes: 0,
            columns: vec![],
        }
    }

    fn seal(after: u64, upto: u64, rows: u64) -> SealRecord {
        SealRecord { interval: interval(after, upto), rows }
    }

    #[test]
    fn merged_segments_over_several_seals_are_sound() {
        let seals = [seal(0, 3, 10), seal(3, 9, 5)];
        let segments = [segment(1, 0, interval(0, 9), 12), segment(2, 1, interval(3, 9), 3)];
        check_tiling(&table(9, 0), &seals, &segments).unwrap();
    }

    #[test]
    fn a_lost_or_repeated_row_is_found() {
        let seals = [seal(0, 3, 10)];
        assert!(check_tiling(&table(3, 0), &seals, &[segment(1, 0, interval(0, 3), 9)]).is_err());
        assert!(check_tiling(&table(3, 1), &seals, &[segment(1, 0, interval(0, 3), 9)]).is_ok());
        let twice = [segment(1, 0, interval(0, 3), 5), segment(2, 0, interval(0, 3), 5)];
        assert!(check_tiling(&table(3, 0), &seals, &twice).is_err());
    }

    #[test]
    fn a_segment_that_cuts_a_seal_is_found() {
        let seals = [seal(0, 3, 10)];
        assert!(check_tiling(&table(3, 0), &seals, &[segment(1, 0, interval(0, 2), 10)]).is_err());
    }

    #[test]
    fn a_seal_that_is_lost_with_its_segments_is_found() {
        let seals = [seal(0, 3, 10), seal(3, 6, 5), seal(6, 9, 1)];
        let rows = |seals: &[SealRecord]| {
            let segments = seals.iter().zip(1..).map(|(seal, id)| segment(id, 0, seal.interval, seal.rows));
            segments.collect::<Vec<_>>()
        };
        check_tiling(&table(9, 0), &seals, &rows(&seals)).unwrap();
        for lost in 0..seals.len() {
            let mut rest = seals.to_vec();
            rest.remove(lost);
            assert!(check_tiling(&table(9, 0), &rest, &rows(&rest)).is_err(), "seal {lost}");
        }
        assert!(check_tiling(&table(9, 0), &[], &[]).is_err());
        check_tiling(&table(0, 0), &[], &[]).unwrap();
    }

    #[test]
    fn seals_that_overlap_or_exceed_the_mark_are_found() {
        assert!(check_tiling(&table(5, 0), &[seal(0, 3, 0), seal(2, 5, 0)], &[]).is_err());
        assert!(check_tiling(&table(2, 0), &[seal(0, 3, 0)], &[]).is_err());
    }
}
