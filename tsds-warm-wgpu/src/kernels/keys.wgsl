// Makes sort keys of the items' values: keys or their complements, or where nulls stand. O(items).

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> keys_out: array<vec2<u32>>;

@compute @workgroup_size(64)
fn keys(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let column = column_at(block.part, p(6u));
    let mode = p(7u);
    let rows = rows_of(block.part, p(8u));
    let of_nulls = mode == 2u || mode == 3u;
    let flip = select(0u, ONES, (mode & 1u) != 0u);
    let null_word = select(0u, ONES, mode >= 6u);
    for (var j = t; j < block.items; j += 64u) {
        let item = block.first + j;
        let row = row_of(rows, item);
        let valid = is_valid(column, row);
        var key: vec2<u32>;
        if (of_nulls) {
            key = vec2<u32>(u32(valid == (mode == 3u)), 0u);
        } else {
            key = key_at(column, row) ^ vec2<u32>(flip, flip);
            if (!valid) {
                key = vec2<u32>(null_word, null_word);
            }
        }
        keys_out[item] = key;
    }
}
