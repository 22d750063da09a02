//! What kernels copy from columns: values, bits, sort keys, buckets of times.

use crate::kernel::{BlockEntry, Class, Form, Kernel};

use super::model::{Items, Request, SHAPES, bits_of, slot_of};
use super::{for_requests, launches};
use crate::conformance::Test;
use crate::conformance::{Bench, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("gather_64_copies_values_of_several_columns", gather_64),
        ("gather_32_copies_values_of_several_columns", gather_32),
        ("gather_encoded_copies_plain_values_of_either_width", gather_plain_values),
        ("gather_small_packs_bytes_and_pairs_of_bytes", gather_small),
        ("gather_bits_copies_booleans_and_validity", gather_bits),
        ("keys_order_as_values_do_and_put_nulls_where_asked", keys),
        ("buckets_are_the_last_start_not_after_the_time", buckets),
    ]
}

fn items_of(numbers: &mut Numbers) -> (Items, u32) {
    match numbers.below(3) {
        0 => (Items::Rows, 1),
        1 => (Items::NoList, 1),
        _ => (Items::Listed, 0),
    }
}

/// Gives every block its place in an output of all items, each at a multiple of `step`; the rows of the output.
fn place(blocks: &mut [BlockEntry], step: u32) -> usize {
    let mut next = 0;
    for block in blocks {
        block.aux = next;
        next = (next + block.items).next_multiple_of(step);
    }
    next as usize
}

/// Launches a gather of some slots with `words` words for each; entries of the table are the slot, the offset and `extra`.
struct Gather<'a> {
    kernel: Kernel,
    slots: &'a [(usize, Option<u32>)],
    words: usize,
    params: Vec<(usize, u32)>,
}

impl Gather<'_> {
    fn run<S: Subject>(
        self,
        bench: &Bench<S>,
        request: &mut Request,
        numbers: &mut Numbers,
        none: u32,
    ) -> Vec<u32> {
        let skip = 3;
        let table = request.meta.len() as u32;
        for (i, (slot, extra)) in self.slots.iter().enumerate() {
            request.meta.extend([*slot as u32, (skip + i * self.words) as u32]);
            request.meta.extend(*extra);
        }
        let tables = request.finish();
        let slab = bench.upload(&request.slab);
        let meta = bench.upload(&request.meta);
        let list = bench.upload(&request.list);
        let size = skip + self.slots.len() * self.words;
        let out = bench.filled(size, 0x5555_5555);
        let all = launches(numbers, request.blocks.len())
            .into_iter()
            .map(|(first, blocks)| {
                let mut params = tables.clone();
                params.extend([
                    (0, blocks * self.slots.len() as u32),
                    (5, first),
                    (6, table),
                    (7, blocks),
                    (8, none),
                ]);
                params.extend(&self.params);
                launch(self.kernel, &[&slab, &meta, &list, &out], &params)
            })
            .collect();
        let words = bench.launch(all, &[(&out, size)]).remove(0);
        assert_eq!(words[..skip], vec![0x5555_5555; skip]);
        words[skip..].to_vec()
    }
}

fn slots_of_bits(bits: u32) -> Vec<usize> {
    (0..SHAPES.len()).filter(|slot| bits_of(SHAPES[*slot].0) == bits).collect()
}

fn gather_whole<S: Subject>(bench: &Bench<S>, kernel: Kernel, words_of_value: usize) {
    for_requests(12, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let (items, none) = items_of(&mut numbers);
        let mut request = Request::new(seed, sizes, items);
        let rows = place(&mut request.blocks, 1);
        let slots = slots_of_bits(32 * words_of_value as u32);
        let table: Vec<_> = slots.iter().map(|slot| (*slot, None)).collect();
        let words = rows * words_of_value;
        let gather = Gather { kernel, slots: &table, words, params: vec![] };
        let got = gather.run(bench, &mut request, &mut numbers, none);
        let mut expected: Vec<u32> = Vec::new();
        for slot in slots {
            for block in &request.blocks {
                for row in request.rows(block) {
                    let value = request.column(block, slot).values[row];
                    expected.extend(&[value as u32, (value >> 32) as u32][..words_of_value]);
                }
            }
        }
        assert_eq!(got, expected);
    });
}

fn gather_64<S: Subject>(bench: &Bench<S>) {
    gather_whole(bench, Kernel::Gather64, 2);
}

fn gather_32<S: Subject>(bench: &Bench<S>) {
    gather_whole(bench, Kernel::Gather32, 1);
}

fn gather_plain_values<S: Subject>(bench: &Bench<S>) {
    gather_whole(bench, Kernel::GatherEncoded, 2);
    gather_whole(bench, Kernel::GatherEncoded, 1);
}

fn gather_small<S: Subject>(bench: &Bench<S>) {
    for_requests(12, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let (items, none) = items_of(&mut numbers);
        let bytes = numbers.pick(&[1, 2]);
        let mut request = Request::new(seed, sizes, items);
        let rows = place(&mut request.blocks, 32);
        let slots = slots_of_bits(8 * bytes);
        let table: Vec<_> = slots.iter().map(|slot| (*slot, None)).collect();
        let words = (rows * bytes as usize).div_ceil(4);
        let gather = Gather { kernel: Kernel::GatherSmall, slots: &table, words, params: vec![(9, bytes)] };
        let got = gather.run(bench, &mut request, &mut numbers, none);
        for (i, slot) in slots.into_iter().enumerate() {
            let mut expected = vec![0x55_u8; words * 4];
            for block in &request.blocks {
                let (first, bytes) = (block.aux as usize * bytes as usize, bytes as usize);
                let end = (first + block.items as usize * bytes).next_multiple_of(4);
                expected[first..end].fill(0);
                for (j, row) in request.rows(block).into_iter().enumerate() {
                    let value = request.column(block, slot).values[row].to_le_bytes();
                    expected[first + j * bytes..][..bytes].copy_from_slice(&value[..bytes]);
                }
            }
            assert_eq!(crate::conformance::bench::bytes_of(&got[i * words..(i + 1) * words]), expected);
        }
    });
}

