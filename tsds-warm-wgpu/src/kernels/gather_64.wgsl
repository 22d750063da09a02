// Copies values of 64 bits of listed rows, of several columns in one launch. O(items) for each column.

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn gather_64(
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
    let column = column_at(block.part, tables[entry]);
    let rows = rows_of(block.part, p(8u));
    let to = tables[entry + 1u] + 2u * block.aux;
    for (var j = t; j < block.items; j += 64u) {
        let value = value_at(column, row_of(rows, block.first + j));
        out[to + 2u * j] = value.x;
        out[to + 2u * j + 1u] = value.y;
    }
}
