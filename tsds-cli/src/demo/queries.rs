//! The queries that a demonstration times.

use tsds_engine::Table;
use tsds_engine::query::{Aggregation, Direction, Every, Literal, Query, col};
use tsds_traits::Result;

use super::generate::time_of_row;

/// A query and what it is called.
#[derive(Debug)]
pub(crate) struct DemoQuery {
    /// What it asks, in a few words.
    pub(crate) name: &'static str,
    /// The query.
    pub(crate) query: Query,
}

const HOUR: i64 = 3_600 * 1_000_000_000;

/// Filters, sorts and aggregates over a table of demonstration trades with so many rows.
///
/// # Errors
///
/// None but a bug.
pub(crate) fn demo_queries(table: &Table, rows: u64) -> Result<Vec<DemoQuery>> {
    let (begin, end) = (time_of_row(0), time_of_row(rows));
    let middle = begin + (end - begin) / 2;
    let hour = HOUR.min((end - begin) / 4).max(1);
    let at = |nanos: i64| Literal::Time(nanos.into());
    let minute: Every = "1m".parse()?;
    let query = |name, query| DemoQuery { name, query };
    Ok(vec![
        query("count all rows", table.query().aggregate(Aggregation::new().count())),
        query(
            "filter: one symbol, one hour, all columns",
            table.query().filter(
                col("symbol").eq("AAPL").and(col("timestamp").in_range(at(middle), at(middle + hour))),
            ),
        ),
        query(
            "filter: 3 symbols, price > 20, count and sum",
            table
                .query()
                .filter(col("symbol").is_in(["NVDA", "AMD", "INTC"]).and(col("price").gt(20.0)))
                .aggregate(Aggregation::new().count().sum("volume")),
        ),
        query(
            "sort: 1,000 highest prices of one symbol",
            table
                .query()
                .filter(col("symbol").eq("TSLA"))
                .sort_by("price", Direction::Descending)
                .limit(1_000),
        ),
        query(
            "sort: newest 10,000 rows",
            table.query().sort_by("timestamp", Direction::Descending).limit(10_000),
        ),
        query(
            "aggregate: price range and volume per symbol",
            table
                .query()
                .aggregate(Aggregation::new().by(["symbol"]).count().min("price").max("price").sum("volume")),
        ),
        query(
            "aggregate: 1-minute bars of one symbol",
            table.query().filter(col("symbol").eq("SPY")).aggregate(
                Aggregation::new()
                    .every(minute)
                    .first("price")
                    .max("price")
                    .min("price")
                    .last("price")
                    .sum("volume"),
            ),
        ),
        query(
            "aggregate: 1-minute buckets per symbol",
            table.query().aggregate(Aggregation::new().every(minute).by(["symbol"]).count().avg("price")),
        ),
        query(
            "aggregate: last price per symbol",
            table.query().aggregate(Aggregation::new().by(["symbol"]).last("price")),
        ),
    ])
}
