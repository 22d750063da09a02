//! Blocks in the codes of the paper, which few kernels read as they are.

use std::sync::Arc;

use tsds_codec_gorilla::{GorillaCodec, ModeChoice};
use tsds_traits::{Aggregate, AggregatePlan, Function, Tier};

use super::source::Blocks;
use super::{all, assert_same, check_aggregate, check_comparisons, check_order, data, ids, put, scan, tier};
use crate::conformance::{Bench, Numbers, Subject, Test};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        (
            "classic_codes_stay_encoded_and_take_little_more_than_in_their_file",
            classic_codes_stay_encoded_and_take_little_more_than_in_their_file,
        ),
        ("classic_codes_give_their_values_back", classic_codes_give_their_values_back),
        (
            "classic_codes_among_other_blocks_answer_as_values_do",
            classic_codes_among_other_blocks_answer_as_values_do,
        ),
    ]
}

fn codec(lanes_log2: u8) -> GorillaCodec {
    GorillaCodec::with_choice(ModeChoice::Classic { lanes_log2 })
}

fn classic_codes_stay_encoded_and_take_little_more_than_in_their_file<S: Subject>(bench: &Bench<S>) {
    for lanes_log2 in [0, 5] {
        let tier = tier(bench, 256);
        let source = Blocks::new(1, &data::readings(100_000), &[16_384]).encoded_by(vec![codec(lanes_log2)]);
        let source = Arc::new(source);
        put(bench, &tier, &source);
        // Beside the codes, 192 bits for each 128 rows and column.
        let places = source.batch.num_columns() as u64 * 100_000 / 128 * 24;
        let (held, encoded) = (tier.usage().bytes, source.encoded_bytes());
        assert!(
            held * 100 <= (encoded + places) * 104,
            "{held} bytes held of {encoded} encoded and {places}"
        );
        assert_same(&scan(bench, &tier, &source, &all(&source), None), &source.batch, &lanes_log2);
    }
}

fn classic_codes_give_their_values_back<S: Subject>(bench: &Bench<S>) {
    for (id, (rows, lengths)) in (1..).zip(data::SHAPES) {
        let tier = tier(bench, 64);
        let source = Blocks::new(id, &data::columns(*rows, id), lengths);
        let source = Arc::new(source.encoded_by(vec![codec([0, 3, 4, 5][id as usize % 4])]));
        put(bench, &tier, &source);
        assert_same(&scan(bench, &tier, &source, &all(&source), None), &source.batch, &(rows, lengths));
    }
}

fn classic_codes_among_other_blocks_answer_as_values_do<S: Subject>(bench: &Bench<S>) {
    for (seed, lengths) in [(1, &[700_usize, 2_048, 512, 90][..]), (2, &[4_000])] {
        let mut numbers = Numbers(seed);
        let tier = tier(bench, 64);
        let source = Blocks::new(seed, &data::columns(6_000, seed), lengths);
        let source = source.encoded_by(vec![codec(0), GorillaCodec::new(), codec(3)]);
        let source = Arc::new(source);
        put(bench, &tier, &source);
        let columns = ids(&source);
        for index in all(&source).into_iter().filter(|index| index % 3 == seed as usize) {
            check_comparisons(bench, &tier, &source, index, seed);
        }
        for _ in 0..3 {
            let one_of = |numbers: &mut Numbers| numbers.below(columns.len() as u64) as usize;
            let (first, second) = (one_of(&mut numbers), one_of(&mut numbers));
            // Few rows are looked up one by one.
            for limit in [None, Some(100)] {
                check_order(bench, &tier, &source, [columns[first], columns[second]], first, limit);
            }
            let predicates = data::predicates(columns[second], source.batch.column(second), seed);
            let of = Some(columns[first]);
            let aggregates = [Function::Count, Function::Min, Function::Max, Function::Last]
                .map(|function| Aggregate { function, column: of });
            let plan = AggregatePlan { group_by: Vec::new(), bucket: None, aggregates: aggregates.into() };
            check_aggregate(bench, &tier, &source, plan.clone(), None);
            let without_edges = AggregatePlan { aggregates: plan.aggregates[..3].into(), ..plan };
            for predicate in predicates.into_iter().take(2) {
                check_aggregate(bench, &tier, &source, without_edges.clone(), Some(predicate));
            }
        }
    }
}
