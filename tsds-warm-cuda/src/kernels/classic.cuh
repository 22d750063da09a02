// Classic codes of `tsds.gorilla`, as the contract's page on encoded columns lays them out. A thread decodes from a place on, code after code: of
// the words the highest bit comes first.
#pragma once
#include "column.cuh"

#define MODE_CLASSIC 5u
#define PLACE_WORDS 6u

struct Classic {
    const u32* words;
    u32 bit;
    u64 value;
    // Of times the delta, of floats the window.
    u64 state;
};

// `width` bits, 1 to 64, from bit `bit` on. Reads no more than two words beyond the last bit's.
static __device__ __forceinline__ u64 bits_from(const u32* words, u32 bit, u32 width) {
    const u32* at = words + (bit >> 5);
    u32 shift = bit & 31u;
    u32 middle = __ldg(at + 1);
    u32 high = __funnelshift_l(middle, __ldg(at), shift);
    if (width <= 32u) {
        return high >> (32u - width);
    }
    u32 low = __funnelshift_l(__ldg(at + 2), middle, shift);
    return (((u64)high << 32) | low) >> (64u - width);
}

// The place `place`, whose value is that of its row.
static __device__ __forceinline__ Classic classic_at(const u32* words, const u32* place) {
    Classic own;
    own.words = words;
    own.bit = __ldg(place + 1);
    own.value = two_words(place + 2);
    own.state = two_words(place + 4);
    return own;
}

static __device__ __forceinline__ void next_time(Classic& own) {
    u32 head = (u32)bits_from(own.words, own.bit, 4u);
    u32 ones = (u32)__clz((i32)~(head << 28));
    own.bit += min_of(ones + 1u, 4u);
    if (ones != 0u) {
        u32 width = ones == 1u ? 7u : ones == 2u ? 9u : ones == 3u ? 12u : 64u;
        u64 least = ones == 4u ? 0ull : (1ull << (width - 1u)) - 1ull;
        own.state += bits_from(own.words, own.bit, width) - least;
        own.bit += width;
    }
    own.value += own.state;
}

// `LENGTH_BITS` bits have the length of a window, less one, of floats that are as many bits wide as those can count.
template <u32 LENGTH_BITS>
static __device__ __forceinline__ void next_float(Classic& own) {
    const u32 sizes = 5u + LENGTH_BITS;
    u32 head = (u32)bits_from(own.words, own.bit, 2u + sizes);
    if ((head >> (1u + sizes)) == 0u) {
        own.bit += 1u;
        return;
    }
    bool is_new = ((head >> sizes) & 1u) != 0u;
    own.bit += is_new ? 2u + sizes : 2u;
    own.state = is_new ? (u64)(head & ((1u << sizes) - 1u)) : own.state;
    u32 window = (u32)own.state;
    u32 length = (window & ((1u << LENGTH_BITS) - 1u)) + 1u;
    u64 changes = bits_from(own.words, own.bit, length) << ((1u << LENGTH_BITS) - length);
    if (LENGTH_BITS == 5u) {
        changes &= 0xffffffffull;
    }
    own.value ^= changes >> (window >> LENGTH_BITS);
    own.bit += length;
}

// Goes on to the next row. What the codes are follows from the column's class.
static __device__ __forceinline__ void next_classic(Classic& own, u32 kind) {
    if (kind == FLOAT_64) {
        next_float<6>(own);
    } else if (kind == FLOAT_32) {
        next_float<5>(own);
    } else {
        next_time(own);
    }
}

// The value of a row of an encoded block, of which `words` and `many` `places` are: read from the place before on.
static __device__ __forceinline__ u64 classic_lane(const u32* words, const u32* places, u32 many, u32 kind, u32 row) {
    u32 low = 0;
    u32 high = many;
    while (low + 1u < high) {
        u32 middle = (low + high) >> 1;
        if (__ldg(places + PLACE_WORDS * middle) <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const u32* place = places + PLACE_WORDS * low;
    Classic own = classic_at(words, place);
    for (u32 at = __ldg(place); at < row; at++) {
        next_classic(own, kind);
    }
    return own.value;
}
