//! All instruction sets give what the portable code gives.

use proptest::prelude::*;

use super::*;
use crate::isa::Isa;

/// Every operation on the same operands, as bits.
struct Everything {
    a: [i64; GROUP],
    b: [i64; GROUP],
    window: [u8; WINDOW],
    width: u32,
    mask: u8,
    exponent: u8,
    multiplier: u8,
}

impl Kernel for &Everything {
    type Output = Vec<[i64; GROUP]>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let (a, b) = (simd.load(&self.a), simd.load(&self.b));
        let power = Power::new(self.exponent, self.multiplier).unwrap();
        let decimal = simd.decimal(a, power);
        let within = simd.within(a, self.b[0], self.b[1] as u64);
        let vectors = [
            simd.unpack(simd.unpacker(self.width), &self.window),
            simd.add(a, b),
            simd.sub(a, b),
            simd.or(a, b),
            simd.nearest_integer(decimal, power.divisor),
            simd.mul(a, b),
            simd.shl(a, self.width % 64),
            simd.unzigzag(a),
            simd.prefix_sums([a, b])[0],
            simd.prefix_sums([a, b])[1],
            simd.last(a),
            simd.expand(self.mask, a),
            simd.expand_from(self.mask, &self.a),
            simd.unpack_shifted(
                simd.unpacker(self.width.min(MAX_SHIFTED)),
                &self.window,
                u32::from(self.mask % 8),
            ),
            simd.ordered_to_bits(a),
            decimal,
            simd.through_single(decimal),
            simd.splat(i64::from(within)),
        ];
        let store = |v| {
            let mut lanes = [0; GROUP];
            simd.store(v, &mut lanes);
            lanes
        };
        vectors.into_iter().map(store).collect()
    }
}

fn lanes() -> impl Strategy<Value = [i64; GROUP]> {
    let lane =
        prop_oneof![any::<i64>(), -3i64..4, Just(i64::MIN), Just(i64::MAX), (0u32..63).prop_map(|b| 1 << b)];
    prop::array::uniform8(lane)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_instruction_set_computes_the_same_bits(
        a in lanes(), b in lanes(), window in prop::collection::vec(any::<u8>(), WINDOW),
        width in prop_oneof![1u32..58, Just(64)], mask: u8, exponent in 0..=MAX_MULTIPLIED_EXPONENT, multiplier in 1u8..
    ) {
        let window = window.try_into().unwrap();
        let everything = Everything { a, b, window, width, mask, exponent, multiplier };
        let expected = vectorize(Isa::Portable, &everything);
        for isa in Isa::available() {
            prop_assert_eq!(&vectorize(isa, &everything), &expected, "{:?}", isa);
        }
    }

    #[test]
    fn unpacking_gives_what_was_packed(values in lanes(), width in prop_oneof![1u32..58, Just(64)]) {
        let values = values.map(|value| value as u64 & u64::MAX >> (64 - width));
        let mut bytes = Vec::new();
        crate::bits::pack_into(&values, width, &mut bytes);
        prop_assert_eq!(bytes.len(), crate::bits::packed_len(GROUP, width));
        bytes.resize(WINDOW, 0xff);
        let window: [u8; WINDOW] = bytes.try_into().unwrap();
        let unpacked = Portable.unpack(Portable.unpacker(width), &window);
        prop_assert_eq!(unpacked.map(|value| value as u64), values);
    }

    #[test]
    fn division_by_multiplication_is_exact_where_it_is_hardest(
        quotient in 1u64 << 52..1 << 53, exponent in 1..=MAX_EXPONENT, near in -2i64..3
    ) {
        // Integers whose quotient is as close to the middle between two doubles as integers get.
        let divisor = 10i128.pow(exponent.into());
        let scaled = (i128::from(quotient) * 2 + 1) * divisor;
        let shift = (127 - scaled.leading_zeros()).saturating_sub(61);
        let value = (scaled >> shift) as i64 + near;
        let expected = Power::new(exponent, 1).unwrap().divide(value).to_bits() as i64;
        for isa in Isa::available() {
            let everything = Everything {
                a: [value; GROUP], b: [0; GROUP], window: [0; WINDOW], width: 1, mask: 0, exponent, multiplier: 1,
            };
            prop_assert_eq!(vectorize(isa, &everything)[15], [expected; GROUP], "{:?} {}", isa, value);
        }
    }
}
