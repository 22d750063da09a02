// Finds the time bucket of every item by binary search. O(items * log buckets).

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn buckets(
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
    let rows = rows_of(block.part, p(8u));
    let starts = part_buckets(block.part);
    let starts_count = part_bucket_count(block.part);
    for (var j = t; j < block.items; j += 64u) {
        let item = block.first + j;
        let time = key_at(column, row_of(rows, item));
        // How many starts are not after the time.
        var low = 0u;
        var high = starts_count;
        while (low < high) {
            let middle = (low + high) >> 1u;
            let start = vec2<u32>(tables[starts + 2u * middle], tables[starts + 2u * middle + 1u] ^ TOP);
            if (below(time, start)) {
                high = middle;
            } else {
                low = middle + 1u;
            }
        }
        out[item] = max(low, 1u) - 1u;
    }
}
