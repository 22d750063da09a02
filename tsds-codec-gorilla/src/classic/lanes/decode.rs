//! Decoding a block of lanes by whatever kernel there is.

use super::head::{Headed, read_supply};
use super::portable;
use super::schedule::Division;
use super::state::Lanes;
use crate::error::{Damaged, Result};
use crate::isa::Isa;

/// Decodes as many values as `out` has room for, which must be all of them and at least 64 for each lane.
pub(in crate::classic) fn decode<C: Headed, const LANES: usize>(
    mut bytes: &[u8],
    out: &mut [C::Value],
    isa: Isa,
) -> Result<()> {
    let division = Division::new(out.len(), LANES);
    let head = C::read_head(&mut bytes)?;
    let supply = read_supply::<LANES>(&mut bytes, division.steps())?;
    let (words, []) = bytes.as_chunks() else { return Err(Damaged::new("its words are not whole")) };

    let known = std::array::from_fn(|lane| C::before_first(head, division.start(lane)));
    let mut lanes = Lanes::<LANES>::new(division, known, &supply, words);
    portable::steps::<C, LANES>(&mut lanes, words, out, 0..1);
    lanes.state = lanes.state.map(|state| C::state_after_first(head, state));
    match isa {
        _ => portable::steps::<C, LANES>(&mut lanes, words, out, 1..division.each),
    }
    portable::step_of_first::<C, LANES>(&mut lanes, division.longer, words, out, division.each);

    if lanes.taken != words.len() {
        return Err(Damaged::new("codes do not end with the words"));
    }
    if !lanes.is_used_up() {
        return Err(Damaged::new("bits are set after the last codes"));
    }
    if lanes.flaw >> 63 != 0 {
        return Err(Damaged::new("a float's meaningful bits lie beyond its last"));
    }
    Ok(())
}
