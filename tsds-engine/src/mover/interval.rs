//! Fixes the chunk interval of a table whose owner left it open.

use tsds_compute::ChunkInterval;

/// A chunk is worth having from about this many rows.
const ROWS_PER_CHUNK: f64 = 100_000.0;
const DAY_SECONDS: f64 = 86_400.0;

/// The shortest of day, month and year that holds enough rows at the density of `rows` over `seconds`. Sparse data would
/// else shatter into thousands of tiny chunks.
pub(super) fn choose(rows: u64, seconds: u64) -> ChunkInterval {
    let rows_per_day = rows as f64 / (seconds.max(1) as f64 / DAY_SECONDS).max(1.0 / 24.0);
    if rows_per_day >= ROWS_PER_CHUNK {
        ChunkInterval::Seconds(DAY_SECONDS as i64)
    } else if rows_per_day * 30.0 >= ROWS_PER_CHUNK {
        ChunkInterval::Months(1)
    } else {
        ChunkInterval::Years(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_data_gets_long_chunks() {
        let year = 365 * 86_400;
        assert_eq!(choose(105_192, 4 * year), ChunkInterval::Years(1));
        assert_eq!(choose(10_000_000, year / 12), ChunkInterval::Seconds(86_400));
        assert_eq!(choose(200_000, 20 * 86_400), ChunkInterval::Months(1));
    }

    #[test]
    fn rows_of_one_instant_are_dense() {
        assert_eq!(choose(10_000, 0), ChunkInterval::Seconds(86_400));
    }
}
