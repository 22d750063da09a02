// Counts the next digit of eight bits of the keys that agree with the part's threshold so far. O(items).

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read> keys_in: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;

var<workgroup> digits: array<atomic<u32>, 256>;

@compute @workgroup_size(64)
fn select_histogram(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let at = p(6u);
    let threshold = vec2<u32>(state[4u * block.part], state[4u * block.part + 1u]);
    let known = ones_from(at + 8u);
    for (var j = t; j < block.items; j += 64u) {
        let key = keys_in[block.first + j];
        if (all(((key ^ threshold) & known) == vec2<u32>(0u, 0u))) {
            atomicAdd(&digits[bits_from(key, at) & 255u], 1u);
        }
    }
    workgroupBarrier();
    for (var d = t; d < 256u; d += 64u) {
        let n = atomicLoad(&digits[d]);
        if (n != 0u) {
            atomicAdd(&counts[256u * block.part + d], n);
        }
    }
}
