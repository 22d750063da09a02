// Values, keys and validity of a column in the slab. What depends on its form and class is worked out once for the column.
#pragma once
#include "tables.cuh"

#define PLAIN_64 0u
#define PLAIN_32 1u
#define PLAIN_16 2u
#define PLAIN_8 3u
#define UNSIGNED 0u
#define SIGNED 1u
#define FLOAT_64 2u
#define FLOAT_32 3u
#define TOP_64 0x8000000000000000ull
#define ONES_64 0xffffffffffffffffull

struct Column {
    const u32* data;
    // Null if no row is null.
    const u32* validity;
    u32 form;
    // What the key differs in from the value, by its top bit.
    u64 top;
    u64 positive;
    u64 negative;
};

static __device__ __forceinline__ const u32* column_entry(const u32* meta, const Params& p, u32 part, u32 slot) {
    return meta + p.w[3] + 8u * (part * p.w[4] + slot);
}

// Only the low 32 bits of the key of a 32-bit float are not zero, and above those of a narrow signed number are copies of its sign.
static __device__ __forceinline__ void set_class(Column& column, u32 kind, u32 form) {
    u64 mask = form == PLAIN_64 ? ONES_64 : form == PLAIN_32 ? 0xffffffffull : form == PLAIN_16 ? 0xffffull : 0xffull;
    column.top = mask & ~(mask >> 1);
    column.positive = kind == UNSIGNED ? 0ull : kind == FLOAT_32 ? 0x80000000ull : TOP_64;
    column.negative = kind == UNSIGNED   ? 0ull
                      : kind == SIGNED   ? ~mask ^ TOP_64
                      : kind == FLOAT_64 ? ONES_64
                                         : 0xffffffffull;
}

static __device__ __forceinline__ Column column_at(const u32* slab, const u32* meta, const Params& p, u32 part, u32 slot) {
    const u32* entry = column_entry(meta, p, part, slot);
    Column column;
    column.form = __ldg(entry);
    column.data = slab + __ldg(entry + 2);
    u32 validity = __ldg(entry + 3);
    column.validity = validity == NONE ? (const u32*)0 : slab + validity;
    set_class(column, __ldg(entry + 1), column.form);
    return column;
}

// `data` may begin at any word.
static __device__ __forceinline__ u64 value_64(const u32* data, u32 row) {
    if (((u64)data & 4ull) == 0ull) {
        return __ldg((const u64*)data + row);
    }
    return two_words(data + 2ull * row);
}

static __device__ __forceinline__ u64 value_at(const Column& column, u32 row) {
    switch (column.form) {
        case PLAIN_64: return value_64(column.data, row);
        case PLAIN_32: return __ldg(column.data + row);
        case PLAIN_16: return __ldg((const u16*)column.data + row);
        case PLAIN_8: return __ldg((const u8*)column.data + row);
        default: return (__ldg(column.data + (row >> 5)) >> (row & 31u)) & 1u;
    }
}

static __device__ __forceinline__ u64 key_of(const Column& column, u64 value) {
    return value ^ ((value & column.top) != 0ull ? column.negative : column.positive);
}

static __device__ __forceinline__ bool is_valid(const Column& column, u32 row) {
    return column.validity == 0 || ((__ldg(column.validity + (row >> 5)) >> (row & 31u)) & 1u) != 0u;
}

// The values of so many rows, where `wanted` has their bits; of others anything. The loads of all rows are under way at once: the form
// is asked for once, outside of the loop.
template <u32 N>
static __device__ __forceinline__ void load_values(const Column& column, const u32 (&rows)[N], u32 wanted, u64 (&values)[N]) {
#define LOAD_EACH(expression)                          \
    _Pragma("unroll") for (u32 k = 0; k < N; k++) {    \
        u32 row = rows[k];                             \
        values[k] = (wanted >> k) & 1u ? (u64)(expression) : 0ull; \
    }                                                  \
    break;
    switch (column.form) {
        case PLAIN_64:
            if (((u64)column.data & 4ull) != 0ull) {
                LOAD_EACH(two_words(column.data + 2ull * row))
            }
            LOAD_EACH(__ldg((const u64*)column.data + row))
        case PLAIN_32: LOAD_EACH(__ldg(column.data + row))
        case PLAIN_16: LOAD_EACH(__ldg((const u16*)column.data + row))
        case PLAIN_8: LOAD_EACH(__ldg((const u8*)column.data + row))
        default: LOAD_EACH((__ldg(column.data + (row >> 5)) >> (row & 31u)) & 1u)
    }
#undef LOAD_EACH
}

// Which of so many rows are valid, of those wanted.
template <u32 N>
static __device__ __forceinline__ u32 load_valid(const Column& column, const u32 (&rows)[N], u32 wanted) {
    if (column.validity == 0) {
        return wanted;
    }
    u32 valid = 0;
#pragma unroll
    for (u32 k = 0; k < N; k++) {
        u32 word = (wanted >> k) & 1u ? __ldg(column.validity + (rows[k] >> 5)) : 0u;
        valid |= ((word >> (rows[k] & 31u)) & 1u) << k;
    }
    return valid;
}
