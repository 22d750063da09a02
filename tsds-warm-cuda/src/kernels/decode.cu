// `[slab, meta, out]`: decodes encoded columns: values of all rows of blocks, of several columns in one launch. A warp decodes 32 rows at a
// time, and lanes write neighbours. O(rows) for each column.
#include "encoded.cuh"

extern "C" __global__ void __launch_bounds__(256) tsds_decode(const u32* slab, const u32* meta, u32* out, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x % p.w[7]);
    const u32* entry = meta + p.w[6] + 2u * (blockIdx.x / p.w[7]);
    Encoded own = encoded_at(slab, meta, p, block.part, __ldg(entry), block.first);
    u32 to = __ldg(meta + __ldg(entry + 1) + block.part);
    u32 row = block.first + strand_start();
    u32* narrow = out + to + row;
    u32* wide = narrow + row;
    bool is_aligned = ((u64)wide & 4ull) == 0ull;
    each_lane(own, block.items, false, [&](u32 k, u64 lane, bool, bool is_row) {
        if (!is_row) {
            return;
        }
        if (!own.is_wide) {
            narrow[32u * k] = (u32)lane;
        } else if (is_aligned) {
            *(u64*)(wide + 64u * k) = lane;
        } else {
            wide[64u * k] = (u32)lane;
            wide[64u * k + 1u] = (u32)(lane >> 32);
        }
    });
}
