// Picks the digit in which the last wanted key of a part lies, and clears the counts. A workgroup for each part. O(256).

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read_write> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(64)
fn select_pick(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let part = p(5u) + g;
    let to = 4u * part;
    let bins = 256u * part + 4u * t;
    let c = vec4<u32>(counts[bins], counts[bins + 1u], counts[bins + 2u], counts[bins + 3u]);
    counts[bins] = 0u;
    counts[bins + 1u] = 0u;
    counts[bins + 2u] = 0u;
    counts[bins + 3u] = 0u;
    var threshold = vec2<u32>(0u, 0u);
    var wanted = part_wanted(part);
    if (p(7u) == 0u) {
        threshold = vec2<u32>(state[to], state[to + 1u]);
        wanted = state[to + 2u];
    }
    // All threads have read the state before one of them writes it.
    storageBarrier();
    let before = prefix(t, c.x + c.y + c.z + c.w);
    if (p(7u) == 2u) {
        if (t == 0u) {
            state[to] = 0u;
            state[to + 1u] = 0u;
            state[to + 2u] = wanted;
        }
        return;
    }
    // The digit is that of exactly one thread: the one whose counts reach what is wanted, else the last one.
    let b = vec4<u32>(before, before + c.x, before + c.x + c.y, before + c.x + c.y + c.z);
    let after = b.w + c.w;
    var is_mine = before < wanted && after >= wanted;
    if (wanted == 0u) {
        is_mine = t == 0u;
    } else if (t == 63u && after < wanted) {
        is_mine = true;
    }
    if (is_mine) {
        var digit = 3u;
        var sum = b.w;
        if (b.y >= wanted) {
            digit = 0u;
            sum = b.x;
        } else if (b.z >= wanted) {
            digit = 1u;
            sum = b.y;
        } else if (b.w >= wanted) {
            digit = 2u;
            sum = b.z;
        }
        digit += 4u * t;
        let at = p(6u);
        let cleared = ones_from(at) & ~ones_from(at + 8u);
        var placed = vec2<u32>(0u, digit << (at & 31u));
        if (at < 32u) {
            placed = vec2<u32>(digit << at, 0u);
            if (at > 24u) {
                placed.y = digit >> (32u - at);
            }
        }
        threshold = (threshold & ~cleared) | (placed & cleared);
        state[to] = threshold.x;
        state[to + 1u] = threshold.y;
        state[to + 2u] = wanted - sum;
    }
}
