//! Folds of runs against exact arithmetic in plain Rust.

use crate::kernel::{BlockEntry, Class, Form, GROUP_THREADS, Kernel, NONE, REDUCED_WORDS, reduce};

use super::model::{Column, Items, Request, SHAPES, bitmap, bits_of, rewrite, slot_of};
use super::{for_requests, launches};
use crate::conformance::Test;
use crate::conformance::{Bench, Numbers, Subject, launch};

pub(super) fn tests<S: Subject>() -> Vec<Test<S>> {
    vec![
        ("reduce_encoded_folds_pieces_of_rows_that_count", rows_in_place),
        ("reduce_encoded_sums_floats_of_like_size_exactly", like_floats_in_place),
        ("reduce_folds_pieces_of_every_shape", any_shape),
        ("reduce_counts_the_items_of_no_column", no_column),
        ("reduce_sums_floats_that_just_fit_and_refuses_those_that_just_do_not", borders_of_width),
        ("reduce_sums_floats_of_like_size_exactly", like_floats),
    ]
}

const TIME: usize = 1;

/// A finite float that is not zero, as an odd number of a power of two.
fn odd_parts(column: &Column, row: usize) -> Result<Option<(i128, i32)>, u32> {
    let value = column.values[row];
    let (field, mantissa, negative, special, unit) = match column.class {
        Class::Float64 => {
            ((value >> 52 & 0x7ff) as i32, value & ((1 << 52) - 1), value >> 63 == 1, 0x7ff, -1075)
        }
        _ => ((value >> 23 & 0xff) as i32, value & ((1 << 23) - 1), value >> 31 == 1, 0xff, -150),
    };
    if field == special {
        return Err(match (mantissa, negative) {
            (0, false) => reduce::POSITIVE_INFINITY,
            (0, true) => reduce::NEGATIVE_INFINITY,
            _ => reduce::NAN,
        });
    }
    let hidden = if column.class == Class::Float64 { 1 << 52 } else { 1 << 23 };
    let mantissa = if field == 0 { mantissa } else { mantissa | hidden };
    if mantissa == 0 {
        return Ok(None);
    }
    let zeros = mantissa.trailing_zeros();
    let odd = i128::from(mantissa >> zeros);
    Ok(Some((if negative { -odd } else { odd }, field.max(1) + unit + zeros as i32)))
}

fn sum_of_floats(column: &Column, rows: &[usize]) -> (u32, i128, i32) {
    let mut flags = 0;
    let mut parts = Vec::new();
    for row in rows {
        match odd_parts(column, *row) {
            Err(flag) => flags |= flag,
            Ok(part) => parts.extend(part),
        }
    }
    let Some(lowest) = parts.iter().map(|(_, exponent)| *exponent).min() else { return (flags, 0, 0) };
    let top = |(odd, exponent): &(i128, i32)| exponent + odd.unsigned_abs().ilog2() as i32;
    let highest = parts.iter().map(top).max().unwrap();
    if highest - lowest >= 116 {
        return (flags | reduce::TOO_WIDE, 0, 0);
    }
    (flags, parts.iter().map(|(odd, exponent)| odd << (exponent - lowest)).sum(), lowest)
}

/// What the kernel has to write for items of a part.
fn reduced(request: &Request, part: usize, items: &[usize], slot: Option<usize>, asked: u32) -> Vec<u32> {
    let part = &request.parts[part];
    let row_of = |item: &usize| part.list[item - part.start] as usize;
    let column = slot.map(|slot| &part.columns[slot]);
    let items: Vec<usize> =
        items.iter().copied().filter(|item| column.is_none_or(|column| column.valid[row_of(item)])).collect();
    let rows: Vec<usize> = items.iter().map(row_of).collect();
    let mut words = vec![0; REDUCED_WORDS as usize];
    words[reduce::COUNT] = items.len() as u32;
    (words[reduce::FIRST], words[reduce::LAST]) = (NONE, NONE);
    if asked & reduce::EDGES != 0 {
        let order = |item: &&usize| (part.columns[TIME].values[row_of(item)] as i64, row_of(item));
        words[reduce::FIRST] = items.iter().min_by_key(order).map_or(NONE, |item| *item as u32);
        words[reduce::LAST] = items.iter().max_by_key(order).map_or(NONE, |item| *item as u32);
    }
    let Some(column) = column else { return words };
    if asked & reduce::EXTREMES != 0 {
        for (at, key) in [
            (reduce::MIN, rows.iter().map(|row| column.key(*row)).min()),
            (reduce::MAX, rows.iter().map(|row| column.key(*row)).max()),
        ] {
            let key = key.unwrap_or(0);
            (words[at], words[at + 1]) = (key as u32, (key >> 32) as u32);
        }
    }
    let (flags, sum, exponent) = match () {
        () if asked & (reduce::SUM_FLOAT64 | reduce::SUM_FLOAT32) != 0 => sum_of_floats(column, &rows),
        () if asked & reduce::SUM_SIGNED != 0 => {
            let spare = 64 - bits_of(column.form);
            (0, rows.iter().map(|row| i128::from((column.values[*row] << spare) as i64 >> spare)).sum(), 0)
        }
        () if asked & reduce::SUM_UNSIGNED != 0 => {
            (0, rows.iter().map(|row| i128::from(column.values[*row])).sum(), 0)
        }
        () => (0, 0, 0),
    };
    words[reduce::SUM_FLAGS] = flags;
    for i in 0..4 {
        words[reduce::SUM + i] = (sum >> (32 * i)) as u32;
    }
    words[reduce::EXPONENT] = exponent as u32;
    words
}

