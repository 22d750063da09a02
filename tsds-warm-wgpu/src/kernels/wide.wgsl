// 64-bit numbers as two words, the low one first (x), and 128-bit ones as four.

fn below(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

// Bits `at` to `at + 7` and whatever is above them, in a word; `at` is less than 64.
fn bits_from(a: vec2<u32>, at: u32) -> u32 {
    if (at >= 32u) {
        return a.y >> (at - 32u);
    }
    if (at == 0u) {
        return a.x;
    }
    return (a.x >> at) | (a.y << (32u - at));
}

// Ones in the bits from `at` on; `at` is at most 64.
fn ones_from(at: u32) -> vec2<u32> {
    if (at >= 64u) {
        return vec2<u32>(0u, 0u);
    }
    if (at >= 32u) {
        return vec2<u32>(0u, 0xffffffffu << (at - 32u));
    }
    return vec2<u32>(0xffffffffu << at, 0xffffffffu);
}

fn shift_right(a: vec2<u32>, by: u32) -> vec2<u32> {
    if (by == 0u) {
        return a;
    }
    if (by >= 32u) {
        return vec2<u32>(a.y >> (by & 31u), 0u);
    }
    return vec2<u32>((a.x >> by) | (a.y << (32u - by)), a.y >> by);
}

// `by` is less than 128, and nothing is shifted out.
fn shift_left_to_128(a: vec2<u32>, by: u32) -> vec4<u32> {
    let bit = by & 31u;
    var w = vec3<u32>(a.x, a.y, 0u);
    if (bit != 0u) {
        w = vec3<u32>(a.x << bit, (a.y << bit) | (a.x >> (32u - bit)), a.y >> (32u - bit));
    }
    switch (by >> 5u) {
        case 0u: { return vec4<u32>(w.x, w.y, w.z, 0u); }
        case 1u: { return vec4<u32>(0u, w.x, w.y, w.z); }
        case 2u: { return vec4<u32>(0u, 0u, w.x, w.y); }
        default: { return vec4<u32>(0u, 0u, 0u, w.x); }
    }
}

fn add_128(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let x = a.x + b.x;
    let y = a.y + b.y;
    let z = a.z + b.z;
    let from_x = u32(x < a.x);
    let y1 = y + from_x;
    let from_y = u32(y < a.y) | u32(y1 < y);
    let z1 = z + from_y;
    let from_z = u32(z < a.z) | u32(z1 < z);
    return vec4<u32>(x, y1, z1, a.w + b.w + from_z);
}

fn negate_128(a: vec4<u32>) -> vec4<u32> {
    return add_128(~a, vec4<u32>(1u, 0u, 0u, 0u));
}

fn trailing_zeros(a: vec2<u32>) -> u32 {
    if (a.x != 0u) {
        return countTrailingZeros(a.x);
    }
    return 32u + countTrailingZeros(a.y);
}

fn highest_bit(a: vec2<u32>) -> u32 {
    if (a.y != 0u) {
        return 63u - countLeadingZeros(a.y);
    }
    return 31u - countLeadingZeros(a.x);
}
