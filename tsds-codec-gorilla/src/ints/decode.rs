//! Integers back from their bytes.

use std::ops::Range;

use super::minis::{Mini, Minis, Pad};
use super::patch::Patches;
use super::{Form, MINI, Stream};
use crate::error::Result;
use crate::simd::{GROUP, Kernel, Simd, WINDOW};

/// What becomes of integers before they are stored.
pub(crate) trait Transform: Copy {
    /// Turns eight integers into what is stored.
    fn apply<S: Simd>(self, simd: S, v: S::V) -> S::V;
}

/// Takes the values of a mini-block, eight at a time, in order.
pub(super) trait Sink<S: Simd> {
    fn put(&mut self, simd: S, group: usize, v: S::V);
}

/// Stores groups, transformed.
struct Store<'a, T> {
    groups: &'a mut [[i64; GROUP]],
    transform: T,
}

impl<S: Simd, T: Transform> Sink<S> for Store<'_, T> {
    #[inline(always)]
    fn put(&mut self, simd: S, group: usize, v: S::V) {
        if let Some(to) = self.groups.get_mut(group) {
            simd.store(self.transform.apply(simd, v), to);
        }
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
    fn run<S: Simd>(self, simd: S) -> Result<()> {
        let Self { stream, range, mut out, transform } = self;
        let mut minis = Minis::from(stream, range.start / MINI)?;
        let mut at = range.start;
        let mut pad = Pad::new();
        while at < range.end {
            let mini = minis.next(&mut pad)?;
            let first = at / MINI * MINI;
            let wanted = at - first..range.end.min(first + MINI) - first;
            let (now, later) = std::mem::take(&mut out).split_at_mut(wanted.len());
            if wanted.len() == MINI {
                let (groups, _) = now.as_chunks_mut::<GROUP>();
                produce(simd, stream, &mini, &mut Store { groups, transform });
            } else {
                let mut groups = [[0; GROUP]; MINI / GROUP];
                produce(simd, stream, &mini, &mut Store { groups: &mut groups, transform });
                now.copy_from_slice(&groups.as_flattened()[wanted.clone()]);
            }
            out = later;
            at = first + wanted.end;
        }
        minis.finish()
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
    fn run<S: Simd>(self, simd: S) {
        let mut v = simd.add(simd.splat(self.first), ramp(simd, self.step));
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

/// Gives the values of a mini-block to `sink`; the last group may have more lanes than there are values.
#[inline(always)]
pub(super) fn produce<S: Simd, K: Sink<S>>(simd: S, stream: &Stream<'_>, mini: &Mini<'_>, sink: &mut K) {
    match (stream.form, mini.width, mini.patches) {
        (Form::Flat, 0, 0) => progression(simd, stream, mini, mini.base, 0, sink),
        (Form::Delta, 0, 0) => progression(simd, stream, mini, mini.base, stream.centre, sink),
        (Form::DeltaOfDelta, 0, 0) => progression(simd, stream, mini, mini.base, mini.step, sink),
        (Form::Centred, 0, 0) => progression(simd, stream, mini, stream.centre, 0, sink),
        (Form::Flat, _, 0) => groups::<S, Flat<S>, K, false>(simd, stream, mini, sink),
        (Form::Flat, _, _) => groups::<S, Flat<S>, K, true>(simd, stream, mini, sink),
        (Form::Delta, _, 0) => groups::<S, Delta<S>, K, false>(simd, stream, mini, sink),
        (Form::Delta, _, _) => groups::<S, Delta<S>, K, true>(simd, stream, mini, sink),
        (Form::DeltaOfDelta, _, 0) => groups::<S, DeltaOfDelta<S>, K, false>(simd, stream, mini, sink),
        (Form::DeltaOfDelta, _, _) => groups::<S, DeltaOfDelta<S>, K, true>(simd, stream, mini, sink),
        (Form::Centred, _, 0) => groups::<S, Centred<S>, K, false>(simd, stream, mini, sink),
        (Form::Centred, _, _) => groups::<S, Centred<S>, K, true>(simd, stream, mini, sink),
    }
}

/// `0, step, 2 step, …` in eight lanes.
#[inline(always)]
fn ramp<S: Simd>(simd: S, step: i64) -> S::V {
    simd.mul(simd.load(&[0, 1, 2, 3, 4, 5, 6, 7]), simd.splat(step))
}

/// Values that nothing is packed for.
#[inline(always)]
fn progression<S: Simd, K: Sink<S>>(
    simd: S,
    stream: &Stream<'_>,
    mini: &Mini<'_>,
    first: i64,
    step: i64,
    sink: &mut K,
) {
    let (first, step) = match stream.scale {
        None => (first, step),
        Some(scale) => {
            (scale.offset.wrapping_add(first.wrapping_mul(scale.factor)), step.wrapping_mul(scale.factor))
        }
    };
    let mut v = simd.add(simd.splat(first), ramp(simd, step));
    let stride = simd.splat(step.wrapping_mul(GROUP as i64));
    for group in 0..mini.rows.div_ceil(GROUP) {
        sink.put(simd, group, v);
        v = simd.add(v, stride);
    }
}

/// Unpacks, patches, undoes the form and the scale.
#[inline(always)]
fn groups<S: Simd, F: Undo<S>, K: Sink<S>, const PATCHED: bool>(
    simd: S,
    stream: &Stream<'_>,
    mini: &Mini<'_>,
    sink: &mut K,
) {
    let mut patches = if PATCHED { Some(Patches::new(simd, mini)) } else { None };
    let mut undo = F::new(simd, stream, mini);
    let unpacker = simd.unpacker(mini.width);
    let scale = stream.scale.map(|scale| (simd.splat(scale.factor), simd.splat(scale.offset)));
    for group in 0..mini.rows.div_ceil(GROUP) {
        let mut u = simd.splat(0);
        if !PATCHED || mini.width > 0 {
            // Less than the length of a slice.
            let from = mini.bytes.get(group.wrapping_mul(mini.width as usize)..);
            let Some(window) = from.and_then(|rest| rest.first_chunk::<WINDOW>()) else { return };
            u = simd.unpack(unpacker, window);
        }
        if let Some(patches) = &mut patches {
            u = patches.apply(simd, group, mini.width, u);
        }
        let mut v = undo.next(simd, u);
        if let Some((factor, offset)) = scale {
            v = simd.add(offset, simd.mul(v, factor));
        }
        sink.put(simd, group, v);
    }
}

/// Undoes a form, group by group.
trait Undo<S: Simd> {
    fn new(simd: S, stream: &Stream<'_>, mini: &Mini<'_>) -> Self;
    fn next(&mut self, simd: S, u: S::V) -> S::V;
}

struct Flat<S: Simd>(S::V);

impl<S: Simd> Undo<S> for Flat<S> {
    #[inline(always)]
    fn new(simd: S, _: &Stream<'_>, mini: &Mini<'_>) -> Self {
        Self(simd.splat(mini.base))
    }

    #[inline(always)]
    fn next(&mut self, simd: S, u: S::V) -> S::V {
        simd.add(self.0, u)
    }
}

struct Centred<S: Simd>(S::V);

impl<S: Simd> Undo<S> for Centred<S> {
    #[inline(always)]
    fn new(simd: S, stream: &Stream<'_>, _: &Mini<'_>) -> Self {
        Self(simd.splat(stream.centre))
    }

    #[inline(always)]
    fn next(&mut self, simd: S, u: S::V) -> S::V {
        simd.add(self.0, simd.unzigzag(u))
    }
}

struct Delta<S: Simd> {
    /// The base and the sum of all before, and what the centre adds up to, lane by lane.
    line: S::V,
    /// What the centre adds up to over a group.
    stride: S::V,
}

impl<S: Simd> Undo<S> for Delta<S> {
    #[inline(always)]
    fn new(simd: S, stream: &Stream<'_>, mini: &Mini<'_>) -> Self {
        Self {
            line: simd.add(simd.splat(mini.base), ramp(simd, stream.centre)),
            stride: simd.splat(stream.centre.wrapping_mul(GROUP as i64)),
        }
    }

    #[inline(always)]
    fn next(&mut self, simd: S, u: S::V) -> S::V {
        let sums = simd.prefix_sum(simd.unzigzag(u));
        let values = simd.add(self.line, sums);
        self.line = simd.add(simd.add(self.line, self.stride), simd.last(sums));
        values
    }
}

struct DeltaOfDelta<S: Simd> {
    /// The base and all steps before, as if the first step had gone on, lane by lane.
    line: S::V,
    /// What the first step adds up to over a group.
    stride: S::V,
    /// By how much the step before is larger than the first, in every lane.
    steeper: S::V,
}

impl<S: Simd> Undo<S> for DeltaOfDelta<S> {
    #[inline(always)]
    fn new(simd: S, _: &Stream<'_>, mini: &Mini<'_>) -> Self {
        Self {
            line: simd.add(simd.splat(mini.base), ramp(simd, mini.step)),
            stride: simd.splat(mini.step.wrapping_mul(GROUP as i64)),
            steeper: simd.splat(0),
        }
    }

    #[inline(always)]
    fn next(&mut self, simd: S, u: S::V) -> S::V {
        let steps = simd.add(self.steeper, simd.prefix_sum(simd.unzigzag(u)));
        self.steeper = simd.last(steps);
        let sums = simd.prefix_sum(steps);
        let values = simd.add(self.line, sums);
        self.line = simd.add(simd.add(self.line, self.stride), simd.last(sums));
        values
    }
}
