// Lists the ones of a bitmap over items, in order. Threads write neighbours. O(items).

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read> bits: array<u32>;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read> source: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<u32>;

var<workgroup> words: array<u32, 64>;
var<workgroup> places: array<u32, 64>;

@compute @workgroup_size(64)
fn compact(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let mine = bits[64u * block.number + t];
    words[t] = mine;
    places[t] = offsets[block.number] + prefix(t, countOneBits(mine));
    workgroupBarrier();
    let kind = p(6u);
    let start = part_list_start(block.part);
    let end = p(7u);
    let bit = t & 31u;
    let n = rounds(block.items, t);
    for (var k = 0u; k < n; k++) {
        let w = 2u * k + (t >> 5u);
        let word = words[w];
        if (((word >> bit) & 1u) != 0u) {
            let place = places[w] + countOneBits(word & ((1u << bit) - 1u));
            if (place < end) {
                var item = block.first + t + 64u * k;
                if (kind == 1u) {
                    item = source[item];
                } else if (kind == 2u) {
                    item -= start;
                }
                out[place] = item;
            }
        }
    }
}
