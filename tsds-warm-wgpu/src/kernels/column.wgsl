// Values, keys and validity of a column in the slab, for every form and class without a branch on them: where a value lies
// and how its key comes from it are worked out once for the column.

const PLAIN_64: u32 = 0u;
const PLAIN_32: u32 = 1u;
const PLAIN_16: u32 = 2u;
const PLAIN_8: u32 = 3u;
const SIGNED: u32 = 1u;
const FLOAT_64: u32 = 2u;
const FLOAT_32: u32 = 3u;
const TOP: u32 = 0x80000000u;
const ONES: u32 = 0xffffffffu;

struct Column {
    data: u32,
    validity: u32,
    // The word of row `r` is `(r << up) >> down`, and its lowest bit in it `(r << scale) & 31`.
    up: u32,
    down: u32,
    scale: u32,
    mask: u32,
    wide: bool,
    // The top bit of the value, in its high word if it has one.
    top: u32,
    // What the key differs in from the value, by its top bit.
    positive: vec2<u32>,
    negative: vec2<u32>,
}

fn column_at(part: u32, slot: u32) -> Column {
    let at = p(3u) + 8u * (part * p(4u) + slot);
    let form = tables[at];
    let kind = tables[at + 1u];
    var column: Column;
    column.data = tables[at + 2u];
    column.validity = tables[at + 3u];
    column.wide = form == PLAIN_64;
    column.mask = ONES;
    column.top = TOP;
    column.scale = 5u;
    switch (form) {
        case PLAIN_64: { column.up = 1u; }
        case PLAIN_32: {}
        case PLAIN_16: {
            column.down = 1u;
            column.scale = 4u;
            column.mask = 0xffffu;
            column.top = 0x8000u;
        }
        case PLAIN_8: {
            column.down = 2u;
            column.scale = 3u;
            column.mask = 0xffu;
            column.top = 0x80u;
        }
        default: {
            column.down = 5u;
            column.scale = 0u;
            column.mask = 1u;
            column.top = 0u;
        }
    }
    switch (kind) {
        case SIGNED: {
            column.positive = vec2<u32>(0u, TOP);
            if (column.wide) {
                column.negative = vec2<u32>(0u, TOP);
            } else {
                column.negative = vec2<u32>(~column.mask, ~TOP);
            }
        }
        case FLOAT_64: {
            column.positive = vec2<u32>(0u, TOP);
            column.negative = vec2<u32>(ONES, ONES);
        }
        case FLOAT_32: {
            column.positive = vec2<u32>(TOP, 0u);
            column.negative = vec2<u32>(ONES, 0u);
        }
        default: {}
    }
    return column;
}

fn value_at(column: Column, row: u32) -> vec2<u32> {
    let word = column.data + ((row << column.up) >> column.down);
    var value = vec2<u32>((slab[word] >> ((row << column.scale) & 31u)) & column.mask, 0u);
    if (column.wide) {
        value.y = slab[word + 1u];
    }
    return value;
}

fn key_of(column: Column, value: vec2<u32>) -> vec2<u32> {
    let high = select(value.x, value.y, column.wide);
    return value ^ select(column.positive, column.negative, (high & column.top) != 0u);
}

fn key_at(column: Column, row: u32) -> vec2<u32> {
    return key_of(column, value_at(column, row));
}

fn is_valid(column: Column, row: u32) -> bool {
    if (column.validity == NONE) {
        return true;
    }
    return ((slab[column.validity + (row >> 5u)] >> (row & 31u)) & 1u) != 0u;
}
