// A bitmap over items of those with which a run begins. O(items * slots).

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read> buckets_in: array<u32>;
@group(0) @binding(4) var<storage, read_write> bits: array<u32>;
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(64)
fn runs(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let rows = rows_of(block.part, p(8u));
    let every = p(6u);
    let with_buckets = p(10u) == 1u;
    let n = rounds(block.items, t);
    var strand = 0u;
    for (var k = 0u; k < n; k++) {
        let item = block.first + t + 64u * k;
        let distance = item - rows.start;
        var begins = distance == 0u || (every != 0u && distance % max(every, 1u) == 0u);
        if (!begins && with_buckets) {
            begins = buckets_in[item] != buckets_in[item - 1u];
        }
        strand |= u32(begins) << k;
    }
    for (var s = 0u; s < p(9u); s++) {
        let column = column_at(block.part, tables[p(7u) + s]);
        for (var k = 0u; k < n; k++) {
            if (((strand >> k) & 1u) == 0u) {
                let item = block.first + t + 64u * k;
                let row = row_of(rows, item);
                let row_before = row_of(rows, item - 1u);
                let valid = is_valid(column, row);
                var differs = valid != is_valid(column, row_before);
                if (valid && !differs) {
                    differs = any(value_at(column, row) != value_at(column, row_before));
                }
                strand |= u32(differs) << k;
            }
        }
    }
    let word = weave(t, strand);
    bits[64u * block.number + t] = word;
    let ones = count(countOneBits(word));
    if (t == 0u) {
        counts[block.number] = ones;
    }
}
