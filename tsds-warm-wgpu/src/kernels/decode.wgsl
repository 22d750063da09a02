// Decodes encoded columns: values of all rows of blocks, of several columns in one launch. A thread decodes 32 rows.
// O(rows) for each column; forms that add up read two and a half times as much.

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn decode(
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
    let first = 32u * t;
    if (first >= block.items) {
        return;
    }
    let row = block.first + first;
    var lanes = lanes_from(block.part, tables[entry], row);
    let up = u32(lanes.is_wide);
    var to = tables[tables[entry + 1u] + block.part] + (row << up);
    let n = min(block.items - first, 32u);
    for (var k = 0u; k < n; k++) {
        let lane = next_lane(&lanes);
        out[to] = lane.x;
        if (lanes.is_wide) {
            out[to + 1u] = lane.y;
        }
        to += 1u + up;
    }
}
