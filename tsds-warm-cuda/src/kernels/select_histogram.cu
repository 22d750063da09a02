// `[meta, keys, state, histogram]`: counts the next digit of eight bits of the keys that agree with the part's threshold so far.
// O(items).
#include "radix.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_select_histogram(const u32* meta, const u64* keys, const u32* state, u32* counts, Params p) {
    __shared__ u32 digits[MAX_DIGITS];
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u32 at = p.w[6];
    u64 threshold = two_words(state + 4u * block.part);
    u64 known = at + 8u >= 64u ? 0ull : ~0ull << (at + 8u);
    u64 loaded[ROUNDS];
    u32 wanted = load_keys(keys, block, threadIdx.x, THREADS, loaded);
    digits[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        bool agrees = (wanted >> k) & 1u && ((loaded[k] ^ threshold) & known) == 0ull;
        count_digit(digits, agrees ? (u32)(loaded[k] >> at) & 255u : NONE);
    }
    __syncthreads();
    u32 found = digits[threadIdx.x];
    if (found != 0u) {
        atomicAdd(counts + 256u * block.part + threadIdx.x, found);
    }
}
