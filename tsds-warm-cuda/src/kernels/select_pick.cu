// `[meta, state, histogram]`: picks the digit in which the last wanted key of a part lies, and clears the counts. A block for each part, a
// thread for each digit. O(256).
#include "prefix.cuh"

extern "C" __global__ void __launch_bounds__(256) tsds_select_pick(const u32* meta, u32* state, u32* counts, Params p) {
    __shared__ u32 sums[WARPS];
    u32 part = p.w[5] + blockIdx.x;
    u32 digit = threadIdx.x;
    u32* own = state + 4u * part;
    u32 count = counts[256u * part + digit];
    counts[256u * part + digit] = 0;
    u64 threshold = 0;
    u32 wanted = part_word(meta, p, part, PART_WANTED);
    if (p.w[7] == 0u) {
        threshold = ((u64)own[1] << 32) | own[0];
        wanted = own[2];
    }
    u32 total;
    // All threads have read the state when one of them writes it: there is a barrier in between.
    u32 before = prefix(count, sums, total);
    bool is_it = before < wanted && before + count >= wanted;
    is_it = wanted == 0u ? digit == 0u : is_it || (digit == 255u && total < wanted);
    if (p.w[7] == 2u) {
        is_it = digit == 0u;
    } else if (is_it) {
        threshold = (threshold & ~(255ull << p.w[6])) | ((u64)digit << p.w[6]);
        wanted -= before;
    }
    if (is_it) {
        own[0] = (u32)threshold;
        own[1] = (u32)(threshold >> 32);
        own[2] = wanted;
    }
}
