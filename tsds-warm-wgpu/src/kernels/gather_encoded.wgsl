// Copies values of listed rows of columns that may be encoded. A row is decoded from the beginning of its 32 on; of decimals only
// the one that is asked for is divided. O(items), each up to 128 steps.

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

fn lane_at(part: u32, slot: u32, row: u32) -> vec2<u32> {
    let entry = p(3u) + 8u * (part * p(4u) + slot);
    let column = tables[entry + 2u];
    let found = encoded_block(column, tables[entry + 4u], row);
    if (slab[found.x] == MODE_CLASSIC) {
        return classic_lane(column, found.x, tables[entry + 1u], found.y);
    }
    let skipped = found.y & 31u;
    var lanes = lanes_from(part, slot, row - skipped);
    for (var k = 0u; k < skipped; k++) {
        next_lane_if(&lanes, false);
    }
    return next_lane(&lanes);
}

@compute @workgroup_size(64)
fn gather_encoded(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g % p(7u));
    let entry = p(6u) + 2u * (g / p(7u));
    let slot = tables[entry];
    let rows = rows_of(block.part, p(8u));
    let is_encoded = form_of(block.part, slot) == ENCODED;
    let up = u32(is_wide_in(block.part, slot));
    var column: Column;
    if (!is_encoded) {
        column = column_at(block.part, slot);
    }
    for (var j = t; j < block.items; j += 64u) {
        let row = row_of(rows, block.first + j);
        var value: vec2<u32>;
        if (is_encoded) {
            value = lane_at(block.part, slot, row);
        } else {
            value = value_at(column, row);
        }
        let to = tables[entry + 1u] + ((block.aux + j) << up);
        out[to] = value.x;
        if (up == 1u) {
            out[to + 1u] = value.y;
        }
    }
}
