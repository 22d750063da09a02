//! Columns of payload through every tier, and through crashes: what was written is what is read, to the bit.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
#[path = "support/walk.rs"]
mod walk;

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, Decimal128Array, FixedSizeBinaryArray, FixedSizeListArray, Float64Array,
    Int64Array, LargeBinaryArray, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray, TimestampSecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use tsds_engine::query::{Aggregation, Direction, Query, col};
use tsds_engine::traits::ErrorKind;
use tsds_engine::{SchemaChange, Table, TableSpec};
use tsds_io::SimWorld;
use walk::{TABLE, Walked, compare_cold_files_with_memory, fresh, joined, walk_through_tiers_and_crashes};

/// Rows of a batch.
const ROWS: i64 = 40;
const PAYLOAD: [&str; 7] = ["raw", "hash", "spectrum", "tags", "event", "position", "trail"];

struct Payload;

impl Walked for Payload {
    const ROWS: i64 = ROWS;
    type Answer = Vec<String>;

    fn schema() -> SchemaRef {
        schema()
    }

    fn batch(first: i64) -> RecordBatch {
        batch(first)
    }

    fn answer(rows: &RecordBatch) -> Vec<String> {
        bits(rows)
    }

    async fn answers(table: &Table) -> Vec<Vec<String>> {
        answers(table).await
    }
}

fn valid(rows: &std::ops::Range<i64>, every: i64) -> Option<NullBuffer> {
    Some(rows.clone().map(|row| row % every != 0).collect())
}

fn list(items: ArrayRef, lengths: impl Iterator<Item = usize>, nulls: Option<NullBuffer>) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, nulls))
}

/// Floats of every kind: NaNs of two payloads and both signs, zeros of both, and nulls.
fn floats(count: usize) -> ArrayRef {
    let values = [
        Some(f64::from_bits(0x7ff8_0000_0000_1234)),
        Some(-0.0),
        None,
        Some(f64::from_bits(0xfff0_0000_0000_0001)),
        Some(1.5),
        Some(f64::NEG_INFINITY),
        Some(0.0),
    ];
    Arc::new((0..count).map(|index| values[index % values.len()]).collect::<Float64Array>())
}

fn texts(count: usize) -> ArrayRef {
    let text = |index: usize| (index % 5 != 3).then(|| ["", "ä", "a longer text", "b"][index % 4].to_owned());
    Arc::new((0..count).map(text).collect::<StringArray>())
}

/// The payload columns: lists are empty, null, and of nulls; values stand under nulls.
fn payload(rows: std::ops::Range<i64>) -> Vec<ArrayRef> {
    let count = rows.clone().count();
    let length = |row: i64, of: i64| (row % of) as usize;
    let total = |of: i64| rows.clone().map(|row| length(row, of)).sum::<usize>();
    let bytes = |row: i64| (row % 7 != 2).then(|| vec![row as u8, 0, 255][..length(row, 4).min(3)].to_vec());
    let raw: ArrayRef = Arc::new(rows.clone().map(bytes).collect::<BinaryArray>());
    let hash = rows.clone().map(|row| (row % 3 != 0).then(|| row.to_be_bytes()));
    let hash: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(hash, 8).unwrap());
    let spectrum = list(floats(total(5)), rows.clone().map(|row| length(row, 5)), valid(&rows, 6));
    let keys = (0..total(4)).map(|index| Some(["host", "rack", "", "host"][index % 4]));
    let keys: ArrayRef = Arc::new(keys.collect::<StringArray>());
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    let tags = MapArray::new(
        Arc::new(Field::new("entries", DataType::Struct(entries.clone()), false)),
        OffsetBuffer::from_lengths(rows.clone().map(|row| length(row, 4))),
        StructArray::new(entries, vec![keys, texts(total(4))], None),
        valid(&rows, 5),
        false,
    );
    let at = rows.clone().map(|row| (row % 4 != 1).then_some(row));
    let at: ArrayRef = Arc::new(at.collect::<TimestampSecondArray>().with_timezone("+02:00"));
    let price = rows.clone().map(|row| (row % 9 != 1).then_some(i128::from(row) - 5));
    let price: ArrayRef =
        Arc::new(price.collect::<Decimal128Array>().with_data_type(DataType::Decimal128(5, 2)));
    let fields = Fields::from(vec![
        Field::new("at", at.data_type().clone(), true),
        Field::new("price", price.data_type().clone(), true),
        Field::new("odd \"name\"", spectrum.data_type().clone(), true),
    ]);
    let event: ArrayRef =
        Arc::new(StructArray::new(fields, vec![at, price, Arc::clone(&spectrum)], valid(&rows, 8)));
    let item = Arc::new(Field::new_list_field(DataType::Float64, true));
    let position: ArrayRef = Arc::new(FixedSizeListArray::new(item, 3, floats(count * 3), valid(&rows, 4)));
    let three = |row: i64| length(row, 3);
    let records = arrow_select::take::take(
        &event,
        &Int64Array::from_iter_values((0..total(3) as i64).map(|index| index % ROWS)),
        None,
    );
    let trail = list(records.unwrap(), rows.clone().map(three), valid(&rows, 10));
    vec![raw, hash, spectrum, Arc::new(tags), event, position, trail]
}

