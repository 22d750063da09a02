//! Lock-step decoding with vectors that have a lane in each 64 bits, whatever their size.

use super::portable;
use super::rows::{BATCH, BATCH_WORDS, Rows};
use super::state::{Lanes, Word};
use crate::classic::code::Code;

/// Words from the next one on that vectors may read at once.
const READ_AHEAD: usize = 8;

/// How many words a batch may look at.
pub(super) const fn words_needed(lanes: usize) -> usize {
    BATCH_WORDS * lanes + READ_AHEAD
}

/// A vector of lanes. Its functions may only be called where the processor has the instructions that it is made for.
pub(in crate::classic) trait Vector: Copy {
    /// How many lanes.
    const LANES: usize;

    unsafe fn set(value: u64) -> Self;

    /// Loads from, and stores to, [`Vector::LANES`] numbers.
    unsafe fn load(from: *const u64) -> Self;
    unsafe fn store(self, to: *mut u64);

    unsafe fn and(self, other: Self) -> Self;

    /// Whether no lane has any of these bits set.
    unsafe fn has_none(self, bits: u64) -> bool;

    /// The 64 bits from a position on in two words.
    unsafe fn window(current: Self, next: Self, position: Self) -> Self;

    /// Whether any code is longer than 64 bits.
    unsafe fn is_any_longer(lengths: Self) -> bool;

    /// Of each code's length, 64 at most.
    unsafe fn first_bits(lengths: Self) -> Self;

    /// Of each code's length, what is beyond 64; and as many bits from the highest on of `windows`.
    unsafe fn last_bits(lengths: Self, windows: Self) -> (Self, Self);

    /// Goes on by so many bits in each lane, at most 64. Lanes that come to their next word take one each of those at `words`, of
    /// which [`READ_AHEAD`] can be read. Returns how many did. `IDLE` says that there may be lanes that take no more.
    unsafe fn advance<const IDLE: bool>(
        group: &mut Group<Self>,
        bits: Self,
        step: usize,
        words: *const Word,
    ) -> usize;
}

/// Codes that vectors of lanes can be decoded from at once, each as [`Code`] has it. As with [`Vector`], the processor must have
/// the instructions.
pub(in crate::classic) trait VectorCode<V>: Code {
    /// The bits of a state that count. Vectors may have others in it.
    const STATE: u64;

    /// Decodes what the windows begin with. Returns also how many bits the codes have.
    unsafe fn read_lanes(windows: V, known: Knowns<V>) -> (Knowns<V>, V);

    /// Adds the bits of longer codes that were beyond the windows.
    unsafe fn read_rests(rest: V, known: Knowns<V>) -> Knowns<V>;

    /// Stores steps of some lanes, of which `first` is the first: the next `count` rows of each.
    unsafe fn store<const LANES: usize>(
        steps: &[V; BATCH],
        count: usize,
        first: usize,
        rows: &mut Rows<'_, Self::Value, LANES>,
    );
}

/// What is known of lanes.
#[derive(Clone, Copy)]
pub(in crate::classic) struct Knowns<V> {
    pub(super) value: V,
    pub(super) state: V,
}

/// The state of some lanes, as [`Lanes`] has it.
#[derive(Clone, Copy)]
pub(in crate::classic) struct Group<V> {
    pub(super) current: V,
    pub(super) next: V,
    pub(super) ahead: V,
    pub(super) position: V,
    pub(super) known: Knowns<V>,
    pub(super) supplied: V,
}

/// Decodes for as long as there are words enough and steps. `LANES` is `GROUPS` times [`Vector::LANES`].
///
/// # Safety
/// The processor has the instructions that the vector is made for.
#[inline(always)]
pub(super) unsafe fn steps<V: Vector, C: VectorCode<V>, const LANES: usize, const GROUPS: usize>(
    lanes: &mut Lanes<LANES>,
    words: &[Word],
    rows: &mut Rows<'_, C::Value, LANES>,
) {
    const { assert!(LANES == GROUPS * V::LANES) };
    // SAFETY: the caller vouches for the instructions; there are as many words as a batch takes, and those read with the last.
    unsafe {
        let mut groups: [Group<V>; GROUPS] = std::array::from_fn(|at| Group::load(lanes, at));
        while rows.left() > 0
            && let Some(words) = words.get(lanes.taken..)
            && words.len() >= words_needed(LANES)
        {
            let zeros = u64::MAX << (64 - BATCH);
            if groups.iter().all(|group| group.window().has_none(zeros)) {
                groups.iter().enumerate().for_each(|(at, group)| group.store::<C, LANES>(lanes, at));
                if portable::repeat::<C, LANES>(lanes, words, rows) {
                    groups = std::array::from_fn(|at| Group::load(lanes, at));
                    continue;
                }
            }
            let steps = rows.left().min(BATCH);
            let supplied = rows.done() + steps <= lanes.all_supplied;
            let state_after_first = lanes.state_after_first.take();
            let mut batch = Batch { first: rows.done(), steps, state_after_first, words, taken: 0 };
            let values = match supplied {
                true => batch.decode::<V, C, GROUPS, false>(&mut groups),
                false => batch.decode::<V, C, GROUPS, true>(&mut groups),
            };
            lanes.taken += batch.taken;
            for (at, values) in values.iter().enumerate() {
                C::store(values, steps, at * V::LANES, rows);
            }
            rows.advance(steps);
        }
        groups.iter().enumerate().for_each(|(at, group)| group.store::<C, LANES>(lanes, at));
    }
}

