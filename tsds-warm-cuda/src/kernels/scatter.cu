// `[meta, keys, rows, offsets, keys_out, rows_out]`: one pass of a stable radix sort. A warp ranks its 256 consecutive items by matching
// digits, 32 at a time; the block then sorts keys and rows in shared memory, so that items of one digit are written side by side.
// O(items).
#include "prefix.cuh"
#include "radix.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_scatter(const u32* meta, const u64* keys, const u32* rows, const u32* offsets, u64* keys_out, u32* rows_out, Params p) {
    // How many items of a digit a warp has had; later where those of the warp begin among the block's.
    __shared__ u32 tallies[WARPS][MAX_DIGITS];
    __shared__ u64 sorted_keys[BLOCK_ITEMS];
    __shared__ u32 sorted_rows[BLOCK_ITEMS];
    // What to add to a place in the block to get that among all.
    __shared__ u32 moves[MAX_DIGITS];
    __shared__ u32 sums[WARPS];
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u32 many = 1u << p.w[9];
    u32 t = threadIdx.x;
    u32 warp = warp_of_thread();
    u32 start = WARP_ITEMS * warp + lane_of_thread();
    u64 own[ROUNDS];
    u32 wanted = load_keys(keys, block, start, 32u, own);
    u32 list_start = part_word(meta, p, block.part, PART_LIST_START);
    u32 own_rows[ROUNDS];
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 item = block.first + start + 32u * k;
        own_rows[k] = p.w[8] == 1u ? item - list_start : (wanted >> k) & 1u ? __ldg(rows + item) : 0u;
    }
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) {
        tallies[w][t] = 0;
    }
    __syncthreads();
    u32 ranks[ROUNDS];
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 digit = (wanted >> k) & 1u ? (u32)(own[k] >> p.w[6]) & (many - 1u) : NONE;
        u32 peers = peers_of(digit);
        u32 before = digit == NONE ? 0u : tallies[warp][digit];
        __syncwarp();
        if (digit != NONE && (peers & lanes_before()) == 0u) {
            tallies[warp][digit] = before + __popc(peers);
        }
        __syncwarp();
        ranks[k] = before + __popc(peers & lanes_before());
    }
    __syncthreads();
    // Thread `t` is digit `t` now.
    u32 items = 0;
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) {
        u32 tally = tallies[w][t];
        tallies[w][t] = items;
        items += tally;
    }
    u32 all;
    u32 first = prefix(items, sums, all);
#pragma unroll
    for (u32 w = 0; w < WARPS; w++) {
        tallies[w][t] += first;
    }
    if (t < many) {
        u32 stride = part_word(meta, p, block.part, PART_STRIDE);
        moves[t] = __ldg(offsets + block.aux + t * stride) - first;
    }
    __syncthreads();
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        if ((wanted >> k) & 1u) {
            u32 digit = (u32)(own[k] >> p.w[6]) & (many - 1u);
            u32 place = tallies[warp][digit] + ranks[k];
            sorted_keys[place] = own[k];
            sorted_rows[place] = own_rows[k];
        }
    }
    __syncthreads();
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 j = t + THREADS * k;
        if (j < block.items) {
            u64 key = sorted_keys[j];
            u32 place = j + moves[(u32)(key >> p.w[6]) & (many - 1u)];
            keys_out[place] = key;
            rows_out[place] = sorted_rows[j];
        }
    }
}