fn batch(first: i64) -> RecordBatch {
    let rows = first..first + ROWS;
    let time: TimestampMillisecondArray = rows.clone().map(|row| Some(row * 1_000)).collect();
    let series: StringArray = rows.clone().map(|row| Some(["a", "b"][(row % 2) as usize])).collect();
    let number: Int64Array = rows.clone().map(|row| Some(row * 7 % 11)).collect();
    // Payload before the columns by which rows are sorted: what is stored as several columns moves those behind.
    let mut columns = payload(rows);
    columns.extend([Arc::new(series) as ArrayRef, Arc::new(time), Arc::new(number)]);
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn schema() -> SchemaRef {
    let types = payload(0..ROWS);
    let mut fields: Vec<_> = PAYLOAD
        .iter()
        .zip(&types)
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    fields.push(Field::new("series", DataType::Utf8, true));
    fields.push(Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false));
    fields.push(Field::new("number", DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

/// Rows by their bits: the text of a float does not tell NaNs apart, and Arrow takes none for equal.
fn bits(batch: &RecordBatch) -> Vec<String> {
    fn value(array: &dyn Array, row: usize) -> String {
        use arrow_array::cast::AsArray;
        if array.is_null(row) {
            return "null".into();
        }
        let all = |array: &ArrayRef| {
            (0..array.len()).map(|row| value(array.as_ref(), row)).collect::<Vec<_>>().join(" ")
        };
        match array.data_type() {
            DataType::Float64 => {
                let floats = array.as_primitive::<arrow_array::types::Float64Type>();
                format!("{:x}", floats.value(row).to_bits())
            }
            DataType::List(_) => format!("[{}]", all(&array.as_list::<i32>().value(row))),
            DataType::FixedSizeList(_, _) => format!("[{}]", all(&array.as_fixed_size_list().value(row))),
            DataType::Map(_, _) => {
                let entries: ArrayRef = Arc::new(array.as_map().value(row));
                format!("{{{}}}", all(&entries))
            }
            DataType::Struct(_) => {
                let fields = array.as_struct().columns().iter();
                let fields: Vec<_> = fields.map(|field| value(field.as_ref(), row)).collect();
                format!("({})", fields.join(" "))
            }
            _ => format!("{:?}", array.slice(row, 1)),
        }
    }
    let row = |row: usize| {
        let columns = batch.columns().iter().map(|column| value(column.as_ref(), row));
        columns.collect::<Vec<_>>().join("|")
    };
    (0..batch.num_rows()).map(row).collect()
}

async fn rows(query: Query) -> Vec<String> {
    let found = query.collect().await.unwrap();
    if found.is_empty() { Vec::new() } else { bits(&joined(&found)) }
}

/// What is asked of the table wherever its rows are.
async fn answers(table: &Table) -> Vec<Vec<String>> {
    let by_time = || table.query().sort_by("time", Direction::Ascending);
    let mut answers = vec![rows(by_time()).await];
    for name in PAYLOAD {
        answers.push(rows(by_time().filter(col(name).is_null())).await);
        answers.push(rows(by_time().filter(col(name).is_null().not()).project(["time", name])).await);
        let counts = Aggregation::new().by(["series"]).count().count_of(name);
        answers.push(rows(table.query().aggregate(counts)).await);
    }
    // Another order than that of the segments, with a limit and without; and few rows of many.
    let by_number = || table.query().sort_by("number", Direction::Descending);
    answers.push(rows(by_number().limit(7)).await);
    answers.push(rows(by_number().sort_by("time", Direction::Ascending)).await);
    answers.push(rows(by_time().filter(col("number").eq(3))).await);
    answers.push(rows(by_time().project(["trail", "raw"]).limit(5)).await);
    answers
}

#[test]
fn payload_comes_back_to_the_bit_from_every_tier_and_after_crashes() {
    walk_through_tiers_and_crashes::<Payload>(21);
}

#[test]
fn cold_files_return_the_payload_of_memory() {
    compare_cold_files_with_memory::<Payload>(22);
}

#[test]
fn what_compares_sorts_groups_or_computes_payload_is_refused_by_name() {
    let machine = SimWorld::new(23);
    machine.block_on(async {
        let (_database, table) = fresh::<Payload>(&machine).await;
        table.ingest(batch(0)).await.unwrap();
        for name in PAYLOAD {
            let aggregates = [
                Aggregation::new().by([name]).count(),
                Aggregation::new().min(name),
                Aggregation::new().max(name),
                Aggregation::new().sum(name),
                Aggregation::new().avg(name),
                Aggregation::new().first(name),
                Aggregation::new().last(name),
            ];
            let mut queries: Vec<Query> =
                aggregates.into_iter().map(|one| table.query().aggregate(one)).collect();
            queries.push(table.query().filter(col(name).eq("x")));
            queries.push(table.query().filter(col(name).is_in([1]).not()));
            queries.push(table.query().filter(col(name).is_nan()));
            queries.push(table.query().sort_by(name, Direction::Ascending));
            for query in queries {
                let error = query.collect().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                let text = error.to_string();
                assert!(
                    text.contains(&format!("column={name}")) && text.contains("stored and returned only"),
                    "{text}"
                );
            }
        }
    });
}

#[test]
fn payload_is_no_series_and_no_time_column() {
    let machine = SimWorld::new(24);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        for spec in
            [TableSpec::new("a", schema(), "time").series(["spectrum"]), TableSpec::new("a", schema(), "raw")]
        {
            assert!(database.create_table(spec).await.is_err());
        }
    });
}

#[test]
fn layouts_and_names_of_other_libraries_are_stored_as_one_type() {
    let machine = SimWorld::new(25);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let element = Arc::new(Field::new("element", DataType::Float64, false));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        let lists: ArrayRef =
            Arc::new(ListArray::new(element, OffsetBuffer::from_lengths([0, 2]), numbers, None));
        let bytes: ArrayRef = Arc::new(LargeBinaryArray::from(vec![Some(&b"x"[..]), None]));
        let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1, 2]));
        let given = RecordBatch::try_from_iter([("time", time), ("lists", lists), ("bytes", bytes)]).unwrap();
        let table = database.create_table(TableSpec::new("t", given.schema(), "time")).await.unwrap();
        table.ingest(given).await.unwrap();
        let found = joined(&table.query().collect().await.unwrap());
        let types: Vec<_> = found.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        assert_eq!(types[1..], [DataType::List(item), DataType::Binary]);
        assert_eq!(found.column(1).len(), 2);
    });
}

