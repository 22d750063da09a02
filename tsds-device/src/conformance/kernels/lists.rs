//! From bitmaps to lists: prefix sums and compaction.

use crate::kernel::Kernel;

use super::model::{Items, Request, bitmap};
use super::{BORDERS, for_requests, launches};
use crate::conformance::Test;
use crate::conformance::{Bench, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("scan_and_scan_add_give_prefix_sums_that_wrap", scan),
        ("scan_leaves_alone_what_is_beyond_its_words", scan_is_bounded),
        ("compact_lists_ones_in_order_up_to_the_end", compact),
    ]
}

/// Prefix sums in as many levels as there are.
fn prefix_sums<S: Subject>(bench: &Bench<S>, data: &[u32]) -> Vec<u32> {
    let mut levels = vec![(bench.upload(data), data.len())];
    let mut launches = Vec::new();
    loop {
        let (buffer, words) = levels.last().unwrap().clone();
        let groups = words.div_ceil(2048);
        let totals = bench.filled(groups, 0x5555_5555);
        let params = [(0, groups as u32), (6, words as u32)];
        launches.push(launch(Kernel::Scan, &[&buffer, &totals], &params));
        levels.push((totals, groups));
        if groups <= 1 {
            break;
        }
    }
    for pair in levels.windows(2).rev() {
        let ((buffer, words), (totals, groups)) = (&pair[0], &pair[1]);
        if *groups > 1 {
            let params = [(0, *groups as u32), (6, *words as u32)];
            launches.push(launch(Kernel::ScanAdd, &[buffer, totals], &params));
        }
    }
    bench.launch(launches, &[(&levels[0].0, data.len())]).remove(0)
}

fn scan<S: Subject>(bench: &Bench<S>) {
    let mut numbers = Numbers(5);
    for size in BORDERS.into_iter().chain([100_000]) {
        let data: Vec<u32> = (0..size).map(|_| numbers.word()).collect();
        let mut sum = 0_u32;
        let expected: Vec<u32> = data
            .iter()
            .map(|word| {
                let before = sum;
                sum = sum.wrapping_add(*word);
                before
            })
            .collect();
        assert_eq!(prefix_sums(bench, &data), expected, "{size} words");
    }
}

fn scan_is_bounded<S: Subject>(bench: &Bench<S>) {
    let data = bench.filled(3000, 1);
    let totals = bench.filled(4, 9);
    let run = launch(Kernel::Scan, &[&data, &totals], &[(0, 2), (6, 2500)]);
    let got = bench.launch(vec![run], &[(&data, 3000), (&totals, 4)]);
    assert_eq!(got[0][2499], 451);
    assert_eq!(got[0][2500..], vec![1; 500]);
    assert_eq!(got[1], [2048, 452, 9, 9]);
}

fn compact<S: Subject>(bench: &Bench<S>) {
    for_requests(30, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::Listed);
        let tables = request.finish();
        let density = numbers.pick(&[1, 2, 3, 50]);
        let (words, counts) = bitmap(&request.blocks, |_, _| numbers.chance(density));
        let mut listed = Vec::new();
        let mut offsets = Vec::new();
        let kind = numbers.below(3) as u32;
        for (number, block) in request.blocks.iter().enumerate() {
            offsets.push(listed.len() as u32 + 2);
            for j in 0..block.items {
                if words[64 * number + j as usize / 32] >> (j % 32) & 1 == 1 {
                    let item = block.first + j;
                    listed.push(match kind {
                        0 => item,
                        1 => request.list[item as usize],
                        _ => item - request.entries[block.part as usize].list_start,
                    });
                }
            }
        }
        assert_eq!(listed.len() as u32, counts.iter().sum::<u32>());
        let end =
            2 + if numbers.chance(2) { listed.len() } else { numbers.below(listed.len() as u64) as usize };
        let meta = bench.upload(&request.meta);
        let bits = bench.upload(&words);
        let offsets = bench.upload(&offsets);
        let source = bench.upload(&request.list);
        let out = bench.filled(listed.len() + 4, 0x5555_5555);
        let all = launches(&mut numbers, request.blocks.len())
            .into_iter()
            .map(|(first, blocks)| {
                let mut params = tables.clone();
                params.extend([(0, blocks), (5, first), (6, kind), (7, end as u32)]);
                launch(Kernel::Compact, &[&meta, &bits, &offsets, &source, &out], &params)
            })
            .collect();
        let got = bench.launch(all, &[(&out, listed.len() + 4)]).remove(0);
        let mut expected = vec![0x5555_5555; listed.len() + 4];
        expected[2..2 + listed.len()].copy_from_slice(&listed);
        expected[end..].fill(0x5555_5555);
        assert_eq!(got, expected);
    });
}
