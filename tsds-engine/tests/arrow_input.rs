//! Batches as any program may build them with Arrow's safe functions: every layout that says the same rows is the same rows, and what
//! cannot be taken is refused before anything is written.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float32Array, Float64Array, Int64Array, LargeStringArray, ListArray,
    ListViewArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray, TimestampMillisecondArray,
    new_null_array,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, OffsetBuffer};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use support::{Row, TABLE, everything, sorted_ids};
use tsds_engine::query::{Aggregation, Direction, col};
use tsds_engine::traits::ErrorKind;
use tsds_engine::{Database, Table, TableSpec};
use tsds_io::SimWorld;

/// What a row says, whatever its layout: two texts and a number.
type Said = (Option<String>, Option<String>, Option<i64>);

/// How a column of text lies in memory.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Plain,
    Large,
    View,
    Dictionary8,
    Dictionary16,
    Dictionary32,
    Dictionary64,
    DictionaryU8,
    DictionaryU32,
    DictionaryU64,
    DictionaryOfViews,
    DictionaryOfDictionary,
}

const LAYOUTS: [Layout; 12] = [
    Layout::Plain,
    Layout::Large,
    Layout::View,
    Layout::Dictionary8,
    Layout::Dictionary16,
    Layout::Dictionary32,
    Layout::Dictionary64,
    Layout::DictionaryU8,
    Layout::DictionaryU32,
    Layout::DictionaryU64,
    Layout::DictionaryOfViews,
    Layout::DictionaryOfDictionary,
];

/// A dictionary as nobody writes it on purpose: values twice and in no order, values that no row uses, rows that are null since
/// the value is, and under other nulls keys that lead nowhere.
fn dictionary<K: ArrowDictionaryKeyType>(texts: &[Option<String>], noise: usize) -> ArrayRef {
    let mut values: Vec<Option<String>> = vec![Some("unused".into()), None];
    for text in texts.iter().rev().flatten() {
        if values.len() < 100 && (noise.is_multiple_of(2) || !values.contains(&Some(text.clone()))) {
            values.push(Some(text.clone()));
        }
    }
    let (mut keys, mut valid) = (Vec::new(), Vec::new());
    for (row, text) in texts.iter().enumerate() {
        let value_is_null = (row + noise).is_multiple_of(3);
        let (key, is_valid) = match text {
            Some(_) => {
                let places: Vec<_> = (0..values.len()).filter(|at| values[*at] == *text).collect();
                (places[(row + noise) % places.len()], true)
            }
            None if value_is_null => (1, true),
            None => (120, false),
        };
        keys.push(K::Native::from_usize(key).unwrap());
        valid.push(is_valid);
    }
    let keys = PrimitiveArray::<K>::new(keys.into(), Some(NullBuffer::from(valid)));
    Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(values))))
}

fn with_values(packed: &ArrayRef, values: ArrayRef) -> ArrayRef {
    let keys = packed.as_dictionary::<Int16Type>().keys().clone();
    Arc::new(DictionaryArray::new(keys, values))
}

/// The texts in a layout, as a piece out of the middle of a longer array.
fn laid_out(texts: &[Option<String>], layout: Layout, noise: usize) -> ArrayRef {
    let before = noise % 3;
    let mut longer: Vec<Option<String>> = vec![Some("before".into()); before];
    longer.extend_from_slice(texts);
    longer.extend([None, Some("after".into())]);
    let array: ArrayRef = match layout {
        Layout::Plain => Arc::new(StringArray::from(longer)),
        Layout::Large => Arc::new(LargeStringArray::from(longer)),
        Layout::View => Arc::new(longer.into_iter().collect::<StringViewArray>()),
        Layout::Dictionary8 => dictionary::<Int8Type>(&longer, noise),
        Layout::Dictionary16 => dictionary::<Int16Type>(&longer, noise),
        Layout::Dictionary32 => dictionary::<Int32Type>(&longer, noise),
        Layout::Dictionary64 => dictionary::<Int64Type>(&longer, noise),
        Layout::DictionaryU8 => dictionary::<UInt8Type>(&longer, noise),
        Layout::DictionaryU32 => dictionary::<UInt32Type>(&longer, noise),
        Layout::DictionaryU64 => dictionary::<UInt64Type>(&longer, noise),
        Layout::DictionaryOfViews => {
            let packed = dictionary::<Int16Type>(&longer, noise);
            let values = packed.as_dictionary::<Int16Type>().values().clone();
            with_values(&packed, cast(&values, &DataType::Utf8View).unwrap())
        }
        Layout::DictionaryOfDictionary => {
            let packed = dictionary::<Int16Type>(&longer, noise);
            let values = packed.as_dictionary::<Int16Type>().values().as_string::<i32>().clone();
            let values: Vec<_> = values.iter().map(|value| value.map(str::to_owned)).collect();
            with_values(&packed, dictionary::<Int8Type>(&values, noise + 1))
        }
    };
    array.slice(before, texts.len())
}

