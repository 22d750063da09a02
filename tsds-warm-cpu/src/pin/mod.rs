//! From a source into memory.

mod blocks;
mod rows;
mod text;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, make_array};
use arrow_data::transform::MutableArrayData;
use tsds_traits::{CodecLookup, ColumnStats, Result, SegmentMeta, SegmentSource, World};

use crate::segment::{Cuts, MemorySegment, array_bytes};

pub(crate) use rows::rows;

/// Sets memory aside before it is taken.
pub(crate) type Reserve<'a> = dyn FnMut(u64) -> Result<()> + Send + 'a;

/// Reads all of a segment into memory. Every block is decoded once, so that a damaged source is found now and not by a query.
///
/// # Errors
///
/// `Corrupt` for a damaged source; what `reserve` says; as for I/O.
pub(crate) async fn pin(
    world: &World,
    codecs: &Arc<dyn CodecLookup>,
    source: &dyn SegmentSource,
    reserve: &mut Reserve<'_>,
) -> Result<MemorySegment> {
    match blocks::blocks(world, codecs, source, reserve).await? {
        Some(segment) => Ok(segment),
        None => rows(world, codecs, source, reserve).await,
    }
}

/// An array whose buffers are its own: what it shares with something larger, such as all that was read from a file at once,
/// is copied, so that the larger thing can go.
///
/// # Errors
///
/// `Internal` if Arrow refuses.
fn owned(array: ArrayRef) -> Result<ArrayRef> {
    let data = array.to_data();
    let needed = data.get_slice_memory_size().unwrap_or(usize::MAX) as u64;
    let slack = needed / 16 + 256;
    if array_bytes(&array) <= needed.saturating_add(slack) {
        return Ok(array);
    }
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    let mut copy = make_array(copy.freeze());
    if let Some(copy) = Arc::get_mut(&mut copy) {
        copy.shrink_to_fit();
    }
    Ok(copy)
}

/// The statistics of each group, of those of its blocks.
fn group_stats(cuts: &Cuts, blocks: &[ColumnStats]) -> Box<[ColumnStats]> {
    let merge = |range: Range<usize>| {
        let rows = |block| {
            let rows = cuts.block(block);
            rows.end - rows.start
        };
        let mut merged: Option<(ColumnStats, u64)> = None;
        for block in range {
            let Some(stats) = blocks.get(block) else { continue };
            merged = Some(match merged {
                None => (stats.clone(), rows(block)),
                Some((so_far, before)) => {
                    (tsds_compute::merge_stats((&so_far, before), (stats, rows(block))), before + rows(block))
                }
            });
        }
        merged.map(|(stats, _)| stats)
    };
    cuts.groups().filter_map(|group| merge(group.blocks)).collect()
}

/// A null in a column that has none would fail every query later.
fn check_nulls(meta: &SegmentMeta, column: &tsds_traits::Column, array: &dyn Array) -> Result<()> {
    if column.nullable || array.null_count() == 0 {
        return Ok(());
    }
    Err(tsds_traits::Error::corrupt("segment has a null in a column that is declared without")
        .with("segment", meta.id)
        .with("column", &column.name))
}
