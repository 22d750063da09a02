//! Requests of several parts in plain Rust, and their tables as devices read them.

use crate::kernel::{BLOCK_ITEMS, BlockEntry, Class, ColumnEntry, Form, NONE, PartEntry};

use crate::conformance::Numbers;
use crate::tables::blocks_of;

/// Every pair of form and class that a column can have.
pub(crate) const SHAPES: [(Form, Class); 11] = [
    (Form::Plain64, Class::Unsigned),
    (Form::Plain64, Class::Signed),
    (Form::Plain64, Class::Float64),
    (Form::Plain32, Class::Unsigned),
    (Form::Plain32, Class::Signed),
    (Form::Plain32, Class::Float32),
    (Form::Plain16, Class::Unsigned),
    (Form::Plain16, Class::Signed),
    (Form::Plain8, Class::Unsigned),
    (Form::Plain8, Class::Signed),
    (Form::Bits, Class::Unsigned),
];

/// The slot of the column of this shape.
pub(crate) fn slot_of(form: Form, class: Class) -> usize {
    SHAPES.iter().position(|shape| *shape == (form, class)).unwrap()
}

pub(crate) fn bits_of(form: Form) -> u32 {
    match form {
        Form::Plain64 => 64,
        Form::Plain32 => 32,
        Form::Plain16 => 16,
        Form::Plain8 => 8,
        Form::Bits => 1,
        Form::Encoded => panic!("encoded columns are tested by themselves"),
    }
}

#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) form: Form,
    pub(crate) class: Class,
    pub(crate) values: Vec<u64>,
    pub(crate) valid: Vec<bool>,
    /// Whether there is a bitmap of validity.
    pub(crate) has_bitmap: bool,
    /// Where its entry stands in `meta`.
    pub(crate) entry_at: usize,
}

impl Column {
    pub(crate) fn key(&self, row: usize) -> u64 {
        let value = self.values[row];
        let top = 1 << 63;
        match self.class {
            Class::Unsigned => value,
            Class::Signed => {
                let spare = 64 - bits_of(self.form);
                ((((value << spare) as i64) >> spare) as u64) ^ top
            }
            Class::Float64 if value & top != 0 => !value,
            Class::Float64 => value ^ top,
            Class::Float32 if value & 0x8000_0000 != 0 => u64::from(!(value as u32)),
            Class::Float32 => value ^ 0x8000_0000,
        }
    }
}

pub(crate) struct Part {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
    /// Rows that items stand for, in order.
    pub(crate) list: Vec<u32>,
    /// The first item.
    pub(crate) start: usize,
}

/// Parts with a column of every shape, lists of rows, and blocks over them.
pub(crate) struct Request {
    pub(crate) parts: Vec<Part>,
    pub(crate) slab: Vec<u32>,
    /// Tables of columns, then whatever tests put there.
    pub(crate) meta: Vec<u32>,
    pub(crate) entries: Vec<PartEntry>,
    /// Blocks over the items of all parts.
    pub(crate) blocks: Vec<BlockEntry>,
    /// Rows of all items, with garbage where no part has items.
    pub(crate) list: Vec<u32>,
    columns_at: u32,
}

pub(crate) const SPECIAL_64: [u64; 14] = [
    0,
    1 << 63,
    1,
    (1 << 63) | 1,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0001,
    0x7ff0_0000_0000_0001,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x000f_ffff_ffff_ffff,
    0x7fef_ffff_ffff_ffff,
    u64::MAX,
];

fn value(numbers: &mut Numbers, form: Form, class: Class) -> u64 {
    let mask = u64::MAX >> (64 - bits_of(form));
    let special = match class {
        Class::Float32 => {
            let f =
                numbers.pick(&[0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0, 1e-45, -f32::MAX]);
            u64::from(f.to_bits())
        }
        _ => numbers.pick(&SPECIAL_64),
    };
    let value = match numbers.below(4) {
        0 => special,
        1 => numbers.below(8),
        _ => numbers.next(),
    };
    value & mask
}

fn column(numbers: &mut Numbers, rows: usize, form: Form, class: Class) -> Column {
    let has_bitmap = !numbers.chance(3);
    let values = (0..rows).map(|_| value(numbers, form, class)).collect();
    let valid = (0..rows).map(|_| !has_bitmap || !numbers.chance(4)).collect();
    Column { form, class, values, valid, has_bitmap, entry_at: 0 }
}

fn pack(words: &mut Vec<u32>, values: impl Iterator<Item = u64>, bits: u32) -> u32 {
    let at = words.len() as u32;
    if bits == 64 {
        words.extend(values.flat_map(|value| [value as u32, (value >> 32) as u32]));
        return at;
    }
    let (mut word, mut filled) = (0, 0);
    for value in values {
        word |= (value as u32) << filled;
        filled += bits;
        if filled == 32 {
            words.push(word);
            (word, filled) = (0, 0);
        }
    }
    if filled > 0 {
        words.push(word);
    }
    at
}

/// How items come to stand for rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    /// Item `i` is row `i`, in every part.
    Rows,
    /// Parts' items follow each other and are their rows.
    NoList,
    /// Parts' items follow each other and are listed.
    Listed,
}