fn spec() -> TableSpec {
    let packed = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
    let schema = Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("id", DataType::Int64, false),
        Field::new("packed", packed, true),
        Field::new("plain", DataType::Utf8, true),
        Field::new("number", DataType::Int64, true),
    ]);
    TableSpec::new(TABLE, Arc::new(schema), "time").series(["packed"]).chunk_interval("1h")
}

fn batch(first: usize, said: &[Said], layouts: (Layout, Layout), noise: usize) -> RecordBatch {
    let ids = first as i64..(first + said.len()) as i64;
    let packed: Vec<_> = said.iter().map(|(packed, ..)| packed.clone()).collect();
    let plain: Vec<_> = said.iter().map(|(_, plain, _)| plain.clone()).collect();
    // Under a null there may be any number.
    let numbers = said.iter().map(|(.., number)| number.unwrap_or(i64::MIN)).collect::<Vec<_>>();
    let valid = NullBuffer::from_iter(said.iter().map(|(.., number)| number.is_some()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("plain", laid_out(&plain, layouts.1, noise)),
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone()))),
        ("number", Arc::new(Int64Array::new(numbers.into(), Some(valid)))),
        ("packed", laid_out(&packed, layouts.0, noise)),
        ("time", Arc::new(TimestampMillisecondArray::from_iter_values(ids.map(|id| id * 500_000)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    let plain = cast(array, &DataType::Utf8).unwrap();
    plain.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

/// All rows by id, as they are, and as a filter and groups see them.
async fn check(table: &Table, expected: &[Said]) {
    let mut found = Vec::new();
    for rows in table.query().sort_by("id", Direction::Ascending).collect().await.unwrap() {
        let (packed, plain) = (texts(rows.column(2)), texts(rows.column(3)));
        let numbers = rows.column(4).as_primitive::<Int64Type>();
        found.extend(packed.into_iter().zip(plain).zip(numbers.iter()).map(|((a, b), n)| (a, b, n)));
    }
    assert_eq!(found, expected);
    for (column, of) in [("packed", 0), ("plain", 1)] {
        let text = |said: &Said| if of == 0 { said.0.clone() } else { said.1.clone() };
        let count = async |filter| {
            let batches = table.query().filter(filter).collect().await.unwrap();
            batches.iter().map(RecordBatch::num_rows).sum::<usize>()
        };
        let nulls = expected.iter().filter(|said| text(said).is_none()).count();
        assert_eq!(count(col(column).is_null()).await, nulls, "{column} is null");
        let equal = expected.iter().filter(|said| text(said).as_deref() == Some("b")).count();
        assert_eq!(count(col(column).eq("b")).await, equal, "{column} = b");
        let groups = Aggregation::new().by([column]).count().sum("number");
        let groups = table.query().aggregate(groups).collect().await.unwrap();
        let names: Vec<_> = groups.iter().flat_map(|rows| texts(rows.column(0))).collect();
        let mut wanted: Vec<_> = expected.iter().map(text).collect();
        wanted.sort();
        wanted.dedup();
        assert_eq!(names, wanted, "groups by {column}");
    }
}

fn said() -> impl Strategy<Value = Said> {
    let text =
        || prop::option::weighted(0.7, prop::sample::select(vec!["", "a", "b", "bb", "éß", "a longer text"]));
    (text(), text(), prop::option::of(-3i64..4))
        .prop_map(|(a, b, number)| (a.map(str::to_owned), b.map(str::to_owned), number))
}

fn layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(LAYOUTS.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_layout_of_the_same_rows_is_the_same_rows_in_every_tier(
        batches in prop::collection::vec(
            (prop::collection::vec(said(), 0..30), layout(), layout(), 0usize..6), 1..5),
    ) {
        let machine = SimWorld::new(5);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            let table = database.create_table(spec()).await.unwrap();
            let mut all = Vec::new();
            for (said, packed, plain, noise) in batches {
                table.ingest(batch(all.len(), &said, (packed, plain), noise)).await.unwrap();
                all.extend(said);
            }
            check(&table, &all).await;
            database.flush().await.unwrap();
            database.settle().await.unwrap();
            check(&table, &all).await;
        });
    }
}

#[test]
fn every_layout_comes_back_from_the_log() {
    for (number, layout) in LAYOUTS.into_iter().enumerate() {
        let machine = SimWorld::new(number as u64);
        let said: Vec<Said> = (0..20)
            .map(|row: usize| {
                let text = |n: usize| (!n.is_multiple_of(4)).then(|| ["", "b", "c"][n % 3].to_owned());
                (text(row), text(row / 2), Some(row as i64))
            })
            .collect();
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            let table = database.create_table(spec()).await.unwrap();
            table.ingest(batch(0, &said, (layout, layout), number)).await.unwrap();
        });
        let machine = machine.crash();
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            assert!(database.recovery().replayed_rows > 0, "{layout:?}");
            check(&database.table(TABLE).unwrap(), &said).await;
        });
    }
}

