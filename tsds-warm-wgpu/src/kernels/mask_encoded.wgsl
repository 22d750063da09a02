// As `mask`, where columns may be encoded. A thread tests 32 consecutive rows, which are its word of the bitmap; of decimals it
// compares the numbers, and rebuilds no float. O(rows * terms).

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read_write> bits: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;

const LAST_CODE: u32 = 7u;

fn range_key(at: u32) -> vec2<u32> {
    return vec2<u32>(tables[at], tables[at + 1u]);
}

fn is_within(key: vec2<u32>, ranges: u32, many: u32) -> bool {
    var low = 0u;
    var high = many;
    while (low < high) {
        let middle = (low + high) >> 1u;
        let at = ranges + 4u * middle;
        if (below(key, range_key(at))) {
            high = middle;
        } else if (below(range_key(at + 2u), key)) {
            low = middle + 1u;
        } else {
            return true;
        }
    }
    return false;
}

// Which of `n` rows from `row` on have values in ranges; whether they are valid is not asked.
fn plain_word(part: u32, slot: u32, ranges: u32, many: u32, row: u32, n: u32) -> u32 {
    let column = column_at(part, slot);
    var word = 0u;
    for (var k = 0u; k < n; k++) {
        word |= u32(is_within(key_at(column, row + k), ranges, many)) << k;
    }
    return word;
}

fn encoded_word(part: u32, slot: u32, table: u32, row: u32, n: u32) -> u32 {
    let ranges = tables[table];
    let many = tables[table + 1u];
    var lanes = lanes_from(part, slot, row);
    var word = 0u;
    if (lanes.mode == MODE_DECIMAL && (lanes.flags & CORRECTIONS) == 0u) {
        let number_ranges = tables[table + 2u + 2u * lanes.fit];
        let number_many = tables[table + 3u + 2u * lanes.fit];
        for (var k = 0u; k < n; k++) {
            let number = next_of_numbers(&lanes) ^ vec2<u32>(0u, TOP);
            var is_in = is_within(number, number_ranges, number_many);
            if (lanes.row == lanes.exception_row) {
                let lane = take_exception(&lanes);
                is_in = is_within(key_of_lane(lanes.class_of, lanes.is_wide, lane), ranges, many);
            }
            lanes.row += 1u;
            word |= u32(is_in) << k;
        }
        return word;
    }
    for (var k = 0u; k < n; k++) {
        let lane = next_lane(&lanes);
        word |= u32(is_within(key_of_lane(lanes.class_of, lanes.is_wide, lane), ranges, many)) << k;
    }
    return word;
}

// What a leaf of the program says of the 32 rows that thread `t` has, or as many as there are.
fn leaf(code: u32, slot: u32, second: u32, third: u32, block: Block, t: u32) -> u32 {
    let row = block.first + 32u * t;
    let n = min(block.items - 32u * t, 32u);
    let valid = valid_word(block.part, slot, row, n);
    if (code == 1u) {
        return plain_word(block.part, slot, second, third, row, n) & valid;
    }
    if (code == 7u) {
        return encoded_word(block.part, slot, second, row, n) & valid;
    }
    return select(valid, ~valid, code == 2u);
}

@compute @workgroup_size(64)
fn mask_encoded(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let first = 32u * t;
    var word = 0u;
    if (first < block.items) {
        let n = min(block.items - first, 32u);
        word = run(block, t) & select((1u << n) - 1u, 0xffffffffu, n == 32u);
    }
    bits[64u * block.number + t] = word;
    let ones = count(countOneBits(word));
    if (t == 0u) {
        counts[block.number] = ones;
    }
}
