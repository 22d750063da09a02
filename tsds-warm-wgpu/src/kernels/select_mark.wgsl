// A bitmap over items of those whose key is at most their part's threshold. O(items).

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read> keys_in: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> bits: array<u32>;
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(64)
fn select_mark(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let threshold = vec2<u32>(state[4u * block.part], state[4u * block.part + 1u]);
    let n = rounds(block.items, t);
    var strand = 0u;
    for (var k = 0u; k < n; k++) {
        strand |= u32(!below(threshold, keys_in[block.first + t + 64u * k])) << k;
    }
    let word = weave(t, strand);
    bits[64u * block.number + t] = word;
    let ones = count(countOneBits(word));
    if (t == 0u) {
        counts[block.number] = ones;
    }
}
