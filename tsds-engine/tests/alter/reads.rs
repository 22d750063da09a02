//! What queries see of rows that were written before a change, in memory, in segment files and in cold files.

use arrow_schema::DataType;
use tsds_engine::query::{Aggregation, Direction, Query, col};
use tsds_engine::traits::ErrorKind;
use tsds_engine::{AcceptLoss, Database, SchemaChange, Table};
use tsds_io::SimWorld;

use crate::support::{self, PATH, TABLE};
use crate::table::{Cell, ModelSchema, Place, cells_of, text_rows};

/// Rows of the first schema in every tier, then a change, then rows of the new one in memory and in a file.
async fn altered(machine: &SimWorld, changes: &[SchemaChange]) -> (Database, Table) {
    let database = support::open(machine).await.unwrap();
    let mut schema = ModelSchema::new();
    database.create_table(schema.spec()).await.unwrap();
    let table = database.table(TABLE).unwrap();
    let mut next_id = 0;
    let places = |round: i64| -> Vec<Place> {
        (0..10).map(|row| (round * 60 + row, (row % 2) as u8, Some(0), (round * 10 + row) as u8)).collect()
    };
    for round in 0..8 {
        let rows = schema.rows(&places(round), false, &mut next_id);
        table.ingest(schema.batch(&rows, false)).await.unwrap();
        database.flush().await.unwrap();
    }
    database.settle().await.unwrap();
    let rows = schema.rows(&places(8), false, &mut next_id);
    table.ingest(schema.batch(&rows, false)).await.unwrap();
    let counts = database.tier_counts();
    assert!(counts.cold > 0 && counts.warm > 0 && counts.hot > 0, "{counts:?}");
    if !changes.is_empty() {
        table.alter(changes).await.unwrap();
    }
    changes.iter().for_each(|change| schema.apply(change));
    for round in 9..11 {
        let rows = schema.rows(&places(round), false, &mut next_id);
        table.ingest(schema.batch(&rows, false)).await.unwrap();
    }
    (database, table)
}

async fn rows(query: Query) -> Vec<Vec<String>> {
    text_rows(&query.collect().await.unwrap())
}

async fn count(query: Query) -> u64 {
    rows(query.aggregate(Aggregation::new().count())).await[0][0].parse().unwrap()
}

#[test]
fn a_column_that_was_added_is_null_in_older_rows() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = altered(&machine, &[SchemaChange::add_column("n", DataType::Int64)]).await;
        let query = || table.query();
        let values = rows(query().project(["n"])).await;
        assert_eq!(values.len(), 110);
        let nulls = values.iter().filter(|row| row[0] == "null").count() as u64;
        assert!((90..110).contains(&nulls));
        assert_eq!(count(query().filter(col("n").is_null())).await, nulls);
        assert_eq!(count(query().filter(col("n").is_not_null())).await, 110 - nulls);
        let at_least = count(query().filter(col("n").gt_eq(3))).await;
        let below = count(query().filter(col("n").gt_eq(3).not())).await;
        assert!(at_least > 0 && below > 0);
        assert_eq!(at_least + below, 110 - nulls, "what is null is in neither");
        let threes = count(query().filter(col("n").eq(3))).await;
        assert_eq!(count(query().filter(col("n").eq(3).or(col("id").lt_eq(90)))).await, 90 + threes);
    });
}

#[test]
fn segments_that_lack_a_column_are_not_read_for_its_values() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = altered(&machine, &[SchemaChange::add_column("n", DataType::Int64)]).await;
        let explain = table.query().filter(col("n").eq(3)).explain().await.unwrap();
        assert_eq!(explain.tiers.iter().map(|tier| tier.segments).sum::<usize>(), 0, "{explain}");
        assert!(explain.tiers.iter().map(|tier| tier.pruned).sum::<usize>() > 4, "{explain}");
        let explain = table.query().filter(col("n").is_null()).explain().await.unwrap();
        assert_eq!(explain.tiers.iter().map(|tier| tier.pruned).sum::<usize>(), 0, "{explain}");
        assert!(explain.tiers.iter().all(|tier| !tier.pushdown.contains(&"filter")), "{explain}");
    });
}

#[test]
fn functions_of_a_column_that_was_added_know_only_newer_rows() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = altered(&machine, &[SchemaChange::add_column("n", DataType::Int64)]).await;
        let all =
            || Aggregation::new().count_of("n").sum("n").min("n").max("n").avg("n").first("n").last("n");
        let older = rows(table.query().filter(col("id").lt_eq(90)).aggregate(all())).await;
        assert_eq!(older, [["0", "null", "null", "null", "null", "null", "null"]]);
        let newer = rows(table.query().filter(col("id").gt(90)).aggregate(all())).await;
        assert_eq!(rows(table.query().aggregate(all())).await, newer);
        assert_ne!(newer[0][0], "0");
    });
}

