// Counts the digits of four bits, the only width that these devices are asked for, of each block's keys, without atomics: every thread counts its at most 32 items in bytes of
// four words, which are then added up. O(items).

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read> keys_in: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

// Word `i` of thread `t` at `64i + t`: digits `4i` to `4i + 3`, a byte each.
var<workgroup> by_thread: array<u32, 256>;
var<workgroup> by_quarter: array<u32, 64>;

@compute @workgroup_size(64)
fn histogram(
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
    var mine = vec4<u32>(0u, 0u, 0u, 0u);
    for (var j = t; j < block.items; j += 64u) {
        let digit = bits_from(keys_in[block.first + j], at) & 15u;
        let one = 1u << ((digit & 3u) << 3u);
        mine += select(vec4<u32>(0u), vec4<u32>(one), vec4<u32>(digit >> 2u) == vec4<u32>(0u, 1u, 2u, 3u));
    }
    by_thread[t] = mine.x;
    by_thread[64u + t] = mine.y;
    by_thread[128u + t] = mine.z;
    by_thread[192u + t] = mine.w;
    workgroupBarrier();
    let digit = t & 15u;
    var at_thread = 64u * (digit >> 2u) + (t & 48u);
    let byte = (digit & 3u) << 3u;
    var sum = 0u;
    // Sixteen times, counted by shifting so that software drivers do not unroll it.
    for (var left = 0xffffu; left != 0u; left >>= 1u) {
        sum += (by_thread[at_thread] >> byte) & 255u;
        at_thread += 1u;
    }
    by_quarter[t] = sum;
    workgroupBarrier();
    if (t < 16u) {
        counts[block.aux + t * part_stride(block.part)] =
            by_quarter[t] + by_quarter[t + 16u] + by_quarter[t + 32u] + by_quarter[t + 48u];
    }
}
