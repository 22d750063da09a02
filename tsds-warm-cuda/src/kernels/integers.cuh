// Streams of integers of `tsds.gorilla`, as the contract's page on encoded columns lays them out. A warp decodes 32 rows at a time, a row for
// each lane: what the rows share, all lanes read together; neighbours read neighbouring bits; forms that add up do so by shuffles.
#pragma once
#include "column.cuh"

#define FORM_DELTA 1u
#define FORM_DELTA_OF_DELTA 2u
#define FORM_CENTRED 3u
#define SCALED 0x100u
#define WIDE_BASES 0x200u
#define SAME_BASES 0x400u
// Rows of a mini-block, and quarters of it.
#define MINI_ROWS 128u
#define QUARTERS 4u
// More patches than this are listed as a bitmap.
#define LISTED_PATCHES 18u

static __device__ __forceinline__ u64 unzigzag(u64 number) { return (number >> 1) ^ (0ull - (number & 1ull)); }

// `width` bits, at most 64, from bit `bit` of the words on. Reads no more than two words beyond the last bit's.
static __device__ __forceinline__ u64 field(const u32* words, u32 bit, u32 width) {
    if (width == 0u) {
        return 0ull;
    }
    const u32* at = words + (bit >> 5);
    u32 shift = bit & 31u;
    u32 low = __ldg(at);
    u32 middle = __ldg(at + 1);
    u32 first = __funnelshift_r(low, middle, shift);
    if (width <= 32u) {
        return first & (0xffffffffu >> (32u - width));
    }
    u32 second = __funnelshift_r(middle, __ldg(at + 2), shift);
    return (((u64)second << 32) | first) & (ONES_64 >> (64u - width));
}

// The sum of a number over this lane and those before it.
static __device__ __forceinline__ u64 sum_of_lanes(u64 number) {
    u32 lane = threadIdx.x & 31u;
#pragma unroll
    for (u32 by = 1; by < 32; by <<= 1) {
        u64 before = __shfl_up_sync(ALL_LANES, number, by);
        number += lane >= by ? before : 0ull;
    }
    return number;
}

struct Integers {
    u32 head;
    const u32* payload;
    u64 centre;
    u64 factor;
    u64 offset;
    u64 smallest;
    // Of each mini-block: its words, how many they are, and which of them are base and step.
    const u32* minis;
    u32 mini_words;
    u32 base_words;
    // Of the mini-block at hand.
    u64 line;
    u64 step;
    u32 bit;
    u32 width;
    u32 patch_bit;
    u32 patch_width;
    // A bit for each of its rows that has a patch.
    u64 patched;
    u64 patched_above;
    // What the rows before the quarter at hand add up to.
    u64 sum;
    u64 slope;
};

static __device__ __forceinline__ Integers integers_at(const u32* column, u32 stream) {
    Integers own = {};
    const u32* at = column + stream;
    own.head = __ldg(at);
    own.payload = column + __ldg(at + 1);
    at += 2;
    u32 form = own.head & 255u;
    if (form == FORM_DELTA || form == FORM_CENTRED) {
        own.centre = two_words(at);
        at += 2;
    }
    if ((own.head & SCALED) != 0u) {
        own.factor = two_words(at);
        own.offset = two_words(at + 2);
        at += 4;
    }
    own.mini_words = 2u;
    if (form != FORM_CENTRED) {
        own.smallest = two_words(at);
        at += 2;
        own.base_words = (own.head & SAME_BASES) != 0u ? 0u : (own.head & WIDE_BASES) != 0u ? 2u : 1u;
        own.mini_words += own.base_words + (form == FORM_DELTA_OF_DELTA ? 2u : 0u);
    }
    own.minis = at;
    return own;
}

