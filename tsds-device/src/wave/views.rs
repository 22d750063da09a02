//! Where a wave's columns are read: in the slabs, or decoded beside them.

use std::collections::HashMap;
use std::sync::Arc;

use tsds_traits::{ColumnId, Error, Result};

use super::{Rows, TablesAt, Wave, WavePart, launch};
use crate::arena::ALIGNMENT;
use crate::device::{Device, Step};
use crate::kernel::{BLOCK_ITEMS, BlockEntry, ColumnEntry, Form, GROUP_THREADS, Kernel, PartEntry};
use crate::segment::{DevicePart, Encoded};
use crate::tables::{Tables, blocks_of};

/// Where the columns of each part are.
#[derive(Debug)]
pub(super) struct Views<D: Device> {
    pub(super) of_part: Vec<View<D>>,
}

/// The columns of one part: one entry for each slot.
#[derive(Debug)]
pub(super) struct View<D: Device> {
    pub(super) buffer: Arc<D::Buffer>,
    pub(super) entries: Vec<ColumnEntry>,
}

/// A column of a part that has to be brought to where kernels read.
struct Move {
    slot: u32,
    part: u32,
    is_encoded: bool,
    /// In bytes of the new place.
    at: u64,
}

impl<D: Device> Views<D> {
    /// The blocks of items of all parts, and which of them one launch is about: those of neighbours in the same buffer.
    pub(super) fn blocks(&self, items: &[(u32, u32)]) -> Blocks<D::Buffer> {
        self.cut(items, |part, start, items| blocks_of(part, start, items, BLOCK_ITEMS).collect())
    }

    /// As [`Views::blocks`], in blocks that `cut` makes.
    pub(super) fn cut(
        &self,
        items: &[(u32, u32)],
        cut: impl Fn(u32, u32, u32) -> Vec<BlockEntry>,
    ) -> Blocks<D::Buffer> {
        self.cut_parts(|number| match items.get(number as usize) {
            Some((start, items)) => cut(number, *start, *items),
            None => Vec::new(),
        })
    }

    /// The blocks that `cut` makes of each part by its number, and which of them one launch is about.
    fn cut_parts(&self, cut: impl Fn(u32) -> Vec<BlockEntry>) -> Blocks<D::Buffer> {
        let mut table = Vec::new();
        let mut runs: Vec<BufferBlocks<D::Buffer>> = Vec::new();
        for (number, view) in (0u32..).zip(&self.of_part) {
            let first = table.len() as u32;
            table.extend(cut(number));
            let blocks = table.len() as u32 - first;
            match runs.last_mut() {
                _ if blocks == 0 => {}
                Some(run) if Arc::ptr_eq(&run.buffer, &view.buffer) => run.blocks += blocks,
                _ => runs.push(BufferBlocks { buffer: Arc::clone(&view.buffer), first, blocks }),
            }
        }
        Blocks { table, runs }
    }

    /// Appends the block table, the part table and the column table of launches over these views.
    ///
    /// # Errors
    ///
    /// As [`Tables::push`].
    pub(super) fn place(
        &self,
        tables: &mut Tables,
        blocks: &[BlockEntry],
        parts: &[PartEntry],
    ) -> Result<TablesAt> {
        Ok(TablesAt {
            blocks: tables.push_blocks(blocks)?,
            parts: tables.push_parts(parts)?,
            columns: self.push_columns(tables)?,
            slots: self.slots(),
        })
    }

    /// How many columns each view has.
    fn slots(&self) -> u32 {
        self.of_part.first().map_or(0, |view| view.entries.len() as u32)
    }

    /// Appends the column table.
    ///
    /// # Errors
    ///
    /// As [`Tables::push`].
    fn push_columns(&self, tables: &mut Tables) -> Result<u32> {
        let words: Vec<u32> =
            self.of_part.iter().flat_map(|view| &view.entries).flat_map(|entry| entry.words()).collect();
        tables.push(&words)
    }
}

