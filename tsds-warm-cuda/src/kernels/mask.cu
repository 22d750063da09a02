// `[slab, meta, mask, counts]`: runs each part's program on the rows of blocks; gives a bitmap over items and the ones in each block.
// A thread has eight rows, whose values it loads at once; words of the bitmap are votes of warps.
// O(rows * terms); ranges of a term, if there are several, are searched in O(log ranges).
#include "program.cuh"

extern "C" __global__ void __launch_bounds__(256)
tsds_mask(const u32* slab, const u32* meta, u32* mask_out, u32* counts, Params p) {
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
        return code == NULLS ? ~valid : valid;
    };
    u32 strand = run_program(meta, part_word(meta, p, block.part, PART_PROGRAM), CONSTANT, leaf);
    write_marks(mask_out, counts, block.number, strand & wanted);
}
