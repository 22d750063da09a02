// `[slab, meta, out]`: decodes blocks of classic codes, of several columns in one launch. A thread decodes from one place to the next; what a warp
// has decoded of its 32 places, 16 rows of each at a time, it writes together, so that lanes write neighbours. O(rows) for each column.
#include "encoded.cuh"

// Two warps.
#define GROUP_PLACES 64u
#define TILE_ROWS 16u

extern "C" __global__ void __launch_bounds__(64) tsds_decode_classic(const u32* slab, const u32* meta, u32* out, Params p) {
    // A place more in each row, so that neither way through it has lanes in the same bank.
    __shared__ u64 tiles[GROUP_PLACES / 32u][32][TILE_ROWS + 1u];
    u64(&tile)[32][TILE_ROWS + 1u] = tiles[warp_of_thread()];
    u32 lane = lane_of_thread();
    Block block = block_at(meta, p, p.w[5] + blockIdx.x % p.w[7]);
    const u32* entry = meta + p.w[6] + 2u * (blockIdx.x / p.w[7]);
    Encoded own = encoded_at(slab, meta, p, block.part, __ldg(entry), block.first);
    u32 to = __ldg(meta + __ldg(entry + 1) + block.part) + (block.first << (own.is_wide ? 1u : 0u));
    const u32* words = own.column + __ldg(own.at + 2);
    const u32* places = own.column + __ldg(own.at + 3);
    u32 many = __ldg(own.at + 4);

    Classic code = {};
    u32 first = 0;
    u32 rows = 0;
    if (threadIdx.x < block.items) {
        u32 number = block.aux + threadIdx.x;
        const u32* place = places + PLACE_WORDS * number;
        code = classic_at(words, place);
        first = __ldg(place);
        rows = (number + 1u < many ? __ldg(place + PLACE_WORDS) : own.rows) - first;
    }
#pragma unroll 1
    for (u32 done = 0; __any_sync(ALL_LANES, done < rows); done += TILE_ROWS) {
#pragma unroll 1
        for (u32 k = 0; k < TILE_ROWS && done + k < rows; k++) {
            tile[lane][k] = code.value;
            if (done + k + 1u < rows) {
                next_classic(code, own.kind);
            }
        }
        __syncwarp();
        u32 k = lane % TILE_ROWS;
#pragma unroll 4
        for (u32 n = lane / TILE_ROWS; n < 32u; n += 32u / TILE_ROWS) {
            u32 its_first = __shfl_sync(ALL_LANES, first, n);
            u32 its_rows = __shfl_sync(ALL_LANES, rows, n);
            if (done + k >= its_rows) {
                continue;
            }
            u64 value = tile[n][k];
            u32 row = its_first + done + k;
            if (!own.is_wide) {
                out[to + row] = (u32)value;
            } else if ((((u64)(out + to)) & 4ull) == 0ull) {
                *(u64*)(out + to + 2u * row) = value;
            } else {
                out[to + 2u * row] = (u32)value;
                out[to + 2u * row + 1u] = (u32)(value >> 32);
            }
        }
        __syncwarp();
    }
}
