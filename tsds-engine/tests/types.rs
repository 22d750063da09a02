//! Columns of every type through every tier, and through crashes: the same values everywhere.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "support/walk.rs"]
mod walk;

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, TimestampMillisecondArray,
    make_array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tsds_engine::query::{Aggregation, Direction, Expr, Literal, col};
use tsds_engine::traits::{ErrorKind, has_sum, integer_form};
use tsds_engine::{Table, TableSpec};
use tsds_io::SimWorld;

use walk::{Walked, compare_cold_files_with_memory, fresh, joined, walk_through_tiers_and_crashes};

/// Rows of a batch.
const ROWS: i64 = 30;

struct Types;

impl Walked for Types {
    const ROWS: i64 = ROWS;
    type Answer = RecordBatch;

    fn schema() -> SchemaRef {
        schema()
    }

    fn batch(first: i64) -> RecordBatch {
        batch(first)
    }

    fn answer(rows: &RecordBatch) -> RecordBatch {
        rows.clone()
    }

    async fn answers(table: &Table) -> Vec<RecordBatch> {
        answers(table).await
    }
}

/// The columns beside time: a name each, its type, and a literal that lies among its values.
fn columns() -> Vec<(&'static str, DataType, Literal)> {
    vec![
        ("date", DataType::Date32, "1970-01-04".into()),
        ("instant", DataType::Date64, "1970-01-01T00:00:00.003".into()),
        ("second", DataType::Time32(TimeUnit::Second), "00:00:03".into()),
        ("milli", DataType::Time32(TimeUnit::Millisecond), "00:00:00.003".into()),
        ("micro", DataType::Time64(TimeUnit::Microsecond), "00:00:00.000003".into()),
        ("nano", DataType::Time64(TimeUnit::Nanosecond), "00:00:00.000000003".into()),
        ("took_s", DataType::Duration(TimeUnit::Second), "3s".into()),
        ("took_ms", DataType::Duration(TimeUnit::Millisecond), 3.into()),
        ("took_us", DataType::Duration(TimeUnit::Microsecond), "3us".into()),
        ("took_ns", DataType::Duration(TimeUnit::Nanosecond), 3.0.into()),
        ("price", DataType::Decimal128(9, 2), "0.03".into()),
        ("amount", DataType::Decimal128(18, 4), Literal::decimal("0.00030").unwrap()),
        ("wide", DataType::Decimal128(38, 10), 3_000_000_000_000_000_i64.into()),
    ]
}

fn schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("series", DataType::Date32, true),
    ];
    fields.extend(columns().into_iter().map(|(name, data_type, _)| Field::new(name, data_type, true)));
    Arc::new(Schema::new(fields))
}

/// Values of a type: small numbers of both signs, and a null now and then.
fn values(data_type: &DataType, rows: std::ops::Range<i64>, every: i64) -> ArrayRef {
    let number = |row: i64| (row % every != 0).then_some(row * 7 % 11 - 3);
    if let DataType::Decimal128(precision, _) = data_type {
        // The widest type holds what 64 bits do not.
        let unit = if *precision == 38 { 10_i128.pow(25) } else { 1 };
        let decimals = rows.map(|row| number(row).map(|number| i128::from(number) * unit));
        return Arc::new(decimals.collect::<Decimal128Array>().with_data_type(data_type.clone()));
    }
    let numbers: Int64Array = rows.map(number).collect();
    let integers = cast(&numbers, &integer_form(data_type).unwrap()).unwrap();
    make_array(integers.to_data().into_builder().data_type(data_type.clone()).build().unwrap())
}

fn batch(first: i64) -> RecordBatch {
    let rows = first..first + ROWS;
    let time: TimestampMillisecondArray = rows.clone().map(|row| Some(row * 1_000)).collect();
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(time), values(&DataType::Date32, rows.clone(), 5)];
    arrays.extend(columns().iter().map(|(_, data_type, _)| values(data_type, rows.clone(), 7)));
    RecordBatch::try_new(schema(), arrays).unwrap()
}

/// What is asked of the table wherever its rows are: all rows, each column filtered, sorted and grouped, and its aggregates.
async fn answers(table: &Table) -> Vec<RecordBatch> {
    let mut answers = Vec::new();
    let by_time = |query: tsds_engine::query::Query| query.sort_by("time", Direction::Ascending);
    answers.push(joined(&by_time(table.query()).collect().await.unwrap()));
    for (name, data_type, literal) in columns() {
        let filters: [Expr; 4] = [
            col(name).gt_eq(literal.clone()),
            col(name).eq(literal.clone()),
            col(name).is_in([literal.clone()]).not(),
            col(name).is_null(),
        ];
        for filter in filters {
            let found = by_time(table.query().filter(filter)).collect().await.unwrap();
            assert!(!found.is_empty(), "{name}");
            answers.push(joined(&found));
        }
        let sorted = table.query().sort_by(name, Direction::Descending).limit(9);
        answers.push(joined(&sorted.collect().await.unwrap()));
        let mut all = Aggregation::new().by([name]).count().min(name).max(name).first(name).last(name);
        if has_sum(&data_type) {
            all = all.sum(name).avg(name);
        }
        answers.push(joined(&table.query().aggregate(all).collect().await.unwrap()));
    }
    answers
}

