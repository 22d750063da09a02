//! The values of one mini-block, in lanes of 32 bits where they fit.

use super::minis::Mini;
use super::narrow::{NarrowLanes, Narrowed, fill_narrow};
use super::wide::{WideLanes, fill_unpacked, fill_wide};
use super::{MINI, Stream};
use crate::simd::{GROUP, Narrow, PAIR};

/// Where the values of a mini-block are.
#[derive(Clone, Copy)]
pub(super) enum Filled {
    /// In the narrow lanes.
    Narrow,
    /// `offset + factor * narrow lane`.
    Scaled { factor: i32, offset: i64 },
    /// In the wide lanes.
    Wide,
}

/// Fills narrow or wide lanes with the values of a mini-block; those behind the last may have anything.
#[inline(always)]
pub(super) fn fill<S: Narrow>(
    simd: S,
    stream: &Stream<'_>,
    mini: &Mini<'_>,
    narrow: &mut NarrowLanes,
    wide: &mut WideLanes,
) -> Filled {
    if mini.width == 0 && mini.patches == 0 {
        fill_unpacked(simd, stream, mini, wide);
        return Filled::Wide;
    }
    // In kernels of their own, so that there is one of each and not one for every use.
    match Narrowed::of(stream, mini) {
        Some(how) => {
            let has_patches = stream.patches.max() != 0;
            fill_narrow(simd, (stream.form, has_patches), mini, how, narrow);
            match how.wide {
                None => Filled::Narrow,
                Some((factor, offset)) => Filled::Scaled { factor, offset },
            }
        }
        None => {
            fill_wide(simd, stream, mini, wide);
            Filled::Wide
        }
    }
}

/// Lanes that nothing has been written to.
pub(super) const NO_NARROW_LANES: NarrowLanes = NarrowLanes([[0; PAIR]; MINI / PAIR]);
/// Lanes that nothing has been written to.
pub(super) const NO_WIDE_LANES: WideLanes = [[0; GROUP]; MINI / GROUP];
