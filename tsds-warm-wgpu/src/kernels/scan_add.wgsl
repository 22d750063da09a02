// Adds to each 2048 words what is before them. O(words).

@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@group(0) @binding(1) var<storage, read> totals: array<u32>;

@compute @workgroup_size(64)
fn scan_add(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let first = 2048u * g;
    let end = min(p(6u), first + 2048u);
    let before = totals[g];
    for (var i = first + t; i < end; i += 64u) {
        data[i] += before;
    }
}
