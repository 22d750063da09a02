//! Decoding a block of lanes by whatever kernel there is.

#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::head::{Headed, read_supply};
use super::portable;
use super::rows::{BATCH_WORDS, Rows};
use super::schedule::Division;
use super::state::{Lanes, Word};
use crate::error::{Damaged, Result};
use crate::isa::Isa;

/// Codes that there are all kernels for.
#[cfg(target_arch = "x86_64")]
pub(in crate::classic) trait Decoded: Headed + avx512::Code8 {}
#[cfg(target_arch = "x86_64")]
impl<C: Headed + avx512::Code8> Decoded for C {}

/// Codes that there are all kernels for.
#[cfg(not(target_arch = "x86_64"))]
pub(in crate::classic) trait Decoded: Headed {}
#[cfg(not(target_arch = "x86_64"))]
impl<C: Headed> Decoded for C {}

/// Words beyond those of a batch that kernels may read, but make nothing of.
const READ_AHEAD: usize = 8;

/// Decodes as many values as `out` has room for, which must be all of them and at least 64 for each lane.
pub(in crate::classic) fn decode<C: Decoded, const LANES: usize, const GROUPS: usize>(
    mut bytes: &[u8],
    out: &mut [C::Value],
    isa: Isa,
) -> Result<()> {
    let division = Division::new(out.len(), LANES);
    let head = C::read_head(&mut bytes)?;
    let supply = read_supply::<LANES>(&mut bytes, division.steps())?;
    let (words, []) = bytes.as_chunks() else { return Err(Damaged::new("its words are not whole")) };

    let known = std::array::from_fn(|lane| C::before_first(head, division.start(lane)));
    let mut lanes = Lanes::<LANES>::new(known, &supply, words);
    let mut rows = Rows::new(out, division);
    portable::step::<C, LANES>(&mut lanes, LANES, words, &mut rows);
    lanes.state = lanes.state.map(|state| C::state_after_first(head, state));

    kernel::<C, LANES, GROUPS>(isa, &mut lanes, words, &mut rows);
    at_the_end::<C, LANES, GROUPS>(isa, &mut lanes, words, &mut rows);
    while rows.left() > 0 {
        portable::step::<C, LANES>(&mut lanes, LANES, words, &mut rows);
    }
    portable::step::<C, LANES>(&mut lanes, division.longer, words, &mut rows);

    if lanes.taken != words.len() {
        return Err(Damaged::new("codes do not end with the words"));
    }
    if !lanes.is_used_up() {
        return Err(Damaged::new("bits are set after the last codes"));
    }
    Ok(())
}

/// Decodes batches near the end of the words, from a copy with zeros after them.
fn at_the_end<C: Decoded, const LANES: usize, const GROUPS: usize>(
    isa: Isa,
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    let Some(end) = words.get(lanes.taken..) else { return };
    let mut padded = Vec::with_capacity(end.len() + BATCH_WORDS * LANES + READ_AHEAD);
    padded.extend_from_slice(end);
    padded.resize(padded.capacity(), [0; 8]);
    let before = std::mem::take(&mut lanes.taken);
    kernel::<C, LANES, GROUPS>(isa, lanes, &padded, rows);
    lanes.taken += before;
}

/// Decodes batches for as long as there are enough words and steps.
fn kernel<C: Decoded, const LANES: usize, const GROUPS: usize>(
    isa: Isa,
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    match isa {
        Isa::Portable => portable::batches::<C, LANES>(lanes, words, rows),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has what the variant stands for.
        Isa::Avx512 => unsafe { avx512::batches::<C, LANES, GROUPS>(lanes, words, rows) },
        _ => unsafe { portable::batches_bmi2::<C, LANES>(lanes, words, rows) },
    }
}
