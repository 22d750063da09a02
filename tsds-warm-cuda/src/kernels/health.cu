// `[out]`: tells whether the device computes: multiplication, comparison of 64-bit numbers, and the grid. O(p6).
#include "types.cuh"

extern "C" __global__ void __launch_bounds__(64) tsds_health(u32* out, Params p) {
    u32 step = gridDim.x * 64u;
    for (u32 i = blockIdx.x * 64u + threadIdx.x; i < p.w[6]; i += step) {
        u64 a = ((u64)i << 32) | (u32)~i;
        u64 b = (7ull << 32) | i;
        out[i] = i * 2654435761u + (a > b ? 1u : 0u);
    }
}
