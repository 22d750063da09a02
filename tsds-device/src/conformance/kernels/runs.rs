//! Where runs begin.

use crate::kernel::{Class, Form, Kernel, NONE};

use super::model::{Items, Request, SHAPES, bitmap, rewrite, slot_of};
use super::{for_requests, launches};
use crate::conformance::Test;
use crate::conformance::{Bench, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("runs_begin_where_a_slot_or_the_bucket_differs_and_at_every_nth_item", runs),
        ("runs_of_rows_begin_at_the_first_one_that_counts", runs_of_rows),
    ]
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

fn runs_of_rows<S: Subject>(bench: &Bench<S>) {
    let time = slot_of(Form::Plain64, Class::Signed);
    for_requests(30, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::Rows);
        request.cut_by_rows();
        // Columns of noise differ in every row: most of them hold few values here.
        let wide = numbers.pick(&[1, 2, 40]);
        for part in &mut request.parts {
            for slot in [0, time, slot_of(Form::Plain32, Class::Float32)] {
                let mut value = numbers.next() & 0xffff_ffff;
                rewrite(&mut request.slab, &request.meta, part, slot, |_| {
                    if numbers.chance(wide) {
                        value = (value + numbers.below(3)) & 0xffff_ffff;
                    }
                    value
                });
            }
        }
        let slots: Vec<usize> = (0..numbers.below(4))
            .map(|_| if numbers.chance(4) { numbers.below(SHAPES.len() as u64) as usize } else { 0 })
            .collect();
        let with_buckets = numbers.chance(2);
        let mut starts = Vec::new();
        for (part, entry) in request.parts.iter().zip(&mut request.entries) {
            let times = &part.columns[time].values;
            let mut own: Vec<i64> = (0..numbers.below(9))
                .filter_map(|_| times.get(numbers.below(times.len() as u64) as usize))
                .map(|time| *time as i64)
                .collect();
            own.sort_unstable();
            own.dedup();
            entry.buckets = request.meta.len() as u32;
            entry.bucket_count = own.len() as u32;
            request.meta.extend(own.iter().flat_map(|start| [*start as u32, (*start >> 32) as u32]));
            starts.push(own);
        }
        let slots_at = request.meta.len() as u32;
        request.meta.extend(slots.iter().map(|slot| *slot as u32));
        let density = numbers.pick(&[1, 1, 2, 50, 5_000]);
        let (filter, _) = bitmap(&request.blocks, |_, _| numbers.chance(density));
        let is_filtered = density > 1 || numbers.chance(2);
        let tables = request.finish();
        let slab = bench.upload(&request.slab);
        let meta = bench.upload(&request.meta);
        let rows_in = bench.upload(&filter);
        let blocks = request.blocks.len();
        let bits = bench.filled(blocks * 64, 0x5555_5555);
        let counts = bench.filled(blocks, 0x5555_5555);
        let all = launches(&mut numbers, blocks)
            .into_iter()
            .map(|(first, count)| {
                let mut params = tables.clone();
                let time = if with_buckets { time as u32 } else { NONE };
                params.extend([(0, count), (5, first), (6, time), (7, slots_at)]);
                params.extend([(8, u32::from(!is_filtered)), (9, slots.len() as u32)]);
                launch(Kernel::RunsEncoded, &[&slab, &meta, &rows_in, &bits, &counts], &params)
            })
            .collect();
        let got = bench.launch(all, &[(&bits, blocks * 64), (&counts, blocks)]);
        let mut pending = false;
        let mut number = 0;
        let expected = bitmap(&request.blocks, |block, j| {
            let part = &request.parts[block.part as usize];
            let row = block.first as usize + j;
            if j == 0 {
                number = request.blocks.iter().position(|own| own == block).unwrap();
            }
            let bucket = |row: usize| {
                let time = part.columns[time].values[row] as i64;
                let own = &starts[block.part as usize];
                own.iter().filter(|start| **start <= time).count().saturating_sub(1)
            };
            let differs = |slot: &usize| {
                let column = &part.columns[*slot];
                column.valid[row] != column.valid[row - 1]
                    || column.valid[row] && column.values[row] != column.values[row - 1]
            };
            pending |= j == 0 || slots.iter().any(differs) || with_buckets && bucket(row) != bucket(row - 1);
            let counts = !is_filtered || filter[64 * number + j / 32] >> (j % 32) & 1 == 1;
            let begins = pending && counts;
            pending &= !counts;
            begins
        });
        assert_eq!((&got[0], &got[1]), (&expected.0, &expected.1));
    });
}
