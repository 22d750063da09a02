//! Mini-blocks whose values are near their base, sixteen at a time in 32 bits.

use std::marker::PhantomData;

use super::minis::Mini;
use super::reach::reach;
use super::{Form, MINI, Stream};
use crate::simd::{Kernel, MAX_EXPANDED_WIDTH, MAX_NARROW_WIDTH, Narrow, PAIR, WINDOW};

/// The values of a mini-block, or what they are computed from.
#[repr(align(64))]
pub(super) struct NarrowLanes(pub(super) [[i32; PAIR]; MINI / PAIR]);

/// How integers of 32 bits are those of the mini-block.
#[derive(Clone, Copy)]
pub(super) struct Narrowed {
    /// What they begin with: the base, or 0 if that is added later.
    base: i32,
    centre: i32,
    step: i32,
    /// `offset + factor * integer`, where they are not the values themselves.
    pub(super) wide: Option<(i32, i64)>,
}

impl Narrowed {
    /// `None` for a mini-block whose values need more.
    #[inline(always)]
    pub(super) fn of(stream: &Stream<'_>, mini: &Mini<'_>) -> Option<Self> {
        if mini.width > MAX_NARROW_WIDTH || mini.patch_width > MAX_EXPANDED_WIDTH {
            return None;
        }
        let (low, high) = reach(stream, mini)?;
        let centre = i32::try_from(stream.centre).ok()?;
        let step = i32::try_from(mini.step).ok()?;
        let fits = |low: i64, high: i64| low >= i64::from(i32::MIN) && high <= i64::from(i32::MAX);
        if !fits(low, high) {
            return None;
        }
        // The reach is of 32 bits: only a base that is far beyond could wrap.
        let is_whole = mini.base.unsigned_abs() < 1 << 32
            && fits(mini.base.wrapping_add(low), mini.base.wrapping_add(high));
        let base = if is_whole { mini.base } else { 0 };
        let wide = match stream.scale {
            None if is_whole => None,
            None => Some((1, mini.base)),
            Some(scale) => {
                let factor = i32::try_from(scale.factor).ok()?;
                let rest = mini.base.wrapping_sub(base);
                Some((factor, scale.offset.wrapping_add(rest.wrapping_mul(scale.factor))))
            }
        };
        Some(Self { base: base as i32, centre, step, wide })
    }
}

/// Gives the integers of a mini-block; what is behind the last may be anything. `has_patches` says that there may be some: that others
/// have, so that one loop serves most mini-blocks.
#[inline(always)]
pub(super) fn fill_narrow<S: Narrow>(
    simd: S,
    (form, has_patches): (Form, bool),
    mini: &Mini<'_>,
    how: Narrowed,
    out: &mut NarrowLanes,
) {
    // A kernel for each form: together they would have a large frame.
    macro_rules! run {
        ($undo:ident, $patched:literal) => {
            simd.run(Fill::<$undo, $patched> { mini, how, out, form: PhantomData })
        };
    }
    match (form, has_patches) {
        (Form::Flat, false) => run!(IsFlat, false),
        (Form::Flat, true) => run!(IsFlat, true),
        (Form::Delta, false) => run!(IsDelta, false),
        (Form::Delta, true) => run!(IsDelta, true),
        (Form::DeltaOfDelta, false) => run!(IsDeltaOfDelta, false),
        (Form::DeltaOfDelta, true) => run!(IsDeltaOfDelta, true),
        (Form::Centred, false) => run!(IsCentred, false),
        (Form::Centred, true) => run!(IsCentred, true),
    }
}

struct Fill<'f, 'm, F, const PATCHED: bool> {
    mini: &'f Mini<'m>,
    how: Narrowed,
    out: &'f mut NarrowLanes,
    form: PhantomData<F>,
}

impl<F: Undone, const PATCHED: bool> Kernel for Fill<'_, '_, F, PATCHED> {
    type Output = ();

    #[inline(always)]
    fn run<S: Narrow>(self, simd: S) {
        let Self { mini, how, out, .. } = self;
        match S::AT_ONCE {
            8 => pairs::<S, F::By<S>, 8, PATCHED>(simd, mini, how, out),
            2 => pairs::<S, F::By<S>, 2, PATCHED>(simd, mini, how, out),
            _ => pairs::<S, F::By<S>, 1, PATCHED>(simd, mini, how, out),
        }
    }
}

/// A form, and by what it is undone.
trait Undone {
    type By<S: Narrow>: Undo<S>;
}

macro_rules! undone {
    ($($form:ident by $undo:ident),*) => {$(
        struct $form;
        impl Undone for $form {
            type By<S: Narrow> = $undo<S>;
        }
    )*};
}

undone!(IsFlat by Flat, IsDelta by Delta, IsDeltaOfDelta by DeltaOfDelta, IsCentred by Centred);