impl<V: Vector> Group<V> {
    #[inline(always)]
    unsafe fn load<const LANES: usize>(lanes: &Lanes<LANES>, at: usize) -> Self {
        // SAFETY: the caller vouches for the instructions, and there are so many lanes.
        unsafe {
            let load = |from: &[u64; LANES]| V::load(from[at * V::LANES..][..V::LANES].as_ptr());
            Self {
                current: load(&lanes.current),
                next: load(&lanes.next),
                ahead: load(&lanes.ahead),
                position: load(&lanes.position),
                known: Knowns { value: load(&lanes.value), state: load(&lanes.state) },
                supplied: load(&lanes.supplied),
            }
        }
    }

    #[inline(always)]
    unsafe fn store<C: VectorCode<V>, const LANES: usize>(&self, lanes: &mut Lanes<LANES>, at: usize) {
        // SAFETY: the caller vouches for the instructions, and there are so many lanes.
        unsafe {
            let store = |to: &mut [u64; LANES], from: V| {
                from.store(to[at * V::LANES..][..V::LANES].as_mut_ptr());
            };
            store(&mut lanes.current, self.current);
            store(&mut lanes.next, self.next);
            store(&mut lanes.ahead, self.ahead);
            store(&mut lanes.position, self.position);
            store(&mut lanes.value, self.known.value);
            store(&mut lanes.state, self.known.state.and(V::set(C::STATE)));
        }
    }

    #[inline(always)]
    unsafe fn window(&self) -> V {
        // SAFETY: the caller vouches for the instructions.
        unsafe { V::window(self.current, self.next, self.position) }
    }
}

/// Steps that are decoded together.
struct Batch<'a> {
    first: usize,
    steps: usize,
    state_after_first: Option<u64>,
    /// Those that have not been taken before.
    words: &'a [Word],
    taken: usize,
}

impl Batch<'_> {
    /// # Safety
    /// The processor has the instructions, and there are [`words_needed`].
    #[inline(always)]
    unsafe fn decode<V: Vector, C: VectorCode<V>, const GROUPS: usize, const IDLE: bool>(
        &mut self,
        groups: &mut [Group<V>; GROUPS],
    ) -> [[V; BATCH]; GROUPS] {
        // SAFETY: the caller has seen to it.
        unsafe {
            let mut values = [[V::set(0); BATCH]; GROUPS];
            for step in 0..self.steps.min(BATCH) {
                let mut lengths = [V::set(0); GROUPS];
                for (group, length) in groups.iter_mut().zip(&mut lengths) {
                    (group.known, *length) = C::read_lanes(group.window(), group.known);
                }
                if C::LONGEST > 64
                    && lengths.iter().fold(false, |any, &length| any | V::is_any_longer(length))
                {
                    self.advance::<V, GROUPS, IDLE>(
                        groups,
                        lengths.map(|length| V::first_bits(length)),
                        step,
                    );
                    for (group, length) in groups.iter_mut().zip(&mut lengths) {
                        let rests;
                        (*length, rests) = V::last_bits(*length, group.window());
                        group.known = C::read_rests(rests, group.known);
                    }
                }
                self.advance::<V, GROUPS, IDLE>(groups, lengths, step);
                for (group, values) in groups.iter().zip(&mut values) {
                    values[step] = group.known.value;
                }
                if let Some(state) = self.state_after_first.take() {
                    groups.iter_mut().for_each(|group| group.known.state = V::set(state));
                }
            }
            values
        }
    }

    #[inline(always)]
    unsafe fn advance<V: Vector, const GROUPS: usize, const IDLE: bool>(
        &mut self,
        groups: &mut [Group<V>; GROUPS],
        bits: [V; GROUPS],
        step: usize,
    ) {
        for (group, bits) in groups.iter_mut().zip(bits) {
            // SAFETY: the caller vouches for the instructions, and no more words are taken than a batch may take.
            unsafe {
                let words = self.words.as_ptr().add(self.taken);
                self.taken += V::advance::<IDLE>(group, bits, self.first + step, words);
            }
        }
    }
}
