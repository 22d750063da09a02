// From bits that threads have, each for items `t + 64k` in bit `k`, to words of a bitmap over the items: thread `t` gets word
// `t`, about items `32t` to `32t + 31`. Threads that read neighbours need no atomics and no subgroups for their bitmap.

var<workgroup> strands: array<u32, 64>;

fn weave(t: u32, strand: u32) -> u32 {
    strands[t] = strand;
    workgroupBarrier();
    let bit = 1u << (t >> 1u);
    var thread = (t & 1u) << 5u;
    var word = 0u;
    // Counted by shifting: a loop that software drivers unroll takes them longer to compile than ever to run.
    for (var one = 1u; one != 0u; one <<= 1u) {
        word |= select(0u, one, (strands[thread] & bit) != 0u);
        thread += 1u;
    }
    return word;
}