#[test]
fn a_payload_column_that_is_added_is_null_in_older_rows() {
    let machine = SimWorld::new(26);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let few = batch(0).project(&[8, 9]).unwrap();
        let table = database.create_table(TableSpec::new(TABLE, few.schema(), "time")).await.unwrap();
        table.ingest(few.clone()).await.unwrap();
        database.flush().await.unwrap();
        let adding: Vec<SchemaChange> = PAYLOAD
            .iter()
            .map(|name| {
                SchemaChange::add_column(*name, schema().field_with_name(name).unwrap().data_type().clone())
            })
            .collect();
        table.alter(&adding).await.unwrap();
        let wanted: Vec<usize> = [8, 9].into_iter().chain(0..7).collect();
        let newer = batch(3_600).project(&wanted).unwrap();
        table.ingest(newer.clone()).await.unwrap();
        for _ in 0..2 {
            let found = joined(&table.query().sort_by("time", Direction::Ascending).collect().await.unwrap());
            assert_eq!(found.num_rows(), 2 * ROWS as usize);
            assert!(
                found.columns()[2..]
                    .iter()
                    .all(|column| column.slice(0, ROWS as usize).null_count() == ROWS as usize)
            );
            assert_eq!(bits(&found.slice(ROWS as usize, ROWS as usize)), bits(&newer));
            let nulls = table.query().filter(col("trail").is_null()).collect().await.unwrap();
            assert_eq!(joined(&nulls).num_rows(), ROWS as usize + newer.column(8).null_count());
            database.flush().await.unwrap();
            database.settle().await.unwrap();
        }
    });
}

