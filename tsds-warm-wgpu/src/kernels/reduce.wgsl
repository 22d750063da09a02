// Folds pieces of runs: counts, extremes, exact sums, first and last items. So many threads share a piece as its length asks
// for; their states are merged in a tree, and since every state is exact, any order gives the same words. Floats take two
// passes: the first finds the lowest and the highest bit of all values, the second adds mantissas in units of the lowest.
// O(items), twice for floats.

@group(0) @binding(0) var<storage, read> slab: array<u32>;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read> pieces: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<u32>;

// A thread folds at least about so many items before another one helps.
const ITEMS_OF_THREAD: u32 = 8u;

struct Edge {
    time: vec2<u32>,
    row: u32,
    item: u32,
}

struct State {
    count: u32,
    flags: u32,
    smallest: vec2<u32>,
    largest: vec2<u32>,
    sum: vec4<u32>,
    lowest: u32,
    highest: u32,
    first: Edge,
    last: Edge,
}

var<workgroup> states: array<State, 64>;
var<workgroup> sums: array<vec4<u32>, 64>;

fn earlier(a: Edge, b: Edge) -> bool {
    return below(a.time, b.time) || (all(a.time == b.time) && a.row < b.row);
}

fn no_state() -> State {
    var state: State;
    state.smallest = vec2<u32>(0xffffffffu, 0xffffffffu);
    state.lowest = 0xffffffffu;
    state.first.item = NONE;
    state.last.item = NONE;
    return state;
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
    state.sum = add_128(a.sum, b.sum);
    state.lowest = min(a.lowest, b.lowest);
    state.highest = max(a.highest, b.highest);
    if (b.first.item != NONE && (a.first.item == NONE || earlier(b.first, a.first))) {
        state.first = b.first;
    }
    if (b.last.item != NONE && (a.last.item == NONE || earlier(a.last, b.last))) {
        state.last = b.last;
    }
    return state;
}

// Everything of the items from `begin` to `end`, every `step`-th, but for sums of floats.
fn fold(begin: u32, end: u32, step: u32, part: u32, rows: Rows) -> State {
    let asked = p(10u);
    let counts_items = p(7u) == NONE;
    let extremes = (asked & EXTREMES) != 0u && !counts_items;
    let edges = (asked & EDGES) != 0u;
    let integers = (asked & (SUM_SIGNED | SUM_UNSIGNED)) != 0u && !counts_items;
    let floats = (asked & (SUM_FLOAT_64 | SUM_FLOAT_32)) != 0u && !counts_items;
    let signs = (asked & SUM_SIGNED) != 0u;
    let double = (asked & SUM_FLOAT_64) != 0u;
    var column: Column;
    if (!counts_items) {
        column = column_at(part, p(7u));
    }
    var time: Column;
    if (edges) {
        time = column_at(part, p(9u));
    }
    var state = no_state();
    for (var item = begin; item < end; item += step) {
        let row = row_of(rows, item);
        if (!counts_items) {
            if (!is_valid(column, row)) {
                continue;
            }
        }
        state.count += 1u;
        if (extremes || integers || floats) {
            let value = value_at(column, row);
            let key = key_of(column, value);
            if (extremes) {
                if (below(key, state.smallest)) {
                    state.smallest = key;
                }
                if (below(state.largest, key)) {
                    state.largest = key;
                }
            }
            if (integers) {
                var wide = vec4<u32>(value, 0u, 0u);
                if (signs) {
                    // The key is the value, sign-extended, but for its top bit.
                    let sign = select(0u, 0xffffffffu, (key.y >> 31u) == 0u);
                    wide = vec4<u32>(key.x, key.y ^ 0x80000000u, sign, sign);
                }
                state.sum = add_128(state.sum, wide);
            }
            if (floats) {
                let float = float_of(value, double);
                state.flags |= float.flags;
                state.lowest = min(state.lowest, float.lowest);
                state.highest = max(state.highest, float.highest);
            }
        }
        if (edges) {
            let edge = Edge(key_at(time, row), row, item);
            if (state.first.item == NONE || earlier(edge, state.first)) {
                state.first = edge;
            }
            if (state.last.item == NONE || earlier(state.last, edge)) {
                state.last = edge;
            }
        }
    }
    return state;
}

