//! What every processor has: plain loops over eight lanes, which the compiler turns into the vectors that it knows of.

use super::{GROUP, Kernel, Power, ROUNDER, Simd, WINDOW};
use crate::bits::unzigzag;

/// No instructions beyond those of the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

type Lanes = [i64; GROUP];

#[inline(always)]
fn map(v: Lanes, f: impl Fn(i64) -> i64) -> Lanes {
    v.map(f)
}

/// The width and the mask of what is unpacked.
#[derive(Clone, Copy)]
pub(crate) struct Unpack {
    width: usize,
    mask: u64,
}

impl Simd for Portable {
    type V = Lanes;
    type Unpack = Unpack;
    const SHIFTS_FAST: bool = false;

    // Not inlined, so that kernels that run others do not contain them.
    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn unpacker(self, width: u32) -> Unpack {
        let width = width.clamp(1, 64);
        Unpack { width: width as usize, mask: u64::MAX >> (64 - width) }
    }

    #[inline(always)]
    fn unpack(self, unpack: Unpack, window: &[u8; WINDOW]) -> Lanes {
        let mut lanes = [0; GROUP];
        for (lane, value) in lanes.iter_mut().enumerate() {
            let bit = lane * unpack.width;
            // The last lane of the widest width begins at byte 56.
            let from = (bit / 8).min(WINDOW - 8);
            let mut eight = [0; 8];
            eight.copy_from_slice(&window[from..from + 8]);
            *value = ((u64::from_le_bytes(eight) >> (bit % 8)) & unpack.mask) as i64;
        }
        lanes
    }

    #[inline(always)]
    fn unpack_shifted(self, unpack: Unpack, window: &[u8; WINDOW], bit: u32) -> Lanes {
        std::array::from_fn(|lane| {
            let bit = lane * unpack.width + bit as usize % 8;
            let from = (bit / 8).min(WINDOW - 8);
            let mut eight = [0; 8];
            eight.copy_from_slice(&window[from..from + 8]);
            ((u64::from_le_bytes(eight) >> (bit % 8)) & unpack.mask) as i64
        })
    }

    #[inline(always)]
    fn load(self, from: &Lanes) -> Lanes {
        *from
    }

    #[inline(always)]
    fn store(self, v: Lanes, to: &mut Lanes) {
        *to = v;
    }

    #[inline(always)]
    fn splat(self, value: i64) -> Lanes {
        [value; GROUP]
    }

    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane]))
    }

    #[inline(always)]
    fn or(self, a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane] | b[lane])
    }

    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        std::array::from_fn(|lane| a[lane].wrapping_mul(b[lane]))
    }

    #[inline(always)]
    fn shl(self, v: Lanes, by: u32) -> Lanes {
        map(v, |lane| lane.wrapping_shl(by))
    }

    #[inline(always)]
    fn unzigzag(self, v: Lanes) -> Lanes {
        map(v, |lane| unzigzag(lane as u64))
    }

    #[inline(always)]
    fn prefix_sums<const K: usize>(self, mut v: [Lanes; K]) -> [Lanes; K] {
        for lanes in &mut v {
            let mut sum = 0i64;
            *lanes = lanes.map(|lane| {
                sum = sum.wrapping_add(lane);
                sum
            });
        }
        v
    }

    #[inline(always)]
    fn last(self, v: Lanes) -> Lanes {
        [v[GROUP - 1]; GROUP]
    }

    #[inline(always)]
    fn expand(self, mut mask: u8, v: Lanes) -> Lanes {
        let mut lanes = [0; GROUP];
        for value in v {
            if mask == 0 {
                break;
            }
            lanes[mask.trailing_zeros() as usize] = value;
            mask &= mask - 1;
        }
        lanes
    }

    #[inline(always)]
    fn expand_from(self, mask: u8, from: &Lanes) -> Lanes {
        self.expand(mask, *from)
    }

    #[inline(always)]
    fn within(self, v: Lanes, low: i64, span: u64) -> u8 {
        let bits = v.iter().enumerate();
        bits.fold(0, |mask, (lane, value)| mask | u8::from(value.wrapping_sub(low) as u64 <= span) << lane)
    }

    #[inline(always)]
    fn ordered_to_bits(self, v: Lanes) -> Lanes {
        map(v, |lane| lane ^ (lane >> 63) & i64::MAX)
    }

    #[inline(always)]
    fn decimal(self, v: Lanes, power: Power) -> Lanes {
        map(v, |lane| power.divide(lane).to_bits() as i64)
    }

    #[inline(always)]
    fn nearest_integer(self, v: Lanes, factor: f64) -> Lanes {
        map(v, |lane| {
            let rounded = f64::from_bits(lane as u64) * factor + ROUNDER;
            rounded.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64
        })
    }

    #[inline(always)]
    fn through_single(self, v: Lanes) -> Lanes {
        map(v, |lane| f64::from(f64::from_bits(lane as u64) as f32).to_bits() as i64)
    }
}
