// From bits that threads have, each for items `t + 64k` in bit `k`, to words of a bitmap over the items: thread `t` gets word
// `t`, about items `32t` to `32t + 31`. Threads that read neighbours need no atomics and no subgroups for their bitmap.

var<workgroup> strands: array<u32, 64>;

fn weave(t: u32, strand: u32) -> u32 {
    strands[t] = strand;
    workgroupBarrier();
    let from_thread = (t & 1u) << 5u;
    let bit = t >> 1u;
    var word = 0u;
    for (var j = 0u; j < 32u; j++) {
        word |= ((strands[from_thread + j] >> bit) & 1u) << j;
    }
    return word;
}
