// `[slab, meta, list, out]`: finds the time bucket of every item by binary search. A warp first finds where its earliest and its latest
// item lie: rows follow time, and mostly that is the same bucket. O(items * log buckets).
#include "bucket.cuh"
#include "strand.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_buckets(const u32* slab, const u32* meta, const u32* list, u32* out, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    Column column = column_at(slab, meta, p, block.part, p.w[6]);
    Rows from = rows_of(meta, p, list, block.part);
    const u32* starts = meta + part_word(meta, p, block.part, PART_BUCKETS);
    u32 many = part_word(meta, p, block.part, PART_BUCKET_COUNT);
    u32 wanted = strand_mask(block.items);
    u32 rows[ROUNDS];
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        rows[k] = (wanted >> k) & 1u ? row_of(from, block.first + strand_start() + 32u * k) : 0u;
    }
    u64 times[ROUNDS];
    load_values(column, rows, wanted, times);
    u64 earliest = ONES_64;
    u64 latest = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        times[k] = key_of(column, times[k]);
        if ((wanted >> k) & 1u) {
            earliest = times[k] < earliest ? times[k] : earliest;
            latest = times[k] > latest ? times[k] : latest;
        }
    }
#pragma unroll
    for (u32 by = 16; by > 0; by >>= 1) {
        u64 other = __shfl_xor_sync(ALL_LANES, earliest, by);
        earliest = other < earliest ? other : earliest;
        other = __shfl_xor_sync(ALL_LANES, latest, by);
        latest = other > latest ? other : latest;
    }
    if (earliest > latest) {
        // No item is the warp's.
        return;
    }
    u32 low = starts_until(starts, 0u, many, earliest);
    u32 high = starts_until(starts, low, many, latest);
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        if ((wanted >> k) & 1u) {
            u32 until = low == high ? low : starts_until(starts, low, high, times[k]);
            out[block.first + strand_start() + 32u * k] = max_of(until, 1u) - 1u;
        }
    }
}
