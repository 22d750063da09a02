//! Rows in the memory of the device, and the tables with which kernels find them.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::bench::bytes_of;
use super::super::{Bench, Buffer, Numbers, Subject};
use crate::kernel::{
    BLOCK_ITEMS, BlockEntry, Class, ColumnEntry, Form, Instruction, NONE, PartEntry, SELECTION_WORDS,
};
use crate::{Device, Work};

pub(super) const PRICE: u32 = 0;
pub(super) const TIME: u32 = 1;
pub(super) const CODE: u32 = 2;
pub(super) const SIDE: u32 = 3;
/// Prices once more, as if none were null.
pub(super) const EVERY_PRICE: u32 = 4;
/// Slots of the part.
const SLOTS: u32 = 5;

/// Bytes of the four columns and of the validity that two of them share, of every 32 rows.
const BYTES_OF_32: u64 = 32 * (8 + 8 + 4 + 1) + 4;
/// Prices that filters look for: of 50, which they are at most. None is negative.
pub(super) const RANGE: (f64, f64) = (0.0, 10.0);
/// How many rows have a code, and a bucket of time, where there are so many rows.
const CODES: usize = 1000;
pub(super) const BUCKETS: usize = 100;
/// How many of the smallest keys are selected.
pub(super) const WANTED: u32 = 1000;
/// So many words are made and copied to the device at once.
const PIECE_WORDS: usize = 8 << 20;
/// Rows of the pieces that single kernels fold.
pub(super) const FOLDED: [usize; 4] = [10, 100, 1000, 4096];
/// Pieces that a workgroup folds.
const PIECES: usize = 64;

/// One part with four columns, of which prices and sides have nulls, and what kernels read and write beside them.
#[derive(Debug)]
pub(super) struct Data<S: Subject> {
    pub(super) rows: usize,
    /// Blocks of so many rows.
    pub(super) blocks: usize,
    pub(super) at: At,
    /// What `meta` holds.
    pub(super) tables: Vec<u32>,
    pub(super) slab: Buffer<S>,
    pub(super) meta: Buffer<S>,
    /// All rows, in storage order and in no order.
    pub(super) in_order: Buffer<S>,
    pub(super) shuffled: Buffer<S>,
    /// A bitmap of which half is set, where its ones go, and how many there are.
    pub(super) bits: Buffer<S>,
    pub(super) offsets: Buffer<S>,
    pub(super) ones: u64,
    /// Random ones, which nothing overwrites.
    pub(super) keys: Buffer<S>,
    /// Room for keys.
    pub(super) more_keys: [Buffer<S>; 2],
    /// Room for rows.
    pub(super) list: Buffer<S>,
    /// Room for four words a row.
    pub(super) out: Buffer<S>,
    /// Room for a bitmap and its counts.
    pub(super) marks: Buffer<S>,
    pub(super) counts: Buffer<S>,
    /// Room for the counts of digits.
    pub(super) digits: Buffer<S>,
    /// Room for the sums of these, and the sums of those, to the top.
    pub(super) totals: Vec<(Buffer<S>, u32)>,
    pub(super) state: Buffer<S>,
    pub(super) tally: Buffer<S>,
}

/// Where tables begin.
#[derive(Debug, Default)]
pub(super) struct At {
    /// Blocks of rows, with the first row and with the block's number beside them.
    pub(super) rows: u32,
    pub(super) digits: u32,
    /// The part with a program of one condition, with one of three, and with one of a column without nulls.
    pub(super) part_of_one: u32,
    pub(super) part_of_every: u32,
    pub(super) part_of_three: u32,
    /// Lists of slots: codes and sides, and codes alone.
    pub(super) slots: u32,
    pub(super) one_slot: u32,
    /// A column each and where it goes.
    pub(super) price: u32,
    pub(super) code: u32,
    pub(super) side: u32,
    pub(super) validity: u32,
    /// Prices and times.
    pub(super) both: u32,
    /// Blocks of pieces of [`FOLDED`] rows.
    pub(super) folds: Vec<u32>,
}

/// Where what other programs are compared with on the same data is copied to, as NumPy stores arrays: the directory that
/// `TSDS_TIMING_COLUMNS` names.
struct Copies(Option<PathBuf>);

impl Copies {
    fn asked() -> Self {
        Self(std::env::var_os("TSDS_TIMING_COLUMNS").map(PathBuf::from))
    }

    /// A file for so many values, to which they are still to be written.
    fn file(&self, name: &str, kind: &str, count: usize) -> Option<File> {
        let directory = self.0.as_ref()?;
        std::fs::create_dir_all(directory).unwrap();
        let mut file = File::create(directory.join(format!("{name}.npy"))).unwrap();
        let shape = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}");
        // Values begin at a multiple of 64 bytes; ten stand before the header, and it ends with a newline.
        let header = format!("{shape:<117}\n");
        file.write_all(b"\x93NUMPY\x01\x00").unwrap();
        file.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        Some(file)
    }
}

