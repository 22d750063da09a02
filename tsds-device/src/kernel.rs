//! What runs on devices: the kernels, what they are given and what they give.
//!
//! A backend implements every [`Kernel`] in its own language, each in a file of the kernel's name; this page is what they
//! have in common, to the bit. All memory is arrays of 32-bit words, little-endian; a 64-bit value is two words, the low one
//! first. Nothing here is floating point: values are compared by order-preserving integer keys, sums are integers.
//!
//! # Work
//!
//! A workgroup has [`GROUP_THREADS`] threads. Parameters are `p0` to `p15`. Workgroup `g` of `p0` (numbered over all dimensions
//! of the grid; those beyond `p0` do nothing) works on *block* `b = p5 + g`, at most [`BLOCK_ITEMS`] consecutive items of one
//! *part*. An item is a row of a part, or an entry of a list of rows. Tables lie in the buffer `meta`, at these word offsets:
//!
//! | parameter | what |
//! |---|---|
//! | `p1` | block table: 4 words each: part, first item, number of items (1 to 2048), `aux` |
//! | `p2` | part table: 8 words each, see [`PartEntry`] |
//! | `p3` | column table: 8 words for each of `p4` *slots* of each part, see [`ColumnEntry`] |
//! | `p4` | slots of a part: the columns that the request reads |
//!
//! `slab` is the buffer in which the columns of the launch's parts lie. Word `w` of a bitmap holds bits `32w` to `32w + 31`,
//! lowest first. Where a kernel makes a bitmap over the items of blocks, word `64b + t` is about items `first + 32t` and
//! following of block `b`; bits beyond the block's items are 0.
//!
//! # Values
//!
//! A *value* of a column at a row is the words that Arrow has for it, zero-extended. Its *key* is a u64 that ascends as
//! values do: [`Class`] says how it comes from the value. A null's value and key are not defined.
//!
//! `list` is an array of rows within their parts, one word each, those of one part together. Where a kernel says *row list,
//! or none*, with the parameter 1 there is no list, `list` is any buffer, and item `i` is row `i - start`, where `start` is
//! [`PartEntry::list_start`].

use std::fmt;

/// Threads in a workgroup.
pub const GROUP_THREADS: u32 = 64;
/// The most items of a block: 32 for every thread.
pub const BLOCK_ITEMS: u32 = 2048;
/// Words of an entry of the block table.
pub const BLOCK_WORDS: u32 = 4;
/// Words of an entry of the part table.
pub const PART_WORDS: u32 = 8;
/// Words of an entry of the column table.
pub const COLUMN_WORDS: u32 = 8;
/// Words of an instruction of a predicate program.
pub const INSTRUCTION_WORDS: u32 = 4;
/// The deepest stack that a predicate program may need.
pub const STACK_WORDS: u32 = 16;
/// Words that [`Kernel::Reduce`] and [`Kernel::ReduceEncoded`] write for every piece.
pub const REDUCED_WORDS: u32 = 16;
/// Words of a selection's state for each part: the threshold (two words), how many items are wanted, and one unused.
pub const SELECTION_WORDS: u32 = 4;
/// "There is none": no validity bitmap, no item.
pub const NONE: u32 = u32::MAX;