#[test]
fn every_type_gives_the_same_answers_in_every_tier_and_after_crashes() {
    walk_through_tiers_and_crashes::<Types>(11);
}

#[test]
fn cold_files_give_the_answers_of_memory() {
    compare_cold_files_with_memory::<Types>(12);
}

#[test]
fn sums_of_dates_and_times_of_day_are_refused_by_name() {
    let machine = SimWorld::new(13);
    machine.block_on(async {
        let (_database, table) = fresh::<Types>(&machine).await;
        for (name, data_type, _) in columns().into_iter().filter(|(_, data_type, _)| !has_sum(data_type)) {
            let error = table.query().aggregate(Aggregation::new().sum(name)).collect().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let named = format!("column={name} type={data_type}");
            assert!(error.to_string().contains(&named), "{error}");
        }
    });
}

#[test]
fn a_sum_of_durations_that_does_not_fit_is_refused() {
    let machine = SimWorld::new(14);
    machine.block_on(async {
        let (_database, table) = fresh::<Types>(&machine).await;
        let rows = batch(0);
        let longest = Int64Array::from(vec![i64::MAX; ROWS as usize]);
        let longest = cast(&longest, &DataType::Duration(TimeUnit::Second)).unwrap();
        let position = schema().index_of("took_s").unwrap();
        let mut arrays = rows.columns().to_vec();
        arrays[position] = longest;
        table.ingest(RecordBatch::try_new(schema(), arrays).unwrap()).await.unwrap();
        let sum = Aggregation::new().sum("took_s");
        let error = table.query().aggregate(sum).collect().await.unwrap_err();
        assert!(error.to_string().contains("took_s"), "{error}");
    });
}

/// The first rows with other values in a column of decimals.
fn with_decimals(name: &str, units: i128) -> RecordBatch {
    let mut arrays = batch(0).columns().to_vec();
    let position = schema().index_of(name).unwrap();
    let decimals = Decimal128Array::from(vec![units; ROWS as usize]);
    arrays[position] = Arc::new(decimals.with_data_type(schema().field(position).data_type().clone()));
    RecordBatch::try_new(schema(), arrays).unwrap()
}

#[test]
fn decimals_are_summed_exactly_and_have_an_average() {
    let machine = SimWorld::new(16);
    machine.block_on(async {
        let (database, table) = fresh::<Types>(&machine).await;
        let most = 10_i128.pow(38) / i128::from(ROWS) - 1;
        table.ingest(with_decimals("wide", most)).await.unwrap();
        for _ in 0..2 {
            let all = Aggregation::new().sum("wide").avg("wide");
            let found = joined(&table.query().aggregate(all).collect().await.unwrap());
            let expected = Decimal128Array::from(vec![most * i128::from(ROWS)]);
            let expected = expected.with_data_type(DataType::Decimal128(38, 10));
            assert_eq!(found.column(0).as_ref(), &expected as &dyn Array);
            let average: f64 = format!("{most}e-10").parse().unwrap();
            assert_eq!(found.column(1).as_ref(), &Float64Array::from(vec![average]) as &dyn Array);
            database.flush().await.unwrap();
        }
        table.ingest(with_decimals("wide", most)).await.unwrap();
        let error = table.query().aggregate(Aggregation::new().sum("wide")).collect().await.unwrap_err();
        assert!(
            error.to_string().contains("column=wide") && error.to_string().contains("38 digits"),
            "{error}"
        );
    });
}

#[test]
fn a_decimal_with_more_digits_than_its_column_is_refused_by_row() {
    let machine = SimWorld::new(17);
    machine.block_on(async {
        let (_database, table) = fresh::<Types>(&machine).await;
        table.ingest(with_decimals("price", 999_999_999)).await.unwrap();
        let error = table.ingest(with_decimals("price", -1_000_000_000)).await.unwrap_err().to_string();
        assert!(error.contains("column=price") && error.contains("row=0"), "{error}");
    });
}

#[test]
fn a_type_that_is_not_stored_is_refused_with_those_that_are() {
    let machine = SimWorld::new(15);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let fields = vec![
            Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            Field::new("odd", DataType::Time32(TimeUnit::Nanosecond), true),
        ];
        let spec = TableSpec::new("odd", Arc::new(Schema::new(fields)), "time");
        let error = database.create_table(spec).await.unwrap_err().to_string();
        assert!(error.contains("column=odd") && error.contains("time32(s|ms)"), "{error}");
    });
}
