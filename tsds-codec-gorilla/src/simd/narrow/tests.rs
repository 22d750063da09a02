//! All instruction sets give in narrow lanes what the portable code gives, and that what wide lanes do.

use proptest::prelude::*;

use super::*;
use crate::bits::{pack_into, zigzag};
use crate::isa::Isa;
use crate::simd::{Kernel, Portable, vectorize};

/// Every operation on the same operands, as 64-bit lanes.
struct Everything {
    v: [i32; PAIR],
    bytes: [u8; 2 * WINDOW],
    table: Vec<i64>,
    width: u32,
    mask: u16,
    exponent: u8,
    positions: usize,
    bits: Bits,
}

impl Kernel for &Everything {
    type Output = Vec<[i64; PAIR]>;

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) -> Self::Output {
        let store = |[low, high]: [S::V; 2]| {
            let mut lanes = [[0; GROUP]; 2];
            simd.store(low, &mut lanes[0]);
            simd.store(high, &mut lanes[1]);
            std::array::from_fn(|lane| lanes[lane / GROUP][lane % GROUP])
        };
        let wide = |v: S::N| {
            let mut lanes = [0; PAIR];
            simd.narrow_store(v, &mut lanes);
            lanes.map(i64::from)
        };
        let v = simd.narrow_load(&self.v);
        let power = Power::new(self.exponent, 1).unwrap();
        let unpack = simd.narrow_unpacker(self.width);
        let shifted = simd.narrow_unpacker(self.width.min(MAX_EXPANDED_WIDTH));
        let window = self.bytes.first_chunk().unwrap();
        let [first, second] = simd.narrow_prefix_sums([v, simd.narrow_shl(v, 1)]);
        let within = simd.narrow_within(v, self.v[0], self.v[1] as u32);
        let among = simd.narrow_among(v, &self.bits);
        let looked_up = match self.table.len() <= S::MAX_TABLE {
            true => store(simd.narrow_look_up(simd.narrow_load(&self.v.map(|v| v & 7)), &self.table)),
            false => self.v.map(|v| self.table[v as usize & 7]),
        };
        let [low, high] = simd.positions(self.bytes.first_chunk().unwrap(), self.positions);
        vec![
            wide(simd.narrow_unpack(unpack, window)),
            wide(simd.narrow_expand(shifted, &self.bytes, usize::from(self.mask % 16), self.mask)),
            wide(simd.narrow_expand(shifted, &self.bytes[..WINDOW - 1], 0, self.mask)),
            wide(simd.narrow_add(v, simd.narrow_splat(self.v[3]))),
            wide(simd.narrow_shl(v, self.width)),
            wide(simd.narrow_unzigzag(v)),
            wide(first),
            wide(second),
            wide(simd.narrow_last(v)),
            wide(simd.narrow_ramp(self.v[2])),
            wide(simd.narrow_splat(i32::from(within))),
            wide(simd.narrow_splat(i32::from(among))),
            store(simd.narrow_times(v, self.v[4])),
            store(simd.narrow_decimal(v, power)),
            looked_up,
            [low as i64; PAIR],
            [high as i64; PAIR],
        ]
    }
}

fn lanes() -> impl Strategy<Value = [i32; PAIR]> {
    prop::array::uniform16(prop_oneof![any::<i32>(), -3i32..4, 0i32..5000, Just(i32::MIN), Just(i32::MAX)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_instruction_set_computes_the_same_bits(
        v in lanes(), bytes in prop::collection::vec(any::<u8>(), 2 * WINDOW), width in 0..=MAX_NARROW_WIDTH, mask: u16,
        exponent in 0u8..19, positions in 0usize..19,
        table in prop::collection::vec(any::<i64>(), 8..30), set in prop::collection::vec(any::<bool>(), 0..=BITS)
    ) {
        let bytes = bytes.try_into().unwrap();
        let bits = Bits::new(set.into_iter());
        let everything = Everything { v, bytes, table, width, mask, exponent, positions, bits };
        let expected = vectorize(Isa::Portable, &everything);
        for isa in Isa::available() {
            prop_assert_eq!(&vectorize(isa, &everything), &expected, "{:?}", isa);
        }
    }

    #[test]
    fn unpacking_gives_what_was_packed(values in lanes(), width in 1..=MAX_NARROW_WIDTH) {
        let values = values.map(|value| u64::from(value as u32) & ((1 << width) - 1));
        let mut bytes = Vec::new();
        pack_into(&values, width, &mut bytes);
        bytes.resize(WINDOW, 0xff);
        let window: [u8; WINDOW] = bytes.try_into().unwrap();
        let unpacked = Portable.narrow_unpack(Portable.narrow_unpacker(width), &window);
        prop_assert_eq!(unpacked.map(|value| value as u64), values);
    }

    #[test]
    fn zigzag_is_undone_and_quotients_are_those_of_wide_lanes(v in lanes(), exponent in 0u8..19) {
        let small = v.map(|v| v >> 1);
        let coded = small.map(|v| zigzag(v.into()) as u32 as i32);
        prop_assert_eq!(Portable.narrow_unzigzag(coded), small);
        let power = Power::new(exponent, 1).unwrap();
        let quotients = Portable.narrow_decimal(v, power).concat();
        prop_assert_eq!(quotients, v.map(|v| power.divide(v.into()).to_bits() as i64).to_vec());
    }

    #[test]
    fn a_set_has_what_it_was_made_of(set in prop::collection::vec(any::<bool>(), 0..=BITS), at: i32) {
        let bits = Bits::new(set.iter().copied());
        for at in [at, at.rem_euclid(BITS as i32), -1, set.len() as i32] {
            let expected = usize::try_from(at).is_ok_and(|at| set.get(at).copied().unwrap_or(false));
            prop_assert_eq!(bits.contains(at), expected);
        }
    }
}
