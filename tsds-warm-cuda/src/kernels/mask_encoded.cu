// `[slab, meta, mask, counts]`: as `mask`, where columns may be encoded. Of decimals without corrections it compares the numbers, and
// rebuilds no float. O(rows * terms).
#include "encoded.cuh"
#include "program.cuh"

// Which of a strand's rows have values in ranges, of an encoded column. `table` begins the table of ranges.
static __device__ __forceinline__ u32 encoded_within(const Encoded& own, u32 items, const u32* meta, const u32* table) {
    const u32* ranges = meta + __ldg(table);
    u32 many = __ldg(table + 1);
    bool as_numbers = own.mode == MODE_DECIMAL && (flags_of(own) & CORRECTIONS) == 0u;
    u32 fit = as_numbers ? __ldg(own.at + 6) : 0u;
    const u32* number_ranges = as_numbers ? meta + __ldg(table + 2 + 2 * fit) : ranges;
    u32 number_many = as_numbers ? __ldg(table + 3 + 2 * fit) : many;
    u32 strand = 0;
    each_lane(own, items, as_numbers, [&](u32 k, u64 lane, bool is_number, bool) {
        u64 key = is_number ? lane ^ TOP_64 : key_of_lane(own, lane);
        strand |= (u32)is_within(key, is_number ? number_ranges : ranges, is_number ? number_many : many) << k;
    });
    return strand;
}

extern "C" __global__ void __launch_bounds__(256)
tsds_mask_encoded(const u32* slab, const u32* meta, u32* mask_out, u32* counts, Params p) {
    Block block = block_at(meta, p, p.w[5] + blockIdx.x);
    u32 wanted = strand_mask(block.items);
    u32 rows[ROUNDS];
    strand_items(block.first, rows);
    auto leaf = [&](u32 code, u32 slot, u32 second, u32 third) -> u32 {
        Column column = column_at(slab, meta, p, block.part, slot);
        u32 valid = load_valid(column, rows, wanted);
        if (code == KEYS) {
            return plain_within(column, rows, wanted, meta + second, third) & valid;
        }
        if (code == ENCODED_KEYS) {
            Encoded own = encoded_at(slab, meta, p, block.part, slot, block.first);
            return encoded_within(own, block.items, meta, meta + second) & valid;
        }
        return code == NULLS ? ~valid : valid;
    };
    u32 strand = run_program(meta, part_word(meta, p, block.part, PART_PROGRAM), ENCODED_KEYS, leaf);
    write_marks(mask_out, counts, block.number, strand & wanted);
}
