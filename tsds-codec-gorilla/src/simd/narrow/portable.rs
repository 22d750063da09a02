//! Plain loops over sixteen lanes.

use super::super::portable::Portable;
use super::super::{GROUP, Power, WINDOW};
use super::{Bits, MAX_NARROW_WIDTH, Narrow, PAIR};

type Lanes = [i32; PAIR];
type Wide = [i64; GROUP];

/// The width and the mask of what is unpacked.
#[derive(Clone, Copy)]
pub(crate) struct Unpack {
    width: usize,
    mask: u32,
}

/// The first eight lanes and the last eight.
#[inline(always)]
fn halves(v: Lanes, wide: impl Fn(i32) -> i64) -> [Wide; 2] {
    [std::array::from_fn(|lane| wide(v[lane])), std::array::from_fn(|lane| wide(v[lane + GROUP]))]
}

/// Every lane plus all lanes before it, and what is before them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefix_sum(v: [i32; 4], before: i32) -> [i32; 4] {
    use std::arch::x86_64::*;
    // SAFETY: every processor of this kind has SSE2, and the bits of four lanes are those of a vector.
    unsafe {
        let v: __m128i = std::mem::transmute(v);
        let v = _mm_add_epi32(v, _mm_slli_si128::<4>(v));
        let v = _mm_add_epi32(v, _mm_slli_si128::<8>(v));
        std::mem::transmute(_mm_add_epi32(v, _mm_set1_epi32(before)))
    }
}

/// Every lane plus all lanes before it, and what is before them.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn prefix_sum(v: [i32; 4], before: i32) -> [i32; 4] {
    let mut sum = before;
    v.map(|lane| {
        sum = sum.wrapping_add(lane);
        sum
    })
}

impl Narrow for Portable {
    type N = Lanes;
    type NarrowUnpack = Unpack;
    const AT_ONCE: usize = 1;
    const MAX_TABLE: usize = 0;

    #[inline(always)]
    fn narrow_unpacker(self, width: u32) -> Unpack {
        let width = width.min(MAX_NARROW_WIDTH);
        Unpack { width: width as usize, mask: (1 << width) - 1 }
    }

    #[inline(always)]
    fn narrow_unpack(self, unpack: Unpack, window: &[u8; WINDOW]) -> Lanes {
        std::array::from_fn(|lane| {
            let bit = lane.wrapping_mul(unpack.width);
            // The last lane of the widest width begins in byte 46.
            let from = (bit / 8).min(WINDOW - 4);
            let mut four = [0; 4];
            four.copy_from_slice(&window[from..from + 4]);
            ((u32::from_le_bytes(four) >> (bit % 8)) & unpack.mask) as i32
        })
    }

    #[inline(always)]
    fn narrow_expand(self, unpack: Unpack, bytes: &[u8], bit: usize, mut mask: u16) -> Lanes {
        let mut lanes = [0; PAIR];
        let window = bytes.get(bit / 8..).and_then(|rest| rest.first_chunk::<WINDOW>());
        let Some(window) = window else { return lanes };
        let mut bit = bit % 8;
        while mask != 0 {
            let from = (bit / 8).min(WINDOW - 4);
            let mut four = [0; 4];
            four.copy_from_slice(&window[from..from + 4]);
            let value = (u32::from_le_bytes(four) >> (bit % 8)) & unpack.mask;
            lanes[mask.trailing_zeros() as usize % PAIR] = (value as i32).wrapping_add(1);
            mask &= mask.wrapping_sub(1);
            bit = bit.wrapping_add(unpack.width);
        }
        lanes
    }

    #[inline(always)]
    fn narrow_load(self, from: &Lanes) -> Lanes {
        *from
    }

    #[inline(always)]
    fn narrow_store(self, v: Lanes, to: &mut Lanes) {
        *to = v;
    }

    #[inline(always)]
    fn narrow_splat(self, value: i32) -> Lanes {
        [value; PAIR]
    }

    #[inline(always)]
    fn narrow_add(self, a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    #[inline(always)]
    fn narrow_shl(self, v: Lanes, by: u32) -> Lanes {
        v.map(|lane| lane.wrapping_shl(by))
    }

    #[inline(always)]
    fn narrow_unzigzag(self, v: Lanes) -> Lanes {
        v.map(|lane| (lane as u32 >> 1) as i32 ^ (lane & 1).wrapping_neg())
    }

    #[inline(always)]
    fn narrow_prefix_sums<const K: usize>(self, mut v: [Lanes; K]) -> [Lanes; K] {
        for lanes in &mut v {
            let mut before = 0i32;
            for four in lanes.as_chunks_mut::<4>().0 {
                *four = prefix_sum(*four, before);
                before = four[3];
            }
        }
        v
    }

    #[inline(always)]
    fn narrow_ramp(self, step: i32) -> Lanes {
        std::array::from_fn(|lane| step.wrapping_mul(lane as i32))
    }

    #[inline(always)]
    fn narrow_last(self, v: Lanes) -> Lanes {
        [v[PAIR - 1]; PAIR]
    }

    #[inline(always)]
    fn narrow_within(self, v: Lanes, low: i32, span: u32) -> u16 {
        let bits = v.iter().enumerate();
        bits.fold(0, |mask, (lane, value)| mask | u16::from(value.wrapping_sub(low) as u32 <= span) << lane)
    }

    #[inline(always)]
    fn narrow_among(self, v: Lanes, bits: &Bits) -> u16 {
        v.iter().enumerate().fold(0, |mask, (lane, at)| mask | u16::from(bits.contains(*at)) << lane)
    }

    #[inline(always)]
    fn narrow_times(self, v: Lanes, factor: i32) -> [Wide; 2] {
        match factor {
            1 => halves(v, i64::from),
            _ => halves(v, |lane| i64::from(lane).wrapping_mul(i64::from(factor))),
        }
    }

    #[inline(always)]
    fn narrow_decimal(self, v: Lanes, power: Power) -> [Wide; 2] {
        halves(v, |lane| (f64::from(lane) / power.divisor).to_bits() as i64)
    }

    #[inline(always)]
    fn narrow_look_up(self, _: Lanes, _: &[i64]) -> [Wide; 2] {
        [[0; GROUP]; 2]
    }

    #[inline(always)]
    fn positions(self, bytes: &[u8; 16], count: usize) -> [u64; 2] {
        let mut rest = u128::from_le_bytes(*bytes);
        let mut masks = [0u64; 2];
        for _ in 0..count.min(18) {
            let bit = 1u64 << (rest as u32 & 63);
            let is_upper = ((rest as u64 >> 6) & 1).wrapping_neg();
            masks[0] |= bit & !is_upper;
            masks[1] |= bit & is_upper;
            rest >>= 7;
        }
        masks
    }
}
