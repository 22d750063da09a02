//! Integers back from their bytes.

use std::ops::Range;

use super::fill::{Filled, NO_NARROW_LANES, NO_WIDE_LANES, fill};
use super::minis::{Minis, Pad};
use super::narrow::NarrowLanes;
use super::wide::WideLanes;
use super::{MINI, Stream};
use crate::error::{Damaged, Result};
use crate::simd::{GROUP, Kernel, Narrow, PAIR};

/// What becomes of integers before they are stored.
pub(crate) trait Transform: Copy {
    /// Whether integers are stored as they are.
    const IS_NOTHING: bool = false;

    /// Turns eight integers into what is stored.
    fn apply<S: Narrow>(self, simd: S, v: S::V) -> S::V;

    /// Turns sixteen that fit 32 bits into what is stored.
    #[inline(always)]
    fn apply_narrow<S: Narrow>(self, simd: S, v: S::N) -> [S::V; 2] {
        let [low, high] = simd.narrow_times(v, 1);
        [self.apply(simd, low), self.apply(simd, high)]
    }
}

/// Decodes the rows of a range into `out`, which is as long as the range. The range lies within the stream.
pub(crate) struct Decode<'s, 'a, 'o, T> {
    pub(crate) stream: &'s Stream<'a>,
    pub(crate) range: Range<usize>,
    pub(crate) out: &'o mut [i64],
    pub(crate) transform: T,
}

impl<T: Transform> Kernel for Decode<'_, '_, '_, T> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) -> Result<()> {
        let Self { stream, range, mut out, transform } = self;
        let mut minis = Minis::from(simd, stream, range.start / MINI)?;
        let mut at = range.start;
        let (mut pad, mut narrow, mut spare) = (Pad::new(), NO_NARROW_LANES, NO_WIDE_LANES);
        while at < range.end {
            let mini = minis.next(simd, &mut pad)?;
            let first = at / MINI * MINI;
            let wanted = at - first..range.end.min(first + MINI) - first;
            let (now, later) = std::mem::take(&mut out).split_at_mut(wanted.len());
            match now.as_chunks_mut::<GROUP>().0.first_chunk_mut() {
                Some(groups) => {
                    let filled = fill(simd, stream, &mini, &mut narrow, groups);
                    store(simd, filled, &narrow, transform, groups);
                }
                None => {
                    let filled = fill(simd, stream, &mini, &mut narrow, &mut spare);
                    store(simd, filled, &narrow, transform, &mut spare);
                    now.copy_from_slice(&spare.as_flattened()[wanted.clone()]);
                }
            }
            out = later;
            at = first + wanted.end;
        }
        minis.finish()
    }
}

/// Transforms the values of a mini-block into `groups`, which hold them if they are wide.
#[inline(always)]
fn store<S: Narrow, T: Transform>(
    simd: S,
    filled: Filled,
    narrow: &NarrowLanes,
    transform: T,
    groups: &mut WideLanes,
) {
    let (pairs, _) = groups.as_chunks_mut::<2>();
    match filled {
        Filled::Narrow => {
            for (from, [first, second]) in narrow.0.iter().zip(pairs) {
                let [low, high] = transform.apply_narrow(simd, simd.narrow_load(from));
                simd.store(low, first);
                simd.store(high, second);
            }
        }
        Filled::Scaled { factor, offset } => {
            let offset = simd.splat(offset);
            for (from, [first, second]) in narrow.0.iter().zip(pairs) {
                let [low, high] = simd.narrow_times(simd.narrow_load(from), factor);
                simd.store(transform.apply(simd, simd.add(offset, low)), first);
                simd.store(transform.apply(simd, simd.add(offset, high)), second);
            }
        }
        Filled::Wide if T::IS_NOTHING => {}
        Filled::Wide => {
            for group in groups {
                simd.store(transform.apply(simd, simd.load(group)), group);
            }
        }
    }
}

/// Adds the rows of a range to `out`, which is as long as the range. The range lies within the stream.
pub(crate) struct AddDecoded<'s, 'a, 'o> {
    pub(crate) stream: &'s Stream<'a>,
    pub(crate) range: Range<usize>,
    pub(crate) out: &'o mut [i64],
}

impl Kernel for AddDecoded<'_, '_, '_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) -> Result<()> {
        let Self { stream, range, mut out } = self;
        let mut minis = Minis::from(simd, stream, range.start / MINI)?;
        let mut at = range.start;
        let (mut pad, mut narrow, mut values) = (Pad::new(), NO_NARROW_LANES, NO_WIDE_LANES);
        while at < range.end {
            let mini = minis.next(simd, &mut pad)?;
            let first = at / MINI * MINI;
            let wanted = at - first..range.end.min(first + MINI) - first;
            let (now, later) = std::mem::take(&mut out).split_at_mut(wanted.len());
            let filled = fill(simd, stream, &mini, &mut narrow, &mut values);
            match (filled, now.as_chunks_mut::<GROUP>().0.first_chunk_mut::<{ MINI / GROUP }>()) {
                (Filled::Narrow, Some(groups)) => {
                    for (from, [first, second]) in narrow.0.iter().zip(groups.as_chunks_mut::<2>().0) {
                        let [low, high] = simd.narrow_times(simd.narrow_load(from), 1);
                        simd.store(simd.add(simd.load(first), low), first);
                        simd.store(simd.add(simd.load(second), high), second);
                    }
                }
                _ => {
                    store(simd, filled, &narrow, Same, &mut values);
                    for (to, value) in now.iter_mut().zip(&values.as_flattened()[wanted.clone()]) {
                        *to = to.wrapping_add(*value);
                    }
                }
            }
            out = later;
            at = first + wanted.end;
        }
        minis.finish()
    }
}

