//! How long kernels take.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it is a benchmark"
)]

use std::time::{Duration, Instant};

use super::{Bench, Buffer, BufferOf, Numbers, Subject, launch};
use crate::kernel::{BlockEntry, Class, ColumnEntry, Form, Instruction, Kernel, NONE, PartEntry, reduce};
use crate::{Device, Launch};

const ROWS: usize = 1_000_000;
const BLOCK: usize = 2048;
const BLOCKS: usize = ROWS.div_ceil(BLOCK);
const PRICE: u32 = 0;
const TIME: u32 = 1;
const CODE: u32 = 2;
const SIDE: u32 = 3;

/// Prints how long every kernel takes over a million rows in one launch, from submission to its end.
///
/// Arguments of the program are parts of names, to run only some. Each line gives the median of several runs (9, or as
/// `BENCH_RUNS` says) and rows in a second.
///
/// # Panics
///
/// If there is no device.
pub fn time_kernels<S: Subject>(subject: S) {
    let started = Instant::now();
    let bench = Bench::open(subject).unwrap();
    println!("{}: opened in {:.0?}", bench.device.info().name, started.elapsed());
    let wanted: Vec<String> = std::env::args().skip(1).filter(|part| !part.starts_with('-')).collect();
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(9);
    for (name, launch) in launches(&bench) {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part)) {
            let time = median(runs, || drop(bench.launch(vec![again(&launch)], &[])));
            let rate = ROWS as f64 / time.as_secs_f64() / 1e6;
            println!("{name:34} {:9.3} ms {rate:9.1} M rows/s", time.as_secs_f64() * 1e3);
        }
    }
}

fn again<B>(launch: &Launch<B>) -> Launch<B> {
    Launch { kernel: launch.kernel, buffers: launch.buffers.clone(), params: launch.params }
}

fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<_> = (0..runs)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[runs / 2]
}

/// Prices, times, codes of a thousand rows each, and bytes; prices and bytes with nulls.
fn columns(numbers: &mut Numbers, slab: &mut Vec<u32>) -> Vec<u32> {
    let wide = |value: u64| [value as u32, (value >> 32) as u32];
    let price = slab.len() as u32;
    slab.extend((0..ROWS).flat_map(|row| wide(((row as f64 * 0.37).sin() * 50.0).to_bits())));
    let time = slab.len() as u32;
    slab.extend((0..ROWS as u64).flat_map(|row| wide(row * 1_000_000)));
    let code = slab.len() as u32;
    slab.extend((0..ROWS as u32).map(|row| row / 1000));
    let side = slab.len() as u32;
    slab.extend((0..ROWS / 4).map(|_| numbers.word()));
    let validity = slab.len() as u32;
    slab.extend((0..ROWS / 32).map(|_| numbers.word() | numbers.word() | numbers.word()));
    [
        ColumnEntry::plain(Form::Plain64, Class::Float64, price, validity),
        ColumnEntry::plain(Form::Plain64, Class::Signed, time, NONE),
        ColumnEntry::plain(Form::Plain32, Class::Unsigned, code, NONE),
        ColumnEntry::plain(Form::Plain8, Class::Signed, side, validity),
    ]
    .into_iter()
    .flat_map(ColumnEntry::words)
    .collect()
}

/// Appends words and says where they are.
fn put(meta: &mut Vec<u32>, words: impl IntoIterator<Item = u32>) -> u32 {
    let at = meta.len() as u32;
    meta.extend(words);
    at
}

fn blocks(meta: &mut Vec<u32>, count: usize, most: usize, aux: impl Fn(usize) -> usize) -> u32 {
    let entry = |number: usize| {
        let first = number * most;
        let items = most.min(count - first) as u32;
        BlockEntry { part: 0, first: first as u32, items, aux: aux(number) as u32 }
    };
    put(meta, (0..count.div_ceil(most)).flat_map(|number| entry(number).words()))
}

