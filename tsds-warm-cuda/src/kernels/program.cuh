// Runs the program of a part on the rows of a strand at once, a bit for each. All threads take the same branches.
#pragma once
#include "column.cuh"
#include "strand.cuh"

#define END 0u
#define KEYS 1u
#define NULLS 2u
#define VALIDS 3u
#define AND 4u
#define OR 5u
#define CONSTANT 6u
#define ENCODED_KEYS 7u
// A program leaves no more than this on the stack, and has no more instructions than this.
#define STACK 16u
#define INSTRUCTIONS 4096u

// `leaf(code, slot, second, third)` is the strand of a condition; bits beyond the block's rows can be anything.
template <class Leaf>
static __device__ __forceinline__ u32 run_program(const u32* meta, u32 program, u32 last_code, const Leaf& leaf) {
    // Strands of eight bits, the one pushed last lowest, below `top`.
    u64 low = 0;
    u64 high = 0;
    u32 top = 0;
    const u32* at = meta + program;
    for (u32 n = 0; n < INSTRUCTIONS; n++, at += 4) {
        u32 code = __ldg(at);
        if (code == END || code > last_code) {
            break;
        }
        if (code == AND || code == OR) {
            u32 other = (u32)low & 255u;
            low = (low >> 8) | (high << 56);
            high >>= 8;
            top = code == AND ? top & other : top | other;
            continue;
        }
        high = (high << 8) | (low >> 56);
        low = (low << 8) | (top & 255u);
        top = code == CONSTANT ? (__ldg(at + 2) != 0u ? 255u : 0u)
                               : leaf(code, __ldg(at + 1), __ldg(at + 2), __ldg(at + 3));
    }
    return top;
}

// Whether a key is in one of `many` ranges, ascending and disjoint, each two keys.
static __device__ __forceinline__ bool is_within(u64 key, const u32* ranges, u32 many) {
    u32 low = 0;
    u32 high = many;
    while (low < high) {
        u32 middle = (low + high) >> 1;
        const u32* at = ranges + 4u * middle;
        if (key < two_words(at)) {
            high = middle;
        } else if (two_words(at + 2) < key) {
            low = middle + 1;
        } else {
            return true;
        }
    }
    return false;
}

// Which of so many keys are in ranges.
template <u32 N>
static __device__ __forceinline__ u32 within(const u64 (&keys)[N], const u32* ranges, u32 many) {
    if (many == 0u) {
        return 0u;
    }
    u32 strand = 0;
    if (many == 1u) {
        u64 first = two_words(ranges);
        u64 span = two_words(ranges + 2) - first;
#pragma unroll
        for (u32 k = 0; k < N; k++) {
            strand |= (u32)(keys[k] - first <= span) << k;
        }
        return strand;
    }
#pragma unroll
    for (u32 k = 0; k < N; k++) {
        strand |= (u32)is_within(keys[k], ranges, many) << k;
    }
    return strand;
}

// Which of a strand's rows have values in ranges, of a plain column; whether they are valid is not asked.
static __device__ __forceinline__ u32
plain_within(const Column& column, const u32 (&rows)[ROUNDS], u32 wanted, const u32* ranges, u32 many) {
    u64 keys[ROUNDS];
    load_values(column, rows, wanted, keys);
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        keys[k] = key_of(column, keys[k]);
    }
    return within(keys, ranges, many);
}
