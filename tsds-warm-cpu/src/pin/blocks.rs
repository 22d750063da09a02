//! From encoded blocks.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use tsds_device::residency::check_nulls;
use tsds_segment::ColumnDecoder;
use tsds_traits::{
    CodecLookup, Column, EncodedBlock, EncodedColumn, Error, Result, SegmentMeta, SegmentSource, World,
};

use super::{Reserve, group_stats, owned};
use crate::segment::{Body, Cuts, Group, MemoryColumn, MemorySegment, Part, Piece, Room, array_bytes};

/// `None` where the source has no blocks.
///
/// # Errors
///
/// As [`super::pin`].
pub(super) async fn blocks(
    world: &World,
    codecs: &Arc<dyn CodecLookup>,
    source: &dyn SegmentSource,
    reserve: &mut Reserve<'_>,
) -> Result<Option<MemorySegment>> {
    let (meta, schema) = (source.meta(), source.schema());
    let Some(layout) = source.layout(schema.time_column().id)? else { return Ok(None) };
    let room = Room::of_all(meta, schema);
    let cuts = Arc::new(Cuts::of_layout(meta, room, &layout)?);
    let (mut columns, mut bytes) = (Vec::with_capacity(schema.columns().len()), 0);
    for column in schema.columns() {
        let Some(encoded) = source.blocks(column.id, 0..meta.rows).await? else { return Ok(None) };
        let pin = PinColumn {
            meta: Arc::clone(meta),
            room,
            cuts: Arc::clone(&cuts),
            column: column.clone(),
            codecs: Arc::clone(codecs),
        };
        // One column at a time: what is read and not yet pinned is never more than that.
        let pinned = (*world.executor).blocking(move || pin.run(encoded)).await?;
        bytes += pinned.bytes();
        reserve(bytes)?;
        columns.push(pinned);
    }
    Ok(Some(MemorySegment::new(Arc::clone(meta), (*cuts).clone(), columns)))
}

struct PinColumn {
    meta: Arc<SegmentMeta>,
    room: Room,
    cuts: Arc<Cuts>,
    column: Column,
    codecs: Arc<dyn CodecLookup>,
}

impl PinColumn {
    fn run(self, encoded: EncodedColumn) -> Result<MemoryColumn> {
        let layout: Vec<_> = encoded.blocks.iter().map(|block| block.layout.clone()).collect();
        if Cuts::of_layout(&self.meta, self.room, &layout)? != *self.cuts {
            return Err(Error::corrupt("columns of a segment are cut differently")
                .with("segment", self.meta.id)
                .with("column", &self.column.name));
        }
        let decoder = self.decoder(encoded.dictionary.as_ref())?;
        let mut value_bytes = decoder.dictionary().map_or(0, |dictionary| array_bytes(dictionary));
        let mut parts = Vec::with_capacity(self.cuts.group_count());
        for group in self.cuts.groups() {
            let blocks = encoded.blocks.get(group.blocks.clone()).unwrap_or_default();
            let pieces = self.pieces(&decoder, &group, blocks)?;
            value_bytes += pieces.iter().map(piece_bytes).sum::<u64>();
            parts.push(Part::new(Arc::clone(&decoder), pieces));
        }
        let block_stats: Box<[_]> = layout.into_iter().map(|block| block.stats).collect();
        Ok(MemoryColumn {
            column: self.column.id,
            group_stats: group_stats(&self.cuts, &block_stats),
            block_stats,
            parts: parts.into(),
            value_bytes,
        })
    }

    /// The dictionary outlives what was read with it: its bytes are copied first.
    fn decoder(&self, dictionary: Option<&EncodedBlock>) -> Result<Arc<ColumnDecoder>> {
        let dictionary = dictionary.map(own_block);
        Ok(Arc::new(ColumnDecoder::new(Arc::clone(&self.codecs), &self.column, dictionary.as_ref())?))
    }

    /// Neighbouring blocks that are kept as arrays become one array.
    fn pieces(&self, decoder: &ColumnDecoder, group: &Group, blocks: &[EncodedBlock]) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut run = 0..0;
        let mut arrays: Vec<&EncodedBlock> = Vec::new();
        for (block, number) in blocks.iter().zip(group.blocks.clone()) {
            let rows = self.cuts.block_in(group, number);
            if self.stays_encoded(decoder, block)? {
                pieces.extend(self.values(decoder, run, std::mem::take(&mut arrays))?);
                pieces.push(Piece { rows: rows.clone(), body: Body::Encoded(kept_block(block)) });
                run = rows.end..rows.end;
            } else {
                arrays.push(block);
                run.end = rows.end;
            }
        }
        pieces.extend(self.values(decoder, run, arrays)?);
        Ok(pieces)
    }

    fn values(
        &self,
        decoder: &ColumnDecoder,
        rows: std::ops::Range<usize>,
        blocks: Vec<&EncodedBlock>,
    ) -> Result<Option<Piece>> {
        if blocks.is_empty() {
            return Ok(None);
        }
        let array = owned(decoder.decode_all(blocks)?)?;
        check_nulls(&self.meta, &self.column, &array)?;
        Ok(Some(Piece { rows, body: Body::Values(array) }))
    }

    /// Whether a block is smaller encoded, and its codec made for blocks that stay so. Plain blocks are not smaller, and
    /// an array of many of them is faster.
    fn stays_encoded(&self, decoder: &ColumnDecoder, block: &EncodedBlock) -> Result<bool> {
        let codec = self.codecs.codec(&block.layout.codec)?;
        if !codec.capabilities().resident || plain_len(block) <= block.bytes.len() {
            return Ok(false);
        }
        let array: ArrayRef = decoder.decode(block)?;
        check_nulls(&self.meta, &self.column, &array)?;
        Ok(block.bytes.len() as u64 <= array.to_data().get_slice_memory_size()? as u64)
    }
}

/// The most that a block of fixed width can take as an array; for bytes only decoding tells.
fn plain_len(block: &EncodedBlock) -> usize {
    let rows = block.layout.rows as usize;
    match block.layout.data_type.primitive_width() {
        Some(width) => rows * width + if block.layout.stats.null_count > 0 { rows.div_ceil(8) } else { 0 },
        None => usize::MAX,
    }
}

/// A block whose bytes are its own, to be kept: without what the column holds once for all its blocks.
fn kept_block(block: &EncodedBlock) -> EncodedBlock {
    let EncodedBlock { mut layout, bytes } = own_block(block);
    layout.run_starts = Arc::default();
    (layout.stats.min, layout.stats.max) = (None, None);
    EncodedBlock { layout, bytes }
}

/// A block whose bytes are its own.
fn own_block(block: &EncodedBlock) -> EncodedBlock {
    let shares = block.bytes.capacity() > block.bytes.len() + block.bytes.len() / 16 + 256;
    let bytes = if shares { Buffer::from(block.bytes.as_slice()) } else { block.bytes.clone() };
    EncodedBlock { layout: block.layout.clone(), bytes }
}

fn piece_bytes(piece: &Piece) -> u64 {
    let body = match &piece.body {
        Body::Values(array) => array_bytes(array),
        Body::Encoded(block) => block.bytes.capacity() as u64,
    };
    size_of::<Piece>() as u64 + body
}
