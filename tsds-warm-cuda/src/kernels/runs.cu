// `[slab, meta, list, buckets, mask, counts]`: a bitmap over items of those with which a run begins. A lane gets the value before its own
// from its neighbour. O(items * slots).
#include "column.cuh"
#include "strand.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_runs(const u32* slab, const u32* meta, const u32* list, const u32* buckets_in, u32* mask_out, u32* counts, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    Rows from = rows_of(meta, p, list, block.part);
    u32 wanted = strand_mask(block.items);
    u32 every = p.w[6];
    bool with_buckets = p.w[10] == 1u;
    u32 rows[ROUNDS];
    // Of lane 0, the row of the item before each.
    u32 rows_before[ROUNDS];
    // Items that have one before them in their part.
    u32 followers = 0;
    u32 strand = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        bool is_item = (wanted >> k) & 1u;
        u32 item = block.first + strand_start() + 32u * k;
        u32 distance = item - from.start;
        bool begins = distance == 0u || (every != 0u && distance % every == 0u);
        rows[k] = is_item ? row_of(from, item) : 0u;
        rows_before[k] = 0u;
        if (is_item && distance != 0u) {
            followers |= 1u << k;
            if (lane_of_thread() == 0u) {
                rows_before[k] = row_of(from, item - 1u);
            }
            if (with_buckets && !begins) {
                begins = __ldg(buckets_in + item) != __ldg(buckets_in + item - 1u);
            }
        }
        strand |= (u32)begins << k;
    }
    u32 first_lane = lane_of_thread() == 0u ? followers : 0u;
    for (u32 s = 0; s < p.w[9]; s++) {
        Column column = column_at(slab, meta, p, block.part, __ldg(meta + p.w[7] + s));
        u32 valid = load_valid(column, rows, wanted);
        u32 valid_before = load_valid(column, rows_before, first_lane);
        u64 values[ROUNDS];
        u64 values_before[ROUNDS];
        load_values(column, rows, valid, values);
        load_values(column, rows_before, valid_before, values_before);
        u32 of_neighbour = __shfl_up_sync(ALL_LANES, valid, 1);
        if (lane_of_thread() != 0u) {
            valid_before = of_neighbour;
        }
#pragma unroll
        for (u32 k = 0; k < ROUNDS; k++) {
            u64 before = __shfl_up_sync(ALL_LANES, values[k], 1);
            before = lane_of_thread() == 0u ? values_before[k] : before;
            // Values of nulls are 0 on both sides.
            bool differs = ((valid ^ valid_before) >> k) & 1u || values[k] != before;
            strand |= ((u32)differs << k) & followers;
        }
    }
    write_marks(mask_out, counts, block.number, strand & wanted);
}
