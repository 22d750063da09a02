//! How much scratch memory a request takes for rows, and how many rows of a segment can be one part for it.

/// How many waves, of different requests, find room at the same time.
const WAVES_AT_ONCE: u64 = 2;
/// What a wave computes for every row beside the values that it returns, at most: keys, and a few lists of rows.
const ROW_BYTES: u64 = 40;
/// Values are decoded, copied to where they are returned from, and on their way to the host.
const COPIES: u64 = 3;
/// What a part takes in tables, and what is rounded up for it, for each column and beside them.
const PART_COLUMN_BYTES: u64 = 600;
const PART_BYTES: u64 = 2048;

/// What a wave may take of so much scratch memory.
pub(crate) fn of_wave(scratch_bytes: u64) -> u64 {
    scratch_bytes / WAVES_AT_ONCE
}

/// What a part of so many rows takes, of which so many columns are read that have `row_bits` bits in each row.
pub(crate) fn taken(rows: u64, row_bits: u64, columns: u64) -> u64 {
    let of_rows = u128::from(rows) * u128::from(ROW_BYTES * 8 + COPIES * row_bits) / 8;
    let of_rows = u64::try_from(of_rows).unwrap_or(u64::MAX / 2);
    of_rows + PART_BYTES + columns * PART_COLUMN_BYTES
}

/// How many rows a part can have so that a wave of it alone has room.
pub(crate) fn most_rows(scratch_bytes: u64, row_bits: u64, columns: u64) -> u64 {
    let room = of_wave(scratch_bytes).saturating_sub(PART_BYTES + columns * PART_COLUMN_BYTES);
    room.saturating_mul(8) / (ROW_BYTES * 8 + COPIES * row_bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_many_rows_as_a_part_can_have_find_room_and_no_more(
            scratch in 0u64..1 << 40, row_bits in 1u64..100_000, columns in 1u64..1_000
        ) {
            let rows = most_rows(scratch, row_bits, columns);
            prop_assert!(rows == 0 || taken(rows, row_bits, columns) <= of_wave(scratch));
            prop_assert!(taken(rows + 1, row_bits, columns) >= of_wave(scratch));
        }
    }
}
