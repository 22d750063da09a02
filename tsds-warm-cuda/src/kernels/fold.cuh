// Folding: the state that items are added to, and how states of lanes become one. Every state is exact, so that any order gives the same
// words. What is not asked for costs a branch that all threads take.
#pragma once
#include "column.cuh"
#include "float_parts.cuh"

#define EXTREMES 1u
#define SUM_SIGNED 2u
#define SUM_UNSIGNED 4u
#define SUM_FLOAT_64 8u
#define SUM_FLOAT_32 16u
#define EDGES 32u
#define SUM_INTEGERS (SUM_SIGNED | SUM_UNSIGNED)
#define SUM_FLOATS (SUM_FLOAT_64 | SUM_FLOAT_32)
#define TOO_WIDE 8u
// Bits that a sum of floats may span.
#define PLACES 116u

struct Wide {
    u64 low;
    u64 high;
};

static __device__ __forceinline__ Wide add_wide(Wide a, Wide b) {
    Wide sum;
    sum.low = a.low + b.low;
    sum.high = a.high + b.high + (sum.low < a.low ? 1ull : 0ull);
    return sum;
}

static __device__ __forceinline__ Wide negate_wide(Wide a) {
    Wide negative;
    negative.low = 0ull - a.low;
    negative.high = ~a.high + (a.low == 0ull ? 1ull : 0ull);
    return negative;
}

// An item at the edge of its piece: the item is `NONE` if there is none.
struct Edge {
    u64 time;
    u32 row;
    u32 item;
};

static __device__ __forceinline__ bool is_earlier(const Edge& a, const Edge& b) {
    return a.time < b.time || (a.time == b.time && a.row < b.row);
}

struct State {
    u32 count;
    u32 flags;
    u64 smallest;
    u64 largest;
    Wide sum;
    u32 lowest;
    u32 highest;
    Edge first;
    Edge last;
};

static __device__ __forceinline__ State no_state() {
    State state;
    state.count = 0;
    state.flags = 0;
    state.smallest = ONES_64;
    state.largest = 0;
    state.sum = {0, 0};
    state.lowest = NONE;
    state.highest = 0;
    state.first = {0, 0, NONE};
    state.last = {0, 0, NONE};
    return state;
}

// Adds a valid value: but for sums of floats, of which it adds what bits they have.
static __device__ __forceinline__ void fold_value(State& state, u32 asked, const Column& column, u64 value) {
    u64 key = key_of(column, value);
    if ((asked & EXTREMES) != 0u) {
        state.smallest = key < state.smallest ? key : state.smallest;
        state.largest = key > state.largest ? key : state.largest;
    }
    if ((asked & SUM_INTEGERS) != 0u) {
        Wide wide = {value, 0};
        if ((asked & SUM_SIGNED) != 0u) {
            // The key is the value, sign-extended, but for its top bit.
            wide.low = key ^ TOP_64;
            wide.high = (u64)((i64)wide.low >> 63);
        }
        state.sum = add_wide(state.sum, wide);
    }
    if ((asked & SUM_FLOATS) != 0u) {
        Float parts = float_of(value, (asked & SUM_FLOAT_64) != 0u);
        state.flags |= parts.flags;
        if (parts.mantissa != 0ull) {
            state.lowest = min_of(state.lowest, parts.unit + (u32)__ffsll((i64)parts.mantissa) - 1u);
            state.highest = max_of(state.highest, parts.unit + 63u - (u32)__clzll((i64)parts.mantissa));
        }
    }
}

static __device__ __forceinline__ void fold_edge(State& state, const Edge& edge) {
    if (state.first.item == NONE || is_earlier(edge, state.first)) {
        state.first = edge;
    }
    if (state.last.item == NONE || is_earlier(state.last, edge)) {
        state.last = edge;
    }
}