/// What a kernel does. Bindings are in the order of [`Kernel::bindings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kernel {
    /// `[out]` — Writes `i * 2654435761 + (i as 64-bit key comparison)`: word `i < p6` becomes `i * 2654435761` (wrapping), plus
    /// 1 if the u64 `(low = ~i, high = i)` is above the u64 `(low = i, high = 7)`. Tells whether the device computes at all.
    Health,
    /// `[slab, meta, mask, counts]` — Runs each part's program on the rows of blocks. `mask` gets a bitmap over items;
    /// `counts[b]` the number of its ones in block `b`.
    Mask,
    /// `[slab, meta, mask, counts]` — As [`Kernel::Mask`], where columns may be [`Form::Encoded`]. Blocks are of rows, and each lies
    /// within one encoded block and begins at a multiple of [`BLOCK_ITEMS`] rows of it.
    MaskEncoded,
    /// `[slab, meta, out]` — Decodes columns that are [`Form::Encoded`]: values of rows of blocks, which are as in
    /// [`Kernel::MaskEncoded`]. The launch has `p7` blocks for each of several columns: workgroup `g` is about block `b = p5 + g % p7` and
    /// entry `g / p7` of the table at `p6`, whose entries are two words: slot, and `first`. For each part, word `first + part` of `meta`
    /// is the word offset in `out` of the value of its row 0. Values are written as [`ColumnEntry::decoded`] says.
    Decode,
    /// `[slab, meta, out]` — As [`Kernel::Decode`], of encoded blocks in the mode `classic`, which no other kernel reads but
    /// [`Kernel::GatherEncoded`]. A block of the block table is over places of one encoded block (see [`encoded`]), at most [`GROUP_THREADS`] of them:
    /// its first item is the part's row with which the encoded block begins, `aux` the number of the first place. From each place on all rows are decoded
    /// up to the next one.
    DecodeClassic,
    /// `[meta, mask, offsets, source, out]` — Lists the ones of a bitmap over items in order: the first one of block `b`, if there is one,
    /// goes to `out[offsets[b]]`, and so on. What is listed of item `i` is, by `p6`, 0: `i`; 1:
    /// `source[i]`; 2: `i - start`, where `start` is [`PartEntry::list_start`]. Nothing is written at or beyond `out[p7]`.
    Compact,
    /// `[slab, meta, list, out]` — Copies values of 64 bits of listed rows. The launch has `p7` blocks for each of several
    /// columns: workgroup `g` is about block `b = p5 + g % p7` and entry `g / p7` of the table at `p6`, whose entries are two
    /// words: slot, and word offset in `out`. Item `j` of the block goes to row `aux + j` of the output, which is words
    /// `offset + 2(aux + j)` and the next. `p8`: row list, or none.
    Gather64,
    /// As [`Kernel::Gather64`] with values of 32 bits: word `offset + aux + j`.
    Gather32,
    /// As [`Kernel::Gather64`] and [`Kernel::Gather32`], of columns that may be [`Form::Encoded`]: [`ColumnEntry::decoded`] says whether values
    /// have 64 or 32 bits. For few rows of many: each is found by itself.
    GatherEncoded,
    /// As [`Kernel::Gather64`] with values of `8 * p9` bits, `p9` 1 or 2, packed in words: row `r` of the output is bytes
    /// `4 * offset + p9 * r` and following. `aux` is a multiple of 32. Bytes of the last word beyond the block's items are 0.
    GatherSmall,
    /// As [`Kernel::Gather64`] with bits: bit `aux + j` of the bitmap at word `offset`; `aux` is a multiple of 32. Entries of the table
    /// have a third word: 0 for the values of a column of booleans, 1 for the validity of any column, which is 1 everywhere where
    /// a part has no bitmap. Bits of the last word beyond the block's items are 0.
    GatherBits,
    /// `[slab, meta, list, keys]` — `keys[i]` (64 bits) of item `i` becomes a sort key of slot `p6` at its row. `p8`: row list, or none. `p7` is
    /// 0: the key; 1: the complement of the key, for descending order; either way 0 for a null. 2: 1 for a null, else 0. 3:
    /// 0 for a null, else 1. 4 and 5: the key or its complement, and for a null 0; 6 and 7: the same, and for a null all ones.
    Keys,
    /// `[meta, keys, histogram]` — Counts digits of `p9` bits, which is what the device's [`radix_bits`](crate::DeviceInfo::radix_bits)
    /// is: for each of the `2^p9` values `d` of bits `p6` to `p6 + p9 - 1` of the items' keys (those from 64 on are 0), word
    /// `aux + d * s` becomes how many items of block `b` have it, where `s` is [`PartEntry::stride`].
    Histogram,
    /// `[data, totals]` — Exclusive prefix sums (wrapping) within each [`BLOCK_ITEMS`] consecutive words of `data`, of which
    /// there are `p6`: workgroup `g` is about words from `2048g` on, and `totals[g]` becomes their sum. No tables.
    Scan,
    /// `[data, totals]` — Adds `totals[i / 2048]` to word `i < p6` of `data` (wrapping): workgroup `g` as in [`Kernel::Scan`]. No tables.
    ScanAdd,
    /// `[meta, keys, rows, offsets, keys_out, rows_out]` — One pass of a stable radix sort: the `n`-th item, in their order, of block `b`
    /// whose digit (of `p9` bits from `p6` on, see [`Kernel::Histogram`]) is `d` goes, key and row, to place `offsets[aux + d * s] + n`. `p8` is 1 if
    /// `rows` is none: then the row of item `i` is `i - start`, where `start` is [`PartEntry::list_start`].
    Scatter,
    /// `[meta, keys, state, histogram]` — A step of selecting the smallest keys of each part: of the items of block `b` whose key
    /// agrees with the part's threshold (in `state`) in all bits above `p6 + 7`, adds to word `256 * part + d` (atomically) how
    /// many have the digit `d`, bits `p6` to `p6 + 7`.
    SelectHistogram,
    /// `[meta, state, histogram]` — Workgroup `g` is about part `p5 + g`, not a block. With `p7` 1 the state of the part is first set:
    /// threshold 0, wanted [`PartEntry::wanted`]. Finds the smallest digit `d` for which words `256 * part` to `256 * part + d` sum to
    /// `wanted` or more, 255 if there is none; subtracts the sum of those before `d` from `wanted`; sets bits `p6` to `p6 + 7` of the
    /// threshold to `d`; clears the part's 256 words. With `p7` 2 only sets the state and clears.
    SelectPick,
    /// `[meta, keys, state, mask, counts]` — A bitmap over items of those whose key is at most the part's threshold, counted as in
    /// [`Kernel::Mask`].
    SelectMark,
    /// `[slab, meta, list, out]` — `out[i]` becomes the number of the last of the part's bucket starts that is not after the time, slot `p6`,
    /// of item `i`; 0 if there is none. Starts are [`PartEntry::buckets`], two words each, i64, ascending. `p8`: row list, or none.
    Buckets,
    /// `[slab, meta, list, buckets, mask, counts]` — A bitmap over items of those with which a *run* begins, counted as in
    /// [`Kernel::Mask`]: the first item of a part (at [`PartEntry::list_start`]), every `p6`-th item from there on, and every item that
    /// differs from the one before it in validity, or, both valid, in value, of one of the `p9` slots that stand at word `p7` of
    /// `meta`; with `p10` 1 also where their words in `buckets` differ. `p8`: row list, or none.
    Runs,
    /// `[slab, meta, list, pieces, out]` — Folds runs. A block is over the numbers of pieces, at most [`GROUP_THREADS`] of them, all of one part;
    /// piece `n` is the items from `pieces[n]` up to, not including, `pieces[n + 1]` or the end of the part's list, whichever is first; there are `p6`
    /// pieces in all. `p7` is the slot of the column, [`NONE`] for none; `p9` the slot of the time. `p8`: row list, or none. `p10` is a sum of
    /// [`reduce`] flags. `p11` is the word offset in `out` of the [`REDUCED_WORDS`] of piece 0.
    Reduce,
    /// `[slab, meta, filter, mask, counts]` — As [`Kernel::Runs`], of rows of parts as they are stored, where columns may be
    /// [`Form::Encoded`]. Blocks are as in [`Kernel::MaskEncoded`]. Rows count whose bit in `filter`, a bitmap over the items of blocks, is
    /// 1; with `p8` 1 all do, and `filter` is any buffer. A row *differs* if it is the first one of its block, if one of the `p9` slots at
    /// word `p7` of `meta` differs from that of the row before as in [`Kernel::Runs`], or if the number of its bucket does: see
    /// [`Kernel::Buckets`]; the slot of the time is `p6`, [`NONE`] for no buckets. `mask` has a row that counts if it differs, or any row
    /// does that comes after the row of the block which counts before it: so the first one of a block that counts always has.
    RunsEncoded,
    /// `[slab, meta, filter, runs, out]` — As [`Kernel::Reduce`], of rows of parts as they are stored, where the column may be
    /// [`Form::Encoded`]. Blocks are as in [`Kernel::MaskEncoded`], and `filter` and `p8` as in [`Kernel::RunsEncoded`]. A one of the bitmap
    /// `runs` begins a piece: that row and all that count up to the next one, or the end of the block. Only rows that count are
    /// marked, the first one of each block among them. `aux` is the number of the first piece of the block. `p7` is the slot of the
    /// column, [`NONE`] for none. `p10` is a sum of [`reduce`] flags without [`reduce::EDGES`]. `p11` is the word offset in `out` of the
    /// [`REDUCED_WORDS`] of piece 0.
    ReduceEncoded,
}

