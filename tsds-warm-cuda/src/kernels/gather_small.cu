// `[slab, meta, list, out]`: copies values of 8 or 16 bits of listed rows, packed in words; a thread makes whole words, of eight values
// together. O(items) for each column.
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_gather_small(const u32* slab, const u32* meta, const u32* list, u32* out, Params p) {
    Gather gather = gather_at(slab, meta, list, p, 2u);
    // Values in a word: 4 or 2.
    bool is_bytes = p.w[9] == 1u;
    u32 bits = is_bytes ? 8u : 16u;
    u32* to = out + gather.offset + (gather.block.aux >> (is_bytes ? 2 : 1));
    u32 rows[ROUNDS];
    u32 start = ROUNDS * threadIdx.x;
    u32 wanted = gather_rows(gather, start, 1u, rows);
    u64 values[ROUNDS];
    load_values(gather.column, rows, wanted, values);
    u32 words[4] = {0u, 0u, 0u, 0u};
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 value = (u32)values[k];
        words[k >> 1] |= is_bytes ? 0u : value << (bits * (k & 1u));
        words[k >> 2] |= is_bytes ? value << (8u * (k & 3u)) : 0u;
    }
#pragma unroll
    for (u32 w = 0; w < 4; w++) {
        u32 value = is_bytes ? 4u * w : 2u * w;
        if (value < ROUNDS && start + value < gather.block.items) {
            to[(start + value) / (is_bytes ? 4u : 2u)] = words[w];
        }
    }
}
