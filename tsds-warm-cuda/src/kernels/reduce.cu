// `[slab, meta, list, pieces, out]`: folds pieces of runs: counts, extremes, exact sums, first and last items. So many lanes of a warp
// share a piece as its length asks for, and each has four items under way; their states are merged by shuffles. Floats take two passes:
// the first finds the lowest and the highest bit of all values, the second adds mantissas in units of the lowest, mostly out of the cache.
// O(items), twice for floats.
#include "fold.cuh"

// A lane folds at least about so many items before another one helps; a quad is the least that shares a piece.
#define ITEMS_OF_LANE 8u
#define LEAST_LANES 4u
#define AT_ONCE 4u
#define MAX_PIECES 64u

static __device__ __forceinline__ u32 piece_end(const u32* pieces, const Params& p, u32 piece, u32 list_end) {
    return piece + 1u < p.w[6] ? min_of(__ldg(pieces + piece + 1u), list_end) : list_end;
}

// The rows of the items from `item` on, every `step`-th, before `end`; and of them those that are valid.
static __device__ __forceinline__ u32
valid_rows(const Rows& from, const Column& column, bool has_column, u32 item, u32 end, u32 step, u32 (&rows)[AT_ONCE]) {
    u32 wanted = 0;
#pragma unroll
    for (u32 k = 0; k < AT_ONCE; k++) {
        u32 own = item + step * k;
        bool is_item = own < end;
        wanted |= (u32)is_item << k;
        rows[k] = is_item ? row_of(from, own) : 0u;
    }
    return has_column ? load_valid(column, rows, wanted) : wanted;
}

extern "C" __global__ void __launch_bounds__(256)
tsds_reduce(const u32* slab, const u32* meta, const u32* list, const u32* pieces, u32* out, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    Rows from = rows_of(meta, p, list, block.part);
    u32 list_end = from.start + part_word(meta, p, block.part, PART_LIST_ITEMS);
    u32 of_pieces = min_of(block.items, MAX_PIECES);
    bool has_column = p.w[7] != NONE;
    // Of no column only the number of items, and the edges.
    u32 asked = has_column ? p.w[10] : p.w[10] & EDGES;
    bool is_double = (asked & SUM_FLOAT_64) != 0u;
    Column column = {};
    if (has_column) {
        column = column_at(slab, meta, p, block.part, p.w[7]);
    }
    bool has_values = (asked & (EXTREMES | SUM_INTEGERS | SUM_FLOATS)) != 0u;
    Column time = {};
    if ((asked & EDGES) != 0u) {
        time = column_at(slab, meta, p, block.part, p.w[9]);
    }

    // How many lanes share a piece: a power of two.
    u32 items = piece_end(pieces, p, block.first + of_pieces - 1u, list_end) - __ldg(pieces + block.first);
    u32 lanes = LEAST_LANES;
    while (lanes < 32u && lanes * 2u * ITEMS_OF_LANE * of_pieces <= items) {
        lanes *= 2u;
    }
    u32 at_once = THREADS / lanes;
    u32 lane = threadIdx.x & (lanes - 1u);

    for (u32 done = 0; done < of_pieces; done += at_once) {
        u32 number = done + threadIdx.x / lanes;
        bool is_piece = number < of_pieces;
        if (__any_sync(ALL_LANES, is_piece) == 0) {
            break;
        }
        u32 piece = block.first + min_of(number, of_pieces - 1u);
        u32 begin = __ldg(pieces + piece) + lane;
        u32 end = is_piece ? piece_end(pieces, p, piece, list_end) : 0u;
        State state = no_state();
        for (u32 item = begin; item < end; item += AT_ONCE * lanes) {
            u32 rows[AT_ONCE];
            u32 valid = valid_rows(from, column, has_column, item, end, lanes, rows);
            u64 values[AT_ONCE];
            if (has_values) {
                load_values(column, rows, valid, values);
            }
#pragma unroll
            for (u32 k = 0; k < AT_ONCE; k++) {
                if (((valid >> k) & 1u) == 0u) {
                    continue;
                }
                state.count += 1u;
                if (has_values) {
                    fold_value(state, asked, column, values[k]);
                }
                if ((asked & EDGES) != 0u) {
                    Edge edge = {key_of(time, value_at(time, rows[k])), rows[k], item + lanes * k};
                    fold_edge(state, edge);
                }
            }
        }
        merge_lanes(state, asked, lanes);
        Wide sum = state.sum;
        u32 flags = state.flags;
        u32 exponent = 0;
        if ((asked & SUM_FLOATS) != 0u) {
            bool any_bits = state.lowest != NONE;
            bool fits = any_bits && state.highest - state.lowest < PLACES;
            flags |= any_bits && !fits ? TOO_WIDE : 0u;
            exponent = fits ? state.lowest - BIAS : 0u;
            u32 sum_end = fits ? end : 0u;
            for (u32 item = begin; item < sum_end; item += AT_ONCE * lanes) {
                u32 rows[AT_ONCE];
                u32 valid = valid_rows(from, column, has_column, item, end, lanes, rows);
                u64 values[AT_ONCE];
                load_values(column, rows, valid, values);
#pragma unroll
                for (u32 k = 0; k < AT_ONCE; k++) {
                    // What is not valid was not loaded: 0, which adds nothing.
                    sum = add_wide(sum, float_in_units(values[k], is_double, state.lowest));
                }
            }
            for (u32 by = lanes >> 1; by > 0; by >>= 1) {
                sum = add_wide(sum, shuffle_wide(sum, by));
            }
        }
        if (is_piece && lane == 0u) {
            write_state(out + p.w[11] + 16ull * piece, state, asked, sum, flags, exponent);
        }
    }
}