/// How a kernel uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only reads it. The same buffer may be bound several times.
    Read,
    /// Reads and writes it.
    Write,
}

impl Kernel {
    /// Every kernel.
    pub const ALL: [Self; 24] = [
        Self::Health,
        Self::Mask,
        Self::MaskEncoded,
        Self::Decode,
        Self::DecodeClassic,
        Self::Compact,
        Self::Gather64,
        Self::Gather32,
        Self::GatherEncoded,
        Self::GatherSmall,
        Self::GatherBits,
        Self::Keys,
        Self::Histogram,
        Self::Scan,
        Self::ScanAdd,
        Self::Scatter,
        Self::SelectHistogram,
        Self::SelectPick,
        Self::SelectMark,
        Self::Buckets,
        Self::Runs,
        Self::Reduce,
        Self::RunsEncoded,
        Self::ReduceEncoded,
    ];

    /// The buffers that the kernel is given, in order.
    pub fn bindings(self) -> &'static [Access] {
        use Access::{Read, Write};
        match self {
            Self::Health => &[Write],
            Self::Mask | Self::MaskEncoded => &[Read, Read, Write, Write],
            Self::Decode | Self::DecodeClassic => &[Read, Read, Write],
            Self::Compact => &[Read, Read, Read, Read, Write],
            Self::Gather64
            | Self::Gather32
            | Self::GatherEncoded
            | Self::GatherSmall
            | Self::GatherBits
            | Self::Keys
            | Self::Buckets => &[Read, Read, Read, Write],
            Self::Histogram => &[Read, Read, Write],
            Self::Scan => &[Write, Write],
            Self::ScanAdd => &[Write, Read],
            Self::Scatter => &[Read, Read, Read, Read, Write, Write],
            Self::SelectHistogram => &[Read, Read, Read, Write],
            Self::SelectPick => &[Read, Write, Write],
            Self::SelectMark => &[Read, Read, Read, Write, Write],
            Self::Runs => &[Read, Read, Read, Read, Write, Write],
            Self::Reduce | Self::ReduceEncoded => &[Read, Read, Read, Read, Write],
            Self::RunsEncoded => &[Read, Read, Read, Write, Write],
        }
    }

    /// The name of the kernel's file in every backend, without its ending, and of its entry point.
    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Mask => "mask",
            Self::MaskEncoded => "mask_encoded",
            Self::Decode => "decode",
            Self::DecodeClassic => "decode_classic",
            Self::Compact => "compact",
            Self::Gather64 => "gather_64",
            Self::Gather32 => "gather_32",
            Self::GatherEncoded => "gather_encoded",
            Self::GatherSmall => "gather_small",
            Self::GatherBits => "gather_bits",
            Self::Keys => "keys",
            Self::Histogram => "histogram",
            Self::Scan => "scan",
            Self::ScanAdd => "scan_add",
            Self::Scatter => "scatter",
            Self::SelectHistogram => "select_histogram",
            Self::SelectPick => "select_pick",
            Self::SelectMark => "select_mark",
            Self::Buckets => "buckets",
            Self::Runs => "runs",
            Self::Reduce => "reduce",
            Self::RunsEncoded => "runs_encoded",
            Self::ReduceEncoded => "reduce_encoded",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An entry of the block table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockEntry {
    /// The part.
    pub part: u32,
    /// The first item.
    pub first: u32,
    /// How many items, 1 to [`BLOCK_ITEMS`].
    pub items: u32,
    /// What the kernel says.
    pub aux: u32,
}

