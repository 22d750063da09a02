// Strands: what a thread knows of its items, a bit for each. A warp has `WARP_ITEMS` consecutive items of a block; bit `k` of lane `l` is
// about item `32k + l` of them, so that neighbours read neighbours and a vote of the warp is a word of the bitmap.
#pragma once
#include "tables.cuh"

// The number, in its block, of the item that is bit 0 of this thread's strand.
static __device__ __forceinline__ u32 strand_start() { return WARP_ITEMS * warp_of_thread() + lane_of_thread(); }

// The bits of a strand that are about items of the block.
static __device__ __forceinline__ u32 strand_mask(u32 items) {
    u32 start = strand_start();
    u32 n = items <= start ? 0u : (items - start + 31u) >> 5;
    return n >= ROUNDS ? (1u << ROUNDS) - 1u : (1u << n) - 1u;
}

// Items of the block, each by its number in all items.
static __device__ __forceinline__ void strand_items(u32 first, u32 (&items)[ROUNDS]) {
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        items[k] = first + strand_start() + 32u * k;
    }
}

// The words of the bitmap that the warp's strands are: lane `k` has word `k`, those beyond have 0.
static __device__ __forceinline__ u32 words_of_strands(u32 strand) {
    u32 word = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 vote = __ballot_sync(ALL_LANES, (strand >> k) & 1u);
        word = lane_of_thread() == k ? vote : word;
    }
    return word;
}

// The strand of a bitmap over the items of blocks.
static __device__ __forceinline__ u32 strand_of_words(const u32* words, const Block& block) {
    u32 strand = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 number = ROUNDS * warp_of_thread() + k;
        u32 word = 32u * number < block.items ? __ldg(words + (u64)BLOCK_WORDS * block.number + number) : 0u;
        strand |= ((word >> lane_of_thread()) & 1u) << k;
    }
    return strand & strand_mask(block.items);
}

// Writes the bitmap of a block, and how many ones it has. Every thread of the block takes part.
static __device__ __forceinline__ void write_marks(u32* mask, u32* counts, u32 block, u32 strand) {
    __shared__ u32 ones_of_warp[WARPS];
    u32 word = words_of_strands(strand);
    u32 lane = lane_of_thread();
    u32 warp = warp_of_thread();
    if (lane < ROUNDS) {
        mask[(u64)BLOCK_WORDS * block + ROUNDS * warp + lane] = word;
    }
    u32 ones = __popc(word);
#pragma unroll
    for (u32 by = ROUNDS / 2; by > 0; by >>= 1) {
        ones += __shfl_down_sync(ALL_LANES, ones, by);
    }
    if (lane == 0) {
        ones_of_warp[warp] = ones;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        u32 sum = 0;
#pragma unroll
        for (u32 w = 0; w < WARPS; w++) {
            sum += ones_of_warp[w];
        }
        counts[block] = sum;
    }
}
