// Doubles from quotients of integers, without any arithmetic of floats: correctly rounded, to nearest, ties to even.
#pragma once
#include "types.cuh"

// (2^128 - 1) / divisor - 2^64, where the divisor's top bit is set: what turns divisions by it into multiplications (N. Möller, T. Granlund:
// Improved division by invariant integers, IEEE Transactions on Computers, 2011).
static __device__ __forceinline__ u64 reciprocal_of(u64 divisor) {
    u64 rest = ~divisor;
    u64 reciprocal = 0;
#pragma unroll 1
    for (u32 k = 0; k < 64; k++) {
        bool carry = rest >> 63;
        rest = (rest << 1) | 1ull;
        reciprocal <<= 1;
        if (carry || rest >= divisor) {
            rest -= divisor;
            reciprocal |= 1ull;
        }
    }
    return reciprocal;
}

// `high * 2^64 + low` divided by a divisor whose top bit is set and that is above `high`.
static __device__ __forceinline__ u64 divide(u64 high, u64 low, u64 divisor, u64 reciprocal, u64& rest) {
    u64 fraction = reciprocal * high + low;
    u64 quotient = __umul64hi(reciprocal, high) + high + (fraction < low ? 1ull : 0ull) + 1ull;
    rest = low - quotient * divisor;
    if (rest > fraction) {
        quotient -= 1ull;
        rest += divisor;
    }
    if (rest >= divisor) {
        quotient += 1ull;
        rest -= divisor;
    }
    return quotient;
}

struct Divisor {
    // Shifted so that its top bit is set.
    u64 shifted;
    u32 highest_bit;
    u64 reciprocal;
};

// Without its reciprocal.
static __device__ __forceinline__ Divisor shifted_divisor(u64 number) {
    Divisor divisor;
    divisor.highest_bit = 63u - (u32)__clzll((i64)number);
    divisor.shifted = number << (63u - divisor.highest_bit);
    divisor.reciprocal = 0;
    return divisor;
}

// The bits of the double nearest to `number / divisor`.
static __device__ __forceinline__ u64 quotient_of(u64 number, const Divisor& divisor) {
    bool negative = number >> 63;
    u64 whole = negative ? 0ull - number : number;
    if (whole == 0ull) {
        return 0ull;
    }
    u32 high = 63u - (u32)__clzll((i64)whole);
    if (high > 52u) {
        // As whoever divides doubles converts the number first.
        u32 by = high - 52u;
        u64 half = 1ull << (by - 1u);
        u64 lost = whole & ((1ull << by) - 1ull);
        whole >>= by;
        whole += lost > half || (lost == half && (whole & 1ull) != 0ull) ? 1ull : 0ull;
        whole <<= by;
        high = 63u - (u32)__clzll((i64)whole);
    }
    // 54 or 55 bits of the quotient of two numbers whose top bits are set.
    u64 shifted = whole << (63u - high);
    u64 rest;
    u64 bits = divide(shifted >> 10, shifted << 54, divisor.shifted, divisor.reciprocal, rest);
    u64 exponent = high - divisor.highest_bit + 1022u;
    u32 spare = 2;
    if ((bits >> 54) == 0ull) {
        exponent -= 1ull;
        spare = 1;
    }
    u32 lost = (u32)bits & ((1u << spare) - 1u);
    u32 half = 1u << (spare - 1u);
    bits >>= spare;
    bits += lost > half || (lost == half && (rest != 0ull || (bits & 1ull) != 0ull)) ? 1ull : 0ull;
    // The leading one of the mantissa adds one to the exponent.
    bits += exponent << 52;
    return negative ? bits | 0x8000000000000000ull : bits;
}

// The bits of the float nearest to a double that is zero or well within the floats' range.
static __device__ __forceinline__ u32 to_single(u64 bits) {
    u32 sign = (u32)(bits >> 32) & 0x80000000u;
    if ((bits << 1) == 0ull) {
        return sign;
    }
    u32 exponent = ((u32)(bits >> 52) & 0x7ffu) - 1023u + 126u;
    u64 mantissa = (bits & 0xfffffffffffffull) | (1ull << 52);
    u32 lost = (u32)mantissa & 0x1fffffffu;
    u32 single = (u32)(mantissa >> 29);
    single += lost > 0x10000000u || (lost == 0x10000000u && (single & 1u) != 0u) ? 1u : 0u;
    return sign | (single + (exponent << 23));
}

// The bits of a double from those of a float that is zero or normal.
static __device__ __forceinline__ u64 to_double(u32 bits) {
    u64 sign = (u64)(bits & 0x80000000u) << 32;
    if ((bits << 1) == 0u) {
        return sign;
    }
    u64 exponent = ((bits >> 23) & 0xffu) + 896u;
    return sign | (exponent << 52) | ((u64)(bits & 0x7fffffu) << 29);
}

// The value of a decimal: a quotient, as a double, or rounded to single precision, and then as a float if it is one.
static __device__ __forceinline__ u64 decimal_of(u64 number, const Divisor& divisor, bool is_single, bool is_float) {
    u64 bits = quotient_of(number, divisor);
    if (!is_single) {
        return bits;
    }
    u32 single = to_single(bits);
    return is_float ? single : to_double(single);
}
