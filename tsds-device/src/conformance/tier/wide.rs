//! What has more than 64 bits: decimals, and payload.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{
    ArrayRef, BinaryArray, Decimal128Array, Int64Array, RecordBatch, TimestampNanosecondArray,
};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use futures::StreamExt;
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ColumnId, Comparison, Function, Predicate, ScanRequest, Tier,
    Value,
};

use super::source::Blocks;
use super::{all, assert_same, check_aggregate, check_order, ids, put, scan, tier};
use crate::conformance::{Bench, Subject, Test};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("decimals_are_held_compared_sorted_and_added_up", decimals),
        ("one_request_reads_decimals_that_fit_64_bits_and_others", of_both_kinds),
        ("decimals_that_fit_64_bits_stay_encoded", encoded),
        ("payload_is_held_and_its_values_count", payload),
        ("what_stays_on_the_host_takes_no_more_than_it_is", little_is_kept),
    ]
}

const ROWS: i64 = 5_000;

/// The time and a few columns of decimals: cents, with nulls; digits as long as they get; few values that do not fit 64 bits.
fn columns(rows: i64) -> Vec<(&'static str, ArrayRef)> {
    let decimals = |precision, scale, value: fn(i64) -> Option<i128>| -> ArrayRef {
        let array: Decimal128Array = (0..rows).map(value).collect();
        Arc::new(array.with_data_type(DataType::Decimal128(precision, scale)))
    };
    let time = TimestampNanosecondArray::from_iter_values((0..rows).map(|row| row * 1_000));
    vec![
        ("time", Arc::new(time)),
        ("cents", decimals(12, 2, |row| (row % 11 != 3).then_some(i128::from(row * 7_919 % 4_000 - 2_000)))),
        ("long", decimals(38, 4, |row| Some((i128::from(row * 7_919 % 5_003) - 2_500) << 90))),
        ("few", decimals(38, 0, |row| (row % 7 != 0).then_some(10i128.pow(30) * i128::from(row % 5 - 2)))),
        ("absent", decimals(30, 1, |_| None)),
    ]
}

fn predicates(column: ColumnId, array: &ArrayRef) -> Vec<Predicate> {
    let decimals = array.as_primitive::<Decimal128Type>();
    let members = [17, 1_000, 4_999].map(|row| decimals.value(row));
    let mut predicates = Vec::new();
    for member in members {
        for value in [member - 1, member, i128::from(i64::MIN) - 1, i128::from(i64::MAX) + 1] {
            for comparison in Comparison::ALL {
                let value = Value::Decimal(value);
                predicates.push(Predicate::Compare { column, comparison, value });
            }
        }
    }
    let values = members.map(Value::Decimal).to_vec();
    predicates.push(Predicate::In { column, values, has_null: false });
    predicates.push(Predicate::IsNull(column));
    predicates
}

fn matching(source: &Blocks, predicate: &Predicate) -> RecordBatch {
    let compiled = CompiledPredicate::new(predicate, &source.schema).unwrap();
    let mask = compiled.evaluate(&ids(source), &source.batch).unwrap();
    filter_record_batch(&source.batch, &mask.into()).unwrap()
}

