// `[slab, meta, list, out]`: copies bits of listed rows, values of booleans or validity, as bitmaps, whose words are votes of warps.
// O(items) for each bitmap.
#include "gather.cuh"
#include "strand.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_gather_bits(const u32* slab, const u32* meta, const u32* list, u32* out, Params p) {
    Gather gather = gather_at(slab, meta, list, p, 3u);
    u32 rows[ROUNDS];
    u32 wanted = gather_rows(gather, strand_start(), 32u, rows);
    u32 strand = 0;
    if (gather.what == 1u) {
        strand = load_valid(gather.column, rows, wanted);
    } else {
        u64 values[ROUNDS];
        load_values(gather.column, rows, wanted, values);
#pragma unroll
        for (u32 k = 0; k < ROUNDS; k++) {
            strand |= ((u32)values[k] & 1u) << k;
        }
    }
    u32 word = words_of_strands(strand);
    u32 lane = lane_of_thread();
    u32 number = ROUNDS * warp_of_thread() + lane;
    if (lane < ROUNDS && 32u * number < gather.block.items) {
        out[gather.offset + (gather.block.aux >> 5) + number] = word;
    }
}
