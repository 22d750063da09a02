// Digits of sort keys.
#pragma once
#include "tables.cuh"

// Digits have at most eight bits: as many as a block has threads.
#define MAX_DIGITS 256u

// The keys of a thread's items `start + step * k` of the block; of items beyond it 0.
static __device__ __forceinline__ u32
load_keys(const u64* keys, const Block& block, u32 start, u32 step, u64 (&loaded)[ROUNDS]) {
    u32 wanted = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 j = start + step * k;
        bool is_item = j < block.items;
        wanted |= (u32)is_item << k;
        loaded[k] = is_item ? __ldg(keys + block.first + j) : 0ull;
    }
    return wanted;
}

// The lanes whose digit is the same; of those with `NONE` among themselves.
static __device__ __forceinline__ u32 peers_of(u32 digit) { return __match_any_sync(ALL_LANES, digit); }

// Adds up digits in `counts`, once for all lanes that have the same.
static __device__ __forceinline__ void count_digit(u32* counts, u32 digit) {
    u32 peers = peers_of(digit);
    if (digit != NONE && (peers & lanes_before()) == 0u) {
        atomicAdd(counts + digit, (u32)__popc(peers));
    }
}
