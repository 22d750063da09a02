//! Rows on their way through every tier and through crashes: whatever is asked of a table has the same answer everywhere.

use std::fmt::Debug;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use tsds_engine::{Database, Table, TableSpec};
use tsds_io::SimWorld;

use crate::support::open;

/// A table with columns that are walked through the tiers. Its time column is `time`, in milliseconds, and its series column `series`.
pub trait Walked {
    /// How many rows a batch has, which is sealed into a segment of its own.
    const ROWS: i64;
    /// What comes of a query, to be compared.
    type Answer: Debug + PartialEq;

    /// The columns.
    fn schema() -> SchemaRef;

    /// The rows from this second on.
    fn batch(first: i64) -> RecordBatch;

    /// Rows as answers have them.
    fn answer(rows: &RecordBatch) -> Self::Answer;

    /// What is asked of the table wherever its rows are; all rows in the order of time come first.
    fn answers(table: &Table) -> impl Future<Output = Vec<Self::Answer>>;
}

/// The name of the table.
pub const TABLE: &str = "walked";

/// How many hours lie between batches that make a chunk each.
const HOURS: i64 = 8;

/// Batches as one.
pub fn joined(batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(&batches.first().expect("there are batches").schema(), batches).unwrap()
}

/// The table in a database whose segments are where its mover leaves them.
pub async fn fresh<W: Walked>(machine: &SimWorld) -> (Database, Table) {
    let database = open(machine).await.unwrap();
    let spec = TableSpec::new(TABLE, W::schema(), "time").series(["series"]).chunk_interval("1h");
    let table = database.create_table(spec).await.unwrap();
    (database, table)
}

/// From memory, from the log, from segment files and from cold files, with a crash before each of them.
pub fn walk_through_tiers_and_crashes<W: Walked>(seed: u64) {
    let mut machine = SimWorld::new(seed);
    let expected = machine.block_on(async {
        let (_database, table) = fresh::<W>(&machine).await;
        table.ingest(W::batch(0)).await.unwrap();
        let expected = W::answers(&table).await;
        assert_eq!(expected[0], W::answer(&W::batch(0)), "what was written is what is read");
        expected
    });
    machine = machine.crash();
    machine.block_on(async {
        let database = open(&machine).await.unwrap();
        assert_eq!(database.tier_counts().hot, W::ROWS as u64);
        assert_eq!(W::answers(&database.table(TABLE).unwrap()).await, expected, "from the log");
        database.flush().await.unwrap();
        assert_eq!(database.tier_counts().warm, W::ROWS as u64);
        assert_eq!(W::answers(&database.table(TABLE).unwrap()).await, expected, "from segment files");
    });
    machine = machine.crash();
    machine.block_on(async {
        let database = open(&machine).await.unwrap();
        let table = database.table(TABLE).unwrap();
        assert_eq!(W::answers(&table).await, expected, "from segment files, after a crash");
        // Others push it out: old segments move into cold files.
        for number in 1..HOURS {
            table.ingest(W::batch(number * 3_600)).await.unwrap();
            database.flush().await.unwrap();
        }
        database.settle().await.unwrap();
        let counts = database.tier_counts();
        assert!(counts.cold >= W::ROWS as u64 && counts.warm > 0, "{counts:?}");
    });
    machine = machine.crash();
    machine.block_on(async {
        let database = open(&machine).await.unwrap();
        let table = database.table(TABLE).unwrap();
        let all: Vec<RecordBatch> = (0..HOURS).map(|number| W::batch(number * 3_600)).collect();
        assert_eq!(W::answers(&table).await[0], W::answer(&joined(&all)), "from cold and segment files");
        assert!(database.verify(|_, _| {}).await.unwrap().damage.is_empty());
    });
}

/// What cold files answer is what memory answered.
pub fn compare_cold_files_with_memory<W: Walked>(seed: u64) {
    let machine = SimWorld::new(seed);
    machine.block_on(async {
        let (database, table) = fresh::<W>(&machine).await;
        for number in 0..HOURS {
            table.ingest(W::batch(number * 3_600)).await.unwrap();
        }
        let expected = W::answers(&table).await;
        for _ in 0..3 {
            database.flush().await.unwrap();
            database.settle().await.unwrap();
        }
        assert!(database.tier_counts().cold > 0, "{:?}", database.tier_counts());
        assert_eq!(W::answers(&table).await, expected);
    });
}