/// A block table, and what single launches work on.
pub(super) struct Blocks<B> {
    pub(super) table: Vec<BlockEntry>,
    pub(super) runs: Vec<BufferBlocks<B>>,
}

/// Consecutive blocks of parts in one buffer.
pub(super) struct BufferBlocks<B> {
    pub(super) buffer: Arc<B>,
    pub(super) first: u32,
    pub(super) blocks: u32,
}

impl<D: Device> Wave<D> {
    /// Columns as they are stored.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that a segment lacks.
    pub(super) fn stored(&self) -> Result<Views<D>> {
        let mut of_part = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let entries = self.slots.iter().map(|column| {
                let index = part.segment.index_of(*column)?;
                part.part()?.entry(part.segment.column(*column)?, index)
            });
            let buffer = Arc::clone(part.part()?.extent.buffer());
            of_part.push(View { buffer, entries: entries.collect::<Result<_>>()? });
        }
        Ok(Views { of_part })
    }

    /// Columns in plain forms: where one of `columns` is encoded in a part, these columns of the part are decoded or copied to
    /// a place of their own, before whatever `rows` has to run first; others cannot be read there.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(super) async fn plain(&self, columns: &[ColumnId], rows: &mut Rows<D>) -> Result<Views<D>> {
        let (views, mut steps) = self.plain_where(columns, |encoded| encoded.is_some()).await?;
        steps.append(&mut rows.steps);
        rows.steps = steps;
        Ok(views)
    }

    /// Columns as kernels read them that decode what they need: as they are stored, but that parts in which one of `columns` has classic
    /// codes are as in [`Wave::plain`]. The steps have to run first.
    ///
    /// # Errors
    ///
    /// What the device says.
    pub(super) async fn decodable(&self, columns: &[ColumnId]) -> Result<(Views<D>, Vec<Step<D::Buffer>>)> {
        self.plain_where(columns, has_classic).await
    }

    /// Whether [`Wave::decodable`] leaves one of `columns` encoded in some part.
    pub(super) fn leaves_encoded(&self, columns: &[ColumnId]) -> Result<bool> {
        for part in &self.parts {
            let encoded = columns.iter().map(|column| self.encoded(part, *column));
            let encoded = encoded.collect::<Result<Vec<_>>>()?;
            if encoded.iter().any(|one| one.is_some()) && !encoded.iter().any(|one| has_classic(*one)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Columns as they are stored, but that `columns` of parts in which one of them is such that `is_moved` are plain, once the steps have
    /// run.
    async fn plain_where(
        &self,
        columns: &[ColumnId],
        is_moved: impl Fn(Option<&Encoded>) -> bool,
    ) -> Result<(Views<D>, Vec<Step<D::Buffer>>)> {
        let mut views = self.stored()?;
        let mut slots = columns.iter().map(|column| self.slot(*column)).collect::<Result<Vec<_>>>()?;
        slots.sort_unstable();
        slots.dedup();
        let (moves, bytes) = self.moves(&views, &slots, is_moved)?;
        if moves.is_empty() {
            return Ok((views, Vec::new()));
        }
        let out = self.buffer(bytes).await?;
        let mut steps = self.decoding(&views, &moves, &out).await?;
        for moved in &moves {
            steps.extend(self.moved(&mut views, moved, &out)?);
        }
        Ok((views, steps))
    }

    /// What has to be moved, and how many bytes that takes.
    fn moves(
        &self,
        views: &Views<D>,
        slots: &[u32],
        is_moved: impl Fn(Option<&Encoded>) -> bool,
    ) -> Result<(Vec<Move>, u64)> {
        let (mut moves, mut bytes) = (Vec::new(), 0u64);
        for (number, (part, view)) in (0u32..).zip(self.parts.iter().zip(&views.of_part)) {
            let encoded =
                slots.iter().map(|slot| self.encoded_in(part, *slot)).collect::<Result<Vec<_>>>()?;
            if !encoded.iter().any(|encoded| is_moved(*encoded)) {
                continue;
            }
            let rows = u64::from(part.part()?.rows);
            for (slot, encoded) in slots.iter().zip(encoded) {
                let Some(entry) = view.entries.get(*slot as usize) else { continue };
                moves.push(Move { slot: *slot, part: number, is_encoded: encoded.is_some(), at: bytes });
                bytes += entry.decoded.bytes(rows).next_multiple_of(ALIGNMENT);
                bytes += Form::Bits.bytes(rows).next_multiple_of(ALIGNMENT);
            }
        }
        Ok((moves, bytes))
    }

    /// What is known of a column of a part, if it is encoded.
    fn encoded<'a>(&self, part: &'a WavePart<D>, column: ColumnId) -> Result<Option<&'a Encoded>> {
        let index = part.segment.index_of(column)?;
        Ok(part.part()?.places.get(index).and_then(|place| place.encoded.as_ref()))
    }

    fn encoded_in<'a>(&self, part: &'a WavePart<D>, slot: u32) -> Result<Option<&'a Encoded>> {
        let column = self.slots.get(slot as usize).copied();
        self.encoded(part, column.ok_or_else(|| Error::internal("slot has no column"))?)
    }

    /// The launches that decode.
    async fn decoding(
        &self,
        views: &Views<D>,
        moves: &[Move],
        out: &Arc<D::Buffer>,
    ) -> Result<Vec<Step<D::Buffer>>> {
        let mut tables = Tables::default();
        let mut slots: Vec<u32> = moves.iter().filter(|one| one.is_encoded).map(|one| one.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let encoded = moves.iter().filter(|one| one.is_encoded);
        let places: HashMap<(u32, u32), u64> = encoded.map(|one| ((one.slot, one.part), one.at)).collect();
        let mut launches = Vec::new();
        for slot in slots {
            let mut firsts = Vec::with_capacity(self.parts.len());
            let mut decoded = Vec::with_capacity(self.parts.len());
            for (number, part) in (0u32..).zip(&self.parts) {
                let moved = places.get(&(slot, number));
                let at = moved.map_or(0, |at| at / 4);
                firsts.push(u32::try_from(at).map_err(|_| Error::internal("wave is too large"))?);
                let encoded = self.encoded_in(part, slot)?.filter(|_| moved.is_some());
                decoded.push(encoded.map(|encoded| Ok::<_, Error>((part.part()?, encoded))).transpose()?);
            }
            let first_at = tables.push(&firsts)?;
            let table = tables.push(&[slot, first_at])?;
            let blocks_of = [
                (Kernel::Decode, blocks_to_decode as BlocksToDecode<D>),
                (Kernel::DecodeClassic, classic_blocks_to_decode),
            ];
            for (kernel, blocks_of) in blocks_of {
                let blocks = views.cut_parts(|number| {
                    let part = decoded.get(number as usize).copied().flatten();
                    part.map(|(part, encoded)| blocks_of(number, part, encoded)).unwrap_or_default()
                });
                launches.push((kernel, table, tables.push_blocks(&blocks.table)?, blocks));
            }
        }
        let at = TablesAt {
            columns: views.push_columns(&mut tables)?,
            slots: views.slots(),
            ..TablesAt::default()
        };
        let meta = self.upload(&tables.bytes()).await?;
        let mut steps = Vec::new();
        for (kernel, table, blocks_at, Blocks { runs, .. }) in launches {
            for run in runs {
                let at = TablesAt { blocks: blocks_at, ..at };
                let params = at.params(run.blocks, run.first, &[table, run.blocks]);
                steps.push(launch(kernel, &[&run.buffer, &meta, out], params));
            }
        }
        Ok(steps)
    }

    /// Lets a view read a moved column, and copies what is not decoded.
    fn moved(
        &self,
        views: &mut Views<D>,
        moved: &Move,
        out: &Arc<D::Buffer>,
    ) -> Result<Vec<Step<D::Buffer>>> {
        let missing = || Error::internal("wave lacks a part");
        let (at, slot) = (moved.part as usize, moved.slot as usize);
        let part = self.parts.get(at).ok_or_else(missing)?.part()?;
        let column = self.slots.get(slot).copied().ok_or_else(missing)?;
        let index = self.parts.get(at).ok_or_else(missing)?.segment.index_of(column)?;
        let place = part.places.get(index).ok_or_else(missing)?;
        let view = views.of_part.get_mut(at).ok_or_else(missing)?;
        view.buffer = Arc::clone(out);
        let entry = view.entries.get_mut(slot).ok_or_else(missing)?;
        let word = |at: u64| u32::try_from(at / 4).map_err(|_| Error::internal("wave is too large"));
        let mut steps = Vec::new();
        let mut copy = |range: &std::ops::Range<u64>, to: u64| {
            let from = (Arc::clone(part.extent.buffer()), part.extent.at() + range.start);
            steps.push(Step::Copy { from, to: (Arc::clone(out), to), bytes: range.end - range.start });
        };
        let validity_at = moved.at + entry.decoded.bytes(u64::from(part.rows)).next_multiple_of(ALIGNMENT);
        if !moved.is_encoded {
            copy(&place.data, moved.at);
        }
        if let Some(validity) = &place.validity {
            copy(validity, validity_at);
            entry.validity = word(validity_at)?;
        }
        (entry.form, entry.data) = (entry.decoded, word(moved.at)?);
        Ok(steps)
    }

    /// The blocks of all rows of parts, each within one encoded block.
    pub(super) fn row_blocks(&self, views: &Views<D>) -> Result<Blocks<D::Buffer>> {
        let parts = self.parts.iter().map(|part| part.part()).collect::<Result<Vec<_>>>()?;
        Ok(views.cut_parts(|number| match parts.get(number as usize) {
            Some(part) => cut_rows(number, part).collect(),
            None => Vec::new(),
        }))
    }
}