impl BlockEntry {
    /// As in the table.
    pub fn words(self) -> [u32; BLOCK_WORDS as usize] {
        [self.part, self.first, self.items, self.aux]
    }
}

/// An entry of the part table. What a kernel does not mention, it does not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartEntry {
    /// Word 0: how many rows the part has.
    pub rows: u32,
    /// Word 1: where its predicate program begins, as a word offset in `meta`.
    pub program: u32,
    /// Word 2: how far the counts of one digit and the next are apart.
    pub stride: u32,
    /// Word 3: the first item of the part.
    pub list_start: u32,
    /// Word 4: how many items it has.
    pub list_items: u32,
    /// Word 5: where its bucket starts begin, as a word offset in `meta`.
    pub buckets: u32,
    /// Word 6: how many there are.
    pub bucket_count: u32,
    /// Word 7: how many of the smallest keys are wanted.
    pub wanted: u32,
}

impl PartEntry {
    /// As in the table.
    pub fn words(self) -> [u32; PART_WORDS as usize] {
        [
            self.rows,
            self.program,
            self.stride,
            self.list_start,
            self.list_items,
            self.buckets,
            self.bucket_count,
            self.wanted,
        ]
    }
}

/// How a column's values lie in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Form {
    /// 64 bits each.
    Plain64 = 0,
    /// 32 bits each.
    Plain32 = 1,
    /// 16 bits each.
    Plain16 = 2,
    /// 8 bits each.
    Plain8 = 3,
    /// 1 bit each: a bitmap.
    Bits = 4,
    /// As [`crate::kernel::encoded`] says. Only [`Kernel::Decode`], [`Kernel::DecodeClassic`] and kernels that say so read this form.
    Encoded = 5,
}

