// As `reduce`, of rows in storage order where the column may be encoded: a thread decodes 32 consecutive rows and folds them as it
// goes. Sums of floats are in units of the lowest bit so far, so that one pass is enough. What threads have of a piece that goes
// on is merged by a segmented scan; since every state is exact, any order gives the same words. O(rows).

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> rows_in: array<u32>;
@group(0) @binding(3) var<storage, read> runs_in: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<u32>;

struct State {
    count: u32,
    flags: u32,
    smallest: vec2<u32>,
    largest: vec2<u32>,
    // Of floats, in units of `lowest`.
    sum: vec4<u32>,
    lowest: u32,
    highest: u32,
}

// What is asked for of a column.
struct Asked {
    extremes: bool,
    integers: bool,
    signs: bool,
    floats: bool,
    double: bool,
    class_of: u32,
    is_wide: bool,
    // Keys are those of decimals' numbers, which are divided when a piece is over.
    of_numbers: bool,
    flags: u32,
    divisor: vec2<u32>,
}

var<workgroup> states: array<State, 64>;
var<workgroup> begun: array<u32, 64>;

fn no_state() -> State {
    var state: State;
    state.smallest = vec2<u32>(ONES, ONES);
    state.lowest = ONES;
    return state;
}

// What is shifted out is lost: then the sum is too wide.
fn shift_left_128(a: vec4<u32>, by: u32) -> vec4<u32> {
    if (by >= 128u) {
        return vec4<u32>(0u, 0u, 0u, 0u);
    }
    var w = a;
    if (by >= 64u) {
        w = vec4<u32>(0u, 0u, w.x, w.y);
    }
    if ((by & 32u) != 0u) {
        w = vec4<u32>(0u, w.x, w.y, w.z);
    }
    let bit = by & 31u;
    if (bit != 0u) {
        let up = 32u - bit;
        w = vec4<u32>(w.x << bit, (w.y << bit) | (w.x >> up), (w.z << bit) | (w.y >> up), (w.w << bit) | (w.z >> up));
    }
    return w;
}

fn merged(a: State, b: State) -> State {
    var state = a;
    state.count += b.count;
    state.flags |= b.flags;
    if (below(b.smallest, a.smallest)) {
        state.smallest = b.smallest;
    }
    if (below(a.largest, b.largest)) {
        state.largest = b.largest;
    }
    state.lowest = min(a.lowest, b.lowest);
    state.highest = max(a.highest, b.highest);
    var one = a.sum;
    var other = b.sum;
    // Of integers, and where there is no float, there is no unit.
    if (a.lowest != b.lowest && a.lowest != ONES && b.lowest != ONES) {
        one = shift_left_128(one, a.lowest - state.lowest);
        other = shift_left_128(other, b.lowest - state.lowest);
    }
    state.sum = add_128(one, other);
    return state;
}

fn add(state: ptr<function, State>, asked: Asked, value: vec2<u32>, key: vec2<u32>) {
    (*state).count += 1u;
    if (asked.extremes) {
        if (below(key, (*state).smallest)) {
            (*state).smallest = key;
        }
        if (below((*state).largest, key)) {
            (*state).largest = key;
        }
    }
    if (asked.integers) {
        var wide = vec4<u32>(value.x, select(0u, value.y, asked.is_wide), 0u, 0u);
        if (asked.signs) {
            // The key is the value, sign-extended, but for its top bit.
            let sign = select(0u, ONES, (key.y & TOP) == 0u);
            wide = vec4<u32>(key.x, key.y ^ TOP, sign, sign);
        }
        (*state).sum = add_128((*state).sum, wide);
    }
    if (asked.floats) {
        let float = float_of(value, asked.double);
        (*state).flags |= float.flags;
        if ((float.mantissa.x | float.mantissa.y) == 0u) {
            return;
        }
        if (float.lowest < (*state).lowest) {
            if ((*state).lowest != ONES) {
                (*state).sum = shift_left_128((*state).sum, (*state).lowest - float.lowest);
            }
            (*state).lowest = float.lowest;
        }
        (*state).highest = max((*state).highest, float.highest);
        let by = float.lowest - (*state).lowest;
        if (by < PLACES) {
            var wide = shift_left_to_128(float.mantissa, by);
            if (float.negative) {
                wide = negate_128(wide);
            }
            (*state).sum = add_128((*state).sum, wide);
        }
    }
}

// Keys of numbers become keys of what they are divided to: a quotient ascends as its number does.
fn divided(asked: Asked, state: State) -> State {
    var own = state;
    if (asked.of_numbers && own.count > 0u) {
        let smallest = own.smallest ^ vec2<u32>(0u, TOP);
        let largest = own.largest ^ vec2<u32>(0u, TOP);
        let low = quotient_of(asked.flags, asked.class_of, smallest, asked.divisor);
        let high = quotient_of(asked.flags, asked.class_of, largest, asked.divisor);
        own.smallest = key_of_lane(asked.class_of, asked.is_wide, low);
        own.largest = key_of_lane(asked.class_of, asked.is_wide, high);
    }
    return own;
}

