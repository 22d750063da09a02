// Exclusive prefix sums over the 64 threads, in two levels of eight; may be called again and again.

var<workgroup> prefix_items: array<u32, 64>;
var<workgroup> prefix_sums: array<u32, 8>;

fn prefix(t: u32, number: u32) -> u32 {
    prefix_items[t] = number;
    workgroupBarrier();
    var within = 0u;
    for (var j = t & 56u; j < t; j++) {
        within += prefix_items[j];
    }
    if ((t & 7u) == 7u) {
        prefix_sums[t >> 3u] = within + number;
    }
    workgroupBarrier();
    var before = 0u;
    for (var j = 0u; j < (t >> 3u); j++) {
        before += prefix_sums[j];
    }
    return before + within;
}
