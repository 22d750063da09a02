//! Lock-step decoding with AVX-512: groups of eight lanes, one lane in each 64 bits of a register.

use std::arch::x86_64::*;

use super::portable::{self, zeros_ahead};
use super::rows::{BATCH, BATCH_WORDS, Rows};
use super::state::{Lanes, Word};
use crate::classic::code::Code;
use crate::classic::floats::{Floats32, Floats64};
use crate::classic::times::{BUCKETS, Times};

/// Lanes of a group.
const GROUP: usize = 8;

/// Words from the next one on that may be read at once.
pub(super) const READ_AHEAD: usize = GROUP;

/// What is known of eight lanes.
#[derive(Clone, Copy)]
pub(super) struct Known8 {
    value: __m512i,
    state: __m512i,
}

/// Codes that eight lanes can be decoded from at once, each as [`Code`] has it.
pub(super) trait Code8: Code {
    /// The bits of a state that count. Kernels may have others in it.
    const STATE: u64;

    /// Decodes what the windows begin with. Returns also how many bits the codes have.
    ///
    /// # Safety
    /// The processor has AVX-512.
    unsafe fn read8(windows: __m512i, known: Known8) -> (Known8, __m512i);

    /// Adds the bits of longer codes, which have those after the first 64 in the lowest bits of `rest`; zero for others.
    ///
    /// # Safety
    /// The processor has AVX-512.
    unsafe fn read_rest8(rest: __m512i, known: Known8) -> Known8;

    /// # Safety
    /// The processor has AVX-512.
    unsafe fn store8(values: __m512i, out: &mut [Self::Value; BATCH]);
}

macro_rules! avx512 {
    ($($item:item)*) => {$(
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,bmi2,lzcnt,popcnt")]
        $item
    )*};
}

/// For each number of ones that a code of times begins with.
const fn by_ones(what: [u64; 5]) -> [u64; GROUP] {
    let [none, one, two, three, more] = what;
    [none, one, two, three, more, more, more, more]
}

impl Code8 for Times {
    const STATE: u64 = u64::MAX;

    avx512! {
        unsafe fn read8(windows: __m512i, known: Known8) -> (Known8, __m512i) {
            const CONTROL_BITS: [u64; GROUP] = by_ones([1, 2, 3, 4, 4]);
            const NOT_PAYLOAD: [u64; GROUP] = by_ones([64, 57, 55, 52, 0]);
            const OFFSET: [u64; GROUP] =
                by_ones([0, BUCKETS[1].offset, BUCKETS[2].offset, BUCKETS[3].offset, 0]);
            const LENGTH: [u64; GROUP] = by_ones([1, 9, 12, 16, 68]);

            // More than four ones are like four.
            let fifth = _mm512_set1_epi64(1 << 59);
            let ones = _mm512_lzcnt_epi64(_mm512_ternarylogic_epi64::<0xaf>(windows, fifth, fifth));
            let look_up = |table: &[u64; GROUP]| _mm512_permutexvar_epi64(ones, load(table));
            let aligned = _mm512_sllv_epi64(windows, look_up(&CONTROL_BITS));
            let payload = _mm512_srlv_epi64(aligned, look_up(&NOT_PAYLOAD));
            let change = _mm512_sub_epi64(payload, look_up(&OFFSET));
            let state = _mm512_add_epi64(known.state, change);
            (Known8 { value: _mm512_add_epi64(known.value, state), state }, look_up(&LENGTH))
        }

        unsafe fn read_rest8(rest: __m512i, known: Known8) -> Known8 {
            Known8 { value: _mm512_add_epi64(known.value, rest), state: _mm512_add_epi64(known.state, rest) }
        }

        unsafe fn store8(values: __m512i, out: &mut [i64; BATCH]) {
            // SAFETY: the array has 64 bytes.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), values) };
        }
    }
}

