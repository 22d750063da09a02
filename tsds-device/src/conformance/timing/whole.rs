//! What takes several launches: sorting, selecting, gathering everything, folding windows. Each is one work.

use std::sync::Arc;

use super::super::bench::words_of;
use super::super::{Buffer, BufferOf, Subject, launch};
use super::data::{Data, EVERY_PRICE, PRICE, RANGE, TIME, WANTED, put, put_blocks, room};
use super::report::{CONJUNCTION, FILTER, GATHER, Measured, Report, SORT, TOP, WINDOWS};
use super::{Operation, Timer, median, steps_of};
use crate::kernel::{BLOCK_ITEMS, Kernel, REDUCED_WORDS, reduce};
use crate::{Device, Launch, Work};

type Launches<S> = Vec<Launch<BufferOf<S>>>;

/// Rows of a window that is folded at once, as the tier has them.
const PIECE_ROWS: u32 = 256;
/// Items of a workgroup that folds, as the tier has them.
const GROUP_ITEMS: u64 = 8192;
/// How many keys of a result are looked at.
const LOOKED_AT: usize = 4096;

/// The operations, each of which gave what it should.
pub(super) fn operations<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>) -> Vec<Operation<S>> {
    let (rows, blocks) = (data.rows as u64, data.blocks as u64);
    let marked = rows / 8 + 4 * blocks;
    let mask = [&data.slab, &data.meta, &data.marks, &data.counts];
    let one = launch(Kernel::Mask, &mask, &data.params(&[]));
    let three = launch(Kernel::Mask, &mask, &data.params(&[(2, data.at.part_of_three)]));
    let of = |name, launches, bytes| Operation::new(name, launches, rows, bytes);
    vec![
        of(FILTER, vec![one], 8 * rows + rows / 8 + marked),
        of(CONJUNCTION, vec![three], 13 * rows + rows / 8 + marked),
        of(GATHER, gather(data), 4 * rows + 2 * 21 * rows + rows / 4),
        sort(timer, data),
        top(timer, data),
        windows(timer, data),
    ]
}

/// All columns of all rows of a list.
fn gather<S: Subject>(data: &Data<S>) -> Launches<S> {
    let Data { slab, meta, in_order, out, at, .. } = data;
    let [more, other] = &data.more_keys;
    let both = data.params(&[(0, 2 * data.blocks as u32), (6, at.both)]);
    vec![
        launch(Kernel::Gather64, &[slab, meta, in_order, out], &both),
        launch(Kernel::Gather32, &[slab, meta, in_order, more], &data.params(&[(6, at.code)])),
        launch(Kernel::GatherSmall, &[slab, meta, in_order, other], &data.params(&[(6, at.side), (9, 1)])),
        launch(Kernel::GatherBits, &[slab, meta, in_order, &data.list], &data.params(&[(6, at.validity)])),
    ]
}

/// Running sums of so many words, in place.
fn summed<S: Subject>(data: &Data<S>, words: &Buffer<S>, count: u32) -> Launches<S> {
    let mut levels = vec![(words, count)];
    for (totals, _) in &data.totals {
        let above = levels.last().map_or(0, |(_, words)| words.div_ceil(BLOCK_ITEMS));
        levels.push((totals, above));
        if above <= 1 {
            break;
        }
    }
    let over = |kernel, data: &Buffer<S>, totals: &Buffer<S>, words: u32| {
        launch(kernel, &[data, totals], &[(0, words.div_ceil(BLOCK_ITEMS)), (6, words)])
    };
    let pairs = || levels.iter().zip(levels.iter().skip(1));
    let up = pairs().map(|((data, words), (totals, _))| over(Kernel::Scan, data, totals, *words));
    let down = pairs()
        .rev()
        .filter(|(_, (_, above))| *above > 1)
        .map(|((data, words), (totals, _))| over(Kernel::ScanAdd, data, totals, *words));
    up.chain(down).collect()
}

/// Where items go by a digit of their keys.
pub(super) fn offsets_of<S: Subject>(
    data: &Data<S>,
    digit_bits: u32,
    shift: u32,
    keys: &Buffer<S>,
) -> Launches<S> {
    let params = data.params(&[(1, data.at.digits), (6, shift), (9, digit_bits)]);
    let histogram = launch(Kernel::Histogram, &[&data.meta, keys, &data.digits], &params);
    let mut launches = vec![histogram];
    launches.extend(summed(data, &data.digits, (data.blocks as u32) << digit_bits));
    launches
}

