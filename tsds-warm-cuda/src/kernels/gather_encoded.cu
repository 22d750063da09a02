// `[slab, meta, list, out]`: copies values of listed rows of columns that may be encoded. A thread decodes its row by itself: of few rows of
// many no two are neighbours. O(items) for each column, each up to 128 steps.
#include "encoded.cuh"
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_gather_encoded(const u32* slab, const u32* meta, const u32* list, u32* out, Params p) {
    Gather gather = gather_at(slab, meta, list, p, 2u);
    const u32* entry = meta + p.w[6] + 2u * (blockIdx.x / p.w[7]);
    u32 slot = __ldg(entry);
    u32 part = gather.block.part;
    bool is_wide = __ldg(column_entry(meta, p, part, slot) + 5) == PLAIN_64;
    bool decodes = is_encoded(meta, p, part, slot);
#pragma unroll 1
    for (u32 j = threadIdx.x; j < gather.block.items; j += THREADS) {
        u32 row = row_of(gather.rows, gather.block.first + j);
        u64 value = decodes ? lane_at(slab, meta, p, part, slot, row) : value_at(gather.column, row);
        u64 to = gather.block.aux + j;
        if (is_wide) {
            out[gather.offset + 2ull * to] = (u32)value;
            out[gather.offset + 2ull * to + 1ull] = (u32)(value >> 32);
        } else {
            out[gather.offset + to] = (u32)value;
        }
    }
}
