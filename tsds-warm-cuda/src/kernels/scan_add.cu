// `[data, totals]`: adds to each 2048 words what is before them. O(words).
#include "tables.cuh"

extern "C" __global__ void __launch_bounds__(256) tsds_scan_add(u32* data, const u32* totals, Params p) {
    u32 before = __ldg(totals + blockIdx.x);
    u32 first = BLOCK_ITEMS * blockIdx.x + threadIdx.x;
    u32 words[ROUNDS];
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 i = first + THREADS * k;
        words[k] = i < p.w[6] ? data[i] : 0u;
    }
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 i = first + THREADS * k;
        if (i < p.w[6]) {
            data[i] = words[k] + before;
        }
    }
}
