//! Filtering without decoding.

use proptest::prelude::*;
use tsds_traits::KeySet;

use super::{CodecBench, claimed_types, encode, has_keys};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::arrays::value_of;
use crate::data::blocks::{Block, blocks};
use crate::fixture::CodecFixture;
use crate::outcome::ensure_same_sequence;

pub(super) fn cases() -> Vec<Case<dyn CodecFixture>> {
    cases![[claims Filter] a_filter_keeps_the_rows_whose_keys_are_in_the_set]
}

/// The keys of a block's values; null for nulls.
fn keys_of(block: &Block) -> Vec<Option<u64>> {
    let key = |cell: &Option<_>| value_of(&block.data_type, cell.as_ref()?)?.order_key();
    block.cells.iter().map(key).collect()
}

fn a_filter_keeps_the_rows_whose_keys_are_in_the_set(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for data_type in claimed_types(&*codec).into_iter().filter(has_keys) {
        // Ranges between keys that occur, and beside them.
        let ends = proptest::collection::vec((any::<prop::sample::Index>(), -1..=1i64), 0..6);
        bench.for_all(&(blocks(&data_type, 300), ends), |(block, ends)| {
            let keys = keys_of(&block);
            let known: Vec<u64> = keys.iter().flatten().copied().chain([0, u64::MAX]).collect();
            let end =
                |(at, beside): &(prop::sample::Index, i64)| at.get(&known).saturating_add_signed(*beside);
            let ranges = ends
                .chunks_exact(2)
                .map(|pair| end(&pair[0]).min(end(&pair[1]))..=end(&pair[0]).max(end(&pair[1])));
            let some = KeySet::from_ranges(ranges);
            let bytes = encode(&*codec, &block, &block.hints())?;
            for set in [some.complement(), some, KeySet::empty(), KeySet::full()] {
                let bits = codec.filter(codec.version(), &bytes, keys.len(), &data_type, &set)?;
                let expected: Vec<bool> =
                    keys.iter().map(|key| key.is_some_and(|key| set.contains(key))).collect();
                ensure_same_sequence(
                    &bits.iter().collect::<Vec<_>>(),
                    &expected,
                    &format!("rows in {set:?}"),
                )?;
            }
            Ok(())
        })?;
    }
    Ok(())
}