// A float in units of the biased place `lowest`, which is not above any one bit of it, nor so far below that bits are lost.
static __device__ __forceinline__ Wide float_in_units(u64 value, bool is_double, u32 lowest) {
    Float parts = float_of(value, is_double);
    Wide wide = {0, 0};
    if (parts.mantissa == 0ull) {
        return wide;
    }
    if (parts.unit <= lowest) {
        // Only zeros are shifted out.
        wide.low = parts.mantissa >> (lowest - parts.unit);
    } else {
        u32 by = parts.unit - lowest;
        if (by >= 64u) {
            wide.high = parts.mantissa << (by - 64u);
        } else {
            wide.low = parts.mantissa << by;
            wide.high = parts.mantissa >> (64u - by);
        }
    }
    return parts.negative ? negate_wide(wide) : wide;
}

static __device__ __forceinline__ Wide shuffle_wide(Wide wide, u32 by) {
    Wide other;
    other.low = __shfl_xor_sync(ALL_LANES, wide.low, by);
    other.high = __shfl_xor_sync(ALL_LANES, wide.high, by);
    return other;
}

static __device__ __forceinline__ Edge shuffle_edge(const Edge& edge, u32 by) {
    Edge other;
    other.time = __shfl_xor_sync(ALL_LANES, edge.time, by);
    other.row = __shfl_xor_sync(ALL_LANES, edge.row, by);
    other.item = __shfl_xor_sync(ALL_LANES, edge.item, by);
    return other;
}

// Each of `lanes` lanes, a power of two, gets the state of all of them. The whole warp takes part.
static __device__ __forceinline__ void merge_lanes(State& state, u32 asked, u32 lanes) {
    for (u32 by = lanes >> 1; by > 0; by >>= 1) {
        state.count += __shfl_xor_sync(ALL_LANES, state.count, by);
        if ((asked & EXTREMES) != 0u) {
            u64 other = __shfl_xor_sync(ALL_LANES, state.smallest, by);
            state.smallest = other < state.smallest ? other : state.smallest;
            other = __shfl_xor_sync(ALL_LANES, state.largest, by);
            state.largest = other > state.largest ? other : state.largest;
        }
        if ((asked & SUM_INTEGERS) != 0u) {
            state.sum = add_wide(state.sum, shuffle_wide(state.sum, by));
        }
        if ((asked & SUM_FLOATS) != 0u) {
            state.flags |= __shfl_xor_sync(ALL_LANES, state.flags, by);
            state.lowest = min_of(state.lowest, __shfl_xor_sync(ALL_LANES, state.lowest, by));
            state.highest = max_of(state.highest, __shfl_xor_sync(ALL_LANES, state.highest, by));
        }
        if ((asked & EDGES) != 0u) {
            Edge first = shuffle_edge(state.first, by);
            Edge last = shuffle_edge(state.last, by);
            if (first.item != NONE) {
                if (state.first.item == NONE || is_earlier(first, state.first)) {
                    state.first = first;
                }
            }
            if (last.item != NONE) {
                if (state.last.item == NONE || is_earlier(state.last, last)) {
                    state.last = last;
                }
            }
        }
    }
}

// Writes a piece; `sum` is in units of 2^`exponent`.
static __device__ __forceinline__ void write_state(u32* to, const State& state, u32 asked, Wide sum, u32 flags, u32 exponent) {
    bool has_extremes = (asked & EXTREMES) != 0u && state.count != 0u;
    u64 smallest = has_extremes ? state.smallest : 0ull;
    u64 largest = has_extremes ? state.largest : 0ull;
    u32 words[16] = {
        state.count,      flags,           (u32)smallest,        (u32)(smallest >> 32), (u32)largest,    (u32)(largest >> 32),
        (u32)sum.low,     (u32)(sum.low >> 32), (u32)sum.high,   (u32)(sum.high >> 32), exponent,        state.first.item,
        state.last.item,  0u,              0u,                   0u,
    };
#pragma unroll
    for (u32 w = 0; w < 16; w++) {
        to[w] = words[w];
    }
}