#[test]
fn a_decimal_inside_of_payload_with_too_many_digits_is_refused() {
    let machine = SimWorld::new(27);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let decimals = |value: i128| -> ArrayRef {
            Arc::new(Decimal128Array::from(vec![value]).with_data_type(DataType::Decimal128(3, 0)))
        };
        let given = |value| {
            let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1]));
            let prices = list(decimals(value), std::iter::once(1), None);
            RecordBatch::try_from_iter([("time", time), ("prices", prices)]).unwrap()
        };
        let table = database.create_table(TableSpec::new("t", given(1).schema(), "time")).await.unwrap();
        table.ingest(given(999)).await.unwrap();
        let error = table.ingest(given(1_000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("column=prices"), "{error}");
    });
}

#[test]
fn payload_is_sorted_on_disk_where_memory_is_short() {
    let machine = SimWorld::new(28);
    machine.block_on(async {
        let mut settings = support::small();
        settings.hot_tier.max_records = 6_000;
        settings.hot_tier.segment_rows = 500;
        settings.query.memory_limit_mb = 1;
        let database = support::open_with(&machine, settings).await.unwrap();
        let (rows, items) = (3_000, 200);
        let time: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(0..rows));
        // Every number below a prime once.
        let number: ArrayRef =
            Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * 1_009 % 3_001)));
        let lengths = (0..rows).map(|row| if row % 5 == 0 { 0 } else { items });
        let total = lengths.clone().sum();
        let lists = list(floats(total), lengths, valid(&(0..rows), 7));
        let all = RecordBatch::try_from_iter_with_nullable([
            ("time", time, false),
            ("number", number, false),
            ("lists", lists, true),
        ])
        .unwrap();
        let table = database.create_table(TableSpec::new(TABLE, all.schema(), "time")).await.unwrap();
        for first in (0..rows as usize).step_by(250) {
            table.ingest(all.slice(first, 250)).await.unwrap();
        }
        database.flush().await.unwrap();
        database.settle().await.unwrap();
        let sorted = table.query().sort_by("number", Direction::Ascending).collect().await.unwrap();
        assert!(database.stats().await.unwrap().spilled_bytes > 0, "nothing was sorted on disk");
        let mut order: Vec<i64> = (0..rows).collect();
        order.sort_by_key(|row| row * 1_009 % 3_001);
        let order = Int64Array::from(order);
        let expected = arrow_select::take::take_record_batch(&all, &order).unwrap();
        assert!(bits(&joined(&sorted)) == bits(&expected), "rows differ");
    });
}
