// `[slab, meta, filter, runs, out]`: as `reduce`, of rows in storage order where the column may be encoded. A warp decodes its 256 rows to
// shared memory and folds what of pieces lies in them, as many lanes for each as its length asks for; pieces that go on in the next warps
// are merged at the end. Sums of floats are in units of the lowest bit, of the warp's rows first and then of the piece. O(rows).
#include "encoded.cuh"
#include "fold.cuh"

// A lane folds at least about so many rows before another one helps.
#define ROWS_OF_LANE 4u

// What is shifted out is lost: then the sum is too wide.
static __device__ __forceinline__ Wide shift_wide(Wide a, u32 by) {
    Wide shifted = {0, 0};
    if (by == 0u) {
        return a;
    }
    if (by < 64u) {
        shifted.low = a.low << by;
        shifted.high = (a.high << by) | (a.low >> (64u - by));
    } else if (by < 128u) {
        shifted.high = a.low << (by - 64u);
    }
    return shifted;
}

// What two states of a piece are together; sums are in units of `lowest`.
static __device__ __forceinline__ State merged(const State& a, const State& b) {
    State state = a;
    state.count += b.count;
    state.flags |= b.flags;
    state.smallest = b.smallest < a.smallest ? b.smallest : a.smallest;
    state.largest = b.largest > a.largest ? b.largest : a.largest;
    state.lowest = min_of(a.lowest, b.lowest);
    state.highest = max_of(a.highest, b.highest);
    // Of integers, and where there is no float, there is no unit.
    bool has_units = a.lowest != NONE && b.lowest != NONE;
    state.sum = add_wide(has_units ? shift_wide(a.sum, a.lowest - state.lowest) : a.sum,
                         has_units ? shift_wide(b.sum, b.lowest - state.lowest) : b.sum);
    return state;
}

static __device__ __forceinline__ void write_piece(u32* to, const State& state, u32 asked) {
    bool fits = state.lowest == NONE || state.highest - state.lowest < PLACES;
    Wide none = {0, 0};
    u32 exponent = fits && state.lowest != NONE ? state.lowest - BIAS : 0u;
    write_state(to, state, asked, fits ? state.sum : none, state.flags | (fits ? 0u : TOO_WIDE), exponent);
}

