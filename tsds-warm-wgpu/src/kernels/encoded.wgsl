// Columns in the encoding of `tsds.gorilla`: 32 rows of a block, one after the other. The tables are in the contract's page on
// encoded columns. A thread begins with a quarter of a mini-block; forms that add up read those before it, too.

const ENCODED: u32 = 5u;
const MODE_PLAIN: u32 = 0u;
const MODE_PROGRESSION: u32 = 1u;
const MODE_INTEGERS: u32 = 2u;
const MODE_DECIMAL: u32 = 3u;
const MODE_DICTIONARY: u32 = 4u;
const FORM_DELTA: u32 = 1u;
const FORM_DELTA_OF_DELTA: u32 = 2u;
const FORM_CENTRED: u32 = 3u;
const SINGLE: u32 = 1u;
const CORRECTIONS: u32 = 2u;
const EXCEPTIONS: u32 = 4u;
const SCALED: u32 = 0x100u;
const WIDE: u32 = 0x200u;
const SAME: u32 = 0x400u;

fn add_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let x = a.x + b.x;
    return vec2<u32>(x, a.y + b.y + u32(x < a.x));
}

fn subtract_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(a.x - b.x, a.y - b.y - u32(a.x < b.x));
}

fn shift_left(a: vec2<u32>, by: u32) -> vec2<u32> {
    if (by == 0u) {
        return a;
    }
    if (by >= 64u) {
        return vec2<u32>(0u, 0u);
    }
    if (by >= 32u) {
        return vec2<u32>(0u, a.x << (by & 31u));
    }
    return vec2<u32>(a.x << by, (a.y << by) | (a.x >> (32u - by)));
}

// The low 64 bits of a product.
fn multiply_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let a0 = a.x & 0xffffu;
    let a1 = a.x >> 16u;
    let b0 = b.x & 0xffffu;
    let b1 = b.x >> 16u;
    let low = a0 * b0;
    let m = a1 * b0 + (low >> 16u);
    let n = a0 * b1 + (m & 0xffffu);
    let high = a1 * b1 + (m >> 16u) + (n >> 16u);
    return vec2<u32>((n << 16u) | (low & 0xffffu), high + a.x * b.y + a.y * b.x);
}

fn unzigzag(u: vec2<u32>) -> vec2<u32> {
    let sign = 0u - (u.x & 1u);
    return vec2<u32>((u.x >> 1u) | (u.y << 31u), u.y >> 1u) ^ vec2<u32>(sign, sign);
}

fn two_words(at: u32) -> vec2<u32> {
    return vec2<u32>(slab[at], slab[at + 1u]);
}

// `width` bits, at most 64, from bit `bit` of the words from `at` on.
fn field(at: u32, bit: u32, width: u32) -> vec2<u32> {
    if (width == 0u) {
        return vec2<u32>(0u, 0u);
    }
    let word = at + (bit >> 5u);
    let shift = bit & 31u;
    var value = vec2<u32>(slab[word], slab[word + 1u]);
    if (shift != 0u) {
        value = shift_right(value, shift);
        value.y |= slab[word + 2u] << (32u - shift);
    }
    return value & ~ones_from(width);
}

struct Integers {
    form: u32,
    is_scaled: bool,
    centre: vec2<u32>,
    factor: vec2<u32>,
    offset: vec2<u32>,
    payload: u32,
    width: u32,
    patch_width: u32,
    // Which of the 128 rows of the mini-block have patches.
    patched: vec4<u32>,
    // The next row of the mini-block, and where it and the next patch are.
    row: u32,
    bit: u32,
    patch_bit: u32,
    // What the next value is without the sums of the form, and what it grows by.
    line: vec2<u32>,
    step: vec2<u32>,
    sum: vec2<u32>,
    slope: vec2<u32>,
}

fn patches_of(payload: u32, bit: u32, many: u32) -> vec4<u32> {
    if (many > 18u) {
        return vec4<u32>(
            field(payload, bit, 32u).x,
            field(payload, bit + 32u, 32u).x,
            field(payload, bit + 64u, 32u).x,
            field(payload, bit + 96u, 32u).x,
        );
    }
    var patched = vec4<u32>(0u, 0u, 0u, 0u);
    for (var k = 0u; k < many; k++) {
        let row = field(payload, bit + 7u * k, 7u).x;
        patched[row >> 5u] |= 1u << (row & 31u);
    }
    return patched;
}