fn launches<S: Subject>(bench: &Bench<S>) -> Vec<(String, Launch<BufferOf<S>>)> {
    let mut numbers = Numbers(1);
    let mut slab = Vec::new();
    let mut meta = columns(&mut numbers, &mut slab);
    // Prices from 0 to 10, codes up to 500, half of the bytes.
    let zero = 1_u64 << 63;
    let price = put(&mut meta, [0, (zero >> 32) as u32, 0, 0xc024_0000]);
    let code = put(&mut meta, [0, 0, 500, 0]);
    let side = put(&mut meta, [0, 0, u32::MAX, (zero >> 32) as u32 - 1]);
    let keys = |slot, ranges| Instruction::Keys { slot, ranges, count: 1 }.words();
    let one = [keys(PRICE, price), Instruction::End.words()].concat();
    let one = put(&mut meta, one);
    let and = Instruction::And.words();
    let three = [keys(PRICE, price), keys(CODE, code), and, keys(SIDE, side), and, Instruction::End.words()];
    let three = put(&mut meta, three.concat());
    let starts =
        (0..100_u64).map(|i| i * 10_000_000_000).flat_map(|start| [start as u32, (start >> 32) as u32]);
    let starts = put(&mut meta, starts);
    let slots = put(&mut meta, [CODE, SIDE]);
    let outputs = [PRICE, CODE, SIDE].map(|slot| put(&mut meta, [slot, 0]));
    let validity = put(&mut meta, [PRICE, 0, 1]);
    let part = |program| PartEntry {
        rows: ROWS as u32,
        program,
        stride: BLOCKS as u32,
        list_start: 0,
        list_items: ROWS as u32,
        buckets: starts,
        bucket_count: 100,
        wanted: 1000,
    };
    let part_of_one = put(&mut meta, part(one).words());
    let part_of_three = put(&mut meta, part(three).words());
    let rows = blocks(&mut meta, ROWS, BLOCK, |number| number * BLOCK);
    let digits = blocks(&mut meta, ROWS, BLOCK, |number| number);
    let folds: Vec<_> = [10, 100, 1000, 4096]
        .into_iter()
        .map(|length| {
            let pieces = ROWS.div_ceil(length);
            (length, pieces, blocks(&mut meta, pieces, 64, |_| 0))
        })
        .collect();

    let slab = bench.upload(&slab);
    let meta = bench.upload(&meta);
    let in_order = bench.upload(&(0..ROWS as u32).collect::<Vec<_>>());
    let mut shuffled: Vec<u32> = (0..ROWS as u32).collect();
    for row in (1..ROWS).rev() {
        shuffled.swap(row, numbers.below(row as u64 + 1) as usize);
    }
    let shuffled = bench.upload(&shuffled);
    let out = bench.filled(ROWS * 2, 0);
    let bits = bench.upload(&(0..BLOCKS * 64).map(|_| numbers.word()).collect::<Vec<_>>());
    let bits_of_digit = bench.device.info().radix_bits;
    let digits_of = 1 << bits_of_digit;
    let counts = bench.filled(BLOCKS * digits_of, 0);
    let offsets =
        bench.upload(&(0..BLOCKS * digits_of).map(|i| (i * BLOCK / digits_of) as u32).collect::<Vec<_>>());
    let random_keys = bench.upload(&(0..ROWS * 2).map(|_| numbers.word()).collect::<Vec<_>>());
    let more_keys = bench.filled(ROWS * 2, 0);
    let state = bench.filled(4, 0);
    let tally = bench.filled(256, 0);

    let mut all = Vec::new();
    let mut add = |name: &str, kernel: Kernel, buffers: &[&Buffer<S>], own: &[(usize, u32)]| {
        let base = [(0, BLOCKS as u32), (1, rows), (2, part_of_one), (4, 4), (7, BLOCKS as u32)];
        all.push((name.to_string(), launch(kernel, buffers, &[&base, own].concat())));
    };
    add("mask, one term", Kernel::Mask, &[&slab, &meta, &bits, &counts], &[]);
    add("mask, three terms", Kernel::Mask, &[&slab, &meta, &bits, &counts], &[(2, part_of_three)]);
    add("compact", Kernel::Compact, &[&meta, &bits, &offsets, &in_order, &out], &[(7, ROWS as u32)]);
    for (name, list, none) in [("no", &in_order, 1), ("ascending", &in_order, 0), ("random", &shuffled, 0)] {
        let name = format!("gather_64, {name} list");
        add(&name, Kernel::Gather64, &[&slab, &meta, list, &out], &[(6, outputs[0]), (8, none)]);
    }
    add("gather_32", Kernel::Gather32, &[&slab, &meta, &in_order, &out], &[(6, outputs[1])]);
    add("gather_small", Kernel::GatherSmall, &[&slab, &meta, &in_order, &out], &[(6, outputs[2]), (9, 1)]);
    add("gather_bits", Kernel::GatherBits, &[&slab, &meta, &in_order, &out], &[(6, validity)]);
    add("keys", Kernel::Keys, &[&slab, &meta, &in_order, &more_keys], &[(6, PRICE), (7, 0), (8, 1)]);
    add(
        "histogram",
        Kernel::Histogram,
        &[&meta, &random_keys, &counts],
        &[(1, digits), (6, 48), (9, bits_of_digit)],
    );
    add("scan", Kernel::Scan, &[&out, &counts], &[(6, ROWS as u32)]);
    add("scan_add", Kernel::ScanAdd, &[&out, &counts], &[(6, ROWS as u32)]);
    let pass = [&meta, &random_keys, &in_order, &offsets, &more_keys, &out];
    add("scatter", Kernel::Scatter, &pass, &[(1, digits), (6, 48), (8, 1), (9, bits_of_digit)]);
    add("select_histogram", Kernel::SelectHistogram, &[&meta, &random_keys, &state, &tally], &[(6, 56)]);
    add("select_pick", Kernel::SelectPick, &[&meta, &state, &tally], &[(0, 1), (6, 56), (7, 1)]);
    add("select_mark", Kernel::SelectMark, &[&meta, &random_keys, &state, &bits, &counts], &[]);
    add("buckets, 100", Kernel::Buckets, &[&slab, &meta, &in_order, &out], &[(6, TIME), (8, 1)]);
    let runs = [(6, 4096), (7, slots), (8, 1), (9, 2)];
    add("runs, two slots", Kernel::Runs, &[&slab, &meta, &in_order, &in_order, &bits, &counts], &runs);
    let everything = reduce::EXTREMES | reduce::SUM_FLOAT64 | reduce::EDGES;
    for (length, pieces, table) in folds {
        let starts = bench.upload(&(0..pieces).map(|piece| (piece * length) as u32).collect::<Vec<_>>());
        for (name, asked) in
            [("count", 0), ("extremes", reduce::EXTREMES), ("sum", reduce::SUM_FLOAT64), ("all", everything)]
        {
            let own = [(0, pieces.div_ceil(64) as u32), (1, table), (6, pieces as u32), (7, PRICE)];
            let own = [&own[..], &[(8, 1), (9, TIME), (10, asked)]].concat();
            let name = format!("reduce, {name} of {length} each");
            add(&name, Kernel::Reduce, &[&slab, &meta, &in_order, &starts, &out], &own);
        }
    }
    all
}