// Goes on to a mini-block, one that the encoded block of `rows` rows has.
static __device__ __forceinline__ void begin_mini(Integers& own, u32 mini, u32 rows) {
    const u32* at = own.minis + own.mini_words * mini;
    own.bit = __ldg(at);
    u32 shape = __ldg(at + 1);
    own.width = shape & 255u;
    own.patch_width = (shape >> 8) & 255u;
    u32 many = shape >> 16;
    own.line = own.smallest;
    if (own.base_words == 1u) {
        own.line += __ldg(at + 2);
    } else if (own.base_words == 2u) {
        own.line += two_words(at + 2);
    }
    own.step = (own.head & 255u) == FORM_DELTA_OF_DELTA ? two_words(at + 2 + own.base_words) : own.centre;
    own.sum = 0;
    own.slope = 0;
    own.patched = 0;
    own.patched_above = 0;
    if (many == 0u) {
        return;
    }
    u32 mini_rows = min_of(rows - MINI_ROWS * mini, MINI_ROWS);
    u32 positions = own.bit + 8u * ((mini_rows * own.width + 7u) >> 3);
    if (many > LISTED_PATCHES) {
        own.patch_bit = positions + MINI_ROWS;
        own.patched = field(own.payload, positions, 64u);
        own.patched_above = field(own.payload, positions + 64u, 64u);
        return;
    }
    own.patch_bit = positions + 8u * ((7u * many + 7u) >> 3);
    for (u32 n = 0; n < many; n++) {
        u32 row = (u32)field(own.payload, positions + 7u * n, 7u);
        own.patched |= row < 64u ? 1ull << row : 0ull;
        own.patched_above |= row < 64u ? 0ull : 1ull << (row - 64u);
    }
}

// The number of a row of the mini-block at hand.
static __device__ __forceinline__ u64 number_at(const Integers& own, u32 row) {
    u64 number = field(own.payload, own.bit + row * own.width, own.width);
    u64 patched = row < 64u ? own.patched : own.patched_above;
    u64 bit = 1ull << (row & 63u);
    if ((patched & bit) != 0ull) {
        u32 patch = __popcll(patched & (bit - 1ull)) + (row < 64u ? 0u : __popcll(own.patched));
        u64 upper = field(own.payload, own.patch_bit + patch * own.patch_width, own.patch_width) + 1ull;
        number += own.width < 64u ? upper << own.width : 0ull;
    }
    return number;
}

static __device__ __forceinline__ u64 scaled(const Integers& own, u64 value) {
    return (own.head & SCALED) != 0u ? own.offset + value * own.factor : value;
}

// The integer of this lane's row of quarter `quarter` of the mini-block, if `is_row`; quarters follow each other. The whole warp takes part.
static __device__ __forceinline__ u64 quarter_of(Integers& own, u32 quarter, bool is_row) {
    u32 row = 32u * quarter + (threadIdx.x & 31u);
    u64 number = is_row ? number_at(own, row) : 0ull;
    u64 value;
    u32 form = own.head & 255u;
    if (form == FORM_CENTRED) {
        value = own.centre + unzigzag(number);
    } else if (form == FORM_DELTA || form == FORM_DELTA_OF_DELTA) {
        u64 sum = sum_of_lanes(unzigzag(number));
        if (form == FORM_DELTA_OF_DELTA) {
            u64 slope = own.slope + sum;
            own.slope = __shfl_sync(ALL_LANES, slope, 31);
            sum = sum_of_lanes(slope);
        }
        sum += own.sum;
        own.sum = __shfl_sync(ALL_LANES, sum, 31);
        value = own.line + own.step * row + sum;
    } else {
        value = own.line + number;
    }
    return scaled(own, value);
}

// The integer of a row of an encoded block of `rows` rows, for this thread alone: forms that add up read the mini-block up to there.
static __device__ __forceinline__ u64 integer_at(Integers& own, u32 row, u32 rows) {
    begin_mini(own, row / MINI_ROWS, rows);
    row %= MINI_ROWS;
    u32 form = own.head & 255u;
    if (form == FORM_CENTRED) {
        return scaled(own, own.centre + unzigzag(number_at(own, row)));
    }
    if (form != FORM_DELTA && form != FORM_DELTA_OF_DELTA) {
        return scaled(own, own.line + number_at(own, row));
    }
    u64 sum = 0;
    u64 slope = 0;
    for (u32 k = 0; k <= row; k++) {
        u64 number = unzigzag(number_at(own, k));
        slope += number;
        sum += form == FORM_DELTA ? number : slope;
    }
    return scaled(own, own.line + own.step * row + sum);
}