/// The most rows that fit in the buffers of a device.
pub(super) fn most_rows(max_buffer_bytes: u64) -> u64 {
    // Values are found by words of 32 bits.
    max_buffer_bytes.min(1 << 34) / BYTES_OF_32 * 32
}

fn wide(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// Appends words and says where they are.
pub(super) fn put(tables: &mut Vec<u32>, words: impl IntoIterator<Item = u32>) -> u32 {
    let at = tables.len() as u32;
    tables.extend(words);
    at
}

/// Appends a table of blocks of `most` items.
pub(super) fn put_blocks(
    tables: &mut Vec<u32>,
    count: usize,
    most: usize,
    aux: impl Fn(usize) -> usize,
) -> u32 {
    let entry = |number: usize| {
        let first = number * most;
        let items = most.min(count - first) as u32;
        BlockEntry { part: 0, first: first as u32, items, aux: aux(number) as u32 }
    };
    put(tables, (0..count.div_ceil(most)).flat_map(|number| entry(number).words()))
}

/// Copies words to the device that need not be on the host at once.
fn write_words<S: Subject>(
    bench: &Bench<S>,
    to: &Buffer<S>,
    at: usize,
    count: usize,
    mut copy: Option<File>,
    mut words: impl FnMut(Range<usize>) -> Vec<u32>,
) {
    for start in (0..count).step_by(PIECE_WORDS) {
        let made = bytes_of(&words(start..count.min(start + PIECE_WORDS)));
        bench.device.write(to, (at + start) as u64 * 4, &made).unwrap();
        if let Some(file) = &mut copy {
            file.write_all(&made).unwrap();
        }
        // What is written waits on the host until the device has it.
        bench.runtime.block_on(bench.device.run(Work::default())).unwrap();
    }
}

/// Memory for so many words.
pub(super) fn room<S: Subject>(bench: &Bench<S>, words: usize) -> Buffer<S> {
    Arc::new(bench.runtime.block_on(bench.device.allocate(words.max(1) as u64 * 4)).unwrap())
}

fn written<S: Subject>(
    bench: &Bench<S>,
    count: usize,
    copy: Option<File>,
    words: impl FnMut(Range<usize>) -> Vec<u32>,
) -> Buffer<S> {
    let buffer = room(bench, count);
    write_words(bench, &buffer, 0, count, copy, words);
    buffer
}

/// The slab, and the table of its columns.
fn columns<S: Subject>(
    bench: &Bench<S>,
    numbers: &mut Numbers,
    rows: usize,
    copies: &Copies,
) -> (Buffer<S>, Vec<u32>) {
    let (time, code, side) = (2 * rows, 4 * rows, 5 * rows);
    let validity = side + rows / 4;
    let slab = room(bench, validity + rows / 32);
    let pairs = |words: Range<usize>, value: fn(usize) -> u64| {
        (words.start / 2..words.end / 2).flat_map(|row| wide(value(row))).collect()
    };
    write_words(bench, &slab, 0, 2 * rows, copies.file("price", "<f8", rows), |words| {
        pairs(words, |row| ((row as f64 * 0.37).sin() * 50.0).to_bits())
    });
    write_words(bench, &slab, time, 2 * rows, copies.file("time", "<i8", rows), |words| {
        pairs(words, |row| row as u64 * 1_000_000)
    });
    write_words(bench, &slab, code, rows, copies.file("code", "<u4", rows), |rows_of| {
        rows_of.map(|row| (row / rows_of_code(rows)) as u32).collect()
    });
    write_words(bench, &slab, side, rows / 4, None, |words| words.map(|_| numbers.word()).collect());
    write_words(bench, &slab, validity, rows / 32, None, |words| {
        words.map(|_| numbers.word() | numbers.word() | numbers.word()).collect()
    });
    let of = |form, class, at: usize, validity: u32| ColumnEntry::plain(form, class, at as u32, validity);
    let table = [
        of(Form::Plain64, Class::Float64, 0, validity as u32),
        of(Form::Plain64, Class::Signed, time, NONE),
        of(Form::Plain32, Class::Unsigned, code, NONE),
        of(Form::Plain8, Class::Signed, side, validity as u32),
        of(Form::Plain64, Class::Float64, 0, NONE),
    ];
    (slab, table.into_iter().flat_map(ColumnEntry::words).collect())
}

fn rows_of_code(rows: usize) -> usize {
    rows / CODES
}

/// Makes all tables.
fn tables(rows: usize, mut tables: Vec<u32>) -> (At, Vec<u32>) {
    let meta = &mut tables;
    let blocks = rows.div_ceil(BLOCK_ITEMS as usize) as u32;
    // Prices of a range, half of the codes, half of the bytes.
    let zero = 1_u64 << 63;
    let key = |price: f64| wide(price.to_bits() | zero);
    let price = put(meta, [key(RANGE.0), key(RANGE.1)].concat());
    let code = put(meta, [0, 0, CODES as u32 / 2, 0]);
    let side = put(meta, [0, 0, u32::MAX, (zero >> 32) as u32 - 1]);
    let keys = |slot, ranges| Instruction::Keys { slot, ranges, count: 1 }.words();
    let (and, end) = (Instruction::And.words(), Instruction::End.words());
    let one = put(meta, [keys(PRICE, price), end].concat());
    let every = put(meta, [keys(EVERY_PRICE, price), end].concat());
    let three = [keys(PRICE, price), keys(CODE, code), and, keys(SIDE, side), and, end];
    let three = put(meta, three.concat());
    let width = (rows / BUCKETS) as u64 * 1_000_000;
    let buckets = put(meta, (0..BUCKETS as u64).flat_map(|bucket| wide(bucket * width)));
    let part = |program| PartEntry {
        rows: rows as u32,
        program,
        stride: blocks,
        list_start: 0,
        list_items: rows as u32,
        buckets,
        bucket_count: BUCKETS as u32,
        wanted: WANTED,
    };
    let block = BLOCK_ITEMS as usize;
    let at = At {
        slots: put(meta, [CODE, SIDE]),
        one_slot: put(meta, [CODE]),
        price: put(meta, [PRICE, 0]),
        code: put(meta, [CODE, 0]),
        side: put(meta, [SIDE, 0]),
        validity: put(meta, [PRICE, 0, 1]),
        both: put(meta, [PRICE, 0, TIME, 2 * rows as u32]),
        part_of_one: put(meta, part(one).words()),
        part_of_three: put(meta, part(three).words()),
        part_of_every: put(meta, part(every).words()),
        rows: put_blocks(meta, rows, block, |number| number * block),
        digits: put_blocks(meta, rows, block, |number| number),
        folds: FOLDED.map(|length| put_blocks(meta, rows.div_ceil(length), PIECES, |_| 0)).into(),
    };
    (at, tables)
}

impl<S: Subject> Data<S> {
    pub(super) fn new(bench: &Bench<S>, rows: usize) -> Self {
        let mut numbers = Numbers(1);
        let copies = Copies::asked();
        let (slab, of_columns) = columns(bench, &mut numbers, rows, &copies);
        let (at, tables) = tables(rows, of_columns);
        let blocks = rows.div_ceil(BLOCK_ITEMS as usize);
        let in_order = written(bench, rows, None, |rows| rows.map(|row| row as u32).collect());
        let mut order: Vec<u32> = (0..rows as u32).collect();
        for row in (1..rows).rev() {
            order.swap(row, numbers.below(row as u64 + 1) as usize);
        }
        let shuffled =
            written(bench, rows, copies.file("shuffled", "<u4", rows), |rows| order[rows].to_vec());
        drop(order);
        let words_of_block = BLOCK_ITEMS as usize / 32;
        let bitmap: Vec<u32> = (0..blocks * words_of_block)
            .map(|word| if word < rows / 32 { numbers.word() } else { 0 })
            .collect();
        let mut ones = 0;
        let offsets: Vec<u32> = bitmap
            .chunks(words_of_block)
            .map(|block| {
                let own: u32 = block.iter().map(|word| word.count_ones()).sum();
                let first = ones;
                ones += own;
                first
            })
            .collect();
        let counted = (blocks as u32) << bench.device.info().radix_bits;
        let mut totals = Vec::new();
        let mut words = counted.max(rows as u32);
        while words > 1 {
            words = words.div_ceil(BLOCK_ITEMS);
            totals.push((room(bench, words as usize), words));
        }
        Self {
            rows,
            blocks,
            at,
            meta: bench.upload(&tables),
            tables,
            slab,
            in_order,
            shuffled,
            bits: bench.upload(&bitmap),
            offsets: bench.upload(&offsets),
            ones: ones.into(),
            keys: written(bench, 2 * rows, copies.file("keys", "<u8", rows), |words| {
                words.map(|_| numbers.word()).collect()
            }),
            more_keys: [room(bench, 2 * rows), room(bench, 2 * rows)],
            list: room(bench, rows),
            out: room(bench, 4 * rows),
            marks: room(bench, blocks * words_of_block),
            counts: room(bench, blocks),
            digits: room(bench, counted as usize),
            totals,
            state: room(bench, SELECTION_WORDS as usize),
            tally: room(bench, 256),
        }
    }

    /// The parameters of a kernel over blocks of rows, with own ones.
    pub(super) fn params(&self, own: &[(usize, u32)]) -> Vec<(usize, u32)> {
        let blocks = self.blocks as u32;
        let base = [(0, blocks), (1, self.at.rows), (2, self.at.part_of_one), (4, SLOTS), (7, blocks)];
        [&base, own].concat()
    }
}
