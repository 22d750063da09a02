//! Histograms and scatters, alone and as a whole radix sort.

use crate::kernel::{BLOCK_ITEMS, BlockEntry, Kernel, PartEntry};

use super::for_requests;
use super::model::{Items, Request};
use crate::Device;
use crate::conformance::Test;
use crate::conformance::{Bench, Buffer, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![("histogram_counts_digits_at_any_place", histogram), ("passes_sort_every_part_stably", whole_sort)]
}

/// Keys that agree often.
fn some_keys(numbers: &mut Numbers, count: usize) -> Vec<u64> {
    let few: Vec<u64> = (0..numbers.pick(&[1, 3, 100])).map(|_| numbers.next()).collect();
    (0..count).map(|_| if numbers.chance(3) { numbers.next() } else { numbers.pick(&few) }).collect()
}

fn words_of_keys(keys: &[u64]) -> Vec<u32> {
    keys.iter().flat_map(|key| [*key as u32, (*key >> 32) as u32]).collect()
}

/// Gives blocks their place among the counts of a digit, parts one after the other; the number of counts.
fn lay_out(request: &mut Request, digits: u32) -> u32 {
    let mut next = 0;
    for part in 0..request.parts.len() as u32 {
        let blocks = request.blocks.iter_mut().filter(|block| block.part == part);
        let mut count = 0;
        for block in blocks {
            block.aux = next + count;
            count += 1;
        }
        request.entries[part as usize].stride = count;
        next += digits * count;
    }
    next
}

fn histogram<S: Subject>(bench: &Bench<S>) {
    for_requests(20, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::NoList);
        let bits = bench.device.info().radix_bits;
        let counts = lay_out(&mut request, 1 << bits) as usize;
        let tables = request.finish();
        let keys = some_keys(&mut numbers, request.items_end());
        let at = numbers.pick(&[0, 4, 28, 29, 30, 31, 32, 36, 57, 60]);
        let meta = bench.upload(&request.meta);
        let keys_in = bench.upload(&words_of_keys(&keys));
        let out = bench.filled(counts, 0x5555_5555);
        let mut params = tables;
        params.extend([(0, request.blocks.len() as u32), (6, at), (9, bits)]);
        let run = launch(Kernel::Histogram, &[&meta, &keys_in, &out], &params);
        let got = bench.launch(vec![run], &[(&out, counts)]).remove(0);
        let mut expected = vec![0; counts];
        for block in &request.blocks {
            let stride = request.entries[block.part as usize].stride;
            for item in block.first..block.first + block.items {
                let digit = (keys[item as usize] >> at) as u32 & ((1 << bits) - 1);
                expected[(block.aux + digit * stride) as usize] += 1;
            }
        }
        assert_eq!(got, expected);
    });
}

struct Sort<'a, S: Subject> {
    bench: &'a Bench<S>,
    tables: Vec<(usize, u32)>,
    blocks: u32,
    /// Of a digit.
    bits: u32,
    meta: Buffer<S>,
    /// The first item of every part, for each of the words of its histogram.
    counts: usize,
    starts: Vec<u32>,
}

impl<S: Subject> Sort<'_, S> {
    /// One pass; offsets are summed up on the host, which the test of scans is about.
    fn pass(&self, at: u32, from: (&Buffer<S>, &Buffer<S>), to: (&Buffer<S>, &Buffer<S>), no_rows: bool) {
        let out = self.bench.filled(self.counts, 0);
        let mut params = self.tables.clone();
        params.extend([(0, self.blocks), (6, at), (8, u32::from(no_rows)), (9, self.bits)]);
        let run = launch(Kernel::Histogram, &[&self.meta, from.0, &out], &params);
        let counts = self.bench.launch(vec![run], &[(&out, self.counts)]).remove(0);
        let mut offsets = Vec::new();
        let mut sum = 0;
        for (i, count) in counts.iter().enumerate() {
            if i > 0 && self.starts[i] != self.starts[i - 1] {
                sum = 0;
            }
            offsets.push(self.starts[i] + sum);
            sum += count;
        }
        let offsets = self.bench.upload(&offsets);
        let buffers = [&self.meta, from.0, from.1, &offsets, to.0, to.1];
        self.bench.launch(vec![launch(Kernel::Scatter, &buffers, &params)], &[]);
    }
}

fn whole_sort<S: Subject>(bench: &Bench<S>) {
    for_requests(12, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::NoList);
        let with_rows = numbers.chance(2);
        let bits = bench.device.info().radix_bits;
        let counts = lay_out(&mut request, 1 << bits) as usize;
        let tables = request.finish();
        let mut keys = some_keys(&mut numbers, request.items_end());
        // Only some digits differ, so that a few passes sort.
        let shift = numbers.pick(&[0, 24, 28, 50, 52]);
        for key in &mut keys {
            *key = (*key & 0xfff) << shift;
        }
        let mut rows: Vec<u32> = vec![7; keys.len()];
        for part in &request.parts {
            for (j, row) in part.list.iter().enumerate() {
                rows[part.start + j] = if with_rows { numbers.word() } else { *row };
            }
        }
        let mut starts = Vec::new();
        for (part, entry) in request.parts.iter().zip(&request.entries) {
            starts.extend(vec![part.start as u32; (entry.stride as usize) << bits]);
        }
        let meta = bench.upload(&request.meta);
        let blocks = request.blocks.len() as u32;
        let sort = Sort { bench, tables, blocks, bits, meta, counts, starts };
        let (keys_a, rows_a) = (bench.upload(&words_of_keys(&keys)), bench.upload(&rows));
        let (keys_b, rows_b) = (bench.filled(keys.len() * 2, 0), bench.filled(keys.len(), 0));
        let (mut from, mut to) = ((&keys_a, &rows_a), (&keys_b, &rows_b));
        for at in (shift..shift + 12).step_by(bits as usize) {
            sort.pass(at, from, to, at == shift && !with_rows);
            (from, to) = (to, from);
        }
        let got = bench.launch(vec![], &[(from.0, keys.len() * 2), (from.1, keys.len())]);
        for part in &request.parts {
            let range = part.start..part.start + part.list.len();
            let mut expected: Vec<_> = keys[range.clone()].iter().zip(&rows[range.clone()]).collect();
            expected.sort_by_key(|(key, _)| **key);
            let sorted_keys: Vec<u64> = expected.iter().map(|(key, _)| **key).collect();
            let sorted_rows: Vec<u32> = expected.iter().map(|(_, row)| **row).collect();
            assert_eq!(got[0][range.start * 2..range.end * 2], words_of_keys(&sorted_keys));
            assert_eq!(got[1][range], sorted_rows);
        }
    });
    // What the model takes for granted.
    assert_eq!((BLOCK_ITEMS, BlockEntry::default().aux, PartEntry::default().stride), (2048, 0, 0));
}
