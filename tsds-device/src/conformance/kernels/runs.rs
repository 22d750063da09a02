//! Where runs begin.

use crate::kernel::Kernel;

use super::model::{Items, Request, SHAPES, bitmap};
use super::{for_requests, launches};
use crate::conformance::Test;
use crate::conformance::{Bench, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![("runs_begin_where_a_slot_or_the_bucket_differs_and_at_every_nth_item", runs)]
}

fn runs<S: Subject>(bench: &Bench<S>) {
    for_requests(30, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let (items, none) = match numbers.below(3) {
            0 => (Items::Rows, 1),
            1 => (Items::NoList, 1),
            _ => (Items::Listed, 0),
        };
        let mut request = Request::new(seed, sizes, items);
        let slots: Vec<usize> =
            (0..numbers.below(4)).map(|_| numbers.below(SHAPES.len() as u64) as usize).collect();
        let every = numbers.pick(&[1, 3, 64, 1000, u32::MAX]);
        let with_buckets = numbers.chance(2);
        let buckets: Vec<u32> = (0..request.items_end()).map(|_| u32::from(numbers.chance(9))).collect();
        let slots_at = request.meta.len() as u32;
        request.meta.extend(slots.iter().map(|slot| *slot as u32));
        let tables = request.finish();
        let slab = bench.upload(&request.slab);
        let meta = bench.upload(&request.meta);
        let list = bench.upload(&request.list);
        let in_buckets = bench.upload(&buckets);
        let blocks = request.blocks.len();
        let bits = bench.filled(blocks * 64, 0x5555_5555);
        let counts = bench.filled(blocks, 0x5555_5555);
        let all = launches(&mut numbers, blocks)
            .into_iter()
            .map(|(first, count)| {
                let mut params = tables.clone();
                params.extend([(0, count), (5, first), (6, every), (7, slots_at), (8, none)]);
                params.extend([(9, slots.len() as u32), (10, u32::from(with_buckets))]);
                launch(Kernel::Runs, &[&slab, &meta, &list, &in_buckets, &bits, &counts], &params)
            })
            .collect();
        let got = bench.launch(all, &[(&bits, blocks * 64), (&counts, blocks)]);
        let expected = bitmap(&request.blocks, |block, j| {
            let part = &request.parts[block.part as usize];
            let item = block.first as usize + j;
            let place = item - part.start;
            if place == 0 || place.is_multiple_of(every as usize) {
                return true;
            }
            let (row, before) = (part.list[place] as usize, part.list[place - 1] as usize);
            let differs = |slot: &usize| {
                let column = &part.columns[*slot];
                column.valid[row] != column.valid[before]
                    || column.valid[row] && column.values[row] != column.values[before]
            };
            slots.iter().any(differs) || with_buckets && buckets[item] != buckets[item - 1]
        });
        assert_eq!((&got[0], &got[1]), (&expected.0, &expected.1));
    });
}