// The integers of a stream of a column from row `row`, a multiple of 32, of a block of `rows` rows on.
fn integers_from(column: u32, stream: u32, row: u32, rows: u32) -> Integers {
    var at = column + stream;
    let head = slab[at];
    var own: Integers;
    own.form = head & 0xffu;
    own.payload = column + slab[at + 1u];
    at += 2u;
    if (own.form == FORM_DELTA || own.form == FORM_CENTRED) {
        own.centre = two_words(at);
        at += 2u;
    }
    own.is_scaled = (head & SCALED) != 0u;
    if (own.is_scaled) {
        own.factor = two_words(at);
        own.offset = two_words(at + 2u);
        at += 4u;
    }
    // Words of the base and the step of a mini-block.
    var base_words = 0u;
    var step_words = 0u;
    if (own.form != FORM_CENTRED) {
        own.line = two_words(at);
        at += 2u;
        base_words = select(select(1u, 2u, (head & WIDE) != 0u), 0u, (head & SAME) != 0u);
        step_words = select(0u, 2u, own.form == FORM_DELTA_OF_DELTA);
    }
    let mini = row >> 7u;
    let entry = at + (2u + base_words + step_words) * mini;
    let shape = slab[entry + 1u];
    let mini_rows = min(rows - 128u * mini, 128u);
    own.width = shape & 0xffu;
    own.patch_width = (shape >> 8u) & 0xffu;
    own.bit = slab[entry];
    if (base_words == 1u) {
        own.line = add_64(own.line, vec2<u32>(slab[entry + 2u], 0u));
    } else if (base_words == 2u) {
        own.line = add_64(own.line, two_words(entry + 2u));
    }
    own.step = own.centre;
    if (step_words == 2u) {
        own.step = two_words(entry + 2u + base_words);
    }
    let many = shape >> 16u;
    let first = row & 127u;
    if (many > 0u) {
        let positions = own.bit + 8u * ((mini_rows * own.width + 7u) >> 3u);
        own.patched = patches_of(own.payload, positions, many);
        own.patch_bit = positions + select(8u * ((7u * many + 7u) >> 3u), 128u, many > 18u);
    }
    if (own.form == FORM_DELTA || own.form == FORM_DELTA_OF_DELTA) {
        for (var k = 0u; k < first; k++) {
            next_integer(&own);
        }
        return own;
    }
    own.row = first;
    own.bit += first * own.width;
    for (var quarter = 0u; quarter < (first >> 5u); quarter++) {
        own.patch_bit += countOneBits(own.patched[quarter]) * own.patch_width;
    }
    return own;
}

fn next_integer(own: ptr<function, Integers>) -> vec2<u32> {
    var number = field((*own).payload, (*own).bit, (*own).width);
    (*own).bit += (*own).width;
    let row = (*own).row;
    (*own).row = row + 1u;
    let patched = (*own).patched;
    if (((patched[(row >> 5u) & 3u] >> (row & 31u)) & 1u) != 0u) {
        let upper = add_64(field((*own).payload, (*own).patch_bit, (*own).patch_width), vec2<u32>(1u, 0u));
        (*own).patch_bit += (*own).patch_width;
        number = add_64(number, shift_left(upper, (*own).width));
    }
    var value: vec2<u32>;
    if ((*own).form == FORM_CENTRED) {
        value = add_64((*own).centre, unzigzag(number));
    } else if ((*own).form == FORM_DELTA) {
        (*own).sum = add_64((*own).sum, unzigzag(number));
        value = add_64((*own).line, (*own).sum);
        (*own).line = add_64((*own).line, (*own).step);
    } else if ((*own).form == FORM_DELTA_OF_DELTA) {
        (*own).slope = add_64((*own).slope, unzigzag(number));
        (*own).sum = add_64((*own).sum, (*own).slope);
        value = add_64((*own).line, (*own).sum);
        (*own).line = add_64((*own).line, (*own).step);
    } else {
        value = add_64((*own).line, number);
    }
    if ((*own).is_scaled) {
        value = add_64((*own).offset, multiply_64(value, (*own).factor));
    }
    return value;
}

