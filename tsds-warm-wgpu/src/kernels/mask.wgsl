// Runs each part's program on the rows of blocks; gives a bitmap over items and the ones in each block.
// O(rows * terms); ranges of a term are searched in O(log ranges).

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read_write> bits: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;

const LAST_CODE: u32 = 6u;

fn range_key(at: u32) -> vec2<u32> {
    return vec2<u32>(tables[at], tables[at + 1u]);
}

fn in_ranges(slot: u32, ranges: u32, many: u32, block: Block, t: u32) -> u32 {
    let column = column_at(block.part, slot);
    let first = range_key(ranges);
    let last = range_key(ranges + 2u);
    let n = rounds(block.items, t);
    var strand = 0u;
    for (var k = 0u; k < n; k++) {
        let row = block.first + t + 64u * k;
        let key = key_at(column, row);
        var is_in = !below(key, first) && !below(last, key);
        var low = 1u;
        var high = many;
        while (low < high) {
            let middle = (low + high) >> 1u;
            let at = ranges + 4u * middle;
            if (below(key, range_key(at))) {
                high = middle;
            } else {
                is_in = !below(range_key(at + 2u), key);
                low = middle + 1u;
            }
        }
        strand |= u32(is_in && is_valid(column, row)) << k;
    }
    return strand;
}

fn valid_strand(slot: u32, block: Block, t: u32) -> u32 {
    let column = column_at(block.part, slot);
    if (column.validity == NONE) {
        return 0xffffffffu;
    }
    let n = rounds(block.items, t);
    var strand = 0u;
    for (var k = 0u; k < n; k++) {
        strand |= u32(is_valid(column, block.first + t + 64u * k)) << k;
    }
    return strand;
}

// What a leaf of the program says of the rows that thread `t` has.
fn leaf(code: u32, slot: u32, second: u32, third: u32, block: Block, t: u32) -> u32 {
    if (code == 1u) {
        if (third == 0u) {
            return 0u;
        }
        return in_ranges(slot, second, third, block, t);
    }
    let valid = valid_strand(slot, block, t);
    return select(valid, ~valid, code == 2u);
}

@compute @workgroup_size(64)
fn mask(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let n = rounds(block.items, t);
    let strand = run(block, t) & select((1u << n) - 1u, 0xffffffffu, n == 32u);
    let word = weave(t, strand);
    bits[64u * block.number + t] = word;
    let ones = count(countOneBits(word));
    if (t == 0u) {
        counts[block.number] = ones;
    }
}