/// Sorts keys by all of their bits, and the numbers of rows with them.
fn sort<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>) -> Operation<S> {
    let digit_bits = timer.bench.device.info().radix_bits;
    let rows = [&data.list, &data.out];
    let mut launches = Vec::new();
    let mut passes = 0;
    for shift in (0..u64::BITS).step_by(digit_bits as usize) {
        let (from, to) = (passes % 2, 1 - passes % 2);
        // The keys as they were stay for the next time.
        let (keys, none) = if passes == 0 { (&data.keys, 1) } else { (&data.more_keys[from], 0) };
        launches.extend(offsets_of(data, digit_bits, shift, keys));
        let params = data.params(&[(1, data.at.digits), (6, shift), (8, none), (9, digit_bits)]);
        let buffers = [&data.meta, keys, rows[from], &data.digits, &data.more_keys[to], rows[to]];
        launches.push(launch(Kernel::Scatter, &buffers, &params));
        passes += 1;
    }
    timer.run_once(&launches);
    let last = passes % 2;
    let sorted = read(timer, &data.more_keys[last], data.rows / 2, LOOKED_AT);
    let keys: Vec<u64> = sorted.chunks(2).map(|key| u64::from(key[0]) | u64::from(key[1]) << 32).collect();
    assert!(keys.is_sorted() && keys[0] < keys[keys.len() - 1], "keys are not in order");
    let numbers = read(timer, rows[last], data.rows / 4, 1);
    let own = read(timer, &data.keys, 2 * numbers[0] as usize, 2);
    let there = read(timer, &data.more_keys[last], 2 * (data.rows / 4), 2);
    assert_eq!(own, there, "a row does not go with its key");
    // Each pass reads keys for the counts, reads keys and rows, of which the first has none, and writes both.
    let bytes = (passes as u64 * (8 + 12 + 12) - 4) * data.rows as u64;
    Operation::new(SORT, launches, data.rows as u64, bytes)
}

/// Lists the rows with the smallest keys.
fn top<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>) -> Operation<S> {
    let Data { meta, keys, state, tally, marks, counts, list, .. } = data;
    let over_parts = |shift, kind| data.params(&[(0, 1), (6, shift), (7, kind)]);
    let pick = |params: &[(usize, u32)]| launch(Kernel::SelectPick, &[meta, state, tally], params);
    let mut launches = vec![pick(&over_parts(0, 2))];
    for shift in (0..u64::BITS).step_by(8).rev() {
        let params = data.params(&[(6, shift)]);
        launches.push(launch(Kernel::SelectHistogram, &[meta, keys, state, tally], &params));
        launches.push(pick(&over_parts(shift, 0)));
    }
    launches.push(launch(Kernel::SelectMark, &[meta, keys, state, marks, counts], &data.params(&[])));
    launches.extend(summed(data, counts, data.blocks as u32));
    let params = data.params(&[(7, data.rows as u32)]);
    launches.push(launch(Kernel::Compact, &[meta, marks, counts, &data.in_order, list], &params));
    timer.run_once(&launches);
    let threshold = read(timer, state, 0, 2);
    let rows = read(timer, list, 0, WANTED as usize);
    assert!(rows.is_sorted_by(|one, next| one < next), "rows are listed twice");
    for row in rows.iter().step_by(100) {
        let key = read(timer, keys, 2 * *row as usize, 2);
        assert!([key[1], key[0]] <= [threshold[1], threshold[0]], "row {row} is not among the first");
    }
    let bytes = 9 * 8 * data.rows as u64 + data.rows as u64 / 4 + 12 * data.blocks as u64;
    Operation::new(TOP, launches, data.rows as u64, bytes)
}

