//! Throughput of the kernels: `cargo bench -p tsds-compute`. Items are rows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use divan::Bencher;
use divan::counter::ItemsCount;
use tsds_compute::sum::ExactSum;
use tsds_compute::{Aggregator, CompiledPredicate, SegmentPosition, sort_for_segment, sort_indices};
use tsds_traits::{
    Aggregate, AggregatePlan, Column, ColumnId, Comparison, Function, Predicate, SchemaVersion, SortKey,
    TableId, TableSchema, TimeBucket, Value,
};

fn main() {
    divan::main();
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn unit(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 53) as f64
    }
}

const TIME: ColumnId = ColumnId(1);
const SYMBOL: ColumnId = ColumnId(2);
const PRICE: ColumnId = ColumnId(3);
const SIZE: ColumnId = ColumnId(4);

fn schema(symbol: DataType) -> Arc<TableSchema> {
    let column = |id, name: &str, data_type, nullable| Column { id, name: name.into(), data_type, nullable };
    let mut columns = vec![
        column(TIME, "time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        column(SYMBOL, "symbol", symbol, true),
        column(PRICE, "price", DataType::Float64, true),
        column(SIZE, "size", DataType::Int64, true),
    ];
    for id in 5..=8 {
        columns.push(column(ColumnId(id), &format!("value{id}"), DataType::Float64, true));
    }
    let schema = TableSchema::new(TableId(1), SchemaVersion(1), columns, TIME, &[SYMBOL]);
    Arc::new(schema.unwrap())
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn ids() -> Vec<ColumnId> {
    (1..=8).map(ColumnId).collect()
}

/// `rows` rows, one per second and symbol. Sorted by (symbol, time), or as they arrive: all symbols each second.
fn batch(symbol_type: &DataType, symbols: usize, rows: usize, sorted: bool) -> RecordBatch {
    let mut numbers = Numbers(7);
    let per_symbol = rows / symbols;
    let place = |row: usize| {
        if sorted { (row / per_symbol, row % per_symbol) } else { (row % symbols, row / symbols) }
    };
    let places: Vec<(usize, usize)> = (0..rows).map(place).collect();
    let times = places.iter().map(|(_, second)| 1_700_000_000_000 + 1_000 * *second as i64);
    let names: Vec<String> = (0..symbols).map(|symbol| format!("SYM{symbol:05}")).collect();
    let text: ArrayRef = if *symbol_type == DataType::Utf8 {
        Arc::new(places.iter().map(|(symbol, _)| Some(names[*symbol].as_str())).collect::<StringArray>())
    } else {
        let codes = places.iter().map(|(symbol, _)| *symbol as i32).collect::<Vec<_>>();
        let values = Arc::new(StringArray::from(names));
        Arc::new(DictionaryArray::<Int32Type>::new(codes.into(), values))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from_iter_values(times)),
        text,
        Arc::new(Float64Array::from_iter_values((0..rows).map(|_| (numbers.unit() * 1e5).round() / 100.0))),
        Arc::new(Int64Array::from_iter_values((0..rows).map(|_| (numbers.next() % 10_000) as i64))),
    ];
    for _ in 0..4 {
        columns.push(Arc::new(Float64Array::from_iter_values((0..rows).map(|_| numbers.unit()))));
    }
    RecordBatch::try_new(schema(symbol_type.clone()).arrow().clone(), columns).unwrap()
}

fn compare(column: ColumnId, comparison: Comparison, value: Value) -> Predicate {
    Predicate::Compare { column, comparison, value }
}

#[divan::bench_group(sample_count = 30)]
mod filter {
    use super::*;

    const ROWS: usize = 65_536;

    fn run(bencher: Bencher, symbol: DataType, predicate: Predicate) {
        let (batch, ids) = (batch(&symbol, 64, ROWS, true), ids());
        let predicate = CompiledPredicate::new(&predicate, &schema(symbol)).unwrap();
        bencher
            .counter(ItemsCount::new(ROWS))
            .bench(|| black_box(predicate.evaluate(&ids, black_box(&batch)).unwrap()));
    }

    #[divan::bench]
    fn float_above(bencher: Bencher) {
        run(bencher, dictionary(), compare(PRICE, Comparison::Greater, Value::F64(500.0)));
    }

    #[divan::bench]
    fn integer_range(bencher: Bencher) {
        let low = compare(SIZE, Comparison::GreaterOrEqual, Value::Int(2_000));
        let high = compare(SIZE, Comparison::Less, Value::Int(3_000));
        run(bencher, dictionary(), Predicate::And(vec![low, high]));
    }

    #[divan::bench]
    fn float_not_equal(bencher: Bencher) {
        run(bencher, dictionary(), compare(PRICE, Comparison::NotEqual, Value::F64(500.0)));
    }

    #[divan::bench]
    fn dictionary_equal(bencher: Bencher) {
        run(bencher, dictionary(), compare(SYMBOL, Comparison::Equal, Value::Text("SYM00007".into())));
    }

    #[divan::bench]
    fn text_equal(bencher: Bencher) {
        run(bencher, DataType::Utf8, compare(SYMBOL, Comparison::Equal, Value::Text("SYM00007".into())));
    }

    #[divan::bench]
    fn integer_in_ten(bencher: Bencher) {
        let values = (0..10).map(|n| Value::Int(n * 97)).collect();
        run(bencher, dictionary(), Predicate::In { column: SIZE, values, has_null: false });
    }
}

#[divan::bench_group(sample_count = 10, sample_size = 1)]
mod sort {
    use super::*;

    const ROWS: usize = 262_144;

    fn segment_of(bencher: Bencher, symbol: DataType, batches: usize, late: bool) {
        let whole = batch(&symbol, 256, ROWS, false);
        let schema = schema(symbol);
        let step = ROWS / batches;
        let mut batches: Vec<RecordBatch> = (0..batches).map(|n| whole.slice(n * step, step)).collect();
        if late {
            batches.reverse();
        }
        bencher
            .counter(ItemsCount::new(ROWS))
            .bench(|| black_box(sort_for_segment(&schema, black_box(&batches)).unwrap()));
    }

    #[divan::bench]
    fn segment_text(bencher: Bencher) {
        segment_of(bencher, DataType::Utf8, 64, false);
    }

    #[divan::bench]
    fn segment_dictionary(bencher: Bencher) {
        segment_of(bencher, dictionary(), 64, false);
    }

    #[divan::bench]
    fn segment_late_rows(bencher: Bencher) {
        segment_of(bencher, DataType::Utf8, 64, true);
    }

    fn indices(bencher: Bencher, limit: Option<usize>, column: ColumnId) {
        let (batch, ids) = (batch(&DataType::Utf8, 256, ROWS, true), ids());
        let keys = [SortKey { column, descending: true, nulls_first: false }];
        bencher
            .counter(ItemsCount::new(ROWS))
            .bench(|| black_box(sort_indices(&ids, black_box(&batch), &keys, limit).unwrap()));
    }

    #[divan::bench]
    fn indices_by_float(bencher: Bencher) {
        indices(bencher, None, PRICE);
    }

    #[divan::bench]
    fn indices_by_text(bencher: Bencher) {
        indices(bencher, None, SYMBOL);
    }

    #[divan::bench]
    fn top_100_by_float(bencher: Bencher) {
        indices(bencher, Some(100), PRICE);
    }
}

#[divan::bench_group(sample_count = 30)]
mod sum {
    use super::*;

    const ROWS: usize = 65_536;

    fn run(bencher: Bencher, values: Vec<f64>) {
        bencher.counter(ItemsCount::new(ROWS)).bench(|| {
            let mut sum = ExactSum::new();
            sum.add_f64s(black_box(&values));
            black_box(sum)
        });
    }

    #[divan::bench]
    fn prices(bencher: Bencher) {
        let mut numbers = Numbers(3);
        run(bencher, (0..ROWS).map(|_| (numbers.unit() * 1e5).round() / 100.0).collect());
    }

    #[divan::bench]
    fn mostly_zero(bencher: Bencher) {
        let mut numbers = Numbers(3);
        run(
            bencher,
            (0..ROWS).map(|_| if numbers.next().is_multiple_of(3) { numbers.unit() } else { 0.0 }).collect(),
        );
    }

    #[divan::bench]
    fn every_magnitude(bencher: Bencher) {
        let mut numbers = Numbers(3);
        let mut value = || f64::from_bits(numbers.next() << 11 | numbers.next() & 0x7ff);
        run(
            bencher,
            (0..ROWS).map(|_| value()).map(|value| if value.is_finite() { value } else { 1.0 }).collect(),
        );
    }

    #[divan::bench]
    fn naive_for_comparison(bencher: Bencher) {
        let mut numbers = Numbers(3);
        let values: Vec<f64> = (0..ROWS).map(|_| numbers.unit()).collect();
        bencher.counter(ItemsCount::new(ROWS)).bench(|| black_box(black_box(&values).iter().sum::<f64>()));
    }

    #[divan::bench]
    fn integers(bencher: Bencher) {
        let mut numbers = Numbers(3);
        let values: Vec<i64> = (0..ROWS).map(|_| numbers.next() as i64).collect();
        bencher.counter(ItemsCount::new(ROWS)).bench(|| {
            let mut sum = ExactSum::new();
            sum.add_signed(black_box(&values));
            black_box(sum)
        });
    }
}

#[divan::bench_group(sample_count = 10, sample_size = 1)]
mod aggregate {
    use super::*;

    const ROWS: usize = 1_048_576;

    fn run(bencher: Bencher, symbol: DataType, sorted: bool, functions: &[Function]) {
        let whole = batch(&symbol, 64, ROWS, sorted);
        let step = 65_536;
        let batches: Vec<RecordBatch> = (0..ROWS / step).map(|n| whole.slice(n * step, step)).collect();
        let plan = AggregatePlan {
            group_by: vec![SYMBOL],
            bucket: Some(TimeBucket::Units { width: 60_000, origin: 0 }),
            aggregates: functions
                .iter()
                .map(|function| Aggregate { function: *function, column: Some(PRICE) })
                .collect(),
        };
        let (schema, ids) = (schema(symbol), ids());
        let names: Vec<String> = (0..functions.len() + 2).map(|n| n.to_string()).collect();
        bencher.counter(ItemsCount::new(ROWS)).bench(|| {
            let mut aggregator = Aggregator::new(schema.clone(), plan.clone()).unwrap();
            for (index, batch) in batches.iter().enumerate() {
                let position = SegmentPosition { sequence: 1, first_row: (index * step) as u64 };
                aggregator.update(&ids, batch, position, None).unwrap();
            }
            black_box(aggregator.finish(&names).unwrap())
        });
    }

    const BASIC: [Function; 4] = [Function::Count, Function::Sum, Function::Min, Function::Max];

    #[divan::bench]
    fn minutes_per_symbol(bencher: Bencher) {
        run(bencher, dictionary(), true, &BASIC);
    }

    #[divan::bench]
    fn minutes_per_symbol_text(bencher: Bencher) {
        run(bencher, DataType::Utf8, true, &BASIC);
    }

    #[divan::bench]
    fn minutes_per_symbol_by_arrival(bencher: Bencher) {
        run(bencher, dictionary(), false, &BASIC);
    }

    #[divan::bench]
    fn first_and_last(bencher: Bencher) {
        run(bencher, dictionary(), true, &[Function::First, Function::Last]);
    }
}
