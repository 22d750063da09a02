//! Integers into bytes, in the form that a sample says is shortest.

use super::layout::{SCALED, Scale};
use super::plan::Plan;
use super::{Form, MINI, scale};
use crate::bits::{bit_width, packed_len, put_signed, put_varint, write_packed, zigzag};

/// How many mini-blocks are tried in every form before one is chosen.
const SAMPLE_MINIS: usize = 4;
/// How many steps of every tried mini-block are looked at to find the middle one.
const SAMPLE_STEPS: usize = 16;

/// Appends a stream that decodes to `values`, and returns the form that it has.
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) -> Form {
    let choice = Choice::of(values);
    choice.write(values, usize::MAX, out);
    choice.form
}

/// Appends a stream that decodes to `values`, unless it is seen that it has more than `most` bytes. Returns whether it did.
pub(crate) fn encode_within(values: &[i64], most: usize, out: &mut Vec<u8>) -> bool {
    Choice::of(values).write(values, most, out)
}

/// Appends a stream of values of which most are `centre` and few are far from it.
pub(crate) fn encode_centred(values: &[i64], centre: i64, out: &mut Vec<u8>) {
    write(values, Form::Centred, centre, None, usize::MAX, out);
}

/// How a stream is to be written.
pub(crate) struct Choice {
    form: Form,
    centre: i64,
    /// The factor and what is left to be written, where there is one.
    scaled: Option<(Scale, Vec<i64>)>,
    /// Roughly the bytes that it takes, from a sample of its mini-blocks.
    pub(crate) estimated_len: usize,
}

impl Choice {
    /// What a sample of the mini-blocks says is shortest.
    pub(crate) fn of(values: &[i64]) -> Self {
        let scaled = scale::divide(values);
        let numbers = scaled.as_ref().map_or(values, |(_, numbers)| numbers);
        let ((form, centre), bytes, sampled) = choose(numbers);
        Self { form, centre, scaled, estimated_len: bytes * values.len() / sampled.max(1) }
    }

    /// Appends the stream of the values that the choice is of, unless it is seen that it has more than `most` bytes. Returns whether
    /// it did.
    pub(crate) fn write(&self, values: &[i64], most: usize, out: &mut Vec<u8>) -> bool {
        let Self { form, centre, ref scaled, .. } = *self;
        match scaled {
            Some((scale, numbers)) => write(numbers, form, centre, Some(*scale), most, out),
            None => write(values, form, centre, None, most, out),
        }
    }
}

/// Roughly the bytes that a stream of values takes, from a sample of its mini-blocks.
pub(crate) fn estimated_len(values: &[i64]) -> usize {
    Choice::of(values).estimated_len
}

/// The form and centre with the fewest bytes for a sample of mini-blocks, those bytes, and how many values the sample has.
fn choose(values: &[i64]) -> ((Form, i64), usize, usize) {
    let minis = values.len().div_ceil(MINI);
    let sample: Vec<&[i64]> =
        values.chunks(MINI).step_by((minis / SAMPLE_MINIS).max(1)).take(SAMPLE_MINIS + 1).collect();
    let middle = middle_step(&sample);
    // Of two numbers as far from the centre, the one below has the shorter code, so the centre may better be one higher.
    let mut candidates = vec![(Form::Delta, 0), (Form::Flat, 0), (Form::DeltaOfDelta, 0)];
    for centre in [middle, middle.wrapping_add(1)] {
        if centre != 0 {
            candidates.push((Form::Delta, centre));
        }
    }
    let (mut best, mut bytes) = ((Form::Flat, 0), usize::MAX);
    for (form, centre) in candidates {
        let mut numbers = [0; MINI];
        // A first step for every mini-block.
        let mut cost = if form == Form::DeltaOfDelta { 2 * sample.len() } else { 0 };
        for values in &sample {
            if cost >= bytes {
                break;
            }
            let numbers = &mut numbers[..values.len()];
            apply(form, values, centre, numbers);
            cost += Plan::of(numbers).len;
        }
        if cost < bytes {
            (best, bytes) = ((form, centre), cost);
        }
    }
    (best, bytes, sample.iter().map(|mini| mini.len()).sum())
}

/// The median step from one value to the next.
fn middle_step(minis: &[&[i64]]) -> i64 {
    let steps = minis.iter().flat_map(|mini| {
        let every = (mini.len() / SAMPLE_STEPS).max(1);
        mini.windows(2).step_by(every).map(|pair| pair[1].wrapping_sub(pair[0]))
    });
    let mut steps: Vec<i64> = steps.collect();
    let middle = steps.len() / 2;
    if steps.is_empty() { 0 } else { *steps.select_nth_unstable(middle).1 }
}