#[test]
fn older_rows_are_the_group_of_null_of_a_column_that_was_added() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = altered(&machine, &[SchemaChange::add_column("b", DataType::Boolean)]).await;
        let groups = rows(table.query().aggregate(Aggregation::new().by(["b"]).count())).await;
        assert_eq!(
            groups.iter().map(|group| group[0].as_str()).collect::<Vec<_>>(),
            ["null", "false", "true"]
        );
        assert!(groups[0][1].parse::<u64>().unwrap() >= 90);
        let distinct =
            rows(table.query().filter(col("id").lt_eq(90)).aggregate(Aggregation::new().by(["b"])));
        assert_eq!(distinct.await, [["null"]]);
    });
}

#[test]
fn older_rows_sort_as_nulls_and_by_what_breaks_ties() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = altered(&machine, &[SchemaChange::add_column("n", DataType::Int64)]).await;
        let sorted = |nulls_first, limit| {
            table
                .query()
                .project(["host", "time", "n"])
                .sort_by_nulls("n", Direction::Descending, nulls_first)
                .limit(limit)
        };
        let first = rows(sorted(true, 7)).await;
        assert!(first.iter().all(|row| row[0] == "host-0" && row[2] == "null"), "{first:?}");
        let times: Vec<i64> = first.iter().map(|row| row[1].parse().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        let last = rows(sorted(false, 7)).await;
        assert!(last.iter().all(|row| row[2] != "null"), "{last:?}");
        // Beyond what is kept in memory: by a merge.
        let merged = rows(sorted(true, 200_000)).await;
        assert_eq!(merged[..7], first);
        assert_eq!(merged.len(), 110);
    });
}

#[test]
fn literals_beyond_a_narrower_type_are_above_all_of_its_values() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let widened =
            [SchemaChange::widen("tiny", DataType::Int32), SchemaChange::widen("rack", DataType::Int16)];
        let (_database, table) = altered(&machine, &widened).await;
        let older = || table.query().filter(col("id").lt_eq(90));
        let values = count(older().filter(col("tiny").is_not_null())).await;
        assert!(values < 90);
        assert_eq!(count(older().filter(col("tiny").lt(300))).await, values);
        assert_eq!(count(older().filter(col("tiny").gt_eq(300).not())).await, values);
        assert_eq!(count(older().filter(col("tiny").eq(300))).await, 0);
        assert_eq!(count(older().filter(col("rack").gt(-1))).await, 90);
        assert_eq!(count(older().filter(col("rack").lt(-1))).await, 0);
        assert!(count(table.query().filter(col("tiny").gt(300))).await > 0);
    });
}

#[test]
fn floats_that_became_wider_compare_and_add_up_as_what_they_were() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (_database, table) = altered(&machine, &[SchemaChange::widen("float", DataType::Float64)]).await;
        let older = || table.query().filter(col("id").lt_eq(90));
        let narrow = f64::from(0.1f32);
        assert_eq!(count(older().filter(col("float").eq(0.1))).await, 0);
        let exactly = count(older().filter(col("float").eq(narrow))).await;
        assert!(exactly > 0);
        assert_eq!(count(older().filter(col("float").in_range(0.1, narrow.next_up()))).await, exactly);
        let values = rows(older().project(["float"])).await;
        let sum: f64 = values
            .iter()
            .filter(|row| row[0] != "null")
            .map(|row| row[0].split(' ').next().unwrap().parse::<f64>().unwrap())
            .fold(0.0, |sum, value| sum + value);
        let found = rows(older().aggregate(Aggregation::new().sum("float"))).await;
        assert_eq!(found, [[format!("{sum:?} {:x}", sum.to_bits())]]);
    });
}

#[test]
fn segments_are_opened_in_the_order_of_the_wider_values() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let widened =
            [SchemaChange::widen("float", DataType::Float64), SchemaChange::widen("rack", DataType::Int16)];
        let (_database, table) = altered(&machine, &widened).await;
        for (column, direction, nulls_first) in [
            ("float", Direction::Descending, false),
            ("float", Direction::Ascending, true),
            ("rack", Direction::Descending, false),
            ("rack", Direction::Ascending, false),
        ] {
            // Without a limit segments are merged, and opened when the merge reaches what their statistics allow.
            let sorted = table.query().sort_by_nulls(column, direction, nulls_first);
            let batches = sorted.collect().await.unwrap();
            let values: Vec<Cell> =
                batches.iter().flat_map(|batch| cells_of(batch.column_by_name(column).unwrap())).collect();
            assert_eq!(values.len(), 110);
            let values: Vec<&Cell> = values.iter().filter(|value| !value.is_null()).collect();
            let in_order = values.windows(2).all(|pair| match direction {
                Direction::Ascending => pair[0].total_cmp(pair[1]).is_le(),
                Direction::Descending => pair[0].total_cmp(pair[1]).is_ge(),
            });
            assert!(in_order, "{column} {direction:?}: {values:?}");
        }
    });
}