fn gather_bits<S: Subject>(bench: &Bench<S>) {
    for_requests(12, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let (items, none) = items_of(&mut numbers);
        let mut request = Request::new(seed, sizes, items);
        let rows = place(&mut request.blocks, 32);
        let mut table = vec![(slot_of(Form::Bits, Class::Unsigned), Some(0))];
        table.extend((0..SHAPES.len()).step_by(2).map(|slot| (slot, Some(1))));
        let words = rows / 32;
        let gather = Gather { kernel: Kernel::GatherBits, slots: &table, words, params: vec![] };
        let got = gather.run(bench, &mut request, &mut numbers, none);
        let mut expected: Vec<u32> = Vec::new();
        for (slot, of_validity) in table {
            let mut bits = vec![0_u32; words];
            for block in &request.blocks {
                for (j, row) in request.rows(block).into_iter().enumerate() {
                    let column = request.column(block, slot);
                    let bit =
                        if of_validity == Some(1) { column.valid[row] } else { column.values[row] == 1 };
                    bits[(block.aux as usize + j) / 32] |= u32::from(bit) << (j % 32);
                }
            }
            expected.extend(bits);
        }
        assert_eq!(got, expected);
    });
}

fn keys<S: Subject>(bench: &Bench<S>) {
    for_requests(24, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let (items, none) = if numbers.chance(2) { (Items::NoList, 1) } else { (Items::Listed, 0) };
        let mut request = Request::new(seed, sizes, items);
        let tables = request.finish();
        let slab = bench.upload(&request.slab);
        let meta = bench.upload(&request.meta);
        let list = bench.upload(&request.list);
        let mode = numbers.below(8) as u32;
        for (slot, shape) in SHAPES.iter().enumerate() {
            let size = request.items_end() * 2;
            let out = bench.filled(size, 0x5555_5555);
            let all = launches(&mut numbers, request.blocks.len())
                .into_iter()
                .map(|(first, blocks)| {
                    let mut params = tables.clone();
                    params.extend([(0, blocks), (5, first), (6, slot as u32), (7, mode), (8, none)]);
                    launch(Kernel::Keys, &[&slab, &meta, &list, &out], &params)
                })
                .collect();
            let got = bench.launch(all, &[(&out, size)]).remove(0);
            let mut expected = vec![0x5555_5555; size];
            for block in &request.blocks {
                let column = request.column(block, slot);
                for (j, row) in request.rows(block).into_iter().enumerate() {
                    let valid = column.valid[row];
                    let key = match mode {
                        2 => u64::from(!valid),
                        3 => u64::from(valid),
                        6 | 7 if !valid => u64::MAX,
                        _ if !valid => 0,
                        0 | 4 | 6 => column.key(row),
                        _ => !column.key(row),
                    };
                    let at = (block.first as usize + j) * 2;
                    (expected[at], expected[at + 1]) = (key as u32, (key >> 32) as u32);
                }
            }
            assert_eq!(got, expected, "mode {mode}, {shape:?}");
        }
    });
}

fn buckets<S: Subject>(bench: &Bench<S>) {
    let slot = slot_of(Form::Plain64, Class::Signed);
    for_requests(24, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let (items, none) = if numbers.chance(2) { (Items::NoList, 1) } else { (Items::Listed, 0) };
        let mut request = Request::new(seed, sizes, items);
        let mut all_starts = Vec::new();
        for (part, entry) in request.parts.iter().zip(&mut request.entries) {
            let mut starts: Vec<i64> = (0..numbers.below(20)).map(|_| numbers.next() as i64).collect();
            starts.extend(part.columns[slot].values.iter().take(3).map(|value| *value as i64));
            starts.sort_unstable();
            starts.dedup();
            entry.buckets = request.meta.len() as u32;
            entry.bucket_count = starts.len() as u32;
            request.meta.extend(starts.iter().flat_map(|start| [*start as u32, (*start >> 32) as u32]));
            all_starts.push(starts);
        }
        let mut params = request.finish();
        let slab = bench.upload(&request.slab);
        let meta = bench.upload(&request.meta);
        let list = bench.upload(&request.list);
        let size = request.items_end();
        let out = bench.filled(size, 0x5555_5555);
        params.extend([(0, request.blocks.len() as u32), (6, slot as u32), (8, none)]);
        let run = launch(Kernel::Buckets, &[&slab, &meta, &list, &out], &params);
        let got = bench.launch(vec![run], &[(&out, size)]).remove(0);
        let mut expected = vec![0x5555_5555; size];
        for block in &request.blocks {
            let starts = &all_starts[block.part as usize];
            for (j, row) in request.rows(block).into_iter().enumerate() {
                let time = request.column(block, slot).values[row] as i64;
                let after = starts.iter().filter(|start| **start <= time).count();
                expected[block.first as usize + j] = after.saturating_sub(1) as u32;
            }
        }
        assert_eq!(got, expected);
    });
}