fn sum_flag(class: Class) -> u32 {
    match class {
        Class::Unsigned => reduce::SUM_UNSIGNED,
        Class::Signed => reduce::SUM_SIGNED,
        Class::Float64 => reduce::SUM_FLOAT64,
        Class::Float32 => reduce::SUM_FLOAT32,
    }
}

/// Cuts every part's items into pieces, makes blocks of pieces, folds them, and compares.
fn check<S: Subject>(
    bench: &Bench<S>,
    mut request: Request,
    none: u32,
    numbers: &mut Numbers,
    asks: &[(Option<usize>, u32)],
) {
    let mut pieces = Vec::new();
    let mut owners = Vec::new();
    request.blocks.clear();
    let length = numbers.pick(&[1, 5, 40, 2048]);
    for (number, part) in request.parts.iter().enumerate() {
        let first_piece = pieces.len() as u32;
        let (mut item, end) = (part.start, part.start + part.list.len());
        while item < end {
            pieces.push(item as u32);
            owners.push(number);
            item += 1 + numbers.below(length) as usize;
        }
        let count = pieces.len() as u32 - first_piece;
        let most = 1 + numbers.below(u64::from(GROUP_THREADS)) as u32;
        let mut first = 0;
        while first < count {
            let items = most.min(count - first);
            request.blocks.push(BlockEntry {
                part: number as u32,
                first: first_piece + first,
                items,
                aux: 0,
            });
            first += items;
        }
    }
    let tables = request.finish();
    let slab = bench.upload(&request.slab);
    let meta = bench.upload(&request.meta);
    let list = bench.upload(&request.list);
    let in_pieces = bench.upload(&pieces);
    let at = 5;
    let size = at + pieces.len() * REDUCED_WORDS as usize;
    for &(slot, asked) in asks {
        let out = bench.filled(size, 0x5555_5555);
        let mut params = tables.clone();
        params.extend([(0, request.blocks.len() as u32), (6, pieces.len() as u32)]);
        params.extend([(7, slot.map_or(NONE, |slot| slot as u32)), (8, none), (9, TIME as u32)]);
        params.extend([(10, asked), (11, at as u32)]);
        let run = launch(Kernel::Reduce, &[&slab, &meta, &list, &in_pieces, &out], &params);
        let got = bench.launch(vec![run], &[(&out, size)]).remove(0);
        for (piece, owner) in owners.iter().enumerate() {
            let part = &request.parts[*owner];
            let mut end = part.start + part.list.len();
            if owners.get(piece + 1) == Some(owner) {
                end = pieces[piece + 1] as usize;
            }
            let items: Vec<usize> = (pieces[piece] as usize..end).collect();
            let expected = reduced(&request, *owner, &items, slot, asked);
            let words = &got[at + piece * REDUCED_WORDS as usize..][..REDUCED_WORDS as usize];
            assert_eq!(words, expected, "piece {piece} of {}, {slot:?}, {asked:#x}", items.len());
        }
    }
}

fn any_shape<S: Subject>(bench: &Bench<S>) {
    for_requests(12, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let (items, none) = if numbers.chance(2) { (Items::NoList, 1) } else { (Items::Listed, 0) };
        let request = Request::new(seed, sizes, items);
        let asks: Vec<_> = (0..SHAPES.len())
            .map(|slot| {
                let mut asked = 0;
                asked |= if numbers.chance(3) { 0 } else { reduce::EXTREMES };
                asked |= if numbers.chance(3) { 0 } else { reduce::EDGES };
                asked |= if numbers.chance(4) { 0 } else { sum_flag(SHAPES[slot].1) };
                (Some(slot), asked)
            })
            .collect();
        check(bench, request, none, &mut numbers, &asks);
    });
}

fn no_column<S: Subject>(bench: &Bench<S>) {
    for_requests(8, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let request = Request::new(seed, sizes, Items::Listed);
        check(bench, request, 0, &mut numbers, &[(None, 0), (None, reduce::EDGES)]);
    });
}

