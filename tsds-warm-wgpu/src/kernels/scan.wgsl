// Exclusive prefix sums within each 2048 words, and the sums of these. Words pass through memory of the workgroup so that
// neighbours are read by neighbours. O(words).

@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@group(0) @binding(1) var<storage, read_write> totals: array<u32>;

// Row `t` of 32 words begins at `33t`, so that threads that walk their rows do not wait for each other's banks.
var<workgroup> tile: array<u32, 2112>;

@compute @workgroup_size(64)
fn scan(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let first = 2048u * g;
    let end = p(6u);
    for (var j = t; j < 2048u; j += 64u) {
        var word = 0u;
        if (first + j < end) {
            word = data[first + j];
        }
        tile[j + (j >> 5u)] = word;
    }
    workgroupBarrier();
    var sum = 0u;
    for (var j = 33u * t; j < 33u * t + 32u; j++) {
        let word = tile[j];
        tile[j] = sum;
        sum += word;
    }
    let before = prefix(t, sum);
    for (var j = 33u * t; j < 33u * t + 32u; j++) {
        tile[j] += before;
    }
    workgroupBarrier();
    for (var j = t; j < 2048u; j += 64u) {
        if (first + j < end) {
            data[first + j] = tile[j + (j >> 5u)];
        }
    }
    if (t == 63u) {
        totals[g] = before + sum;
    }
}
