// `[meta, keys, state, mask, counts]`: a bitmap over items of those whose key is at most their part's threshold. O(items).
#include "radix.cuh"
#include "strand.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_select_mark(const u32* meta, const u64* keys, const u32* state, u32* mask_out, u32* counts, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u64 threshold = two_words(state + 4u * block.part);
    u64 loaded[ROUNDS];
    u32 wanted = load_keys(keys, block, strand_start(), 32u, loaded);
    u32 strand = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        strand |= (u32)(loaded[k] <= threshold) << k;
    }
    write_marks(mask_out, counts, block.number, strand & wanted);
}