/// Sixteen values after sixteen, `K` times at once: what waits for one may go on with another.
#[inline(always)]
fn pairs<S: Narrow, F: Undo<S>, const K: usize, const PATCHED: bool>(
    simd: S,
    mini: &Mini<'_>,
    how: Narrowed,
    out: &mut NarrowLanes,
) {
    let patches = mini.bytes.get(mini.patches_at()..).unwrap_or_default();
    let upper = simd.narrow_unpacker(mini.patch_width);
    let unpacker = simd.narrow_unpacker(mini.width);
    let mut undo = F::new(simd, how);
    let (mut at, mut first_bit, mut pair) = (0usize, 0usize, 0usize);
    for out in out.0.as_chunks_mut::<K>().0 {
        let mut u = [simd.narrow_splat(0); K];
        for u in &mut u {
            // There is none behind the last values of a block: those are not looked at.
            let window = mini.bytes.get(at..).and_then(|rest| rest.first_chunk::<WINDOW>());
            *u = simd.narrow_unpack(unpacker, window.unwrap_or(&[0; WINDOW]));
            // Two bytes for each bit of the width are sixteen values.
            at = at.wrapping_add(2 * mini.width as usize);
        }
        if PATCHED {
            // Without a branch: whether sixteen values have a patch is hard to foretell.
            for u in &mut u {
                let mask = (mini.masks[pair / 4 % 2] >> (pair % 4 * PAIR)) as u16;
                let upper = simd.narrow_expand(upper, patches, first_bit, mask);
                *u = simd.narrow_add(*u, simd.narrow_shl(upper, mini.width));
                let count = mask.count_ones() as usize;
                first_bit = first_bit.wrapping_add(count.wrapping_mul(mini.patch_width as usize));
                pair = pair.wrapping_add(1);
            }
        }
        for (out, v) in out.iter_mut().zip(undo.next(simd, u)) {
            simd.narrow_store(v, out);
        }
    }
}

/// Undoes a form, so many values after so many.
trait Undo<S: Narrow> {
    fn new(simd: S, how: Narrowed) -> Self;
    fn next<const K: usize>(&mut self, simd: S, u: [S::N; K]) -> [S::N; K];
}

struct Flat<S: Narrow>(S::N);

impl<S: Narrow> Undo<S> for Flat<S> {
    #[inline(always)]
    fn new(simd: S, how: Narrowed) -> Self {
        Self(simd.narrow_splat(how.base))
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::N; K]) -> [S::N; K] {
        for u in &mut u {
            *u = simd.narrow_add(self.0, *u);
        }
        u
    }
}

struct Centred<S: Narrow>(S::N);

impl<S: Narrow> Undo<S> for Centred<S> {
    #[inline(always)]
    fn new(simd: S, how: Narrowed) -> Self {
        Self(simd.narrow_splat(how.centre.wrapping_add(how.base)))
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::N; K]) -> [S::N; K] {
        for u in &mut u {
            *u = simd.narrow_add(self.0, simd.narrow_unzigzag(*u));
        }
        u
    }
}

/// A value for each of sixteen rows that goes on in a line, and what is added to it.
struct Line<S: Narrow> {
    /// The value and the sum of all before, lane by lane.
    line: S::N,
    /// What the step adds up to over sixteen values.
    stride: S::N,
}

impl<S: Narrow> Line<S> {
    #[inline(always)]
    fn new(simd: S, base: i32, step: i32) -> Self {
        Self {
            line: simd.narrow_add(simd.narrow_splat(base), simd.narrow_ramp(step)),
            stride: simd.narrow_splat(step.wrapping_mul(PAIR as i32)),
        }
    }

    /// The values, where `v` is by how much each differs from the one before and the step.
    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, v: [S::N; K]) -> [S::N; K] {
        let mut v = simd.narrow_prefix_sums(v);
        for v in &mut v {
            let next = simd.narrow_add(self.stride, simd.narrow_last(*v));
            *v = simd.narrow_add(self.line, *v);
            self.line = simd.narrow_add(self.line, next);
        }
        v
    }
}

struct Delta<S: Narrow>(Line<S>);

impl<S: Narrow> Undo<S> for Delta<S> {
    #[inline(always)]
    fn new(simd: S, how: Narrowed) -> Self {
        Self(Line::new(simd, how.base, how.centre))
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::N; K]) -> [S::N; K] {
        for u in &mut u {
            *u = simd.narrow_unzigzag(*u);
        }
        self.0.next(simd, u)
    }
}

struct DeltaOfDelta<S: Narrow> {
    /// By how much steps are larger than the first.
    steeper: Line<S>,
    values: Line<S>,
}

impl<S: Narrow> Undo<S> for DeltaOfDelta<S> {
    #[inline(always)]
    fn new(simd: S, how: Narrowed) -> Self {
        Self { steeper: Line::new(simd, 0, 0), values: Line::new(simd, how.base, how.step) }
    }

    #[inline(always)]
    fn next<const K: usize>(&mut self, simd: S, mut u: [S::N; K]) -> [S::N; K] {
        for u in &mut u {
            *u = simd.narrow_unzigzag(*u);
        }
        let steeper = self.steeper.next(simd, u);
        self.values.next(simd, steeper)
    }
}