async fn fresh(machine: &SimWorld) -> (Database, Table) {
    let database = support::open(machine).await.unwrap();
    let table = database.create_table(support::spec()).await.unwrap();
    let row = |id| Row { time: id, host: "a".into(), value: None, id };
    table.ingest(support::batch(&[row(0), row(1)])).await.unwrap();
    (database, table)
}

/// A batch of the table of `support` with another array of hosts.
fn with_hosts(hosts: ArrayRef) -> RecordBatch {
    let rows = hosts.len() as i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(TimestampMillisecondArray::from_iter_values(0..rows))),
        ("host", hosts),
        ("value", Arc::new(Float64Array::from(vec![None; rows as usize]))),
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn text_that_unpacks_to_much_more_than_it_comes_in_is_refused_before_it_is() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = fresh(&machine).await;
        let written = database.stats().await.unwrap().wal.bytes;
        // 2 MiB of text, seen in another place by each row: 128 GiB in all.
        let mut views = StringViewBuilder::new();
        let block = views.append_block("x".repeat(2 << 20).into_bytes().into());
        for row in 0..65_536 {
            views.try_append_view(block, row, 2_000_000).unwrap();
        }
        let error = table.ingest(with_hosts(Arc::new(views.finish()))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(
            text.contains("unpack to too much; ingest fewer rows at once column=host bytes=131072327680"),
            "{text}"
        );
        assert!(text.contains("table=metrics"), "{text}");
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), [0, 1]);
        assert_eq!(database.stats().await.unwrap().wal.bytes, written, "nothing was logged");
    });
}

#[test]
fn payload_that_unpacks_to_much_more_than_it_comes_in_is_refused_before_it_is() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let item = Arc::new(Field::new_list_field(DataType::Float32, true));
        let schema = Schema::new(vec![
            Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
            Field::new("frame", DataType::Binary, true),
            Field::new("wave", DataType::List(Arc::clone(&item)), true),
            Field::new("names", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))), true),
        ]);
        let table = database.create_table(TableSpec::new("payload", Arc::new(schema), "time")).await.unwrap();
        const ROWS: i32 = 4_000;
        let nothing = |data_type: &DataType| new_null_array(data_type, ROWS as usize);
        let plain = |name: &str| {
            let schema = table.schema().unwrap();
            nothing(schema.arrow().field_with_name(name).unwrap().data_type())
        };
        let mut frames = BinaryViewBuilder::new();
        let block = frames.append_block(vec![0xff; 2 << 20].into());
        (0..ROWS as u32).for_each(|row| frames.try_append_view(block, row, 2_000_000).unwrap());
        let waves = ListViewArray::new(
            item,
            (0..ROWS).collect(),
            std::iter::repeat_n(400_000, ROWS as usize).collect(),
            Arc::new(Float32Array::from(vec![0.0; 500_000])),
            None,
        );
        let keys = PrimitiveArray::<Int8Type>::from_iter_values((0..ROWS).map(|_| 0));
        let long = StringArray::from(vec!["x".repeat(1 << 20)]);
        let coded = DictionaryArray::new(keys, Arc::new(long));
        let names = ListArray::new(
            Arc::new(Field::new_list_field(coded.data_type().clone(), true)),
            OffsetBuffer::from_lengths(std::iter::repeat_n(1, ROWS as usize)),
            Arc::new(coded),
            None,
        );
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter_values(0..i64::from(ROWS)));
        let bombs: [(&str, ArrayRef); 3] =
            [("frame", Arc::new(frames.finish())), ("wave", Arc::new(waves)), ("names", Arc::new(names))];
        for (name, bomb) in bombs {
            let column = |own: &'static str| if own == name { Arc::clone(&bomb) } else { plain(own) };
            let columns = ["frame", "wave", "names"].map(|own| (own, column(own)));
            let batch = RecordBatch::try_from_iter([("time", Arc::clone(&times))].into_iter().chain(columns))
                .unwrap();
            let error = table.ingest(batch).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
            assert!(error.to_string().contains(&format!("fewer rows at once column={name}")), "{error}");
        }
        let columns = ["frame", "wave", "names"].map(|own| (own, plain(own)));
        let batch = RecordBatch::try_from_iter([("time", times)].into_iter().chain(columns)).unwrap();
        assert_eq!(table.ingest(batch).await.unwrap().rows, ROWS as u64);
    });
}