// The bits of the double nearest to `number / divisor`, ties to even: by long division, for neither is a float here.
fn quotient(number: vec2<u32>, divisor: vec2<u32>) -> vec2<u32> {
    let negative = (number.y & 0x80000000u) != 0u;
    var whole = number;
    if (negative) {
        whole = subtract_64(vec2<u32>(0u, 0u), number);
    }
    if (whole.x == 0u && whole.y == 0u) {
        return whole;
    }
    var high = highest_bit(whole);
    if (high > 52u) {
        // As whoever divides doubles converts the number first.
        let by = high - 52u;
        let half = shift_left(vec2<u32>(1u, 0u), by - 1u);
        let rest = whole & ~ones_from(by);
        whole = shift_right(whole, by);
        let is_odd = (whole.x & 1u) != 0u;
        if (below(half, rest) || (is_odd && rest.x == half.x && rest.y == half.y)) {
            whole = add_64(whole, vec2<u32>(1u, 0u));
        }
        whole = shift_left(whole, by);
        high = highest_bit(whole);
    }
    let low = highest_bit(divisor);
    let b = shift_left(divisor, 63u - low);
    var rest = shift_left(whole, 63u - high);
    var q = vec2<u32>(0u, 0u);
    var carry = false;
    for (var k = 0u; k < 55u; k++) {
        q = shift_left(q, 1u);
        if (carry || !below(rest, b)) {
            rest = subtract_64(rest, b);
            q.x |= 1u;
        }
        carry = (rest.y & 0x80000000u) != 0u;
        rest = shift_left(rest, 1u);
    }
    var exponent = high - low + 1022u;
    var spare = 2u;
    if ((q.y & 0x400000u) == 0u) {
        exponent -= 1u;
        spare = 1u;
    }
    let lost = q.x & ((1u << spare) - 1u);
    let half = 1u << (spare - 1u);
    let is_more = carry || rest.x != 0u || rest.y != 0u;
    q = shift_right(q, spare);
    if (lost > half || (lost == half && (is_more || (q.x & 1u) != 0u))) {
        q = add_64(q, vec2<u32>(1u, 0u));
    }
    // The leading one of the mantissa adds one to the exponent.
    var bits = add_64(q, vec2<u32>(0u, exponent << 20u));
    if (negative) {
        bits.y |= 0x80000000u;
    }
    return bits;
}

// The bits of the float nearest to a double that is zero or well within the floats' range.
fn to_single(bits: vec2<u32>) -> u32 {
    if ((bits.x | (bits.y & 0x7fffffffu)) == 0u) {
        return bits.y;
    }
    let exponent = ((bits.y >> 20u) & 0x7ffu) - 1023u + 126u;
    let mantissa = vec2<u32>(bits.x, (bits.y & 0xfffffu) | 0x100000u);
    let lost = mantissa.x & 0x1fffffffu;
    var single = shift_right(mantissa, 29u).x;
    if (lost > 0x10000000u || (lost == 0x10000000u && (single & 1u) != 0u)) {
        single += 1u;
    }
    return (bits.y & 0x80000000u) | (single + (exponent << 23u));
}

// The bits of a double from those of a float that is zero or normal.
fn to_double(bits: u32) -> vec2<u32> {
    if ((bits & 0x7fffffffu) == 0u) {
        return vec2<u32>(0u, bits);
    }
    let exponent = ((bits >> 23u) & 0xffu) + 896u;
    let fraction = bits & 0x7fffffu;
    return vec2<u32>(fraction << 29u, (bits & 0x80000000u) | (exponent << 20u) | (fraction >> 3u));
}

struct Lanes {
    column: u32,
    mode: u32,
    class_of: u32,
    is_wide: bool,
    flags: u32,
    divisor: vec2<u32>,
    // Plain: where the next value is; dictionary: where the lanes are.
    at: u32,
    next: vec2<u32>,
    step: vec2<u32>,
    numbers: Integers,
    corrections: Integers,
    // The next exception, the row that it is about, those that are left, and where rows and lanes are.
    exception_row: u32,
    exceptions: u32,
    rows_at: u32,
    lanes_at: u32,
    row: u32,
    fit: u32,
}

