// As `runs`, of rows in storage order where columns may be encoded. A thread decodes 32 consecutive rows, which are its word of
// the bitmap; what it has to know of those before is in memory of the workgroup. O(rows * slots).

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> rows_in: array<u32>;
@group(0) @binding(3) var<storage, read_write> bits: array<u32>;
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

// Of every thread's last row: the value and whether it is valid, or the bucket.
var<workgroup> last_values: array<vec3<u32>, 64>;
// Which threads have a row that differs, and which have one that counts after the last one that differs.
var<workgroup> differing: array<atomic<u32>, 2>;
var<workgroup> counting: array<atomic<u32>, 2>;

// Which of a thread's `n` rows from `row` on differ in a slot from the row before; row 0 is compared by the caller.
struct Compared {
    word: u32,
    first: vec3<u32>,
    last: vec3<u32>,
}

// A value and its validity, equal if and only if rows do not differ.
fn standing(value: vec2<u32>, is_valid: bool) -> vec3<u32> {
    return select(vec3<u32>(0u, 0u, 0u), vec3<u32>(value, 1u), is_valid);
}

fn compared(part: u32, slot: u32, row: u32, n: u32) -> Compared {
    let valid = valid_word(part, slot, row, n);
    var own: Compared;
    if (form_of(part, slot) == ENCODED) {
        var lanes = lanes_from(part, slot, row);
        for (var k = 0u; k < n; k++) {
            var value = next_lane(&lanes);
            if (!lanes.is_wide) {
                value.y = 0u;
            }
            compare(&own, k, standing(value, ((valid >> k) & 1u) != 0u));
        }
        return own;
    }
    let column = column_at(part, slot);
    for (var k = 0u; k < n; k++) {
        compare(&own, k, standing(value_at(column, row + k), ((valid >> k) & 1u) != 0u));
    }
    return own;
}

fn compare(own: ptr<function, Compared>, k: u32, value: vec3<u32>) {
    if (k == 0u) {
        (*own).first = value;
    } else {
        (*own).word |= u32(any(value != (*own).last)) << k;
    }
    (*own).last = value;
}

fn start_at(starts: u32, number: u32) -> vec2<u32> {
    return vec2<u32>(tables[starts + 2u * number], tables[starts + 2u * number + 1u] ^ TOP);
}

fn bucket_of(starts: u32, many: u32, time: vec2<u32>) -> u32 {
    // How many starts are not after the time.
    var low = 0u;
    var high = many;
    while (low < high) {
        let middle = (low + high) >> 1u;
        if (below(time, start_at(starts, middle))) {
            high = middle;
        } else {
            low = middle + 1u;
        }
    }
    return max(low, 1u) - 1u;
}

// As `compared`, of the numbers of buckets. Times mostly stay in a bucket: only where they leave it is the next one looked up.
fn compared_buckets(part: u32, slot: u32, row: u32, n: u32) -> Compared {
    let starts = part_buckets(part);
    let many = part_bucket_count(part);
    let is_encoded = form_of(part, slot) == ENCODED;
    var lanes: Lanes;
    var column: Column;
    if (is_encoded) {
        lanes = lanes_from(part, slot, row);
    } else {
        column = column_at(part, slot);
    }
    var own: Compared;
    var bucket = 0u;
    var least = vec2<u32>(ONES, ONES);
    var end = vec2<u32>(0u, 0u);
    var has_end = true;
    for (var k = 0u; k < n; k++) {
        var time: vec2<u32>;
        if (is_encoded) {
            time = next_lane(&lanes) ^ vec2<u32>(0u, TOP);
        } else {
            time = key_at(column, row + k);
        }
        if (below(time, least) || (has_end && !below(time, end))) {
            bucket = bucket_of(starts, many, time);
            least = vec2<u32>(0u, 0u);
            if (bucket > 0u) {
                least = start_at(starts, bucket);
            }
            has_end = bucket + 1u < many;
            if (has_end) {
                end = start_at(starts, bucket + 1u);
            }
        }
        compare(&own, k, vec3<u32>(bucket, 0u, 0u));
    }
    return own;
}

// Whether the thread's first row differs from the last one of the thread before.
fn first_differs(t: u32, own: Compared) -> u32 {
    // What was there before has been read.
    workgroupBarrier();
    last_values[t] = own.last;
    workgroupBarrier();
    return u32(t == 0u || any(own.first != last_values[max(t, 1u) - 1u]));
}

// Of two words, a bit for each thread, the highest one below `t`, counted from 1; 0 if there is none.
fn highest_before(low: u32, high: u32, t: u32) -> u32 {
    let own = vec2<u32>(low, high) & ~ones_from(t);
    if ((own.x | own.y) == 0u) {
        return 0u;
    }
    return highest_bit(own) + 1u;
}

@compute @workgroup_size(64)
fn runs_encoded(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let n = min(max(block.items, 32u * t) - 32u * t, 32u);
    let row = block.first + 32u * t;
    var differs = u32(t == 0u);
    for (var s = 0u; s < p(9u); s++) {
        var own: Compared;
        if (n > 0u) {
            own = compared(block.part, tables[p(7u) + s], row, n);
        }
        differs |= own.word | first_differs(t, own);
    }
    if (p(6u) != NONE) {
        var own: Compared;
        if (n > 0u) {
            own = compared_buckets(block.part, p(6u), row, n);
        }
        differs |= own.word | first_differs(t, own);
    }
    let all = select((1u << n) - 1u, 0xffffffffu, n == 32u);
    differs &= all;
    var word = differs;
    if (p(8u) != 1u) {
        let counted = rows_in[64u * block.number + t] & all;
        let bit = 1u << (t & 31u);
        var since = counted;
        if (differs != 0u) {
            atomicOr(&differing[t >> 5u], bit);
            since &= 0xffffffffu << (31u - countLeadingZeros(differs));
        }
        if (since != 0u) {
            atomicOr(&counting[t >> 5u], bit);
        }
        workgroupBarrier();
        let differed = highest_before(atomicLoad(&differing[0]), atomicLoad(&differing[1]), t);
        var begins = differed > highest_before(atomicLoad(&counting[0]), atomicLoad(&counting[1]), t);
        word = 0u;
        for (var k = 0u; k < n; k++) {
            begins = begins || ((differs >> k) & 1u) != 0u;
            if (begins && ((counted >> k) & 1u) != 0u) {
                word |= 1u << k;
                begins = false;
            }
        }
    }
    bits[64u * block.number + t] = word;
    let ones = count(countOneBits(word));
    if (t == 0u) {
        counts[block.number] = ones;
    }
}