/// How a key comes from a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// Unsigned integers, codes of sorted dictionaries, booleans: the value.
    Unsigned = 0,
    /// Signed integers and times: the value, sign-extended to 64 bits, with its top bit flipped.
    Signed = 1,
    /// 64-bit floats: with every bit flipped if the top bit is set, else with the top bit flipped.
    Float64 = 2,
    /// 32-bit floats: likewise within 32 bits; the high word is 0.
    Float32 = 3,
}

/// An entry of the column table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnEntry {
    /// Word 0.
    pub form: Form,
    /// Word 1.
    pub class: Class,
    /// Word 2: where the values begin, as a word offset in the slab.
    pub data: u32,
    /// Word 3: where the bitmap of validity begins, as a word offset in the slab; [`NONE`] if no row is null.
    pub validity: u32,
    /// Word 4: how many encoded blocks there are.
    pub blocks: u32,
    /// Word 5: the plain form of the values of an encoded column: 64 or 32 bits.
    pub decoded: Form,
}

impl ColumnEntry {
    /// A column that is not encoded.
    pub fn plain(form: Form, class: Class, data: u32, validity: u32) -> Self {
        Self { form, class, data, validity, blocks: 0, decoded: form }
    }

    /// As in the table.
    pub fn words(self) -> [u32; COLUMN_WORDS as usize] {
        [
            self.form as u32,
            self.class as u32,
            self.data,
            self.validity,
            self.blocks,
            self.decoded as u32,
            0,
            0,
        ]
    }
}

/// An instruction of a predicate program. Programs work on a stack of bits, one for each row, and leave one on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Code 0: the program is over.
    End,
    /// Code 1: pushes whether the row of the slot is valid and its key in one of `count` ranges, which stand at word `ranges` of
    /// `meta`: ascending, disjoint, each of them two keys, the first and the last in it.
    Keys {
        /// Word 1.
        slot: u32,
        /// Word 2.
        ranges: u32,
        /// Word 3.
        count: u32,
    },
    /// Code 7, in [`Kernel::MaskEncoded`] only: as `Keys`, of an encoded column. Word `ranges` of `meta` begins a table of two words
    /// each: where ranges begin, and how many there are. The first entry is for keys; entry `1 + f` for the numbers of
    /// decimals of fit `f` without corrections (see [`encoded`]), as u64 with the top bit flipped.
    EncodedKeys {
        /// Word 1.
        slot: u32,
        /// Word 2.
        ranges: u32,
    },
    /// Code 2: pushes whether the row of the slot is null.
    Null {
        /// Word 1.
        slot: u32,
    },
    /// Code 3: pushes whether the row of the slot is valid.
    Valid {
        /// Word 1.
        slot: u32,
    },
    /// Code 4: takes two and pushes whether both were 1.
    And,
    /// Code 5: takes two and pushes whether one was 1.
    Or,
    /// Code 6: pushes the bit.
    Constant {
        /// Word 2: 1 or 0.
        bit: bool,
    },
}

