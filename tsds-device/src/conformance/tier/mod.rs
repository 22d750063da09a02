//! The tier on a device.

mod classic;
pub(super) mod data;
mod digits;
mod life;
mod memory;
pub(super) mod source;
mod wide;

use std::sync::Arc;

use arrow_array::{Array, Int32Array, RecordBatch};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use futures::StreamExt;
use tsds_compute::{CompiledPredicate, sort_indices};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ColumnId, Function, Predicate, Put, ScanRequest, SortKey,
    Tier, TimeBucket,
};

use super::{Bench, Numbers, Subject, Test};
use crate::{Device, DeviceTier};
use source::Blocks;

/// A tier whose device is the one that all tests share.
type Shared<S> = Arc<DeviceTier<Arc<<S as Subject>::Device>>>;

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    let own: Vec<Test<S>> = vec![
        ("every_mode_and_form_gives_its_values_back", every_mode_and_form_gives_its_values_back),
        ("comparisons_find_what_comparing_values_finds", comparisons_find_what_comparing_values_finds),
        ("orders_are_those_of_the_values", orders_are_those_of_the_values),
        ("aggregates_are_those_of_the_values", aggregates_are_those_of_the_values),
        (
            "aggregates_of_columns_as_they_lie_are_those_of_the_values",
            aggregates_of_columns_as_they_lie_are_those_of_the_values,
        ),
        (
            "readings_take_little_more_than_their_encoded_blocks",
            readings_take_little_more_than_their_encoded_blocks,
        ),
    ];
    [own, classic::tests(), digits::tests(), life::tests(), memory::tests(), wide::tests()].concat()
}

fn tier<S: Subject>(bench: &Bench<S>, limit_mb: u64) -> Shared<S> {
    DeviceTier::new(bench.subject.name(), bench.world(), Arc::clone(&bench.device), limit_mb << 20)
}

fn put<S: Subject, D: Device>(bench: &Bench<S>, tier: &DeviceTier<D>, source: &Arc<Blocks>) {
    let put = bench.runtime.block_on(tier.put(Arc::clone(source) as _)).unwrap();
    assert!(matches!(put, Put::Stored(_)), "{put:?}");
}

fn ids(source: &Blocks) -> Vec<ColumnId> {
    source.schema.columns().iter().map(|column| column.id).collect()
}

fn scan<S: Subject>(
    bench: &Bench<S>,
    tier: &Shared<S>,
    source: &Blocks,
    columns: &[usize],
    predicate: Option<Predicate>,
) -> RecordBatch {
    let projection = columns.iter().map(|index| source.schema.columns()[*index].id).collect();
    let mut request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], projection);
    request.predicate = predicate;
    let rows = Arc::clone(tier).scan(request);
    let batches: Vec<RecordBatch> =
        bench.runtime.block_on(rows.map(|batch| batch.unwrap().rows).collect::<Vec<_>>());
    let schema = Arc::new(source.batch.schema().project(columns).unwrap());
    concat_batches(&schema, &batches).unwrap()
}

/// The places of all columns.
fn all(source: &Blocks) -> Vec<usize> {
    (0..source.batch.num_columns()).collect()
}

fn assert_same(found: &RecordBatch, expected: &RecordBatch, what: &dyn std::fmt::Debug) {
    assert_eq!(found.num_rows(), expected.num_rows(), "{what:?}");
    for (index, field) in expected.schema().fields().iter().enumerate() {
        let (found, expected) = (found.column(index), expected.column(index));
        if found.to_data() == expected.to_data() {
            continue;
        }
        for row in 0..expected.len() {
            let same = found.slice(row, 1).to_data() == expected.slice(row, 1).to_data();
            assert!(same, "{} row {row} {what:?}: {found:?} {expected:?}", field.name(),);
        }
    }
}

fn every_mode_and_form_gives_its_values_back<S: Subject>(bench: &Bench<S>) {
    for (id, (rows, lengths)) in (1..).zip(data::SHAPES) {
        let tier = tier(bench, 64);
        let source = Arc::new(Blocks::new(id, &data::columns(*rows, id), lengths));
        put(bench, &tier, &source);
        assert_same(&scan(bench, &tier, &source, &all(&source), None), &source.batch, &(rows, lengths));
    }
}

