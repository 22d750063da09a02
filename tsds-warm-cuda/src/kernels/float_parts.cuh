// Floats taken apart into integers.
#pragma once
#include "types.cuh"

// Added to places of bits, which are -1074 to 1023, so that they are not negative.
#define BIAS 2048u

#define NOT_A_NUMBER 1u
#define POSITIVE_INFINITY 2u
#define NEGATIVE_INFINITY 4u

struct Float {
    u64 mantissa;
    // The biased place of the mantissa's bit 0.
    u32 unit;
    bool negative;
    // NaN or an infinity, whose mantissa here is 0.
    u32 flags;
};

static __device__ __forceinline__ Float float_of(u64 value, bool is_double) {
    Float parts;
    u32 field = is_double ? (u32)(value >> 52) & 0x7ffu : (u32)(value >> 23) & 0xffu;
    bool special = field == (is_double ? 0x7ffu : 0xffu);
    u64 hidden = field == 0u || special ? 0ull : is_double ? 1ull << 52 : 1ull << 23;
    u64 fraction = is_double ? value & 0xfffffffffffffull : value & 0x7fffffull;
    parts.negative = is_double ? value >> 63 : (value >> 31) & 1u;
    parts.unit = max_of(field, 1u) + BIAS - (is_double ? 1075u : 150u);
    parts.mantissa = special ? 0ull : fraction | hidden;
    parts.flags = !special ? 0u : fraction != 0ull ? NOT_A_NUMBER : parts.negative ? NEGATIVE_INFINITY : POSITIVE_INFINITY;
    return parts;
}
