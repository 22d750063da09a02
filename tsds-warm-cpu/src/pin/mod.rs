//! From a source into memory.

mod blocks;
mod rows;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, make_array};
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType;
use tsds_segment::PLAIN;
use tsds_traits::{CodecLookup, ColumnStats, Result, SegmentSource, World};

use crate::segment::{Cuts, MemorySegment, array_bytes};

pub(crate) use rows::rows;

/// Sets so much memory aside in all, before it is taken.
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
    reserve(least_bytes(codecs, source)?)?;
    match blocks::blocks(world, codecs, source, reserve).await? {
        Some(segment) => Ok(segment),
        None => rows(world, codecs, source).await,
    }
}

/// What the segment takes at least, as far as that is known without reading it: a put that cannot succeed is refused before
/// it reads anything.
fn least_bytes(codecs: &Arc<dyn CodecLookup>, source: &dyn SegmentSource) -> Result<u64> {
    let array_bytes = |data_type: &DataType, rows: u64| match data_type {
        DataType::Boolean => rows / 8,
        other => rows.saturating_mul(other.primitive_width().unwrap_or(0) as u64),
    };
    let mut least = 0u64;
    for column in source.schema().columns() {
        let Some(layout) = source.layout(column.id)? else {
            least = least.saturating_add(array_bytes(&column.data_type, source.meta().rows));
            continue;
        };
        for block in layout {
            let becomes_array =
                *block.codec == *PLAIN || !codecs.codec(&block.codec)?.capabilities().resident;
            if becomes_array {
                least = least.saturating_add(array_bytes(&block.data_type, u64::from(block.rows)));
            }
        }
    }
    Ok(least)
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
