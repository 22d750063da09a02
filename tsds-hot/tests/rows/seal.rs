use proptest::prelude::*;
use tsds_compute::ChunkInterval;
use tsds_hot::{Memtable, seal};
use tsds_traits::Sequence;

use crate::support::*;

const MINUTE: ChunkInterval = ChunkInterval::Seconds(60);

/// Rows by (chunk, host with nulls first, time), ties in order of arrival.
fn expected(mut all: Vec<Row>) -> Vec<Row> {
    all.sort_by(|a, b| {
        let key = |row: &Row| (row.time.div_euclid(60_000_000), row.host.clone(), row.time);
        key(a).cmp(&key(b))
    });
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn sealing_keeps_every_row_once_sorted_within_its_chunk(
        writes in proptest::collection::vec(proptest::collection::vec(any_row(), 0..12), 1..12),
    ) {
        let memtable = Memtable::new(schema(), Sequence::ZERO);
        for (i, write) in writes.iter().enumerate() {
            memtable.append(Sequence(i as u64 + 1), batch(write)).unwrap();
        }
        let sealed = seal(&memtable.freeze(), MINUTE).unwrap();
        prop_assert!(sealed.windows(2).all(|pair| pair[0].chunk.end <= pair[1].chunk.start));
        for segment in &sealed {
            let sealed_rows = rows(&segment.rows);
            prop_assert!(sealed_rows.iter().all(|row| segment.chunk.contains_second(row.time.div_euclid(1_000_000))));
            let begins: Vec<u32> = (0..sealed_rows.len())
                .filter(|i| *i == 0 || sealed_rows[i - 1].host != sealed_rows[*i].host)
                .map(|i| i as u32)
                .collect();
            prop_assert_eq!(&segment.run_starts, &begins);
        }
        let together: Vec<Row> = sealed.iter().flat_map(|segment| rows(&segment.rows)).collect();
        prop_assert_eq!(together, expected(writes.concat()));
    }
}

#[test]
fn an_empty_memtable_seals_to_nothing() {
    let memtable = Memtable::new(schema(), Sequence::ZERO);
    memtable.append(Sequence(1), batch(&[])).unwrap();
    assert!(seal(&memtable.freeze(), MINUTE).unwrap().is_empty());
}
