// Time buckets.
#pragma once
#include "column.cuh"

// A start's key.
static __device__ __forceinline__ u64 start_at(const u32* starts, u32 number) {
    return two_words(starts + 2ull * number) ^ TOP_64;
}

// How many starts are not after the time: at least `low`, at most `high`. Times and starts compare by their keys.
static __device__ __forceinline__ u32 starts_until(const u32* starts, u32 low, u32 high, u64 time) {
    while (low < high) {
        u32 middle = (low + high) >> 1;
        if (time < start_at(starts, middle)) {
            high = middle;
        } else {
            low = middle + 1u;
        }
    }
    return low;
}