extern "C" __global__ void __launch_bounds__(256)
tsds_reduce_encoded(const u32* slab, const u32* meta, const u32* filter, const u32* runs, u32* out, Params p) {
    __shared__ u64 values[BLOCK_ITEMS];
    // A bit for each row that counts and is valid.
    __shared__ u32 counting[BLOCK_WORDS];
    // Which of a warp's rows begin pieces.
    __shared__ u8 starts[WARPS][WARP_ITEMS];
    __shared__ u32 pieces_of_warp[WARPS];
    // Of each warp, what it has of the piece that began before it, and of the last one that begins in it.
    __shared__ State heads[WARPS];
    __shared__ State tails[WARPS];
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u32 lane = lane_of_thread();
    u32 warp = warp_of_thread();
    u32 start = WARP_ITEMS * warp;
    u32 own_rows = block.items > start ? min_of(block.items - start, WARP_ITEMS) : 0u;
    u32 counted = p.w[8] == 1u ? strand_mask(block.items) : strand_of_words(filter, block);
    u32 begins = strand_of_words(runs, block);
    bool has_column = p.w[7] != NONE;
    u32 asked = has_column ? p.w[10] & ~EDGES : 0u;
    bool is_double = (asked & SUM_FLOAT_64) != 0u;
    bool has_values = (asked & (EXTREMES | SUM_INTEGERS | SUM_FLOATS)) != 0u;

    Column column = {};
    if (has_column) {
        u32 slot = p.w[7];
        column = column_at(slab, meta, p, block.part, slot);
        u32 rows[ROUNDS];
        strand_items(block.first, rows);
        counted &= load_valid(column, rows, counted);
        if (has_values && is_encoded(meta, p, block.part, slot)) {
            Encoded own = encoded_at(slab, meta, p, block.part, slot, block.first);
            set_class(column, own.kind, own.is_wide ? PLAIN_64 : PLAIN_32);
            each_lane(own, block.items, false, [&](u32 k, u64 value, bool, bool) {
                values[start + 32u * k + lane] = own.is_wide ? value : value & 0xffffffffull;
            });
        } else if (has_values) {
            u64 loaded[ROUNDS];
            load_values(column, rows, counted, loaded);
#pragma unroll
            for (u32 k = 0; k < ROUNDS; k++) {
                values[start + 32u * k + lane] = loaded[k];
            }
        }
    }
    u32 word = words_of_strands(counted);
    if (lane < ROUNDS) {
        counting[ROUNDS * warp + lane] = word;
    }
    u32 pieces = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 vote = __ballot_sync(ALL_LANES, (begins >> k) & 1u);
        if ((begins >> k) & 1u) {
            starts[warp][pieces + __popc(vote & lanes_before())] = (u8)(32u * k + lane);
        }
        pieces += __popc(vote);
    }
    if (lane == 0u) {
        pieces_of_warp[warp] = pieces;
    }
    __syncthreads();
    u32 first_piece = block.aux;
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) {
        first_piece += w < warp ? pieces_of_warp[w] : 0u;
    }
    u32* to = out + p.w[11];

    // Part 0 is of the piece that began before the warp's rows; part `n` of the `n`-th one that begins in them.
    u32 parts = pieces + 1u;
    u32 lanes = 1;
    while (lanes < 32u && lanes * 2u * ROWS_OF_LANE * parts <= own_rows) {
        lanes *= 2u;
    }
    for (u32 done = 0; done < parts; done += 32u / lanes) {
        u32 number = done + lane / lanes;
        bool is_part = number < parts;
        u32 part = min_of(number, pieces);
        u32 begin = (part == 0u ? 0u : starts[warp][part - 1u]) + (lane & (lanes - 1u));
        u32 end = !is_part ? 0u : part == pieces ? own_rows : starts[warp][part];
        State state = no_state();
        for (u32 row = begin; row < end; row += lanes) {
            if ((counting[ROUNDS * warp + (row >> 5)] >> (row & 31u)) & 1u) {
                state.count += 1u;
                if (has_values) {
                    fold_value(state, asked, column, values[start + row]);
                }
            }
        }
        merge_lanes(state, asked, lanes);
        if ((asked & SUM_FLOATS) != 0u) {
            bool fits = state.lowest != NONE && state.highest - state.lowest < PLACES;
            for (u32 row = begin; row < (fits ? end : 0u); row += lanes) {
                if ((counting[ROUNDS * warp + (row >> 5)] >> (row & 31u)) & 1u) {
                    state.sum = add_wide(state.sum, float_in_units(values[start + row], is_double, state.lowest));
                }
            }
            for (u32 by = lanes >> 1; by > 0; by >>= 1) {
                state.sum = add_wide(state.sum, shuffle_wide(state.sum, by));
            }
        }
        if (is_part && (lane & (lanes - 1u)) == 0u) {
            if (part == 0u) {
                heads[warp] = state;
            } else if (part == pieces) {
                tails[warp] = state;
            } else {
                write_piece(to + 16ull * (first_piece + part - 1u), state, asked);
            }
        }
    }
    __syncthreads();
    // The warp in which a piece begins merges what later ones have of it.
    if (lane != 0u || pieces == 0u) {
        return;
    }
    State state = tails[warp];
    for (u32 w = warp + 1u; w < WARPS; w++) {
        state = merged(state, heads[w]);
        if (pieces_of_warp[w] != 0u) {
            break;
        }
    }
    write_piece(to + 16ull * (first_piece + pieces - 1u), state, asked);
}
