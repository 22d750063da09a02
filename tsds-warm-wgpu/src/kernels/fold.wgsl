// What folds have in common: what they are asked for, and floats taken apart.

const EXTREMES: u32 = 1u;
const SUM_SIGNED: u32 = 2u;
const SUM_UNSIGNED: u32 = 4u;
const SUM_FLOAT_64: u32 = 8u;
const SUM_FLOAT_32: u32 = 16u;
const EDGES: u32 = 32u;
const NAN: u32 = 1u;
const POSITIVE_INFINITY: u32 = 2u;
const NEGATIVE_INFINITY: u32 = 4u;
const TOO_WIDE: u32 = 8u;
const PLACES: u32 = 116u;
// Added to places of bits, which are -1074 to 1023, so that they are not negative.
const BIAS: u32 = 2048u;

struct Float {
    flags: u32,
    negative: bool,
    // Odd, or zero.
    mantissa: vec2<u32>,
    // The biased places of its lowest and its highest bit.
    lowest: u32,
    highest: u32,
}

fn float_of(value: vec2<u32>, double: bool) -> Float {
    var mantissa: vec2<u32>;
    var field: u32;
    var special: bool;
    var sign: u32;
    var unit: u32;
    if (double) {
        field = (value.y >> 20u) & 0x7ffu;
        special = field == 0x7ffu;
        mantissa = vec2<u32>(value.x, (value.y & 0xfffffu) | select(0u, 0x100000u, field != 0u && !special));
        sign = value.y >> 31u;
        unit = max(field, 1u) + BIAS - 1075u;
    } else {
        field = (value.x >> 23u) & 0xffu;
        special = field == 0xffu;
        mantissa = vec2<u32>((value.x & 0x7fffffu) | select(0u, 0x800000u, field != 0u && !special), 0u);
        sign = value.x >> 31u;
        unit = max(field, 1u) + BIAS - 150u;
    }
    var float: Float;
    float.negative = sign != 0u;
    float.lowest = 0xffffffffu;
    let zero = (mantissa.x | mantissa.y) == 0u;
    if (special) {
        float.flags = select(NAN, select(POSITIVE_INFINITY, NEGATIVE_INFINITY, float.negative), zero);
    } else if (!zero) {
        let zeros = trailing_zeros(mantissa);
        float.mantissa = shift_right(mantissa, zeros);
        float.lowest = unit + zeros;
        float.highest = unit + highest_bit(mantissa);
    }
    return float;
}
