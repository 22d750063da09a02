//! Every kernel by itself.
//!
//! What is counted of each is what it cannot but move, every byte once: also what a kernel reads again, which a cache may have.

use super::super::{Buffer, Subject, launch};
use super::data::{BUCKETS, Data, FOLDED, PRICE, TIME, room};
use super::{Operation, Timer};
use crate::Device;
use crate::kernel::{BLOCK_ITEMS, Kernel, REDUCED_WORDS, reduce};

/// Bytes of what is counted for every block of rows.
const COUNT: u64 = 4;

/// The launches, in the order in which they are shown.
pub(super) fn operations<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>) -> Vec<Operation<S>> {
    [filters(data), gathers(data), sorting(timer, data), folds(timer, data)].into_iter().flatten().collect()
}

/// One launch over the rows.
fn over<S: Subject>(
    data: &Data<S>,
    name: &str,
    kernel: Kernel,
    buffers: &[&Buffer<S>],
    own: &[(usize, u32)],
    bytes: u64,
) -> Operation<S> {
    let launches = vec![launch(kernel, buffers, &data.params(own))];
    Operation::new(name, launches, data.rows as u64, bytes)
}

fn filters<S: Subject>(data: &Data<S>) -> Vec<Operation<S>> {
    let Data { slab, meta, bits, offsets, in_order, out, marks, counts, at, .. } = data;
    let (rows, blocks) = (data.rows as u64, data.blocks as u64);
    let (bit, marked) = (rows / 8, rows / 8 + COUNT * blocks);
    let mask = [slab, meta, marks, counts];
    let three = [(2, at.part_of_three)];
    let last = [(7, data.rows as u32)];
    vec![
        over(data, "mask, one term", Kernel::Mask, &mask, &[], 8 * rows + bit + marked),
        over(data, "mask, three terms", Kernel::Mask, &mask, &three, 13 * rows + bit + marked),
        over(
            data,
            "compact",
            Kernel::Compact,
            &[meta, bits, offsets, in_order, out],
            &last,
            marked + 4 * data.ones,
        ),
    ]
}

fn gathers<S: Subject>(data: &Data<S>) -> Vec<Operation<S>> {
    let Data { slab, meta, in_order, shuffled, out, at, .. } = data;
    let rows = data.rows as u64;
    let mut all: Vec<_> = [("no", in_order, 1), ("ascending", in_order, 0), ("random", shuffled, 0)]
        .into_iter()
        .map(|(list, buffer, none)| {
            let name = format!("gather_64, {list} list");
            let own = [(6, at.price), (8, none)];
            let bytes = if none == 1 { 16 } else { 20 } * rows;
            over(data, &name, Kernel::Gather64, &[slab, meta, buffer, out], &own, bytes)
        })
        .collect();
    let listed = [slab, meta, in_order, out];
    all.extend([
        over(data, "gather_32", Kernel::Gather32, &listed, &[(6, at.code)], 12 * rows),
        over(data, "gather_small", Kernel::GatherSmall, &listed, &[(6, at.side), (9, 1)], 6 * rows),
        over(data, "gather_bits", Kernel::GatherBits, &listed, &[(6, at.validity)], 4 * rows + rows / 4),
    ]);
    all
}

fn sorting<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>) -> Vec<Operation<S>> {
    let Data { slab, meta, in_order, keys, more_keys: [more, _], out, digits, state, tally, .. } = data;
    let (rows, blocks) = (data.rows as u64, data.blocks as u64);
    let digit_bits = timer.bench.device.info().radix_bits;
    let counted = COUNT * (blocks << digit_bits);
    let digit = [(1, data.at.digits), (6, 48), (8, 1), (9, digit_bits)];
    let histogram = [meta, keys, digits];
    let sums = (4 * rows).div_ceil(u64::from(BLOCK_ITEMS));
    let own_sums = &data.totals[0].0;
    // Offsets that were computed, so that every item goes to a place of its own.
    timer.run_once(&super::whole::offsets_of(data, digit_bits, 48, keys));
    let pass = [meta, keys, in_order, digits, more, out];
    let words = [(6, data.rows as u32)];
    let keys_of = [(6, PRICE), (7, 0), (8, 1)];
    let marks = [meta, keys, state, &data.marks, &data.counts];
    let scatter = over(data, "scatter", Kernel::Scatter, &pass, &digit, 20 * rows + counted);
    // It comes before what overwrites the offsets.
    vec![
        scatter,
        over(data, "histogram", Kernel::Histogram, &histogram, &digit, 8 * rows + counted),
        over(data, "keys", Kernel::Keys, &[slab, meta, in_order, more], &keys_of, 16 * rows + rows / 8),
        over(data, "scan", Kernel::Scan, &[out, own_sums], &words, 8 * rows + sums),
        over(data, "scan_add", Kernel::ScanAdd, &[out, own_sums], &words, 8 * rows + sums),
        over(
            data,
            "select_histogram",
            Kernel::SelectHistogram,
            &[meta, keys, state, tally],
            &[(6, 56)],
            8 * rows,
        ),
        over(data, "select_pick", Kernel::SelectPick, &[meta, state, tally], &[(0, 1), (6, 56), (7, 1)], 0),
        over(data, "select_mark", Kernel::SelectMark, &marks, &[], 8 * rows + rows / 8 + COUNT * blocks),
    ]
}

fn folds<S: Subject>(timer: &Timer<'_, S>, data: &Data<S>) -> Vec<Operation<S>> {
    let Data { slab, meta, in_order, out, marks, counts, at, .. } = data;
    let rows = data.rows as u64;
    let marked = rows / 8 + COUNT * data.blocks as u64;
    let times = [(6, TIME), (8, 1)];
    let runs = [(6, 4096), (7, at.slots), (8, 1), (9, 2)];
    let mut all = vec![
        over(
            data,
            &format!("buckets, {BUCKETS}"),
            Kernel::Buckets,
            &[slab, meta, in_order, out],
            &times,
            12 * rows,
        ),
        over(
            data,
            "runs, two slots",
            Kernel::Runs,
            &[slab, meta, in_order, in_order, marks, counts],
            &runs,
            5 * rows + rows / 8 + marked,
        ),
    ];
    let everything = reduce::EXTREMES | reduce::SUM_FLOAT64 | reduce::EDGES;
    let kinds = [
        ("count", 0, 0),
        ("extremes", reduce::EXTREMES, 8),
        ("sum", reduce::SUM_FLOAT64, 8),
        ("all", everything, 16),
    ];
    for (length, table) in FOLDED.into_iter().zip(&at.folds) {
        let pieces = data.rows.div_ceil(length);
        let starts =
            timer.bench.upload(&(0..pieces).map(|piece| (piece * length) as u32).collect::<Vec<_>>());
        let folded = room(timer.bench, pieces * REDUCED_WORDS as usize);
        for (name, asked, read) in kinds {
            let own = [(0, pieces.div_ceil(64) as u32), (1, *table), (6, pieces as u32), (7, PRICE)];
            let own = [&own[..], &[(8, 1), (9, TIME), (10, asked)]].concat();
            let bytes = read * rows + rows / 8 + pieces as u64 * (4 + 4 * u64::from(REDUCED_WORDS));
            let name = format!("reduce, {name} of {length} each");
            all.push(over(
                data,
                &name,
                Kernel::Reduce,
                &[slab, meta, in_order, &starts, &folded],
                &own,
                bytes,
            ));
        }
    }
    all
}
