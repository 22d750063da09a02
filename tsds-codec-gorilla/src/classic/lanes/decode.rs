//! Decoding a block of lanes by whatever kernel there is.

use super::head::{Headed, read_supply};
use super::portable;
use super::rows::Rows;
use super::schedule::Division;
use super::state::{Lanes, Word};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512, vector};
use crate::error::{Damaged, Result};
use crate::isa::Isa;

/// Codes that there are all kernels for.
#[cfg(target_arch = "x86_64")]
pub(in crate::classic) trait Decoded: Headed + avx2::Decoded + avx512::Decoded {}
#[cfg(target_arch = "x86_64")]
impl<C: Headed + avx2::Decoded + avx512::Decoded> Decoded for C {}

/// Codes that there are all kernels for.
#[cfg(not(target_arch = "x86_64"))]
pub(in crate::classic) trait Decoded: Headed {}
#[cfg(not(target_arch = "x86_64"))]
impl<C: Headed> Decoded for C {}

/// Decodes as many values as `out` has room for, which must be all of them and at least 64 for each lane. `LANES` is four times
/// `FOURS` and eight times `EIGHTS`.
pub(in crate::classic) fn decode<C: Decoded, const LANES: usize, const FOURS: usize, const EIGHTS: usize>(
    mut bytes: &[u8],
    out: &mut [C::Value],
    isa: Isa,
) -> Result<()> {
    let division = Division::new(out.len(), LANES);
    let head = C::read_head(&mut bytes)?;
    let supply = read_supply::<LANES>(&mut bytes, division.steps())?;
    let (words, []) = bytes.as_chunks() else { return Err(Damaged::new("its words are not whole")) };

    let known = std::array::from_fn(|lane| C::before_first(head, division.start(lane)));
    let mut lanes = Lanes::<LANES>::new(known, C::state_after_first(head), &supply, words);
    let mut rows = Rows::new(out, division);
    kernel::<C, LANES, FOURS, EIGHTS>(isa, &mut lanes, words, &mut rows);
    if rows.left() > 0 {
        near_the_end::<C, LANES, FOURS, EIGHTS>(isa, &mut lanes, words, &mut rows);
    }
    if rows.left() == 0 {
        let words = words.get(lanes.taken..).unwrap_or_default();
        portable::step_of_first::<C, LANES>(division.longer, &mut lanes, words, &mut rows);
    }

    if lanes.taken != words.len() {
        return Err(Damaged::new("codes do not end with the words"));
    }
    if !lanes.is_used_up() {
        return Err(Damaged::new("bits are set after the last codes"));
    }
    Ok(())
}

/// Decodes what is near the end of the words, from a copy with zeros after them. If steps are left after that, then codes went on
/// well beyond the end.
fn near_the_end<C: Decoded, const LANES: usize, const FOURS: usize, const EIGHTS: usize>(
    isa: Isa,
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    let Some(end) = words.get(lanes.taken..) else { return };
    let zeros = match isa {
        Isa::Portable => portable::words_needed(LANES),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx512 => vector::words_needed(LANES),
    };
    let mut padded = Vec::with_capacity(end.len() + zeros);
    padded.extend_from_slice(end);
    padded.resize(end.len() + zeros, [0; 8]);
    let before = std::mem::take(&mut lanes.taken);
    kernel::<C, LANES, FOURS, EIGHTS>(isa, lanes, &padded, rows);
    lanes.taken += before;
}

/// Decodes for as long as there are words enough and steps.
fn kernel<C: Decoded, const LANES: usize, const FOURS: usize, const EIGHTS: usize>(
    isa: Isa,
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    match isa {
        Isa::Portable => portable::steps::<C, LANES>(lanes, words, rows),
        // SAFETY: the processor has the instructions that the variant stands for.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::steps::<C, LANES, FOURS>(lanes, words, rows) },
        // SAFETY: the processor has the instructions that the variant stands for.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::steps::<C, LANES, EIGHTS>(lanes, words, rows) },
    }
}