fn decimals<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let source = Arc::new(Blocks::new(1, &columns(ROWS), &[2_048, 700]));
    put(bench, &tier, &source);
    assert_same(&scan(bench, &tier, &source, &all(&source), None), &source.batch, &"all");
    for (index, column) in source.schema.columns().iter().enumerate().skip(1) {
        for predicate in predicates(column.id, source.batch.column(index)) {
            let found = scan(bench, &tier, &source, &all(&source), Some(predicate.clone()));
            assert_same(&found, &matching(&source, &predicate), &predicate);
        }
        for (variant, limit) in [(0, None), (1, Some(4_000)), (2, Some(50)), (3, None)] {
            check_order(bench, &tier, &source, [column.id, ColumnId(1)], variant, limit);
        }
        let call = |function| Aggregate { function, column: Some(column.id) };
        let plain = [Function::Count, Function::Min, Function::Max, Function::First, Function::Last];
        let sums = [Function::Sum, Function::Avg, Function::Max];
        let groups = ids(&source).into_iter().skip(1).map(|group| vec![group]).chain([Vec::new()]);
        for group_by in groups {
            for functions in [&plain[..], &sums[..1], &sums[1..]] {
                let aggregates = functions.iter().map(|function| call(*function)).collect();
                let plan = AggregatePlan { group_by: group_by.clone(), bucket: None, aggregates };
                let some = Predicate::Not(Box::new(Predicate::IsNull(ColumnId(2))));
                check_aggregate(bench, &tier, &source, plan.clone(), None);
                check_aggregate(bench, &tier, &source, plan, Some(some));
            }
        }
    }
}

/// Each segment decides by its own values how a column lies on the device; a wave has parts of several.
fn of_both_kinds<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let segments: Vec<Arc<Blocks>> = [2_000, 3_000, 1_500]
        .into_iter()
        .zip([0, 70, 0])
        .zip(1..)
        .map(|((rows, shift), id)| {
            let time = TimestampNanosecondArray::from_iter_values((0..rows).map(|row| row * 1_000));
            let value = |row: i64| (row % 9 != 0).then_some(i128::from(row * 31 % 1_000 - 500) << shift);
            let array: Decimal128Array = (0..rows).map(value).collect();
            let array = array.with_data_type(DataType::Decimal128(38, 2));
            let columns: [(&str, ArrayRef); 2] = [("time", Arc::new(time)), ("value", Arc::new(array))];
            let source = Arc::new(Blocks::new(id, &columns, &[1_000]));
            put(bench, &tier, &source);
            source
        })
        .collect();
    let schema = Arc::clone(&segments[0].schema);
    let handles: Vec<_> = segments.iter().map(|source| source.handle()).collect();
    let column = ColumnId(2);
    for value in [0, 250, 250 << 70] {
        let value = Value::Decimal(value);
        let predicate = Predicate::Compare { column, comparison: Comparison::Greater, value };
        let mut request = ScanRequest::new(Arc::clone(&schema), handles.clone(), ids(&segments[0]));
        request.predicate = Some(predicate.clone());
        let found = Arc::clone(&tier).scan(request).map(|batch| batch.unwrap().rows);
        let found: Vec<RecordBatch> = bench.runtime.block_on(found.collect());
        let expected: Vec<RecordBatch> = segments.iter().map(|source| matching(source, &predicate)).collect();
        let arrow = segments[0].batch.schema();
        let (found, expected) = (concat_batches(&arrow, &found), concat_batches(&arrow, &expected));
        assert_same(&found.unwrap(), &expected.unwrap(), &predicate);
    }
    let call = |function| Aggregate { function, column: Some(column) };
    let aggregates = [Function::Count, Function::Sum, Function::Min, Function::Max].map(call).to_vec();
    let plan = AggregatePlan { group_by: Vec::new(), bucket: None, aggregates };
    let names: Vec<String> = plan.aggregates.iter().map(|one| one.function.name().into()).collect();
    let aggregator = || Aggregator::new(Arc::clone(&schema), plan.clone()).unwrap();
    let (mut found, mut expected) = (aggregator(), aggregator());
    for source in &segments {
        let position = SegmentPosition { sequence: source.batch.num_rows() as u64, first_row: 0 };
        expected.update(&ids(source), &source.batch, position, None).unwrap();
    }
    let request = AggregateRequest::new(Arc::clone(&schema), handles, plan.clone());
    let states: Vec<_> = bench.runtime.block_on(Arc::clone(&tier).aggregate(request).collect());
    states.into_iter().for_each(|states| found.merge_states(&states.unwrap()).unwrap());
    for (found, expected) in found.finish(&names).unwrap().iter().zip(&expected.finish(&names).unwrap()) {
        assert_same(found, expected, &plan);
    }
}