fn comparisons_find_what_comparing_values_finds<S: Subject>(bench: &Bench<S>) {
    for (id, (rows, lengths)) in (1..).zip(data::SHAPES) {
        let tier = tier(bench, 64);
        let source = Arc::new(Blocks::new(id, &data::columns(*rows, id), lengths));
        put(bench, &tier, &source);
        for index in all(&source) {
            check_comparisons(bench, &tier, &source, index, id);
        }
    }
}

/// Rows that match, by comparisons with values of a column, are those that the CPU finds.
fn check_comparisons<S: Subject>(
    bench: &Bench<S>,
    tier: &Shared<S>,
    source: &Blocks,
    index: usize,
    seed: u64,
) {
    let column = &source.schema.columns()[index];
    for predicate in data::predicates(column.id, source.batch.column(index), seed) {
        let compiled = CompiledPredicate::new(&predicate, &source.schema).unwrap();
        let mask = compiled.evaluate(&ids(source), &source.batch).unwrap();
        let columns: &[usize] = if index == 0 { &[0] } else { &[0, index] };
        let some = source.batch.project(columns).unwrap();
        let expected = filter_record_batch(&some, &mask.into()).unwrap();
        let found = scan(bench, tier, source, columns, Some(predicate.clone()));
        assert_same(&found, &expected, &(&column.name, source.batch.num_rows(), predicate));
    }
}

fn orders_are_those_of_the_values<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let source = Arc::new(Blocks::new(1, &data::columns(9_000, 3), &[2_048, 700, 5_000]));
    put(bench, &tier, &source);
    let columns = ids(&source);
    for (index, column) in columns.iter().enumerate() {
        let second = columns[(index * 7 + 3) % columns.len()];
        for limit in [None, Some(8_000), Some(100)] {
            check_order(bench, &tier, &source, [*column, second], index, limit);
        }
    }
}

/// Compares all columns in the order of two with that of the CPU. `variant` says how they are ordered.
fn check_order<S: Subject, D: Device>(
    bench: &Bench<S>,
    tier: &Arc<DeviceTier<D>>,
    source: &Blocks,
    [first, second]: [ColumnId; 2],
    variant: usize,
    limit: Option<u64>,
) {
    let by = |column, number: usize| SortKey {
        column,
        descending: number.is_multiple_of(2),
        nulls_first: number.is_multiple_of(3),
    };
    let columns = ids(source);
    let order = vec![by(first, variant), by(second, variant / 2)];
    let mut request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], columns.clone());
    request.order = order.clone();
    request.limit = limit;
    let rows = Arc::clone(tier).scan(request);
    let batches: Vec<RecordBatch> =
        bench.runtime.block_on(rows.map(|batch| batch.unwrap().rows).collect::<Vec<_>>());
    let found = concat_batches(&source.batch.schema(), &batches).unwrap();
    let limit = limit.map(|limit| limit as usize);
    let sorted = sort_indices(&columns, &source.batch, &order, limit).unwrap();
    let expected = take_record_batch(&source.batch, &sorted).unwrap();
    assert_same(&found, &expected, &(&order, limit));
}

fn aggregates_are_those_of_the_values<S: Subject>(bench: &Bench<S>) {
    let (rows, lengths) = (5_000, [2_048, 300, 1_111]);
    let tier = tier(bench, 64);
    let source = Arc::new(Blocks::new(1, &data::columns(rows, 7), &lengths));
    put(bench, &tier, &source);
    let mut aggregates = Vec::new();
    for (column, array) in source.schema.columns().iter().zip(source.batch.columns()) {
        let mut add = |function| aggregates.push(Aggregate { function, column: Some(column.id) });
        [Function::Count, Function::Min, Function::Max, Function::First, Function::Last]
            .into_iter()
            .for_each(&mut add);
        // Averages, since sums of large integers do not fit.
        if array.data_type().is_numeric() {
            add(Function::Avg);
        }
    }
    let plan = AggregatePlan { group_by: Vec::new(), bucket: None, aggregates };
    check_aggregate(bench, &tier, &source, plan, None);
}