/// Floats have 5 bits for the leading zeros and `LENGTH_BITS` for the length, less one, and are in the lowest bits.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn read_floats8<const LENGTH_BITS: u32>(windows: __m512i, known: Known8) -> (Known8, __m512i) {
    let unused = 64 - (1 << LENGTH_BITS);
    let control_bits = 2 + 5 + i64::from(LENGTH_BITS);
    let set = |value| _mm512_set1_epi64(value);

    let changes = _mm512_movepi64_mask(windows);
    let new_window = _mm512_cmpge_epu64_mask(windows, set(0b11 << 62));
    let state = match LENGTH_BITS {
        6 => _mm512_mask_srli_epi64::<51>(known.state, new_window, windows),
        _ => _mm512_mask_srli_epi64::<52>(known.state, new_window, windows),
    };
    let length_less_one = _mm512_and_si512(state, set((1 << LENGTH_BITS) - 1));
    let leading = _mm512_srlv_epi64(state, set(LENGTH_BITS.into()));
    let leading = _mm512_and_si512(leading, set(31));
    let leading = if unused == 0 { leading } else { _mm512_or_si512(leading, set(unused)) };

    let mask = _mm512_srav_epi64(set(i64::MIN), length_less_one);
    let control = _mm512_mask_blend_epi64(new_window, set(2), set(control_bits));
    let aligned = _mm512_maskz_sllv_epi64(changes, windows, control);
    let meaningful = _mm512_srlv_epi64(_mm512_and_si512(aligned, mask), leading);
    let with_last = _mm512_mask_blend_epi64(new_window, set(3), set(control_bits + 1));
    let length = _mm512_mask_add_epi64(set(1), changes, length_less_one, with_last);
    (Known8 { value: _mm512_xor_si512(known.value, meaningful), state }, length)
}

impl Code8 for Floats64 {
    const STATE: u64 = (1 << 11) - 1;

    avx512! {
        unsafe fn read8(windows: __m512i, known: Known8) -> (Known8, __m512i) {
            read_floats8::<6>(windows, known)
        }

        unsafe fn read_rest8(rest: __m512i, known: Known8) -> Known8 {
            let unused = _mm512_andnot_si512(known.state, _mm512_set1_epi64(63));
            let leading = _mm512_and_si512(_mm512_srli_epi64::<6>(known.state), _mm512_set1_epi64(31));
            let meaningful = _mm512_srlv_epi64(_mm512_sllv_epi64(rest, unused), leading);
            Known8 { value: _mm512_xor_si512(known.value, meaningful), ..known }
        }

        unsafe fn store8(values: __m512i, out: &mut [u64; BATCH]) {
            // SAFETY: the array has 64 bytes.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), values) };
        }
    }
}

impl Code8 for Floats32 {
    const STATE: u64 = (1 << 10) - 1;

    avx512! {
        unsafe fn read8(windows: __m512i, known: Known8) -> (Known8, __m512i) {
            read_floats8::<5>(windows, known)
        }

        unsafe fn read_rest8(_: __m512i, known: Known8) -> Known8 {
            known
        }

        unsafe fn store8(values: __m512i, out: &mut [u32; BATCH]) {
            // SAFETY: the array has 32 bytes.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(values)) };
        }
    }
}

/// The state of eight lanes, as [`Lanes`] has it.
#[derive(Clone, Copy)]
struct Group {
    current: __m512i,
    next: __m512i,
    position: __m512i,
    known: Known8,
    supplied: __m512i,
}

