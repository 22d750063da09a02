//! Selecting the smallest keys of each part.

use crate::kernel::{Kernel, SELECTION_WORDS};

use super::for_requests;
use super::model::{Items, Request, bitmap};
use crate::conformance::Test;
use crate::conformance::{Bench, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("selection_finds_the_smallest_keys_of_every_part", selection),
        ("select_pick_puts_the_digit_at_any_place", any_place),
        ("select_pick_with_2_only_sets_the_state_and_clears", reset),
    ]
}

fn selection<S: Subject>(bench: &Bench<S>) {
    for_requests(20, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::NoList);
        let parts = sizes.len();
        for (entry, size) in request.entries.iter_mut().zip(sizes) {
            entry.wanted = numbers.below(*size as u64 + 3) as u32;
        }
        let tables = request.finish();
        let few: Vec<u64> = (0..20).map(|_| numbers.next()).collect();
        let keys: Vec<u64> = (0..request.items_end())
            .map(|_| if numbers.chance(2) { numbers.pick(&few) } else { numbers.next() })
            .collect();
        let words: Vec<u32> = keys.iter().flat_map(|key| [*key as u32, (*key >> 32) as u32]).collect();
        let meta = bench.upload(&request.meta);
        let keys_in = bench.upload(&words);
        let state = bench.filled(parts * SELECTION_WORDS as usize, 0x5555_5555);
        let counts = bench.filled(parts * 256, 0x5555_5555);
        let blocks = request.blocks.len();
        let bits = bench.filled(blocks * 64, 0x5555_5555);
        let ones = bench.filled(blocks, 0x5555_5555);
        let with = |more: &[(usize, u32)]| [&tables[..], more].concat();
        let mut all = vec![launch(
            Kernel::SelectPick,
            &[&meta, &state, &counts],
            &with(&[(0, parts as u32), (6, 56), (7, 2)]),
        )];
        for at in (0..64).step_by(8).rev() {
            let params = with(&[(0, blocks as u32), (6, at)]);
            all.push(launch(Kernel::SelectHistogram, &[&meta, &keys_in, &state, &counts], &params));
            let first = u32::from(at == 56);
            let params = with(&[(0, parts as u32), (6, at), (7, first)]);
            all.push(launch(Kernel::SelectPick, &[&meta, &state, &counts], &params));
        }
        let params = with(&[(0, blocks as u32)]);
        all.push(launch(Kernel::SelectMark, &[&meta, &keys_in, &state, &bits, &ones], &params));
        let reads = [(&bits, blocks * 64), (&ones, blocks), (&state, parts * 4), (&counts, parts * 256)];
        let got = bench.launch(all, &reads);
        let thresholds: Vec<u64> = request
            .parts
            .iter()
            .zip(&request.entries)
            .map(|(part, entry)| {
                let mut sorted = keys[part.start..part.start + part.list.len()].to_vec();
                sorted.sort_unstable();
                match entry.wanted as usize {
                    0 => 0,
                    wanted => sorted.get(wanted - 1).copied().unwrap_or(u64::MAX),
                }
            })
            .collect();
        let expected = bitmap(&request.blocks, |block, j| {
            keys[block.first as usize + j] <= thresholds[block.part as usize]
        });
        assert_eq!((&got[0], &got[1]), (&expected.0, &expected.1));
        for (part, threshold) in thresholds.iter().enumerate() {
            assert_eq!(got[2][4 * part..][..2], [*threshold as u32, (*threshold >> 32) as u32]);
        }
        assert!(got[3].iter().all(|count| *count == 0));
    });
}

fn any_place<S: Subject>(bench: &Bench<S>) {
    let mut request = Request::new(4, &[10], Items::NoList);
    let tables = request.finish();
    let meta = bench.upload(&request.meta);
    for at in 0..=56_u32 {
        // One key of digit 3, and the last wanted one of digit 0xa5.
        let mut histogram = vec![0; 256];
        (histogram[3], histogram[0xa5]) = (1, 2);
        let before = 0x0123_4567_89ab_cdef_u64;
        let state = bench.upload(&[before as u32, (before >> 32) as u32, 3, 0]);
        let counts = bench.upload(&histogram);
        let mut params = tables.clone();
        params.extend([(0, 1), (6, at)]);
        let run = launch(Kernel::SelectPick, &[&meta, &state, &counts], &params);
        let got = bench.launch(vec![run], &[(&state, 3)]).remove(0);
        let threshold = before & !(0xff << at) | 0xa5 << at;
        assert_eq!(got, [threshold as u32, (threshold >> 32) as u32, 2], "at {at}");
    }
}

fn reset<S: Subject>(bench: &Bench<S>) {
    let mut request = Request::new(3, &[10, 20, 30], Items::NoList);
    for (entry, wanted) in request.entries.iter_mut().zip([4, 5, 6]) {
        entry.wanted = wanted;
    }
    let mut params = request.finish();
    params.extend([(0, 2), (5, 1), (6, 56), (7, 2)]);
    let meta = bench.upload(&request.meta);
    let state = bench.filled(12, 9);
    let counts = bench.filled(3 * 256, 9);
    let run = launch(Kernel::SelectPick, &[&meta, &state, &counts], &params);
    let got = bench.launch(vec![run], &[(&state, 12), (&counts, 3 * 256)]);
    assert_eq!((&got[0][..7], &got[0][8..11]), (&[9, 9, 9, 9, 0, 0, 5][..], &[0, 0, 6][..]));
    assert_eq!((&got[1][..256], &got[1][256..]), (&[9; 256][..], &[0; 512][..]));
}
