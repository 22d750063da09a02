// `[meta, mask, offsets, source, out]`: lists the ones of a bitmap over items, in order. A warp adds up the ones before its words by
// itself; lanes write neighbours. O(items).
#include "strand.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_compact(const u32* meta, const u32* mask, const u32* offsets, const u32* source, u32* out, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u32 lane = lane_of_thread();
    // Words `2l` and `2l + 1` of the block, and where their ones go.
    const u32* words = mask + (u64)BLOCK_WORDS * block.number;
    u32 even = 64u * lane < block.items ? __ldg(words + 2u * lane) : 0u;
    u32 odd = 64u * lane + 32u < block.items ? __ldg(words + 2u * lane + 1u) : 0u;
    u32 ones = __popc(even) + __popc(odd);
    u32 places = ones;
#pragma unroll
    for (u32 by = 1; by < 32; by <<= 1) {
        u32 before = __shfl_up_sync(ALL_LANES, places, by);
        places += lane >= by ? before : 0u;
    }
    places += __ldg(offsets + block.number) - ones;
    u32 kind = p.w[6];
    u32 end = p.w[7];
    u32 start = kind == 2u ? part_word(meta, p, block.part, PART_LIST_START) : 0u;
    u32 wanted = strand_mask(block.items);
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        // Word `8 * warp + k` is in lane `4 * warp + k / 2`.
        u32 holder = (ROUNDS / 2) * warp_of_thread() + (k >> 1);
        u32 first = __shfl_sync(ALL_LANES, even, holder);
        u32 second = __shfl_sync(ALL_LANES, odd, holder);
        u32 place = __shfl_sync(ALL_LANES, places, holder);
        u32 word = k & 1u ? second : first;
        place += (k & 1u ? __popc(first) : 0u) + __popc(word & lanes_before());
        if ((word >> lane) & (wanted >> k) & 1u && place < end) {
            u32 item = block.first + strand_start() + 32u * k;
            out[place] = kind == 1u ? __ldg(source + item) : item - start;
        }
    }
}
