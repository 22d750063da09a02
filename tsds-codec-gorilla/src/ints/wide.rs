//! Mini-blocks of any values, eight at a time in 64 bits.

use std::marker::PhantomData;

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
#[inline(always)]
pub(super) fn fill_wide<S: Narrow>(simd: S, stream: &Stream<'_>, mini: &Mini<'_>, out: &mut WideLanes) {
    // A kernel for each form: together they would have a large frame.
    macro_rules! run {
        ($undo:ident, $patched:literal) => {
            simd.run(Fill::<$undo, $patched> { stream, mini, out, form: PhantomData })
        };
    }
    match (stream.form, mini.patches) {
        (Form::Flat, 0) => run!(IsFlat, false),
        (Form::Flat, _) => run!(IsFlat, true),
        (Form::Delta, 0) => run!(IsDelta, false),
        (Form::Delta, _) => run!(IsDelta, true),
        (Form::DeltaOfDelta, 0) => run!(IsDeltaOfDelta, false),
        (Form::DeltaOfDelta, _) => run!(IsDeltaOfDelta, true),
        (Form::Centred, 0) => run!(IsCentred, false),
        (Form::Centred, _) => run!(IsCentred, true),
    }
}

struct Fill<'f, 's, 'm, F, const PATCHED: bool> {
    stream: &'f Stream<'s>,
    mini: &'f Mini<'m>,
    out: &'f mut WideLanes,
    form: PhantomData<F>,
}

impl<F: Undone, const PATCHED: bool> Kernel for Fill<'_, '_, '_, F, PATCHED> {
    type Output = ();

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) {
        let Self { stream, mini, out, .. } = self;
        match S::AT_ONCE {
            8 => groups::<S, F::By<S>, 8, PATCHED>(simd, stream, mini, out),
            _ => groups::<S, F::By<S>, 1, PATCHED>(simd, stream, mini, out),
        }
    }
}

/// A form, and by what it is undone.
trait Undone {
    type By<S: Simd>: Undo<S>;
}

macro_rules! undone {
    ($($form:ident by $undo:ident),*) => {$(
        struct $form;
        impl Undone for $form {
            type By<S: Simd> = $undo<S>;
        }
    )*};
}

undone!(IsFlat by Flat, IsDelta by Delta, IsDeltaOfDelta by DeltaOfDelta, IsCentred by Centred);

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

/// Unpacks, patches, undoes the form and the scale, `K` groups at once: what waits for one may go on with another.
#[inline(always)]
fn groups<S: Narrow, F: Undo<S>, const K: usize, const PATCHED: bool>(
    simd: S,
    stream: &Stream<'_>,
    mini: &Mini<'_>,
    out: &mut WideLanes,
) {
    let mut patches = if PATCHED { Some(Patches::new(simd, mini)) } else { None };
    let mut undo = F::new(simd, stream, mini);
    let unpacker = simd.unpacker(mini.width);
    let scale = stream.scale.map(|scale| (simd.splat(scale.factor), simd.splat(scale.offset)));
    let mut group = 0usize;
    for out in out.as_chunks_mut::<K>().0 {
        if group.wrapping_mul(GROUP) >= mini.rows {
            break;
        }
        let mut u = [simd.splat(0); K];
        for u in &mut u {
            if !PATCHED || mini.width > 0 {
                // There is none behind the last values of a block: those are not looked at.
                let from = mini.bytes.get(group.wrapping_mul(mini.width as usize)..);
                let window = from.and_then(|rest| rest.first_chunk::<WINDOW>());
                *u = simd.unpack(unpacker, window.unwrap_or(&[0; WINDOW]));
            }
            if let Some(patches) = &mut patches {
                *u = patches.apply(simd, group, mini.width, *u);
            }
            group = group.wrapping_add(1);
        }
        for (out, mut v) in out.iter_mut().zip(undo.next(simd, u)) {
            if let Some((factor, offset)) = scale {
                v = simd.add(offset, simd.mul(v, factor));
            }
            simd.store(v, out);
        }
    }
}

/// Undoes a form, so many groups after so many.
trait Undo<S: Simd> {
    fn new(simd: S, stream: &Stream<'_>, mini: &Mini<'_>) -> Self;
    fn next<const K: usize>(&mut self, simd: S, u: [S::V; K]) -> [S::V; K];
}

struct Flat<S: Simd>(S::V);

impl<S: Simd> Undo<S> for Flat<S> {
    #[inline(always)]
    fn new(simd: S, _: &Stream<'_>, mini: &Mini<'_>) -> Self {
        Self(simd.splat(mini.base))
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::V; K]) -> [S::V; K] {
        for u in &mut u {
            *u = simd.add(self.0, *u);
        }
        u
    }
}

struct Centred<S: Simd>(S::V);

impl<S: Simd> Undo<S> for Centred<S> {
    #[inline(always)]
    fn new(simd: S, stream: &Stream<'_>, _: &Mini<'_>) -> Self {
        Self(simd.splat(stream.centre))
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::V; K]) -> [S::V; K] {
        for u in &mut u {
            *u = simd.add(self.0, simd.unzigzag(*u));
        }
        u
    }
}

/// A value for each of eight rows that goes on in a line, and what is added to it.
struct Line<S: Simd> {
    /// The value and the sum of all before, lane by lane.
    line: S::V,
    /// What the step adds up to over a group.
    stride: S::V,
}

impl<S: Simd> Line<S> {
    #[inline(always)]
    fn new(simd: S, base: i64, step: i64) -> Self {
        Self {
            line: simd.add(simd.splat(base), simd.ramp(step)),
            stride: simd.splat(step.wrapping_mul(GROUP as i64)),
        }
    }

    /// The values, where `v` is by how much each differs from the one before and the step.
    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, v: [S::V; K]) -> [S::V; K] {
        let mut v = simd.prefix_sums(v);
        for v in &mut v {
            let next = simd.add(self.stride, simd.last(*v));
            *v = simd.add(self.line, *v);
            self.line = simd.add(self.line, next);
        }
        v
    }
}

struct Delta<S: Simd>(Line<S>);

impl<S: Simd> Undo<S> for Delta<S> {
    #[inline(always)]
    fn new(simd: S, stream: &Stream<'_>, mini: &Mini<'_>) -> Self {
        Self(Line::new(simd, mini.base, stream.centre))
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::V; K]) -> [S::V; K] {
        for u in &mut u {
            *u = simd.unzigzag(*u);
        }
        self.0.next(simd, u)
    }
}

struct DeltaOfDelta<S: Simd> {
    /// By how much steps are larger than the first.
    steeper: Line<S>,
    values: Line<S>,
}

impl<S: Simd> Undo<S> for DeltaOfDelta<S> {
    #[inline(always)]
    fn new(simd: S, _: &Stream<'_>, mini: &Mini<'_>) -> Self {
        Self { steeper: Line::new(simd, 0, 0), values: Line::new(simd, mini.base, mini.step) }
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::V; K]) -> [S::V; K] {
        for u in &mut u {
            *u = simd.unzigzag(*u);
        }
        let steeper = self.steeper.next(simd, u);
        self.values.next(simd, steeper)
    }
}
