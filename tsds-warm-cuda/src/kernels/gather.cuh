// What the gathers have in common: which rows of which column, and where they go. Rows first, then values, then writes: all of a
// thread's eight are under way at once.
#pragma once
#include "column.cuh"

struct Gather {
    Block block;
    Column column;
    Rows rows;
    // The word offset in the output, and what is asked for of the column.
    u32 offset;
    u32 what;
};

// Entries of the table have so many words.
static __device__ __forceinline__ Gather
gather_at(const u32* slab, const u32* meta, const u32* list, const Params& p, u32 entry_words) {
    Gather gather;
    gather.block = block_at(meta, p, p.w[5] + blockIdx.x % p.w[7]);
    const u32* entry = meta + p.w[6] + entry_words * (blockIdx.x / p.w[7]);
    gather.column = column_at(slab, meta, p, gather.block.part, __ldg(entry));
    gather.rows = rows_of(meta, p, list, gather.block.part);
    gather.offset = __ldg(entry + 1);
    gather.what = entry_words == 3u ? __ldg(entry + 2) : 0u;
    return gather;
}

// The rows of items `start + step * k` of the block; those beyond it are row 0 of nothing. Returns which are within.
template <u32 N> static __device__ __forceinline__ u32 gather_rows(const Gather& gather, u32 start, u32 step, u32 (&rows)[N]) {
    u32 wanted = 0;
#pragma unroll
    for (u32 k = 0; k < N; k++) {
        u32 j = start + step * k;
        bool is_item = j < gather.block.items;
        wanted |= (u32)is_item << k;
        rows[k] = is_item ? row_of(gather.rows, gather.block.first + j) : 0u;
    }
    return wanted;
}