impl Instruction {
    /// As in a program.
    pub fn words(self) -> [u32; INSTRUCTION_WORDS as usize] {
        match self {
            Self::End => [0; 4],
            Self::Keys { slot, ranges, count } => [1, slot, ranges, count],
            Self::EncodedKeys { slot, ranges } => [7, slot, ranges, 0],
            Self::Null { slot } => [2, slot, 0, 0],
            Self::Valid { slot } => [3, slot, 0, 0],
            Self::And => [4, 0, 0, 0],
            Self::Or => [5, 0, 0, 0],
            Self::Constant { bit } => [6, 0, bit.into(), 0],
        }
    }
}

/// What [`Kernel::Reduce`] and [`Kernel::ReduceEncoded`] are asked for, and where it writes what.
///
/// Words of a piece; those that are not asked for are 0, but for [`reduce::FIRST`] and [`reduce::LAST`], which are [`NONE`] where there is none.
///
/// | word | flag | what |
/// |---|---|---|
/// | 0 | always | how many values are valid; of no column, the items of the piece |
/// | 1 | `SUM_FLOAT64`, `SUM_FLOAT32` | 1: a value is NaN; 2: one is +infinity; 4: one is -infinity; 8: the sum does not fit |
/// | 2, 3 | `EXTREMES` | the smallest key |
/// | 4, 5 | `EXTREMES` | the largest key |
/// | 6 to 9 | a sum | the sum of valid values (of floats: of finite ones) as an i128, in units of 2^`EXPONENT`; 0 where it does not fit |
/// | 10 | a sum | `EXPONENT`, an i32: 0 for integers |
/// | 11 | `EDGES` | the item with the smallest (time, row) of those with a valid value; times compare signed |
/// | 12 | `EDGES` | the item with the largest |
///
/// The sum of floats fits if the highest bit of the largest and the lowest one bit of any value are less than 116 places apart; then
/// `EXPONENT` is that of the lowest one bit, or 0 where no value is finite and not zero, or the sum does not fit. A sum of
/// integers always fits. Pieces have at most 2048 items where sums are asked for.
///
/// The smallest and the largest key of no valid value are 0. Of no column every item counts as valid, also for `EDGES`.
pub mod reduce {
    /// Asks for the smallest and the largest key.
    pub const EXTREMES: u32 = 1;
    /// Asks for the sum of signed integers.
    pub const SUM_SIGNED: u32 = 2;
    /// Asks for the sum of unsigned integers.
    pub const SUM_UNSIGNED: u32 = 4;
    /// Asks for the sum of 64-bit floats.
    pub const SUM_FLOAT64: u32 = 8;
    /// Asks for the sum of 32-bit floats.
    pub const SUM_FLOAT32: u32 = 16;
    /// Asks for the first and the last item.
    pub const EDGES: u32 = 32;

    /// A value is NaN.
    pub const NAN: u32 = 1;
    /// A value is +infinity.
    pub const POSITIVE_INFINITY: u32 = 2;
    /// A value is -infinity.
    pub const NEGATIVE_INFINITY: u32 = 4;
    /// The sum does not fit.
    pub const TOO_WIDE: u32 = 8;

    /// The word of the number of valid values.
    pub const COUNT: usize = 0;
    /// The word of what stands in the way of a sum.
    pub const SUM_FLAGS: usize = 1;
    /// The first of two words.
    pub const MIN: usize = 2;
    /// The first of two words.
    pub const MAX: usize = 4;
    /// The first of four words.
    pub const SUM: usize = 6;
    /// The word of the sum's unit.
    pub const EXPONENT: usize = 10;
    /// The word of the first item.
    pub const FIRST: usize = 11;
    /// The word of the last item.
    pub const LAST: usize = 12;
}

