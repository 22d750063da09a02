// Exclusive prefix sums over the threads of a block.
#pragma once
#include "tables.cuh"

// The sum of `number` over the threads before this one, and over all threads in `total`. `sums` is shared memory that nobody else uses
// until the next barrier.
static __device__ __forceinline__ u32 prefix(u32 number, u32 (&sums)[WARPS], u32& total) {
    u32 lane = lane_of_thread();
    u32 sum = number;
#pragma unroll
    for (u32 by = 1; by < 32; by <<= 1) {
        u32 before = __shfl_up_sync(ALL_LANES, sum, by);
        sum += lane >= by ? before : 0u;
    }
    if (lane == 31u) {
        sums[warp_of_thread()] = sum;
    }
    __syncthreads();
    u32 before = 0;
    total = 0;
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) {
        before += w < warp_of_thread() ? sums[w] : 0u;
        total += sums[w];
    }
    return before + sum - number;
}