/// Marks pieces of the rows that count, folds them, and compares.
fn check_in_place<S: Subject>(
    bench: &Bench<S>,
    mut request: Request,
    numbers: &mut Numbers,
    asks: &[(Option<usize>, u32)],
) {
    request.cut_by_rows();
    let density = numbers.pick(&[1, 1, 2, 40, 3_000]);
    let is_filtered = density > 1 || numbers.chance(2);
    let often = numbers.pick(&[1, 3, 30, 700, 100_000]);
    let (filter, _) = bitmap(&request.blocks, |_, _| numbers.chance(density));
    let counts = |number: usize, j: usize| filter[64 * number + j / 32] >> (j % 32) & 1 == 1;
    let (mut runs, mut pieces) = (vec![0; filter.len()], Vec::new());
    for (number, block) in request.blocks.iter_mut().enumerate() {
        block.aux = pieces.len() as u32;
        for j in (0..block.items as usize).filter(|j| counts(number, *j)) {
            if pieces.len() as u32 == block.aux || numbers.chance(often) {
                runs[64 * number + j / 32] |= 1 << (j % 32);
                pieces.push((block.part as usize, Vec::new()));
            }
            pieces.last_mut().unwrap().1.push(block.first as usize + j);
        }
    }
    let tables = request.finish();
    let slab = bench.upload(&request.slab);
    let meta = bench.upload(&request.meta);
    let rows_in = bench.upload(&filter);
    let runs_in = bench.upload(&runs);
    let at = 5;
    let size = at + pieces.len() * REDUCED_WORDS as usize;
    for &(slot, asked) in asks {
        let out = bench.filled(size, 0x5555_5555);
        let all = launches(numbers, request.blocks.len())
            .into_iter()
            .map(|(first, count)| {
                let mut params = tables.clone();
                params.extend([(0, count), (5, first), (7, slot.map_or(NONE, |slot| slot as u32))]);
                params.extend([(8, u32::from(!is_filtered)), (10, asked), (11, at as u32)]);
                launch(Kernel::ReduceEncoded, &[&slab, &meta, &rows_in, &runs_in, &out], &params)
            })
            .collect();
        let got = bench.launch(all, &[(&out, size)]).remove(0);
        for (piece, (part, rows)) in pieces.iter().enumerate() {
            let expected = reduced(&request, *part, rows, slot, asked);
            let words = &got[at + piece * REDUCED_WORDS as usize..][..REDUCED_WORDS as usize];
            assert_eq!(words, expected, "piece {piece} of {}, {slot:?}, {asked:#x}", rows.len());
        }
    }
}

fn rows_in_place<S: Subject>(bench: &Bench<S>) {
    for_requests(12, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let request = Request::new(seed, sizes, Items::Rows);
        let mut asks: Vec<_> = (0..SHAPES.len())
            .map(|slot| {
                let mut asked = if numbers.chance(3) { 0 } else { reduce::EXTREMES };
                asked |= if numbers.chance(4) { 0 } else { sum_flag(SHAPES[slot].1) };
                (Some(slot), asked)
            })
            .collect();
        asks.push((None, 0));
        check_in_place(bench, request, &mut numbers, &asks);
    });
}

fn like_floats_in_place<S: Subject>(bench: &Bench<S>) {
    for_requests(8, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::Rows);
        let asks = make_like(&mut numbers, &mut request);
        check_in_place(bench, request, &mut numbers, &asks);
    });
}

/// Gives floats few exponents, so that nearly all sums fit; what to ask for.
fn make_like(numbers: &mut Numbers, request: &mut Request) -> [(Option<usize>, u32); 2] {
    let double = slot_of(Form::Plain64, Class::Float64);
    let single = slot_of(Form::Plain32, Class::Float32);
    let base = numbers.pick(&[0, 1, 1000, 1023, 1900]);
    let wide = numbers.pick(&[1, 10, 64]);
    for part in &mut request.parts {
        rewrite(&mut request.slab, &request.meta, part, double, |_| {
            let exponent = base + numbers.below(wide);
            (numbers.next() & !(0x7ff << 52)) | exponent << 52
        });
        rewrite(&mut request.slab, &request.meta, part, single, |_| {
            let exponent = 100 + numbers.below(wide);
            (numbers.next() & 0x807f_ffff) | exponent << 23
        });
    }
    [(Some(double), reduce::SUM_FLOAT64), (Some(single), reduce::SUM_FLOAT32)]
}

fn like_floats<S: Subject>(bench: &Bench<S>) {
    for_requests(8, |seed, sizes| {
        let mut numbers = Numbers(seed);
        let mut request = Request::new(seed, sizes, Items::NoList);
        let asks = make_like(&mut numbers, &mut request);
        check(bench, request, 1, &mut numbers, &asks);
    });
}

fn borders_of_width<S: Subject>(bench: &Bench<S>) {
    let double = slot_of(Form::Plain64, Class::Float64);
    for (apart, base) in [(114, 0), (115, 0), (116, 0), (117, 0), (115, -1074), (116, -1074), (115, 900)] {
        for items in [Items::NoList, Items::Rows] {
            let mut numbers = Numbers(1);
            let mut request = Request::new(1, &[2000], items);
            let low = 2.0_f64.powi(base);
            let values = [low, low * 2.0_f64.powi(apart), -low, 3.0 * low];
            let part = &mut request.parts[0];
            part.columns[double].valid.fill(true);
            rewrite(&mut request.slab, &request.meta, part, double, |row| values[row % 4].to_bits());
            let asks = [(Some(double), reduce::SUM_FLOAT64 | reduce::EXTREMES)];
            match items {
                Items::Rows => check_in_place(bench, request, &mut numbers, &asks),
                _ => check(bench, request, 1, &mut numbers, &asks),
            }
        }
    }
}
