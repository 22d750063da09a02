// Copies values of 8 or 16 bits of listed rows, packed in words; a thread makes whole words. O(items) for each column.

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn gather_small(
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
    let bytes = p(9u);
    // Values in a word: 4 or 2, as a power of two.
    let power = select(1u, 2u, bytes == 1u);
    let values = 1u << power;
    let to = tables[entry + 1u] + (block.aux >> power);
    for (var w = t; (w << power) < block.items; w += 64u) {
        let from_item = w << power;
        let n = min(values, block.items - from_item);
        var word = 0u;
        for (var k = 0u; k < n; k++) {
            let value = value_at(column, row_of(rows, block.first + from_item + k)).x;
            word |= value << (k * 8u * bytes);
        }
        out[to + w] = word;
    }
}
