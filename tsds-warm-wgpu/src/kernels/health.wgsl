// Tells whether the device computes: multiplication, carry-free comparison of two words, and the grid. O(p6).

@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn health(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    for (var i = g * 64u + t; i < p(6u); i += p(0u) * 64u) {
        let above = below(vec2<u32>(i, 7u), vec2<u32>(~i, i));
        out[i] = i * 2654435761u + u32(above);
    }
}
