// One pass of a stable radix sort by a digit of four bits. Each thread ranks 32 consecutive items among its own; the ranks of
// those before it come from sums over threads. Reads, and as far as digits allow writes, are by neighbours. O(items).

@group(0) @binding(0) var<storage, read> tables: array<u32>;
@group(0) @binding(1) var<storage, read> keys_in: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> rows_in: array<u32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys_out: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> rows_out: array<u32>;

// Of item `j` at `j + j / 32`: its digit, later with its rank among the thread's items of that digit above.
var<workgroup> ranks: array<u32, 2112>;
// How many items of digit `d` thread `t` has, at `65d + t`; later how many those before it have. Zero at first, as all memory
// of a workgroup.
var<workgroup> tallies: array<u32, 1040>;
var<workgroup> quarters: array<u32, 64>;
var<workgroup> starts: array<u32, 16>;

@compute @workgroup_size(64)
fn scatter(
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
    for (var j = t; j < block.items; j += 64u) {
        ranks[j + (j >> 5u)] = bits_from(keys_in[block.first + j], at) & 15u;
    }
    if (t < 16u) {
        starts[t] = offsets[block.aux + t * part_stride(block.part)];
    }
    workgroupBarrier();
    let mine = min(max(block.items, 32u * t) - 32u * t, 32u);
    for (var j = 33u * t; j < 33u * t + mine; j++) {
        let digit = ranks[j];
        let rank = tallies[65u * digit + t];
        tallies[65u * digit + t] = rank + 1u;
        ranks[j] = digit | (rank << 4u);
    }
    workgroupBarrier();
    // Four threads turn the tallies of a digit into those before: each a quarter of the threads.
    let quarter = 65u * (t >> 2u) + 16u * (t & 3u);
    var sum = 0u;
    var i = quarter;
    // Sixteen times, counted by shifting so that software drivers do not unroll it.
    for (var left = 0xffffu; left != 0u; left >>= 1u) {
        let tally = tallies[i];
        tallies[i] = sum;
        sum += tally;
        i += 1u;
    }
    quarters[t] = sum;
    workgroupBarrier();
    var before = 0u;
    for (var j = t & 60u; j < t; j++) {
        before += quarters[j];
    }
    i = quarter;
    for (var left = 0xffffu; left != 0u; left >>= 1u) {
        tallies[i] += before;
        i += 1u;
    }
    workgroupBarrier();
    let no_rows = p(8u) == 1u;
    let list_start = part_list_start(block.part);
    for (var j = t; j < block.items; j += 64u) {
        let item = block.first + j;
        let rank = ranks[j + (j >> 5u)];
        let digit = rank & 15u;
        let place = starts[digit] + tallies[65u * digit + (j >> 5u)] + (rank >> 4u);
        var row = item - list_start;
        if (!no_rows) {
            row = rows_in[item];
        }
        keys_out[place] = keys_in[item];
        rows_out[place] = row;
    }
}
