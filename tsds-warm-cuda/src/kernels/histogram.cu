// `[meta, keys, histogram]`: counts the digits of each block's keys. Lanes with the same digit count as one, so that keys that are all
// alike cost no more than others. O(items).
#include "radix.cuh"

extern "C" __global__ void __launch_bounds__(256) tsds_histogram(const u32* meta, const u64* keys, u32* counts, Params p) {
    __shared__ u32 digits[MAX_DIGITS];
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u32 many = 1u << p.w[9];
    u64 loaded[ROUNDS];
    u32 wanted = load_keys(keys, block, threadIdx.x, THREADS, loaded);
    digits[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 digit = (u32)(loaded[k] >> p.w[6]) & (many - 1u);
        count_digit(digits, (wanted >> k) & 1u ? digit : NONE);
    }
    __syncthreads();
    if (threadIdx.x < many) {
        counts[block.aux + threadIdx.x * part_word(meta, p, block.part, PART_STRIDE)] = digits[threadIdx.x];
    }
}
