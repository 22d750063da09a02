// `[slab, meta, list, keys]`: makes sort keys of the items' values: keys or their complements, or where nulls stand. O(items).
#include "column.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_keys(const u32* slab, const u32* meta, const u32* list, u64* keys_out, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    Column column = column_at(slab, meta, p, block.part, p.w[6]);
    Rows from = rows_of(meta, p, list, block.part);
    u32 mode = p.w[7];
    u32 rows[ROUNDS];
    u32 wanted = 0;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        u32 j = threadIdx.x + THREADS * k;
        bool is_item = j < block.items;
        wanted |= (u32)is_item << k;
        rows[k] = is_item ? row_of(from, block.first + j) : 0u;
    }
    u32 valid = load_valid(column, rows, wanted);
    u64 values[ROUNDS] = {};
    bool of_nulls = mode == 2u || mode == 3u;
    if (!of_nulls) {
        load_values(column, rows, valid, values);
    }
    u64 flip = (mode & 1u) != 0u ? ONES_64 : 0ull;
    u64 null_key = mode >= 6u ? ONES_64 : 0ull;
#pragma unroll
    for (u32 k = 0; k < ROUNDS; k++) {
        bool has_value = (valid >> k) & 1u;
        u64 key = has_value ? key_of(column, values[k]) ^ flip : null_key;
        if (of_nulls) {
            key = has_value == (mode == 3u) ? 1ull : 0ull;
        }
        if ((wanted >> k) & 1u) {
            keys_out[block.first + threadIdx.x + THREADS * k] = key;
        }
    }
}