avx512! {
    fn load(from: &[u64; GROUP]) -> __m512i {
        // SAFETY: the array has 64 bytes.
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    fn store(to: &mut [u64; GROUP], from: __m512i) {
        // SAFETY: the array has 64 bytes.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), from) }
    }

    /// Decodes batches for as long as there are enough words and steps. `LANES` is eight times `GROUPS`.
    pub(super) fn batches<C: Code8, const LANES: usize, const GROUPS: usize>(
        lanes: &mut Lanes<LANES>,
        words: &[Word],
        rows: &mut Rows<'_, C::Value, LANES>,
    ) {
        let mut groups: [Group; GROUPS] = std::array::from_fn(|group| Group::load(lanes, group));
        while let Some(words) = words.get(lanes.taken..)
            && words.len() >= BATCH_WORDS * LANES + READ_AHEAD
            && rows.left() >= BATCH
        {
            if groups.iter().all(|group| group.is_zero_ahead()) {
                groups.iter().enumerate().for_each(|(at, group)| group.store::<C, LANES>(lanes, at));
                let zeros = zeros_ahead(lanes).min(rows.left());
                if zeros >= BATCH {
                    portable::repeat::<C, LANES>(lanes, zeros, words, rows);
                    groups = std::array::from_fn(|group| Group::load(lanes, group));
                    continue;
                }
            }
            let mut batch = Batch { words: words.as_ptr().cast(), step: rows.done(), taken: 0 };
            let mut values = [[_mm512_setzero_si512(); BATCH]; GROUPS];
            // SAFETY: there are as many words as a batch takes at most, and as many more as are read with the last.
            unsafe {
                if rows.done() + BATCH <= lanes.all_supplied {
                    batch.decode::<C, GROUPS, false>(&mut groups, &mut values);
                } else {
                    batch.decode::<C, GROUPS, true>(&mut groups, &mut values);
                }
            }
            lanes.taken += batch.taken;
            for (group, values) in values.into_iter().enumerate() {
                for (lane, values) in transpose(values).into_iter().enumerate() {
                    if let Some(out) = rows.next(group * GROUP + lane, BATCH).first_chunk_mut() {
                        // SAFETY: the processor has AVX-512, as this function is not called otherwise.
                        unsafe { C::store8(values, out) };
                    }
                }
            }
            rows.advance(BATCH);
        }
        groups.iter().enumerate().for_each(|(at, group)| group.store::<C, LANES>(lanes, at));
    }

    /// Eight lanes of eight steps from eight steps of eight lanes.
    fn transpose(rows: [__m512i; GROUP]) -> [__m512i; GROUP] {
        let [a, b, c, d, e, f, g, h] = rows;
        let pairs = |x, y| (_mm512_unpacklo_epi64(x, y), _mm512_unpackhi_epi64(x, y));
        let (ab0, ab1) = pairs(a, b);
        let (cd0, cd1) = pairs(c, d);
        let (ef0, ef1) = pairs(e, f);
        let (gh0, gh1) = pairs(g, h);
        // Even and odd pairs of lanes, in halves of steps, then the halves together.
        let fours = |x, y| (_mm512_shuffle_i64x2::<0x88>(x, y), _mm512_shuffle_i64x2::<0xdd>(x, y));
        let quads = |ab, cd, ef, gh| {
            let (abcd04, abcd26) = fours(ab, cd);
            let (efgh04, efgh26) = fours(ef, gh);
            let (lane0, lane4) = fours(abcd04, efgh04);
            let (lane2, lane6) = fours(abcd26, efgh26);
            [lane0, lane2, lane4, lane6]
        };
        let [lane0, lane2, lane4, lane6] = quads(ab0, cd0, ef0, gh0);
        let [lane1, lane3, lane5, lane7] = quads(ab1, cd1, ef1, gh1);
        [lane0, lane1, lane2, lane3, lane4, lane5, lane6, lane7]
    }
}

impl Group {
    avx512! {
        fn load<const LANES: usize>(lanes: &Lanes<LANES>, group: usize) -> Self {
            let load = |from: &[u64; LANES]| load(&from.as_chunks().0[group]);
            Self {
                current: load(&lanes.current),
                next: load(&lanes.next),
                position: load(&lanes.position),
                known: Known8 { value: load(&lanes.value), state: load(&lanes.state) },
                supplied: load(&lanes.supplied),
            }
        }

        fn store<C: Code8, const LANES: usize>(&self, lanes: &mut Lanes<LANES>, group: usize) {
            let store = |to: &mut [u64; LANES], from| store(&mut to.as_chunks_mut().0[group], from);
            store(&mut lanes.current, self.current);
            store(&mut lanes.next, self.next);
            store(&mut lanes.position, self.position);
            store(&mut lanes.value, self.known.value);
            let counts = _mm512_set1_epi64(C::STATE.cast_signed());
            store(&mut lanes.state, _mm512_and_si512(self.known.state, counts));
        }

        fn windows(&self) -> __m512i {
            _mm512_shldv_epi64(self.current, self.next, self.position)
        }

        /// Whether a batch may be all zeros.
        fn is_zero_ahead(&self) -> bool {
            _mm512_test_epi64_mask(self.windows(), _mm512_set1_epi64(i64::MIN >> (BATCH - 1))) == 0
        }
    }
}

/// Where decoding is.
struct Batch {
    words: *const u64,
    step: usize,
    taken: usize,
}

impl Batch {
    avx512! {
        /// # Safety
        /// As many words are left as are taken, and `READ_AHEAD` more.
        unsafe fn decode<C: Code8, const GROUPS: usize, const IDLE: bool>(
            &mut self,
            groups: &mut [Group; GROUPS],
            values: &mut [[__m512i; BATCH]; GROUPS],
        ) {
            let window = _mm512_set1_epi64(64);
            for step in 0..BATCH {
                let mut lengths = [window; GROUPS];
                let mut longer = 0;
                for (group, length) in groups.iter_mut().zip(&mut lengths) {
                    // SAFETY: the processor has AVX-512.
                    (group.known, *length) = unsafe { C::read8(group.windows(), group.known) };
                    if C::LONGEST > 64 {
                        longer |= _mm512_cmpgt_epi64_mask(*length, window);
                    } else {
                        // SAFETY: no more words are taken than there are.
                        unsafe { self.advance::<IDLE>(group, *length) };
                    }
                }
                if C::LONGEST > 64 {
                    for (group, &length) in groups.iter_mut().zip(&lengths) {
                        let length = if longer == 0 { length } else { _mm512_min_epi64(length, window) };
                        // SAFETY: no more words are taken than there are.
                        unsafe { self.advance::<IDLE>(group, length) };
                    }
                    if longer != 0 {
                        for (group, &length) in groups.iter_mut().zip(&lengths) {
                            let rest = _mm512_subs_epu16(length, window);
                            let rests = _mm512_srlv_epi64(group.windows(), _mm512_sub_epi64(window, rest));
                            // SAFETY: the processor has AVX-512, and no more words are taken than there are.
                            unsafe {
                                group.known = C::read_rest8(rests, group.known);
                                self.advance::<IDLE>(group, rest);
                            }
                        }
                    }
                }
                for (group, values) in groups.iter().zip(values.iter_mut()) {
                    values[step] = group.known.value;
                }
                self.step += 1;
            }
        }

        /// Goes on by so many bits in each lane, at most 64. A lane that comes to its next word takes another.
        ///
        /// # Safety
        /// As many words are left as are taken, and `READ_AHEAD` more.
        unsafe fn advance<const IDLE: bool>(&mut self, group: &mut Group, bits: __m512i) {
            let position = _mm512_add_epi64(group.position, bits);
            let crosses = _mm512_test_epi64_mask(position, _mm512_set1_epi64(64));
            group.position = _mm512_and_si512(position, _mm512_set1_epi64(63));
            group.current = _mm512_mask_mov_epi64(group.current, crosses, group.next);
            let mut takes = crosses;
            if IDLE {
                let step = _mm512_set1_epi64(self.step as i64);
                takes = _mm512_mask_cmplt_epi64_mask(crosses, step, group.supplied);
                group.next = _mm512_mask_mov_epi64(group.next, crosses, _mm512_setzero_si512());
            }
            // SAFETY: the caller has seen to it.
            let words = unsafe { _mm512_loadu_si512(self.words.add(self.taken).cast()) };
            group.next = _mm512_mask_expand_epi64(group.next, takes, words);
            self.taken += takes.count_ones() as usize;
        }
    }
}