// The description of the encoded block of a column in which a row of the part lies, and the row's number in it.
fn encoded_block(column: u32, blocks: u32, row: u32) -> vec2<u32> {
    var low = 0u;
    var high = blocks;
    while (low + 1u < high) {
        let middle = (low + high) >> 1u;
        if (slab[column + 2u * middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return vec2<u32>(column + slab[column + 2u * low + 1u], row - slab[column + 2u * low]);
}

// The lanes of a column from row `row` of the part on, at most 32.
fn lanes_from(part: u32, slot: u32, row: u32) -> Lanes {
    let entry = p(3u) + 8u * (part * p(4u) + slot);
    var own: Lanes;
    own.class_of = tables[entry + 1u];
    own.column = tables[entry + 2u];
    own.is_wide = tables[entry + 5u] == PLAIN_64;
    let found = encoded_block(own.column, tables[entry + 4u], row);
    let at = found.x;
    own.mode = slab[at];
    own.row = found.y;
    let rows = slab[at + 1u];
    switch (own.mode) {
        case MODE_PLAIN: {
            own.at = own.column + slab[at + 2u] + (own.row << u32(own.is_wide));
        }
        case MODE_PROGRESSION: {
            own.step = two_words(at + 4u);
            own.next = add_64(two_words(at + 2u), multiply_64(own.step, vec2<u32>(own.row, 0u)));
        }
        case MODE_INTEGERS: {
            own.numbers = integers_from(own.column, slab[at + 2u], own.row, rows);
        }
        case MODE_DECIMAL: {
            own.numbers = integers_from(own.column, slab[at + 2u], own.row, rows);
            own.flags = slab[at + 3u];
            own.divisor = two_words(at + 4u);
            own.fit = slab[at + 6u];
            if ((own.flags & CORRECTIONS) != 0u) {
                own.corrections = integers_from(own.column, slab[at + 7u], own.row, rows);
            }
            own.exception_row = NONE;
            if ((own.flags & EXCEPTIONS) != 0u) {
                own.exceptions = slab[at + 8u];
                own.rows_at = own.column + slab[at + 9u];
                own.lanes_at = own.column + slab[at + 10u];
                seek_exception(&own);
            }
        }
        default: {
            own.numbers = integers_from(own.column, slab[at + 2u], own.row, rows);
            own.at = own.column + slab[at + 3u];
        }
    }
    return own;
}

// Leaves out the exceptions of the rows before.
fn seek_exception(own: ptr<function, Lanes>) {
    var low = 0u;
    var high = (*own).exceptions;
    while (low < high) {
        let middle = (low + high) >> 1u;
        if (slab[(*own).rows_at + middle] < (*own).row) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    (*own).rows_at += low;
    (*own).lanes_at += 2u * low;
    (*own).exceptions -= low;
    (*own).exception_row = NONE;
    if ((*own).exceptions > 0u) {
        (*own).exception_row = slab[(*own).rows_at];
    }
}

// The lane of the exception that the row at hand is, after [`is_exception`] said so.
fn take_exception(own: ptr<function, Lanes>) -> vec2<u32> {
    let lane = two_words((*own).lanes_at);
    (*own).rows_at += 1u;
    (*own).lanes_at += 2u;
    (*own).exceptions -= 1u;
    (*own).exception_row = NONE;
    if ((*own).exceptions > 0u) {
        (*own).exception_row = slab[(*own).rows_at];
    }
    return lane;
}

// The value of a float's place, or an integer, which is its own.
fn lane_of_place(class_of: u32, place: vec2<u32>) -> vec2<u32> {
    if (class_of == FLOAT_64) {
        let negative = (place.y & TOP) != 0u;
        return select(place, place ^ vec2<u32>(ONES, ONES ^ TOP), negative);
    }
    if (class_of == FLOAT_32) {
        let negative = (place.x & TOP) != 0u;
        return vec2<u32>(select(place.x, place.x ^ (ONES ^ TOP), negative), 0u);
    }
    return place;
}

// The next lane.
fn next_lane(own: ptr<function, Lanes>) -> vec2<u32> {
    return next_lane_if(own, true);
}

// Goes on to the next lane, and returns it if it is wanted: what is not wanted is not divided.
fn next_lane_if(own: ptr<function, Lanes>, wanted: bool) -> vec2<u32> {
    let row = (*own).row;
    (*own).row = row + 1u;
    switch ((*own).mode) {
        case MODE_PLAIN: {
            let at = (*own).at;
            if ((*own).is_wide) {
                (*own).at = at + 2u;
                return two_words(at);
            }
            (*own).at = at + 1u;
            return vec2<u32>(slab[at], 0u);
        }
        case MODE_PROGRESSION: {
            let lane = (*own).next;
            (*own).next = add_64(lane, (*own).step);
            return lane;
        }
        case MODE_INTEGERS: {
            return lane_of_place((*own).class_of, next_of_numbers(own));
        }
        case MODE_DECIMAL: {
            let number = next_of_numbers(own);
            var correction = vec2<u32>(0u, 0u);
            if (((*own).flags & CORRECTIONS) != 0u) {
                var corrections = (*own).corrections;
                correction = next_integer(&corrections);
                (*own).corrections = corrections;
            }
            if (row == (*own).exception_row) {
                return take_exception(own);
            }
            if (!wanted) {
                return number;
            }
            let bits = quotient_of((*own).flags, (*own).class_of, number, (*own).divisor);
            if ((*own).class_of == FLOAT_32) {
                return bits;
            }
            return add_64(bits, correction);
        }
        default: {
            let code = next_of_numbers(own).x;
            return two_words((*own).at + 2u * code);
        }
    }
}

// The value of a decimal: `number / divisor`, as a single or a double.
fn quotient_of(flags: u32, class_of: u32, number: vec2<u32>, divisor: vec2<u32>) -> vec2<u32> {
    let bits = quotient(number, divisor);
    if ((flags & SINGLE) == 0u) {
        return bits;
    }
    let single = to_single(bits);
    if (class_of == FLOAT_32) {
        return vec2<u32>(single, 0u);
    }
    return to_double(single);
}

fn next_of_numbers(own: ptr<function, Lanes>) -> vec2<u32> {
    var numbers = (*own).numbers;
    let next = next_integer(&numbers);
    (*own).numbers = numbers;
    return next;
}

// The key of a lane: see the contract's classes.
fn key_of_lane(class_of: u32, is_wide: bool, lane: vec2<u32>) -> vec2<u32> {
    if (class_of == FLOAT_64) {
        return lane ^ select(vec2<u32>(0u, TOP), vec2<u32>(ONES, ONES), (lane.y & TOP) != 0u);
    }
    if (class_of == FLOAT_32) {
        return vec2<u32>(lane.x ^ select(TOP, ONES, (lane.x & TOP) != 0u), 0u);
    }
    if (class_of == SIGNED) {
        var wide = lane;
        if (!is_wide) {
            wide.y = select(0u, ONES, (lane.x & TOP) != 0u);
        }
        return wide ^ vec2<u32>(0u, TOP);
    }
    return select(vec2<u32>(lane.x, 0u), lane, is_wide);
}

// The form of a column.
fn form_of(part: u32, slot: u32) -> u32 {
    return tables[p(3u) + 8u * (part * p(4u) + slot)];
}

// Whether its values have 64 bits, once they are decoded.
fn is_wide_in(part: u32, slot: u32) -> bool {
    return tables[p(3u) + 8u * (part * p(4u) + slot) + 5u] == PLAIN_64;
}

// The validity of `n` rows from `row` on.
fn valid_word(part: u32, slot: u32, row: u32, n: u32) -> u32 {
    let validity = tables[p(3u) + 8u * (part * p(4u) + slot) + 3u];
    let all = select((1u << n) - 1u, 0xffffffffu, n == 32u);
    if (validity == NONE) {
        return all;
    }
    return field(validity, row, n).x;
}
