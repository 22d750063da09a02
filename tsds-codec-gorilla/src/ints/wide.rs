//! Mini-blocks of any values, eight at a time in 64 bits.

use super::minis::Mini;
use super::patch::Patches;
use super::{Form, MINI, Stream};
use crate::simd::{GROUP, Kernel, Narrow, Simd, WINDOW};

/// The values of a mini-block.
pub(super) type WideLanes = [[i64; GROUP]; MINI / GROUP];

/// Gives the values of a mini-block that nothing is packed for: they are always the same step apart.
#[inline(always)]
pub(super) fn fill_unpacked<S: Simd>(simd: S, stream: &Stream<'_>, mini: &Mini<'_>, out: &mut WideLanes) {
    let (first, step) = match stream.form {
        Form::Flat => (mini.base, 0),
        Form::Delta => (mini.base, stream.centre),
        Form::DeltaOfDelta => (mini.base, mini.step),
        Form::Centred => (stream.centre, 0),
    };
    progression(simd, stream, first, step, out);
}

/// Gives the values of a mini-block; what is behind the last may be anything.
pub(super) struct FillWide<'f, 's, 'm> {
    pub(super) stream: &'f Stream<'s>,
    pub(super) mini: &'f Mini<'m>,
    pub(super) out: &'f mut WideLanes,
}

impl Kernel for FillWide<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) {
        let Self { stream, mini, out } = self;
        match (stream.form, mini.patches) {
            (Form::Flat, 0) => groups::<S, Flat<S>, false>(simd, stream, mini, out),
            (Form::Flat, _) => groups::<S, Flat<S>, true>(simd, stream, mini, out),
            (Form::Delta, 0) => groups::<S, Delta<S>, false>(simd, stream, mini, out),
            (Form::Delta, _) => groups::<S, Delta<S>, true>(simd, stream, mini, out),
            (Form::DeltaOfDelta, 0) => groups::<S, DeltaOfDelta<S>, false>(simd, stream, mini, out),
            (Form::DeltaOfDelta, _) => groups::<S, DeltaOfDelta<S>, true>(simd, stream, mini, out),
            (Form::Centred, 0) => groups::<S, Centred<S>, false>(simd, stream, mini, out),
            (Form::Centred, _) => groups::<S, Centred<S>, true>(simd, stream, mini, out),
        }
    }
}

/// Values that nothing is packed for.
#[inline(always)]
fn progression<S: Simd>(simd: S, stream: &Stream<'_>, first: i64, step: i64, out: &mut WideLanes) {
    let (first, step) = match stream.scale {
        None => (first, step),
        Some(scale) => {
            (scale.offset.wrapping_add(first.wrapping_mul(scale.factor)), step.wrapping_mul(scale.factor))
        }
    };
    let mut v = simd.add(simd.splat(first), simd.ramp(step));
    let stride = simd.splat(step.wrapping_mul(GROUP as i64));
    for group in out {
        simd.store(v, group);
        v = simd.add(v, stride);
    }
}

/// Unpacks, patches, undoes the form and the scale.
#[inline(always)]
fn groups<S: Narrow, F: Undo<S>, const PATCHED: bool>(
    simd: S,
    stream: &Stream<'_>,
    mini: &Mini<'_>,
    out: &mut WideLanes,
) {
    let mut patches = if PATCHED { Some(Patches::new(simd, mini)) } else { None };
    let mut undo = F::new(simd, stream, mini);
    let unpacker = simd.unpacker(mini.width);
    let scale = stream.scale.map(|scale| (simd.splat(scale.factor), simd.splat(scale.offset)));
    for (group, out) in out.iter_mut().enumerate().take(mini.rows.div_ceil(GROUP)) {
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
        simd.store(v, out);
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
            line: simd.add(simd.splat(mini.base), simd.ramp(stream.centre)),
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
            line: simd.add(simd.splat(mini.base), simd.ramp(mini.step)),
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