/// Columns in the encoding of `tsds.gorilla`, version 1, taken apart so that a thread finds any 32 rows without parsing what
/// stands before them.
///
/// The words of a column begin with a directory: for each encoded block of the part, ascending, two words: its first row in the
/// part, and where its description begins, as all offsets here in words from the beginning of the column. Signed numbers have
/// two words. Lanes, forms and numbers are those of `docs/formats/gorilla.md`; of integers, lanes of floats are stored as
/// places, and plain values are in the decoded form. A description:
///
/// | word | plain | progression | integers | dictionary | decimal |
/// |---|---|---|---|---|---|
/// | 0 | 0 | 1 | 2 | 4 | 3 |
/// | 1 | rows | rows | rows | rows | rows |
/// | 2 | offset of the values | lane of row 0 | stream | stream of codes | stream of numbers |
/// | 3 | | its high word | | offset of the lanes, two words each | flags |
/// | 4, 5 | | step | | | divisor, a u64 |
/// | 6 | | | | | fit: which of the column's divisors |
/// | 7 | | | | | stream of corrections, or 0 |
/// | 8 | | | | | how many exceptions |
/// | 9 | | | | | offset of their rows in the block, a word each, ascending |
/// | 10 | | | | | offset of their lanes, two words each |
///
/// Words 7 to 10 are there if a flag says that there are corrections or exceptions. Of a block in the mode `classic`, which only
/// [`Kernel::DecodeClassic`] and [`Kernel::GatherEncoded`] read, the description is: word 0: 5; word 1: rows; word 2: offset of the words of its codes, in each
/// of which the highest bit comes first; word 3: offset of its places; word 4: how many those are. Codes are those of `docs/formats/gorilla-classic.md`, of
/// times or floats by the column's class. The places ascend by rows, the first is row 0, and none is more than [`encoded::CLASSIC_ROWS`] rows after the one before; each
/// has [`encoded::CLASSIC_PLACE_WORDS`] words:
///
/// | word | what |
/// |---|---|
/// | 0 | its row in the block |
/// | 1 | the bit, of the words of the codes, with which the code of the next row begins |
/// | 2, 3 | its value, as a lane |
/// | 4, 5 | of times the delta, to which the next code adds; of floats in word 4 the last window: its leading zeros times the width of the float, plus its length less one |
///
/// A stream, whose parts follow each other:
///
/// | words | what | there for |
/// |---|---|---|
/// | 1 | form, and flags from bit 8 on: 1 if it is scaled, 2 if bases are wide, 4 if all bases are the same | all |
/// | 1 | where the bytes of the mini-blocks begin | all |
/// | 2 | centre | forms 1 and 3 |
/// | 4 | factor, offset | what is scaled |
/// | 2 | the smallest base | forms 0, 1, 2 |
/// | for each mini-block | | |
/// | 1 | the bit at which it begins | all |
/// | 1 | width; from bit 8 on the width of patches; from bit 16 on their number | all |
/// | 1, or 2 if wide | how much its base is above the smallest; wraps | forms 0, 1, 2, if bases differ |
/// | 2 | step | form 2 |
///
/// At least two words follow the last mini-block: reading a number may look beyond it.
pub mod encoded {
    /// Words of a block in the directory.
    pub const DIRECTORY_WORDS: u32 = 2;
    /// Values as they are.
    pub const PLAIN: u32 = 0;
    /// A first lane and a step.
    pub const PROGRESSION: u32 = 1;
    /// Lanes, or places of floats.
    pub const INTEGERS: u32 = 2;
    /// Quotients.
    pub const DECIMAL: u32 = 3;
    /// Distinct lanes, and codes.
    pub const DICTIONARY: u32 = 4;
    /// The codes of the paper.
    pub const CLASSIC: u32 = 5;

    /// The most rows from one place of classic codes to the next: as many as mini-blocks have.
    pub const CLASSIC_ROWS: u32 = 128;
    /// Words of a place of classic codes.
    pub const CLASSIC_PLACE_WORDS: u32 = 6;

    /// Quotients are rounded to single precision.
    pub const SINGLE: u32 = 1;
    /// Corrections are added to the bits of quotients.
    pub const CORRECTIONS: u32 = 2;
    /// Some rows are no decimals.
    pub const EXCEPTIONS: u32 = 4;

    /// Integers are scaled.
    pub const SCALED: u32 = 1 << 8;
    /// Bases have two words.
    pub const WIDE: u32 = 2 << 8;
    /// Bases have no word.
    pub const SAME: u32 = 4 << 8;
}
