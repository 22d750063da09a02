// Columns in the encoding of `tsds.gorilla`. A block of the grid works within one encoded block; a warp has 256 consecutive rows, which are
// two mini-blocks, and a lane one of each 32.
#pragma once
#include "classic.cuh"
#include "integers.cuh"
#include "quotient.cuh"
#include "strand.cuh"

#define ENCODED 5u
#define MODE_PLAIN 0u
#define MODE_PROGRESSION 1u
#define MODE_INTEGERS 2u
#define MODE_DECIMAL 3u
#define MODE_DICTIONARY 4u
#define SINGLE_PRECISION 1u
#define CORRECTIONS 2u
#define EXCEPTIONS 4u

struct Encoded {
    const u32* column;
    // Its description.
    const u32* at;
    u32 mode;
    u32 kind;
    bool is_wide;
    // Rows of the encoded block, and which of them is the first of the grid's block.
    u32 rows;
    u32 first;
};

// The exceptions of a decimal block from a row on.
struct Exceptions {
    const u32* rows;
    const u32* lanes;
    u32 left;
};

// The encoded block in which a row of the part lies.
static __device__ __forceinline__ Encoded
encoded_at(const u32* slab, const u32* meta, const Params& p, u32 part, u32 slot, u32 row) {
    const u32* entry = column_entry(meta, p, part, slot);
    Encoded own;
    own.kind = __ldg(entry + 1);
    own.column = slab + __ldg(entry + 2);
    own.is_wide = __ldg(entry + 5) == PLAIN_64;
    u32 low = 0;
    u32 high = __ldg(entry + 4);
    while (low + 1u < high) {
        u32 middle = (low + high) >> 1;
        if (__ldg(own.column + 2u * middle) <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    own.first = row - __ldg(own.column + 2u * low);
    own.at = own.column + __ldg(own.column + 2u * low + 1u);
    own.mode = __ldg(own.at);
    own.rows = __ldg(own.at + 1);
    return own;
}

static __device__ __forceinline__ u32 flags_of(const Encoded& own) { return __ldg(own.at + 3); }

// How many of the exceptions' rows are before a row.
static __device__ __forceinline__ u32 exceptions_before(const u32* rows, u32 many, u32 row) {
    u32 low = 0;
    u32 high = many;
    while (low < high) {
        u32 middle = (low + high) >> 1;
        if (__ldg(rows + middle) < row) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

static __device__ __forceinline__ Exceptions exceptions_from(const Encoded& own, u32 row) {
    Exceptions found = {};
    if ((flags_of(own) & EXCEPTIONS) == 0u) {
        return found;
    }
    const u32* rows = own.column + __ldg(own.at + 9);
    u32 many = __ldg(own.at + 8);
    u32 before = exceptions_before(rows, many, row);
    found.rows = rows + before;
    found.lanes = own.column + __ldg(own.at + 10) + 2u * before;
    found.left = many - before;
    return found;
}

// Whether this lane's row is an exception, of 32 rows from `row` on, and then its lane. The whole warp takes part.
static __device__ __forceinline__ bool take_exception(Exceptions& from, u32 row, u64& lane_value) {
    if (from.left == 0u) {
        return false;
    }
    u32 lane = lane_of_thread();
    u32 own = lane < from.left ? __ldg(from.rows + lane) : NONE;
    u32 many = __popc(__ballot_sync(ALL_LANES, own < row + 32u));
    u32 mine = NONE;
    for (u32 n = 0; n < many; n++) {
        mine = __shfl_sync(ALL_LANES, own, n) - row == lane ? n : mine;
    }
    if (mine != NONE) {
        lane_value = two_words(from.lanes + 2u * mine);
    }
    from.rows += many;
    from.lanes += 2u * many;
    from.left -= many;
    return mine != NONE;
}

// The value of a float's place, or an integer, which is its own.
static __device__ __forceinline__ u64 lane_of_place(u32 kind, u64 place) {
    if (kind == FLOAT_64) {
        return place >> 63 ? place ^ ~TOP_64 : place;
    }
    if (kind == FLOAT_32) {
        u32 low = (u32)place;
        return low >> 31 ? low ^ 0x7fffffffu : low;
    }
    return place;
}

// The key of a lane: see the contract's classes.
static __device__ __forceinline__ u64 key_of_lane(const Encoded& own, u64 lane) {
    Column column;
    set_class(column, own.kind, own.is_wide ? PLAIN_64 : PLAIN_32);
    return key_of(column, own.is_wide ? lane : lane & 0xffffffffull);
}

// The divisor of a decimal block, worked out by one thread for all. Every thread of the block takes part.
static __device__ __forceinline__ Divisor divisor_of(const Encoded& own) {
    __shared__ u64 reciprocal;
    Divisor divisor = shifted_divisor(two_words(own.at + 4));
    // Whoever called this before has read it.
    __syncthreads();
    if (threadIdx.x == 0u) {
        reciprocal = reciprocal_of(divisor.shifted);
    }
    __syncthreads();
    divisor.reciprocal = reciprocal;
    return divisor;
}

// Calls `use(k, lane, is_number, is_row)` for each round `k` of the warp's rows, of which the block has `items`, with the value of this
// lane's row; or, of a decimal block and if `as_numbers`, with the number of each row that is no exception. Every thread of the block takes
// part.
template <class Use>
static __device__ __forceinline__ void each_lane(const Encoded& own, u32 items, bool as_numbers, const Use& use) {
    u32 start = WARP_ITEMS * warp_of_thread();
    bool is_decimal = own.mode == MODE_DECIMAL;
    bool is_plain = own.mode == MODE_PLAIN;
    bool has_stream = !is_plain && own.mode != MODE_PROGRESSION;
    bool is_single = is_decimal && (flags_of(own) & SINGLE_PRECISION) != 0u;
    bool has_corrections = is_decimal && (flags_of(own) & CORRECTIONS) != 0u;
    u32 second = __ldg(own.at + 2);
    Integers integers = {};
    Integers corrections = {};
    Divisor divisor = {};
    Exceptions exceptions = {};
    // Of plain values these; of a dictionary the distinct ones.
    const u32* values = own.column + (own.mode == MODE_DICTIONARY ? __ldg(own.at + 3) : second);
    u64 first = 0;
    u64 step = 0;
    if (has_stream) {
        integers = integers_at(own.column, second);
    } else if (!is_plain) {
        first = two_words(own.at + 2);
        step = two_words(own.at + 4);
    }
    if (is_decimal) {
        exceptions = exceptions_from(own, own.first + start);
        if (!as_numbers) {
            divisor = divisor_of(own);
        }
        if (has_corrections) {
            corrections = integers_at(own.column, __ldg(own.at + 7));
        }
    }
#pragma unroll 1
    for (u32 k = 0; k < ROUNDS && start + 32u * k < items; k++) {
        u32 row = own.first + start + 32u * k;
        bool is_row = start + 32u * k + lane_of_thread() < items;
        u64 lane = first + step * (row + lane_of_thread());
        bool is_number = false;
        if (has_stream) {
            u32 quarter = k % QUARTERS;
            if (quarter == 0u) {
                begin_mini(integers, row / MINI_ROWS, own.rows);
            }
            u64 integer = quarter_of(integers, quarter, is_row);
            if (is_decimal) {
                is_number = as_numbers;
                lane = as_numbers ? integer : decimal_of(integer, divisor, is_single, own.kind == FLOAT_32);
                if (has_corrections) {
                    if (quarter == 0u) {
                        begin_mini(corrections, row / MINI_ROWS, own.rows);
                    }
                    // Floats of 32 bits have none.
                    u64 correction = quarter_of(corrections, quarter, is_row);
                    lane += own.kind == FLOAT_32 ? 0ull : correction;
                }
                if (take_exception(exceptions, row, lane)) {
                    is_number = false;
                }
            } else if (own.mode == MODE_DICTIONARY) {
                lane = is_row ? two_words(values + 2u * (u32)integer) : 0ull;
            } else {
                lane = lane_of_place(own.kind, integer);
            }
        } else if (is_plain && is_row) {
            row += lane_of_thread();
            lane = own.is_wide ? value_64(values, row) : __ldg(values + row);
        }
        use(k, lane, is_number, is_row);
    }
}

// The value of a row of the part, for this thread alone.
static __device__ __forceinline__ u64 lane_at(const u32* slab, const u32* meta, const Params& p, u32 part, u32 slot, u32 part_row) {
    Encoded own = encoded_at(slab, meta, p, part, slot, part_row);
    u32 row = own.first;
    u32 second = __ldg(own.at + 2);
    if (own.mode == MODE_PLAIN) {
        return own.is_wide ? value_64(own.column + second, row) : __ldg(own.column + second + row);
    }
    if (own.mode == MODE_PROGRESSION) {
        return two_words(own.at + 2) + two_words(own.at + 4) * row;
    }
    if (own.mode == MODE_CLASSIC) {
        const u32* places = own.column + __ldg(own.at + 3);
        return classic_lane(own.column + second, places, __ldg(own.at + 4), own.kind, row);
    }
    Exceptions exceptions = {};
    if (own.mode == MODE_DECIMAL) {
        exceptions = exceptions_from(own, row);
        if (exceptions.left > 0u && __ldg(exceptions.rows) == row) {
            return two_words(exceptions.lanes);
        }
    }
    Integers integers = integers_at(own.column, second);
    u64 integer = integer_at(integers, row, own.rows);
    if (own.mode == MODE_INTEGERS) {
        return lane_of_place(own.kind, integer);
    }
    if (own.mode == MODE_DICTIONARY) {
        return two_words(own.column + __ldg(own.at + 3) + 2u * (u32)integer);
    }
    Divisor divisor = shifted_divisor(two_words(own.at + 4));
    divisor.reciprocal = reciprocal_of(divisor.shifted);
    u64 lane = decimal_of(integer, divisor, (flags_of(own) & SINGLE_PRECISION) != 0u, own.kind == FLOAT_32);
    if ((flags_of(own) & CORRECTIONS) != 0u && own.kind != FLOAT_32) {
        Integers corrections = integers_at(own.column, __ldg(own.at + 7));
        lane += integer_at(corrections, row, own.rows);
    }
    return lane;
}

static __device__ __forceinline__ bool is_encoded(const u32* meta, const Params& p, u32 part, u32 slot) {
    return __ldg(column_entry(meta, p, part, slot)) == ENCODED;
}