fn write(piece: u32, asked: Asked, state: State) {
    let to = p(11u) + 16u * piece;
    let own = divided(asked, state);
    var flags = own.flags;
    var sum = own.sum;
    var exponent = 0u;
    if (own.lowest != ONES) {
        if (own.highest - own.lowest < PLACES) {
            exponent = own.lowest - BIAS;
        } else {
            flags |= TOO_WIDE;
            sum = vec4<u32>(0u, 0u, 0u, 0u);
        }
    }
    let has_extremes = asked.extremes && own.count != 0u;
    out[to] = own.count;
    out[to + 1u] = flags;
    out[to + 2u] = select(0u, own.smallest.x, has_extremes);
    out[to + 3u] = select(0u, own.smallest.y, has_extremes);
    out[to + 4u] = select(0u, own.largest.x, has_extremes);
    out[to + 5u] = select(0u, own.largest.y, has_extremes);
    out[to + 6u] = sum.x;
    out[to + 7u] = sum.y;
    out[to + 8u] = sum.z;
    out[to + 9u] = sum.w;
    out[to + 10u] = exponent;
    out[to + 11u] = NONE;
    out[to + 12u] = NONE;
    out[to + 13u] = 0u;
    out[to + 14u] = 0u;
    out[to + 15u] = 0u;
}

@compute @workgroup_size(64)
fn reduce_encoded(
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
    // Who has no rows knows the column, too: thread 63 writes the last piece.
    let row = block.first + select(0u, 32u * t, n > 0u);
    let all = select((1u << n) - 1u, ONES, n == 32u);
    let begins = runs_in[64u * block.number + t] & all;
    var counted = all;
    if (p(8u) != 1u) {
        counted &= rows_in[64u * block.number + t];
    }
    // Pieces that began before the thread's rows.
    let before = prefix(t, countOneBits(begins));
    var piece = block.aux + before;

    let slot = p(7u);
    var asked: Asked;
    var lanes: Lanes;
    var column: Column;
    var is_encoded = false;
    if (slot != NONE) {
        let flags = p(10u);
        asked.extremes = (flags & EXTREMES) != 0u;
        asked.integers = (flags & (SUM_SIGNED | SUM_UNSIGNED)) != 0u;
        asked.signs = (flags & SUM_SIGNED) != 0u;
        asked.floats = (flags & (SUM_FLOAT_64 | SUM_FLOAT_32)) != 0u;
        asked.double = (flags & SUM_FLOAT_64) != 0u;
        counted &= valid_word(block.part, slot, row, n);
        is_encoded = form_of(block.part, slot) == ENCODED;
        if (is_encoded) {
            lanes = lanes_from(block.part, slot, row);
            asked.class_of = lanes.class_of;
            asked.is_wide = lanes.is_wide;
            let is_exact = lanes.mode == MODE_DECIMAL && (lanes.flags & (CORRECTIONS | EXCEPTIONS)) == 0u;
            asked.of_numbers = is_exact && asked.extremes && !asked.floats;
            asked.flags = lanes.flags;
            asked.divisor = lanes.divisor;
        } else {
            column = column_at(block.part, slot);
            asked.is_wide = column.wide;
        }
    }
    let reads = asked.extremes || asked.integers || asked.floats;
    // What the thread has of the piece that began before its rows, and of the last one.
    var head = no_state();
    var state = no_state();
    for (var k = 0u; k < n; k++) {
        if (((begins >> k) & 1u) != 0u) {
            if (piece == block.aux + before) {
                head = state;
            } else {
                write(piece - 1u, asked, state);
            }
            piece += 1u;
            state = no_state();
        }
        let counts = ((counted >> k) & 1u) != 0u;
        if (!reads) {
            state.count += u32(counts);
        } else {
            var value: vec2<u32>;
            var key: vec2<u32>;
            if (asked.of_numbers) {
                key = next_of_numbers(&lanes) ^ vec2<u32>(0u, TOP);
            } else if (is_encoded) {
                value = next_lane_if(&lanes, counts);
                key = key_of_lane(asked.class_of, asked.is_wide, value);
            } else {
                value = value_at(column, row + k);
                key = key_of(column, value);
            }
            if (counts) {
                add(&state, asked, value, key);
            }
        }
    }
    states[t] = state;
    begun[t] = u32(begins != 0u);
    for (var distance = 1u; distance < 64u; distance *= 2u) {
        workgroupBarrier();
        let goes_on = t >= distance && begun[t] == 0u;
        var other: State;
        var other_begun = 0u;
        if (goes_on) {
            other = states[t - distance];
            other_begun = begun[t - distance];
        }
        workgroupBarrier();
        if (goes_on) {
            states[t] = merged(other, states[t]);
            begun[t] = other_begun;
        }
    }
    workgroupBarrier();
    if (begins != 0u && before > 0u) {
        write(block.aux + before - 1u, asked, merged(states[t - 1u], head));
    }
    if (t == 63u && piece > block.aux) {
        write(piece - 1u, asked, states[63]);
    }
}