/// Turns the values of a mini-block into numbers, and returns its base and first step.
fn apply(form: Form, values: &[i64], centre: i64, numbers: &mut [u64]) -> (i64, i64) {
    let first = values.first().copied().unwrap_or(0);
    match form {
        Form::Flat => {
            let base = values.iter().copied().min().unwrap_or(0);
            for (number, value) in numbers.iter_mut().zip(values) {
                *number = value.wrapping_sub(base) as u64;
            }
            (base, 0)
        }
        Form::Centred => {
            for (number, value) in numbers.iter_mut().zip(values) {
                *number = zigzag(value.wrapping_sub(centre));
            }
            (0, 0)
        }
        Form::Delta => {
            for (number, pair) in numbers.iter_mut().skip(1).zip(values.windows(2)) {
                *number = zigzag(pair[1].wrapping_sub(pair[0]).wrapping_sub(centre));
            }
            numbers.iter_mut().take(1).for_each(|number| *number = 0);
            (first, 0)
        }
        Form::DeltaOfDelta => {
            for (number, three) in numbers.iter_mut().skip(2).zip(values.windows(3)) {
                let (before, step) = (three[1].wrapping_sub(three[0]), three[2].wrapping_sub(three[1]));
                *number = zigzag(step.wrapping_sub(before));
            }
            numbers.iter_mut().take(2).for_each(|number| *number = 0);
            (first, values.get(1).map_or(0, |second| second.wrapping_sub(first)))
        }
    }
}

fn write(
    values: &[i64],
    form: Form,
    centre: i64,
    scale: Option<Scale>,
    most: usize,
    out: &mut Vec<u8>,
) -> bool {
    let minis = values.len().div_ceil(MINI);
    let (mut plans, mut bases) = (Vec::with_capacity(minis), Vec::with_capacity(minis));
    let mut payload = Vec::with_capacity(values.len() * 2);
    let mut numbers = [0; MINI];
    for values in values.chunks(MINI) {
        let numbers = &mut numbers[..values.len()];
        bases.push(apply(form, values, centre, numbers));
        let plan = Plan::of(numbers);
        if payload.len() + plan.len > most {
            return false;
        }
        plan.write(numbers, &mut payload);
        plans.push(plan);
    }
    out.push(form as u8 | if scale.is_some() { SCALED } else { 0 });
    if let Some(Scale { factor, offset }) = scale {
        put_signed(factor, out);
        put_signed(offset, out);
    }
    if form.has_centre() {
        put_signed(centre, out);
    }
    put_varint(payload.len() as u64, out);
    write_packed(plans.iter().map(|plan| plan.width.into()), out);
    write_packed(plans.iter().map(|plan| plan.patches as i64), out);
    write_packed(plans.iter().map(|plan| plan.patch_width.into()), out);
    if form.has_bases() {
        write_bases(&bases, out);
    }
    if form == Form::DeltaOfDelta {
        write_packed(bases.iter().map(|(_, step)| *step), out);
    }
    out.extend_from_slice(&payload);
    true
}

/// Bases as what they are above a line, or above the first of them if that takes fewer bits.
fn write_bases(bases: &[(i64, i64)], out: &mut Vec<u8>) {
    let first = bases.first().map_or(0, |(base, _)| *base);
    let last = bases.last().map_or(0, |(base, _)| *base);
    let average = last.wrapping_sub(first).checked_div(bases.len() as i64 - 1).unwrap_or(0);
    let rest = |slope: i64| {
        let line = (0i64..).map(move |mini| first.wrapping_add(slope.wrapping_mul(mini)));
        bases.iter().zip(line).map(|((base, _), line)| base.wrapping_sub(line))
    };
    let len = |slope: i64| {
        let (min, max) =
            rest(slope).fold((i64::MAX, i64::MIN), |(min, max), rest| (min.min(rest), max.max(rest)));
        let mut slope_bytes = Vec::new();
        put_signed(slope, &mut slope_bytes);
        slope_bytes.len() + packed_len(bases.len(), bit_width(max.wrapping_sub(min) as u64))
    };
    let slope = if len(average) < len(0) { average } else { 0 };
    put_signed(first, out);
    put_signed(slope, out);
    write_packed(rest(slope), out);
}
