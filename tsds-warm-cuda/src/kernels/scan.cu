// `[data, totals]`: exclusive prefix sums within each 2048 words, and the sums of these. A thread has eight words, which it reads and
// writes as two vectors. O(words).
#include "prefix.cuh"

extern "C" __global__ void __launch_bounds__(256) tsds_scan(u32* data, u32* totals, Params p) {
    __shared__ u32 sums[WARPS];
    u32 first = BLOCK_ITEMS * blockIdx.x + ROUNDS * threadIdx.x;
    u32 end = p.w[6];
    bool is_whole = first + ROUNDS <= end;
    u32 words[ROUNDS];
    if (is_whole) {
        uint4* at = (uint4*)(data + first);
        uint4 a = at[0];
        uint4 b = at[1];
        words[0] = a.x, words[1] = a.y, words[2] = a.z, words[3] = a.w;
        words[4] = b.x, words[5] = b.y, words[6] = b.z, words[7] = b.w;
    } else {
#pragma unroll
        for (u32 k = 0; k < ROUNDS; k++) {
            words[k] = first + k < end ? data[first + k] : 0u;
        }
    }
    u32 sum = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 word = words[k];
        words[k] = sum;
        sum += word;
    }
    u32 total;
    u32 before = prefix(sum, sums, total);
    if (is_whole) {
        uint4* at = (uint4*)(data + first);
        at[0] = make_uint4(before + words[0], before + words[1], before + words[2], before + words[3]);
        at[1] = make_uint4(before + words[4], before + words[5], before + words[6], before + words[7]);
    } else {
#pragma unroll
        for (u32 k = 0; k < ROUNDS; k++) {
            if (first + k < end) {
                data[first + k] = before + words[k];
            }
        }
    }
    if (threadIdx.x == 0) {
        totals[blockIdx.x] = total;
    }
}