/// Compares an aggregate with that of the CPU.
fn check_aggregate<S: Subject>(
    bench: &Bench<S>,
    tier: &Shared<S>,
    source: &Blocks,
    plan: AggregatePlan,
    predicate: Option<Predicate>,
) {
    let aggregator = || tsds_compute::Aggregator::new(Arc::clone(&source.schema), plan.clone()).unwrap();
    let columns = plan.group_by.len() + usize::from(plan.bucket.is_some()) + plan.aggregates.len();
    let names: Vec<String> = (0..columns).map(|number| number.to_string()).collect();
    let mut expected = aggregator();
    let compiled =
        predicate.as_ref().map(|predicate| CompiledPredicate::new(predicate, &source.schema).unwrap());
    let mask = compiled.map(|compiled| compiled.evaluate(&ids(source), &source.batch).unwrap());
    let position = tsds_compute::SegmentPosition { sequence: source.batch.num_rows() as u64, first_row: 0 };
    expected.update(&ids(source), &source.batch, position, mask.as_ref()).unwrap();
    let request = AggregateRequest {
        predicate: predicate.clone(),
        ..AggregateRequest::new(Arc::clone(&source.schema), vec![source.handle()], plan.clone())
    };
    let mut found = aggregator();
    let states = bench.runtime.block_on(Arc::clone(tier).aggregate(request).collect::<Vec<_>>());
    states.into_iter().for_each(|states| found.merge_states(&states.unwrap()).unwrap());
    let (found, expected) = (found.finish(&names).unwrap(), expected.finish(&names).unwrap());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_same(found, expected, &(&plan, &predicate));
    }
}

fn aggregates_of_columns_as_they_lie_are_those_of_the_values<S: Subject>(bench: &Bench<S>) {
    for (id, (rows, lengths)) in (1..).zip(data::SHAPES) {
        let tier = tier(bench, 64);
        let mut columns = data::columns(*rows, id);
        let run = Int32Array::from_iter((0..*rows as i32).map(|row| (row % 390 > 96).then_some(row / 97)));
        columns.push(("run", Arc::new(run)));
        let source = Arc::new(Blocks::new(id, &columns, lengths));
        put(bench, &tier, &source);
        let run = source.schema.columns().last().unwrap().id;
        let mut numbers = Numbers(id);
        for (index, column) in source.schema.columns().iter().enumerate() {
            let predicates = data::predicates(column.id, source.batch.column(index), id);
            let extremes = [Function::Min, Function::Max];
            let all = [Function::Count, Function::Min, Function::Avg, Function::Max];
            for functions in [&extremes[..], &all] {
                let functions = functions.iter().filter(|one| {
                    **one != Function::Avg || source.batch.column(index).data_type().is_numeric()
                });
                let mut aggregates: Vec<_> = functions
                    .map(|function| Aggregate { function: *function, column: Some(column.id) })
                    .collect();
                aggregates.push(Aggregate { function: Function::Count, column: None });
                let plan = AggregatePlan {
                    group_by: if numbers.chance(2) { vec![run] } else { Vec::new() },
                    bucket: numbers
                        .chance(2)
                        .then_some(TimeBucket::Units { width: 333_000_000_000, origin: 0 }),
                    aggregates,
                };
                check_aggregate(bench, &tier, &source, plan.clone(), None);
                check_aggregate(
                    bench,
                    &tier,
                    &source,
                    plan.clone(),
                    Some(predicates[numbers.below(predicates.len() as u64) as usize].clone()),
                );
                // Longer than a program may be: evaluated on the host.
                let long = Predicate::Or(predicates.iter().cycle().take(20).cloned().collect());
                check_aggregate(bench, &tier, &source, plan, Some(long));
            }
        }
    }
}

fn readings_take_little_more_than_their_encoded_blocks<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 256);
    let columns = data::readings(200_000);
    let source = Arc::new(Blocks::new(1, &columns, &[16_384]));
    put(bench, &tier, &source);
    let (held, encoded) = (tier.usage().bytes, source.encoded_bytes());
    assert!(held * 10 <= encoded * 11, "{held} bytes held of {encoded} encoded");
    assert_same(&scan(bench, &tier, &source, &all(&source), None), &source.batch, &"readings");
}
