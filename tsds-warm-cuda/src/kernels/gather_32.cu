// `[slab, meta, list, out]`: copies values of 32 bits of listed rows, of several columns in one launch. O(items) for each column.
#include "gather.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_gather_32(const u32* slab, const u32* meta, const u32* list, u32* out, Params p) {
    Gather gather = gather_at(slab, meta, list, p, 2u);
    u32 rows[ROUNDS];
    u32 wanted = gather_rows(gather, threadIdx.x, THREADS, rows);
    u64 values[ROUNDS];
    load_values(gather.column, rows, wanted, values);
    u32* to = out + gather.offset + gather.block.aux;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        if ((wanted >> k) & 1u) {
            to[threadIdx.x + THREADS * k] = (u32)values[k];
        }
    }
}