impl Request {
    pub(crate) fn new(seed: u64, sizes: &[usize], items: Items) -> Self {
        let mut numbers = Numbers(seed);
        let mut slab: Vec<u32> = (0..numbers.below(5)).map(|_| 0xdead_beef).collect();
        let mut meta: Vec<u32> = (0..numbers.below(7)).map(|_| 0xdead_beef).collect();
        let columns_at = meta.len() as u32;
        let mut next = if items == Items::Rows { 0 } else { numbers.below(100) as usize };
        let mut parts = Vec::new();
        for &size in sizes {
            let rows = if items == Items::Listed { size + numbers.below(50) as usize } else { size };
            let mut columns: Vec<_> =
                SHAPES.iter().map(|&(form, class)| column(&mut numbers, rows, form, class)).collect();
            for column in &mut columns {
                let data = pack(&mut slab, column.values.iter().copied(), bits_of(column.form));
                let validity = match column.has_bitmap {
                    true => pack(&mut slab, column.valid.iter().map(|valid| u64::from(*valid)), 1),
                    false => NONE,
                };
                let entry = ColumnEntry::plain(column.form, column.class, data, validity);
                column.entry_at = meta.len();
                meta.extend(entry.words());
            }
            let mut list: Vec<u32> = (0..rows as u32).collect();
            if items == Items::Listed {
                for i in (1..rows).rev() {
                    list.swap(i, numbers.below(i as u64 + 1) as usize);
                }
                list.truncate(size);
                if numbers.chance(2) {
                    list.sort_unstable();
                }
            }
            parts.push(Part { rows, columns, list, start: next });
            if items != Items::Rows {
                next += size;
            }
        }
        let mut list = vec![7; parts.iter().map(|part| part.start + part.list.len()).max().unwrap_or(0)];
        for part in &parts {
            list[part.start..part.start + part.list.len()].copy_from_slice(&part.list);
        }
        let entries: Vec<_> = parts
            .iter()
            .map(|part| PartEntry {
                rows: part.rows as u32,
                list_start: part.start as u32,
                list_items: part.list.len() as u32,
                ..PartEntry::default()
            })
            .collect();
        let blocks = blocks(&mut numbers, &parts);
        Self { parts, slab, meta, entries, blocks, list, columns_at }
    }

    /// Writes the tables of blocks and parts behind all others; the parameters that say where they are.
    pub(crate) fn finish(&mut self) -> Vec<(usize, u32)> {
        let parts_at = self.meta.len() as u32;
        self.meta.extend(self.entries.iter().flat_map(|entry| entry.words()));
        let blocks_at = self.meta.len() as u32;
        self.meta.extend(self.blocks.iter().flat_map(|block| block.words()));
        vec![(1, blocks_at), (2, parts_at), (3, self.columns_at), (4, SHAPES.len() as u32)]
    }

    /// Cuts blocks again, each of all rows that it can have.
    pub(crate) fn cut_by_rows(&mut self) {
        self.blocks.clear();
        for (part, of_part) in (0..).zip(&self.parts) {
            self.blocks.extend(blocks_of(part, 0, of_part.rows as u32, BLOCK_ITEMS));
        }
    }

    /// Rows of the items of a block, in order.
    pub(crate) fn rows(&self, block: &BlockEntry) -> Vec<usize> {
        let part = &self.parts[block.part as usize];
        let first = block.first as usize - part.start;
        part.list[first..first + block.items as usize].iter().map(|row| *row as usize).collect()
    }

    pub(crate) fn column(&self, block: &BlockEntry, slot: usize) -> &Column {
        &self.parts[block.part as usize].columns[slot]
    }

    /// The end of all items.
    pub(crate) fn items_end(&self) -> usize {
        self.list.len()
    }
}

/// Blocks of all items of all parts, cut at random or as large as they can be, after some that no launch reads.
fn blocks(numbers: &mut Numbers, parts: &[Part]) -> Vec<BlockEntry> {
    let mut blocks = Vec::new();
    let ragged = numbers.chance(2);
    for (number, part) in parts.iter().enumerate() {
        let (mut first, end) = (part.start, part.start + part.list.len());
        while first < end {
            let most = if ragged { 1 + numbers.below(700) } else { u64::from(BLOCK_ITEMS) };
            let items = (end - first).min(most as usize);
            blocks.push(BlockEntry { part: number as u32, first: first as u32, items: items as u32, aux: 0 });
            first += items;
        }
    }
    blocks
}

/// The bitmap that a kernel makes over the items of blocks, and its counts.
pub(crate) fn bitmap(
    blocks: &[BlockEntry],
    mut bit: impl FnMut(&BlockEntry, usize) -> bool,
) -> (Vec<u32>, Vec<u32>) {
    let mut words = vec![0; blocks.len() * 64];
    let mut counts = vec![0; blocks.len()];
    for (number, block) in blocks.iter().enumerate() {
        for j in 0..block.items as usize {
            if bit(block, j) {
                words[64 * number + j / 32] |= 1 << (j % 32);
                counts[number] += 1;
            }
        }
    }
    (words, counts)
}

/// Other values for a column of 32 or 64 bits, in the model and in the slab.
pub(crate) fn rewrite(
    slab: &mut [u32],
    meta: &[u32],
    part: &mut Part,
    slot: usize,
    mut value: impl FnMut(usize) -> u64,
) {
    let column = &mut part.columns[slot];
    let entry = meta.iter().skip(column.entry_at + 2).take(2).copied().collect::<Vec<_>>();
    if column.valid.iter().all(|valid| *valid) && entry[1] != NONE {
        let words = column.values.len().div_ceil(32);
        slab[entry[1] as usize..][..words].fill(u32::MAX);
    }
    let width = bits_of(column.form) as usize / 32;
    for row in 0..column.values.len() {
        let bits = value(row);
        column.values[row] = bits;
        for half in 0..width {
            slab[entry[0] as usize + row * width + half] = (bits >> (32 * half)) as u32;
        }
    }
}
