// Classic codes of `tsds.gorilla`, as the contract's page on encoded columns lays them out: decoded from a place on, code after code. Of the
// words the highest bit comes first.

const MODE_CLASSIC: u32 = 5u;
const PLACE_WORDS: u32 = 6u;

struct Classic {
    words: u32,
    bit: u32,
    value: vec2<u32>,
    // Of times the delta, of floats the window.
    state: vec2<u32>,
}

// `width` bits, 1 to 64, from bit `bit` of the words from `words` on.
fn bits_of(words: u32, bit: u32, width: u32) -> vec2<u32> {
    let at = words + (bit >> 5u);
    let shift = bit & 31u;
    var high = slab[at];
    var low = slab[at + 1u];
    if (shift != 0u) {
        high = (high << shift) | (low >> (32u - shift));
        low = (low << shift) | (slab[at + 2u] >> (32u - shift));
    }
    return shift_right(vec2<u32>(low, high), 64u - width);
}

// The place `place`, whose value is that of its row.
fn classic_at(words: u32, place: u32) -> Classic {
    return Classic(words, slab[place + 1u], two_words(place + 2u), two_words(place + 4u));
}

fn next_time(own: ptr<function, Classic>) {
    let head = bits_of((*own).words, (*own).bit, 4u).x;
    let ones = countLeadingZeros(~(head << 28u));
    (*own).bit += min(ones + 1u, 4u);
    if (ones != 0u) {
        var width = 64u;
        var least = vec2<u32>(0u, 0u);
        if (ones < 4u) {
            width = select(select(12u, 9u, ones == 2u), 7u, ones == 1u);
            least.x = (1u << (width - 1u)) - 1u;
        }
        let change = subtract_64(bits_of((*own).words, (*own).bit, width), least);
        (*own).state = add_64((*own).state, change);
        (*own).bit += width;
    }
    (*own).value = add_64((*own).value, (*own).state);
}

// `length_bits` bits have the length of a window, less one, of floats that are as many bits wide as those can count.
fn next_float(own: ptr<function, Classic>, length_bits: u32) {
    let sizes = 5u + length_bits;
    let head = bits_of((*own).words, (*own).bit, 2u + sizes).x;
    if ((head >> (1u + sizes)) == 0u) {
        (*own).bit += 1u;
        return;
    }
    (*own).bit += 2u;
    if (((head >> sizes) & 1u) != 0u) {
        (*own).bit += sizes;
        (*own).state.x = head & ((1u << sizes) - 1u);
    }
    let window = (*own).state.x;
    let width = 1u << length_bits;
    let length = (window & (width - 1u)) + 1u;
    var changes = shift_left(bits_of((*own).words, (*own).bit, length), width - length);
    if (width == 32u) {
        changes.y = 0u;
    }
    (*own).value ^= shift_right(changes, window >> length_bits);
    (*own).bit += length;
}

// Goes on to the next row. What the codes are follows from the column's class.
fn next_classic(own: ptr<function, Classic>, class_of: u32) {
    if (class_of == FLOAT_64) {
        next_float(own, 6u);
    } else if (class_of == FLOAT_32) {
        next_float(own, 5u);
    } else {
        next_time(own);
    }
}

// The value of row `row` of the encoded block whose description is at `at`: read from the place before on.
fn classic_lane(column: u32, at: u32, class_of: u32, row: u32) -> vec2<u32> {
    let places = column + slab[at + 3u];
    var low = 0u;
    var high = slab[at + 4u];
    while (low + 1u < high) {
        let middle = (low + high) >> 1u;
        if (slab[places + PLACE_WORDS * middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    let place = places + PLACE_WORDS * low;
    var own = classic_at(column + slab[at + 2u], place);
    for (var k = slab[place]; k < row; k++) {
        next_classic(&own, class_of);
    }
    return own.value;
}