/// The blocks of a column of a part that a kernel decodes.
type BlocksToDecode<D> = fn(u32, &DevicePart<D>, &Encoded) -> Vec<BlockEntry>;

/// Those of [`Kernel::Decode`]: rows of encoded blocks.
fn blocks_to_decode<D: Device>(number: u32, part: &DevicePart<D>, encoded: &Encoded) -> Vec<BlockEntry> {
    let is_classic = |block: &BlockEntry| {
        let before = encoded.classic.partition_point(|classic| classic.first_row <= block.first);
        let ends =
            |first_row: u32| part.cuts.iter().copied().find(|cut| *cut > first_row).unwrap_or(part.rows);
        let last = before.checked_sub(1).and_then(|at| encoded.classic.get(at));
        last.is_some_and(|classic| block.first < ends(classic.first_row))
    };
    cut_rows(number, part).filter(|block| !is_classic(block)).collect()
}

/// Those of [`Kernel::DecodeClassic`]: places in encoded blocks.
fn classic_blocks_to_decode<D: Device>(number: u32, _: &DevicePart<D>, encoded: &Encoded) -> Vec<BlockEntry> {
    let blocks = encoded.classic.iter().flat_map(|classic| {
        let places = blocks_of(number, 0, classic.places, GROUP_THREADS);
        places.map(|block| BlockEntry { first: classic.first_row, aux: block.first, ..block })
    });
    blocks.collect()
}

/// Whether there are codes that few kernels decode.
fn has_classic(encoded: Option<&Encoded>) -> bool {
    encoded.is_some_and(|encoded| !encoded.classic.is_empty())
}

/// The blocks of all rows of a part, each within one encoded block.
fn cut_rows<D: Device>(number: u32, part: &DevicePart<D>) -> impl Iterator<Item = BlockEntry> {
    let starts: &[u32] = if part.cuts.is_empty() { &[0] } else { &part.cuts };
    let ends = starts.iter().skip(1).copied().chain([part.rows]);
    starts.iter().zip(ends).flat_map(move |(start, end)| blocks_of(number, *start, end - start, BLOCK_ITEMS))
}