fn encoded<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let rows = 100_000;
    let source = Arc::new(Blocks::new(1, &columns(rows)[..2], &[16_384]));
    put(bench, &tier, &source);
    // 8 bytes of time, a progression, and 16 of cents, which take 12 bits and one for nulls.
    let held = tier.usage().bytes;
    assert!(held < rows as u64 * 3, "{held} bytes held of {rows} rows");
}

fn payload<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let rows = 3_000;
    let time = TimestampNanosecondArray::from_iter_values((0..rows).map(|row| row * 1_000));
    let number = Int64Array::from_iter_values((0..rows).map(|row| row * 7_919 % 3_001));
    let value = |row: i64| (row % 5 != 0).then(|| vec![row as u8; row as usize % 900]);
    let value = BinaryArray::from_iter((0..rows).map(value));
    let columns: [(&str, ArrayRef); 3] =
        [("time", Arc::new(time)), ("number", Arc::new(number)), ("payload", Arc::new(value))];
    let source = Arc::new(Blocks::new(1, &columns, &[1_000]));
    put(bench, &tier, &source);
    let (held, values) =
        (tier.usage().bytes, source.batch.column(2).as_binary::<i32>().value_data().len() as u64);
    assert!(held >= values && held < values + (64 << 10), "{held} bytes held with {values} of values");
    let (column, comparison) = (ColumnId(2), Comparison::Less);
    let predicate = Predicate::Compare { column, comparison, value: Value::Int(700) };
    let found = scan(bench, &tier, &source, &all(&source), Some(predicate.clone()));
    assert_same(&found, &matching(&source, &predicate), &predicate);
    for limit in [None, Some(2_000), Some(10)] {
        check_order(bench, &tier, &source, [column, ColumnId(1)], 0, limit);
    }
    // More conditions than a program may have, and an aggregate with them: both are worked out on the host.
    let absent = Predicate::IsNull(ColumnId(3));
    let many = Predicate::Or([vec![predicate; 20], vec![absent.clone()]].concat());
    for predicate in [absent, many] {
        let found = scan(bench, &tier, &source, &all(&source), Some(predicate.clone()));
        assert_same(&found, &matching(&source, &predicate), &predicate);
        let count = Aggregate { function: Function::Count, column: Some(ColumnId(3)) };
        for group_by in [vec![], vec![column]] {
            let plan = AggregatePlan { group_by, bucket: None, aggregates: vec![count.clone()] };
            check_aggregate(bench, &tier, &source, plan, Some(predicate.clone()));
        }
    }
}

/// Codes take the room of distinct values, not of rows; and what an array shares with others is not kept.
fn little_is_kept<S: Subject>(bench: &Bench<S>) {
    let tier = tier(bench, 64);
    let rows = 50_000;
    let source = Arc::new(Blocks::new(1, &columns(rows), &[16_384]));
    let few = [("time", 0), ("few", 3)].map(|(name, at)| (name, Arc::clone(source.batch.column(at))));
    put(bench, &tier, &Arc::new(Blocks::new(1, &few, &[16_384])));
    let held = tier.usage().bytes;
    assert!(held < rows as u64 * 9, "{held} bytes held of {rows} codes");
    let all = BinaryArray::from_iter_values((0..1_000).map(|row| vec![row as u8; 10_000]));
    let time = TimestampNanosecondArray::from_iter_values(0..10);
    let columns: [(&str, ArrayRef); 2] =
        [("time", Arc::new(time)), ("payload", Arc::new(all.slice(500, 10)))];
    put(bench, &tier, &Arc::new(Blocks::new(2, &columns, &[10])));
    let more = tier.usage().bytes - held;
    assert!(more < 200_000, "{more} bytes held of 100,000");
}