// The sum of the floats of the same items in units of the biased place `lowest`.
fn sum_floats(begin: u32, end: u32, step: u32, part: u32, rows: Rows, lowest: u32) -> vec4<u32> {
    let double = (p(10u) & SUM_FLOAT_64) != 0u;
    let column = column_at(part, p(7u));
    var sum = vec4<u32>(0u, 0u, 0u, 0u);
    for (var item = begin; item < end; item += step) {
        let row = row_of(rows, item);
        let float = float_of(value_at(column, row), double);
        if (is_valid(column, row) && (float.mantissa.x | float.mantissa.y) != 0u) {
            var wide = shift_left_to_128(float.mantissa, float.lowest - lowest);
            if (float.negative) {
                wide = negate_128(wide);
            }
            sum = add_128(sum, wide);
        }
    }
    return sum;
}

fn write(piece: u32, state: State, sum: vec4<u32>, flags: u32, exponent: u32) {
    let to = p(11u) + 16u * piece;
    let asked = p(10u);
    out[to] = state.count;
    out[to + 1u] = flags;
    var smallest = vec2<u32>(0u, 0u);
    var largest = vec2<u32>(0u, 0u);
    if ((asked & EXTREMES) != 0u && p(7u) != NONE && state.count != 0u) {
        smallest = state.smallest;
        largest = state.largest;
    }
    out[to + 2u] = smallest.x;
    out[to + 3u] = smallest.y;
    out[to + 4u] = largest.x;
    out[to + 5u] = largest.y;
    out[to + 6u] = sum.x;
    out[to + 7u] = sum.y;
    out[to + 8u] = sum.z;
    out[to + 9u] = sum.w;
    out[to + 10u] = exponent;
    out[to + 11u] = state.first.item;
    out[to + 12u] = state.last.item;
    out[to + 13u] = 0u;
    out[to + 14u] = 0u;
    out[to + 15u] = 0u;
}

fn piece_end(piece: u32, last_item: u32) -> u32 {
    if (piece + 1u < p(6u)) {
        return min(pieces[piece + 1u], last_item);
    }
    return last_item;
}

@compute @workgroup_size(64)
fn reduce(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_number(id, groups);
    if (g >= p(0u)) {
        return;
    }
    let block = block_at(p(5u) + g);
    let rows = rows_of(block.part, p(8u));
    let list_end = part_list_start(block.part) + part_list_items(block.part);
    let of_pieces = min(block.items, GROUP_THREADS);
    let floats = (p(10u) & (SUM_FLOAT_64 | SUM_FLOAT_32)) != 0u && p(7u) != NONE;

    // How many threads share a piece: a power of two.
    let items = piece_end(block.first + of_pieces - 1u, list_end) - pieces[block.first];
    var threads = 1u;
    while (threads < GROUP_THREADS && threads * 2u * ITEMS_OF_THREAD * of_pieces <= items) {
        threads *= 2u;
    }
    let at_once = GROUP_THREADS / threads;
    let lane = t % threads;

    for (var done = 0u; done < of_pieces; done += at_once) {
        let number = done + t / threads;
        let is_piece = number < of_pieces;
        let piece = block.first + min(number, of_pieces - 1u);
        let begin = pieces[piece] + lane;
        var end = piece_end(piece, list_end);
        if (!is_piece) {
            end = 0u;
        }
        var state = fold(begin, end, threads, block.part, rows);
        if (threads > 1u) {
            states[t] = state;
            for (var half = threads / 2u; half > 0u; half /= 2u) {
                workgroupBarrier();
                if (lane < half) {
                    states[t] = merged(states[t], states[t + half]);
                }
            }
            workgroupBarrier();
            state = states[t - lane];
        }
        var sum = state.sum;
        var flags = state.flags;
        var exponent = 0u;
        if (floats) {
            let any_bits = state.lowest != 0xffffffffu;
            let fits = any_bits && state.highest - state.lowest < PLACES;
            if (any_bits && !fits) {
                flags |= TOO_WIDE;
            }
            if (fits) {
                exponent = state.lowest - BIAS;
                sum = sum_floats(begin, end, threads, block.part, rows, state.lowest);
            }
            if (threads > 1u) {
                sums[t] = sum;
                for (var half = threads / 2u; half > 0u; half /= 2u) {
                    workgroupBarrier();
                    if (lane < half) {
                        sums[t] = add_128(sums[t], sums[t + half]);
                    }
                }
                workgroupBarrier();
                sum = sums[t - lane];
            }
        }
        // What was merged has been read before the next pieces are.
        workgroupBarrier();
        if (is_piece && lane == 0u) {
            write(piece, state, sum, flags, exponent);
        }
    }
}