#[test]
fn a_null_that_only_the_dictionary_says_is_one() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = fresh(&machine).await;
        let keys = PrimitiveArray::<Int32Type>::from_iter_values([0, 1, 0]);
        let hosts = DictionaryArray::new(keys, Arc::new(StringArray::from(vec![Some("a"), None])));
        assert_eq!(hosts.null_count(), 0, "Arrow counts none");
        let error = table.ingest(with_hosts(Arc::new(hosts))).await.unwrap_err();
        assert!(error.to_string().contains("null where none is allowed column=host row=1"), "{error}");
    });
}

#[test]
fn a_column_that_is_named_twice_or_unknown_is_refused_however_many_there_are() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = fresh(&machine).await;
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let many = |name: fn(usize) -> String| {
            RecordBatch::try_from_iter((0..20_000).map(|n| (name(n), Arc::clone(&number)))).unwrap()
        };
        let error = table.ingest(many(|_| "id".into())).await.unwrap_err();
        assert!(error.to_string().contains("has a column twice column=id"), "{error}");
        let error = table.ingest(many(|n| format!("c{n}"))).await.unwrap_err();
        assert!(error.to_string().contains("the table does not have column=c0"), "{error}");
        assert_eq!(sorted_ids(&everything(&database).await.unwrap()), [0, 1]);
    });
}

#[test]
fn metadata_of_a_batch_and_of_a_schema_is_not_kept() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let metadata = [("note".to_owned(), "x".repeat(1 << 20))];
        let with = |schema: &Schema| {
            let fields = schema
                .fields()
                .iter()
                .map(|field| field.as_ref().clone().with_metadata(metadata.clone().into()));
            Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata.clone().into()))
        };
        let schema = with(&support::schema());
        let table = database.create_table(TableSpec::new(TABLE, Arc::clone(&schema), "time")).await.unwrap();
        let row = Row { time: 1, host: "a".into(), value: None, id: 1 };
        let rows = support::batch(&[row]);
        table.ingest(RecordBatch::try_new(schema, rows.columns().to_vec()).unwrap()).await.unwrap();
        let found = table.query().collect().await.unwrap();
        assert!(found[0].schema().metadata().is_empty() && found[0].schema().field(0).metadata().is_empty());
        assert!(database.stats().await.unwrap().wal.bytes < 64 << 10);
    });
}

#[test]
fn a_batch_without_columns_or_of_no_type_is_refused() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = fresh(&machine).await;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(usize::MAX));
        let nothing = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
        let error = table.ingest(nothing).await.unwrap_err();
        assert!(error.to_string().contains("lacks a column of the table column=time"), "{error}");
        let nulls = with_hosts(Arc::new(arrow_array::NullArray::new(3)));
        let error = table.ingest(nulls).await.unwrap_err();
        assert!(
            error.to_string().contains("column=host expected=dictionary(int32,utf8) given=Null"),
            "{error}"
        );
        let runs = arrow_array::RunArray::<Int32Type>::from_iter(["a", "a", "b"]);
        let error = table.ingest(with_hosts(Arc::new(runs))).await.unwrap_err();
        assert!(error.to_string().contains("column=host expected="), "{error}");
    });
}

#[test]
fn floats_keep_every_bit_and_no_filter_loses_one() {
    let bits: Vec<u64> = vec![
        0,
        1 << 63,
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        f64::NAN.to_bits(),
        0xfff8_0000_0000_1234,
        0x7ff0_0000_0000_0001,
        1,
        f64::MAX.to_bits(),
    ];
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let database = support::open(&machine).await.unwrap();
        let table = database.create_table(support::spec()).await.unwrap();
        let rows: Vec<Row> = bits
            .iter()
            .zip(0..)
            .map(|(bits, id)| Row { time: id, host: "a".into(), value: Some(f64::from_bits(*bits)), id })
            .collect();
        table.ingest(support::batch(&rows)).await.unwrap();
        for place in ["memory", "a file"] {
            let found = table.query().sort_by("id", Direction::Ascending).collect().await.unwrap();
            let values: Vec<u64> = found
                .iter()
                .flat_map(|rows| {
                    rows.column(2).as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits())
                })
                .collect();
            assert_eq!(values, bits, "{place}");
            for (filter, matches) in [
                (col("value").is_nan(), vec![4, 5, 6]),
                (col("value").eq(0.0), vec![0, 1]),
                (col("value").gt(1e300), vec![2, 8]),
                (col("value").lt(0.0), vec![3]),
            ] {
                let found = support::rows_of(&table.query().filter(filter).collect().await.unwrap());
                assert_eq!(sorted_ids(&found), matches, "{place}");
            }
            database.flush().await.unwrap();
            database.settle().await.unwrap();
        }
    });
}
