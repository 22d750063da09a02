// Copies bits of listed rows, values of booleans or validity, as bitmaps. O(items) for each bitmap.

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn gather_bits(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g % p(7u));
    let entry = p(6u) + 3u * (g / p(7u));
    let column = column_at(block.part, tables[entry]);
    let of_validity = tables[entry + 2u] == 1u;
    let rows = rows_of(block.part, p(8u));
    let n = rounds(block.items, t);
    var strand = 0u;
    for (var k = 0u; k < n; k++) {
        let row = row_of(rows, block.first + t + 64u * k);
        var bit: bool;
        if (of_validity) {
            bit = is_valid(column, row);
        } else {
            bit = (value_at(column, row).x & 1u) != 0u;
        }
        strand |= u32(bit) << k;
    }
    let word = weave(t, strand);
    if (32u * t < block.items) {
        out[tables[entry + 1u] + (block.aux >> 5u) + t] = word;
    }
}
