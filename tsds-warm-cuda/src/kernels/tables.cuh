// The tables of a request: blocks and parts. A block of the grid works on one block of the table.
#pragma once
#include "types.cuh"

// Threads of most kernels: eight rows of a full block for each.
#define THREADS 256u
#define WARPS 8u
#define ROUNDS 8u
// Items of a block that one warp works on: words `ROUNDS * warp` and following of the block's bitmap.
#define WARP_ITEMS 256u

struct Block {
    u32 number;
    u32 part;
    u32 first;
    u32 items;
    u32 aux;
};

static __device__ __forceinline__ Block block_at(const u32* meta, const Params& p, u32 number) {
    const u32* at = meta + p.w[1] + 4u * number;
    Block block;
    block.number = number;
    block.part = __ldg(at);
    block.first = __ldg(at + 1);
    block.items = min_of(__ldg(at + 2), BLOCK_ITEMS);
    block.aux = __ldg(at + 3);
    return block;
}

// The words of a part.
#define PART_PROGRAM 1u
#define PART_STRIDE 2u
#define PART_LIST_START 3u
#define PART_LIST_ITEMS 4u
#define PART_BUCKETS 5u
#define PART_BUCKET_COUNT 6u
#define PART_WANTED 7u

static __device__ __forceinline__ u32 part_word(const u32* meta, const Params& p, u32 part, u32 word) {
    return __ldg(meta + p.w[2] + 8u * part + word);
}

// Two words as a number, wherever they begin.
static __device__ __forceinline__ u64 two_words(const u32* at) {
    return ((u64)__ldg(at + 1) << 32) | __ldg(at);
}

static __device__ __forceinline__ u32 lane_of_thread() { return threadIdx.x & 31u; }
static __device__ __forceinline__ u32 warp_of_thread() { return threadIdx.x >> 5; }
// Bits of the lanes before this one.
static __device__ __forceinline__ u32 lanes_before() { return (1u << lane_of_thread()) - 1u; }

// The rows of items: of a list, or of none.
struct Rows {
    const u32* list;
    u32 start;
    bool none;
};

static __device__ __forceinline__ Rows rows_of(const u32* meta, const Params& p, const u32* list, u32 part) {
    Rows rows;
    rows.list = list;
    rows.none = p.w[8] == 1u;
    rows.start = part_word(meta, p, part, PART_LIST_START);
    return rows;
}

static __device__ __forceinline__ u32 row_of(const Rows& rows, u32 item) {
    return rows.none ? item - rows.start : __ldg(rows.list + item);
}