/// Decodes the rows of a range as places in a table, and looks those up into `out`, which is as long as the range. The range lies
/// within the stream.
pub(crate) struct LookUp<'s, 'a, 'o> {
    pub(crate) stream: &'s Stream<'a>,
    pub(crate) range: Range<usize>,
    pub(crate) table: &'s [i64],
    pub(crate) out: &'o mut [i64],
}

impl Kernel for LookUp<'_, '_, '_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) -> Result<()> {
        let Self { stream, range, table, mut out } = self;
        let mut minis = Minis::from(simd, stream, range.start / MINI)?;
        let mut at = range.start;
        let (mut pad, mut narrow, mut places) = (Pad::new(), NO_NARROW_LANES, NO_WIDE_LANES);
        // Tables have few places: the last one fits.
        let (mut is_sound, last) = (true, table.len().saturating_sub(1).min(i32::MAX as usize) as u32);
        while at < range.end {
            let mini = minis.next(simd, &mut pad)?;
            let first = at / MINI * MINI;
            let wanted = at - first..range.end.min(first + MINI) - first;
            let (now, later) = std::mem::take(&mut out).split_at_mut(wanted.len());
            let filled = fill(simd, stream, &mini, &mut narrow, &mut places);
            match (filled, now.as_chunks_mut::<GROUP>().0.first_chunk_mut::<{ MINI / GROUP }>()) {
                (Filled::Narrow, Some(groups)) if !table.is_empty() && are_below(simd, &narrow, last) => {
                    look_up(simd, &narrow, table, groups);
                }
                _ => {
                    store(simd, filled, &narrow, Same, &mut places);
                    for (to, place) in now.iter_mut().zip(&places.as_flattened()[wanted.clone()]) {
                        let value = usize::try_from(*place).ok().and_then(|place| table.get(place));
                        is_sound &= value.is_some();
                        *to = value.copied().unwrap_or(0);
                    }
                }
            }
            out = later;
            at = first + wanted.end;
        }
        minis.finish()?;
        if is_sound { Ok(()) } else { Err(Damaged::new("a code is not in its dictionary")) }
    }
}

/// Whether all lanes are places, of which `last` is the last.
#[inline(always)]
fn are_below<S: Narrow>(simd: S, places: &NarrowLanes, last: u32) -> bool {
    let mut are_below = u16::MAX;
    for from in &places.0 {
        are_below &= simd.narrow_within(simd.narrow_load(from), 0, last);
    }
    are_below == u16::MAX
}

/// Stores the values of a table at places, of which none is beyond it.
#[inline(always)]
fn look_up<S: Narrow>(simd: S, places: &NarrowLanes, table: &[i64], groups: &mut WideLanes) {
    if table.len() > S::MAX_TABLE {
        return look_up_one_by_one(places, table, groups);
    }
    for (from, [first, second]) in places.0.iter().zip(groups.as_chunks_mut::<2>().0) {
        let [low, high] = simd.narrow_look_up(simd.narrow_load(from), table);
        simd.store(low, first);
        simd.store(high, second);
    }
}

/// Not inlined, or compilers turn it into instructions that gather, which take longer on many processors.
#[inline(never)]
fn look_up_one_by_one(places: &NarrowLanes, table: &[i64], groups: &mut WideLanes) {
    let (places, _) = places.0.as_flattened().as_chunks::<GROUP>();
    for (group, places) in groups.iter_mut().zip(places) {
        for (to, place) in group.iter_mut().zip(places) {
            debug_assert!((*place as usize) < table.len());
            // SAFETY: the caller has compared every place with the last of the table.
            *to = unsafe { *table.get_unchecked(*place as u32 as usize) };
        }
    }
}

/// Stores integers as they are.
#[derive(Clone, Copy)]
pub(crate) struct Same;

impl Transform for Same {
    const IS_NOTHING: bool = true;

    #[inline(always)]
    fn apply<S: Narrow>(self, _: S, v: S::V) -> S::V {
        v
    }
}

/// Fills `out` with values that are always the same step apart.
pub(crate) struct Progression<'o> {
    pub(crate) first: i64,
    pub(crate) step: i64,
    pub(crate) out: &'o mut [i64],
}

impl Kernel for Progression<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) {
        let mut v = simd.add(simd.splat(self.first), simd.ramp(self.step));
        let stride = simd.splat(self.step.wrapping_mul(GROUP as i64));
        let (groups, rest) = self.out.as_chunks_mut::<GROUP>();
        for group in groups {
            simd.store(v, group);
            v = simd.add(v, stride);
        }
        let mut last = [0; GROUP];
        simd.store(v, &mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

const _: () = assert!(PAIR == 2 * GROUP);
