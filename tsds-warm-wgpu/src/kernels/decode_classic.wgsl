// Decodes blocks of classic codes, of several columns in one launch. A thread decodes from one place to the next. O(rows) for each column.

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn decode_classic(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g % p(7u));
    if (t >= block.items) {
        return;
    }
    let entry = p(6u) + 2u * (g / p(7u));
    let slot = tables[entry];
    let column_entry = p(3u) + 8u * (block.part * p(4u) + slot);
    let class_of = tables[column_entry + 1u];
    let column = tables[column_entry + 2u];
    let up = u32(is_wide_in(block.part, slot));
    let at = encoded_block(column, tables[column_entry + 4u], block.first).x;
    let number = block.aux + t;
    let place = column + slab[at + 3u] + PLACE_WORDS * number;
    let first = slab[place];
    var end = slab[at + 1u];
    if (number + 1u < slab[at + 4u]) {
        end = slab[place + PLACE_WORDS];
    }
    var own = classic_at(column + slab[at + 2u], place);
    var to = tables[tables[entry + 1u] + block.part] + ((block.first + first) << up);
    for (var row = first; row < end; row++) {
        if (row > first) {
            next_classic(&own, class_of);
        }
        out[to] = own.value.x;
        if (up == 1u) {
            out[to + 1u] = own.value.y;
        }
        to += 1u + up;
    }
}