/// Folds sum, minimum and maximum of prices by code and bucket of time, where rows are sorted by code and time.
fn windows<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>) -> Operation<S> {
    let Data { slab, meta, in_order, out, marks, counts, list, at, .. } = data;
    let buckets = launch(Kernel::Buckets, &[slab, meta, in_order, out], &data.params(&[(6, TIME), (8, 1)]));
    let runs = [(6, PIECE_ROWS), (7, at.one_slot), (8, 1), (9, 1), (10, 1)];
    let runs = launch(Kernel::Runs, &[slab, meta, in_order, out, marks, counts], &data.params(&runs));
    let mut launches = vec![buckets, runs];
    timer.run_once(&launches);
    let pieces: u32 = read(timer, counts, 0, data.blocks).iter().sum();
    launches.extend(summed(data, counts, data.blocks as u32));
    let params = data.params(&[(7, data.rows as u32)]);
    launches.push(launch(Kernel::Compact, &[meta, marks, counts, in_order, list], &params));
    // As many pieces for a workgroup as the tier gives it.
    let length = (data.rows as u64 / u64::from(pieces.max(1))).max(1);
    let at_once = (GROUP_ITEMS / length).clamp(1, 64) as usize;
    let mut tables = data.tables.clone();
    let table = put_blocks(&mut tables, pieces as usize, at_once, |_| 0);
    let meta = timer.bench.upload(&tables);
    let folded = room(timer.bench, pieces as usize * REDUCED_WORDS as usize);
    let groups = (pieces as usize).div_ceil(at_once) as u32;
    let asked = reduce::EXTREMES | reduce::SUM_FLOAT64;
    let own = [(0, groups), (1, table), (6, pieces), (7, PRICE), (8, 1), (9, TIME), (10, asked)];
    launches.push(launch(Kernel::Reduce, &[slab, &meta, in_order, list, &folded], &data.params(&own)));
    timer.run_once(&launches);
    // Seven rows of eight have a price.
    let valid: u64 = read(timer, &folded, 0, pieces as usize * REDUCED_WORDS as usize)
        .chunks(REDUCED_WORDS as usize)
        .map(|piece| u64::from(piece[reduce::COUNT]))
        .sum();
    assert!(valid > data.rows as u64 / 4 * 3 && valid < data.rows as u64, "{valid} rows are folded");
    // Times, codes and prices with their validity are read, and what is found of each piece is written.
    let rows = data.rows as u64;
    let bytes = 20 * rows + rows / 8 + 4 * u64::from(pieces * REDUCED_WORDS);
    Operation::new(WINDOWS, launches, rows, bytes)
}

/// What is compared with other programs on the same data: prices in a range, and the price, time and code of these rows.
pub(super) const FILTER_AND_GATHER: &str = "filter and gather of 3 columns";

/// Measures it as somebody sees it who waits for it: the host hears how many rows match before it has their values gathered. They stay
/// on the device.
pub(super) fn filter_and_gather<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>, report: &mut Report) {
    let Data { slab, meta, in_order, out, marks, counts, list, at, more_keys: [more, _], .. } = data;
    let mask = launch(Kernel::Mask, &[slab, meta, marks, counts], &data.params(&[(2, at.part_of_every)]));
    let mut filter = vec![mask];
    timer.run_once(&filter);
    let matches: u32 = read(timer, counts, 0, data.blocks).iter().sum();
    filter.extend(summed(data, counts, data.blocks as u32));
    let mut tables = data.tables.clone();
    let (block, items) = (BLOCK_ITEMS as usize, matches as usize);
    let blocks_at = put_blocks(&mut tables, items, block, |number| number * block);
    let blocks = items.div_ceil(block) as u32;
    let both = put(&mut tables, [EVERY_PRICE, 0, TIME, 2 * matches]);
    let meta = timer.bench.upload(&tables);
    let listed = |own: &[(usize, u32)]| data.params(&[&[(1, blocks_at), (7, blocks)], own].concat());
    let compact = data.params(&[(7, matches)]);
    let gather = [
        launch(Kernel::Compact, &[&meta, marks, counts, in_order, list], &compact),
        launch(Kernel::Gather64, &[slab, &meta, list, out], &listed(&[(0, 2 * blocks), (6, both)])),
        launch(Kernel::Gather32, &[slab, &meta, list, more], &listed(&[(0, blocks), (6, at.code)])),
    ];
    let run = |launches, reads| {
        timer.bench.runtime.block_on(timer.bench.device.run(Work::new(steps_of(launches), reads))).unwrap();
    };
    let seconds = median(timer.runs, || {
        run(&filter, vec![(Arc::clone(counts), 0..4)]);
        run(&gather, Vec::new());
    });
    let rows = data.rows as u64;
    let bytes = 8 * rows + 40 * u64::from(matches);
    report.ran(FILTER_AND_GATHER, Measured { seconds: seconds.as_secs_f64(), rows, bytes });
    report.note(&format!("\"least\": {:?}, \"most\": {:?}, \"matches\": {matches}", RANGE.0, RANGE.1));
    let bits = read(timer, out, 0, 2 * items);
    let is_in = |price: f64| price >= RANGE.0 && price <= RANGE.1;
    let prices = bits.chunks(2).map(|words| f64::from_bits(u64::from(words[0]) | u64::from(words[1]) << 32));
    assert!(matches > 0 && prices.into_iter().all(is_in), "prices are gathered that do not match");
}

/// Words of a buffer.
fn read<S: Subject>(timer: &Timer<'_, S>, from: &Buffer<S>, at: usize, words: usize) -> Vec<u32> {
    let range = at as u64 * 4..(at + words) as u64 * 4;
    let work = Work::new(Vec::new(), vec![(Arc::clone(from), range)]);
    words_of(&timer.bench.runtime.block_on(timer.bench.device.run(work)).unwrap()[0])
}