#[test]
fn a_renamed_column_is_known_by_its_new_name_alone() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let changes = ["time", "host", "float"].map(|name| SchemaChange::rename(name, format!("new_{name}")));
        let (database, table) = altered(&machine, &changes).await;
        assert_eq!(count(table.query().filter(col("new_host").eq("host-1"))).await, 55);
        assert_eq!(rows(table.query().project(["new_time", "new_float"])).await.len(), 110);
        let daily = Aggregation::new().every("1d".parse().unwrap()).count();
        assert_eq!(rows(table.query().aggregate(daily)).await[0][1], "110");
        let error = table.query().filter(col("float").is_null()).collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("new_float"), "{error}");
        database.settle().await.unwrap();
        assert!(database.verify(|_, _| ()).await.unwrap().damage.is_empty());
    });
}

#[test]
fn a_snapshot_keeps_the_columns_that_it_was_taken_with() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let (database, table) = altered(&machine, &[]).await;
        let snapshot = database.snapshot();
        table.alter(&[SchemaChange::rename("float", "load")]).await.unwrap();
        let held = table.query().in_snapshot(&snapshot);
        assert_eq!(rows(held.clone().project(["float"])).await.len(), 110);
        assert!(held.project(["load"]).collect().await.is_err());
        assert_eq!(rows(table.query().project(["load"])).await.len(), 110);
    });
}

#[test]
fn statistics_of_storage_know_files_of_every_version() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let changes =
            [SchemaChange::widen("tiny", DataType::Int64), SchemaChange::add_column("n", DataType::Int64)];
        let (database, table) = altered(&machine, &changes).await;
        database.flush().await.unwrap();
        let storage = database.storage_stats().await.unwrap().remove(0);
        assert_eq!(storage.unreadable_files, 0);
        let column = |name: &str| storage.columns.iter().find(|column| column.name == name).unwrap();
        let (tiny, added) = (column("tiny"), column("n"));
        assert!(added.rows > 0 && added.rows < tiny.rows, "{storage:?}");
        // 20 rows of 8 bytes, the others of one.
        assert_eq!(tiny.raw_bytes, added.rows * 8 + (tiny.rows - added.rows));
        assert_eq!(table.schema().unwrap().version().0, 2);
    });
}

#[test]
fn sorts_on_disk_know_rows_of_every_version() {
    let sorted = |table: &Table| {
        table
            .query()
            .project(["n", "tiny", "id"])
            .sort_by_nulls("n", Direction::Descending, true)
            .sort_by("tiny", Direction::Descending)
    };
    let machine = SimWorld::new(1);
    let mut tight = support::small();
    (tight.hot_tier.max_records, tight.hot_tier.segment_rows) = (6_000, 2_500);
    let roomy = tight.clone();
    tight.query.memory_limit_mb = 1;
    machine.block_on(async {
        let database = support::open_with(&machine, tight).await.unwrap();
        let mut schema = ModelSchema::new();
        let table = database.create_table(schema.spec().chunk_interval("1y")).await.unwrap();
        let mut next_id = 0;
        for round in 0..80_i64 {
            if round == 40 {
                let changes = [
                    SchemaChange::add_column("n", DataType::Int8),
                    SchemaChange::widen("tiny", DataType::Int32),
                ];
                table.alter(&changes).await.unwrap();
                changes.iter().for_each(|change| schema.apply(change));
            }
            let places: Vec<Place> = (0..500)
                .map(|row| ((row * 7919) % 4_001, (row % 3) as u8, None, (round * 13 + row) as u8))
                .collect();
            let rows = schema.rows(&places, false, &mut next_id);
            table.ingest(schema.batch(&rows, false)).await.unwrap();
        }
        database.settle().await.unwrap();
        let found = rows(sorted(&table)).await;
        assert!(database.stats().await.unwrap().spilled_bytes > 0, "nothing was sorted on disk");
        database.close().await.unwrap();
        let database = support::open_with(&machine, roomy).await.unwrap();
        let expected = rows(sorted(&database.table(TABLE).unwrap())).await;
        assert_eq!(database.stats().await.unwrap().spilled_bytes, 0);
        assert_eq!(found.len(), 40_000);
        assert!(found == expected, "sorted on disk, rows come in another order");
    });
}

#[test]
fn a_damaged_file_of_an_older_version_is_given_up_alone() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        let changes = [SchemaChange::widen("tiny", DataType::Int64), SchemaChange::rename("float", "load")];
        let (database, _table) = altered(&machine, &changes).await;
        database.flush().await.unwrap();
        database.close().await.unwrap();
        let files = machine.list_files(PATH).unwrap();
        let cold = files.iter().find(|name| name.ends_with(".parquet")).unwrap();
        machine.corrupt(format!("{PATH}/{cold}"), 100, 1).unwrap();
        let builder = || {
            let builder = Database::builder(PATH).settings(support::small());
            builder.registry(support::registry()).world(machine.world())
        };
        let report = builder().repair(AcceptLoss::Parts, |_, _| ()).await.unwrap();
        assert_eq!(report.segments.len(), 1, "{report:?}");
        let database = builder().open().await.unwrap();
        assert!(database.verify(|_, _| ()).await.unwrap().damage.is_empty());
        let found = rows(database.table(TABLE).unwrap().query().project(["load"])).await;
        assert_eq!(found.len() as u64, 110 - report.lost_rows());
    });
}
