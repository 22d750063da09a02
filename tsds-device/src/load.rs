//! From a source to the device.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use tsds_compute::{code_text, column_stats};
use tsds_traits::{
    Column, ColumnStats, Error, Result, SegmentMeta, SegmentSource, TableSchema, ValueClass, World,
};

use crate::arena::{ALIGNMENT, Arena};
use crate::device::Device;
use crate::kernel::BLOCK_ITEMS;
use crate::residency::{Putting, read_rows};
use crate::segment::{DeviceColumn, DevicePart, DeviceSegment, Place};

/// Copies all of a segment to the device, in parts of at most `part_bytes`.
///
/// # Errors
///
/// `Corrupt` for a damaged source; `NoSpace`; `Unsupported` for a column that no device holds; `DeviceLost`; as for I/O.
pub(crate) async fn load<D: Device>(
    world: &World,
    device: &Arc<D>,
    arena: &Arc<Arena<D>>,
    part_bytes: u64,
    source: &dyn SegmentSource,
    putting: &mut Putting<DeviceSegment<D>>,
) -> Result<DeviceSegment<D>> {
    let (meta, schema) = (Arc::clone(source.meta()), Arc::clone(source.schema()));
    let batches = read_rows(source).await?;
    let host = (*world.executor).blocking(move || HostSegment::new(meta, &schema, batches)).await?;
    let host = Arc::new(host);

    let part_rows = host.part_rows(part_bytes.min(arena.slab_bytes()));
    let starts: Vec<usize> = (0..host.rows).step_by(part_rows).collect();
    let (mut parts, mut bytes) = (Vec::with_capacity(starts.len()), host.dictionary_bytes());
    for start in starts {
        let rows = start..host.rows.min(start + part_rows);
        let job = Arc::clone(&host);
        let image = (*world.executor).blocking(move || job.image(rows)).await?;
        bytes += (image.bytes.len() as u64).next_multiple_of(ALIGNMENT);
        putting.at_least(bytes)?;
        let extent = arena.take(image.bytes.len() as u64).await?;
        device.write(extent.buffer(), extent.at(), &image.bytes)?;
        parts.push(DevicePart {
            first_row: start as u64,
            rows: image.rows,
            extent,
            places: image.places,
            stats: image.stats,
        });
    }
    let HostSegment { meta, columns, .. } = &*host;
    let columns = columns.iter().map(|(column, _)| column.clone()).collect();
    Ok(DeviceSegment::new(Arc::clone(meta), columns, parts, host.dictionary_bytes()))
}

/// A segment on its way.
#[derive(Debug)]
struct HostSegment {
    meta: Arc<SegmentMeta>,
    rows: usize,
    columns: Vec<(DeviceColumn, ArrayRef)>,
}

/// A part as it will lie on the device.
struct Image {
    rows: u32,
    bytes: Vec<u8>,
    places: Vec<Place>,
    stats: Vec<ColumnStats>,
}

impl HostSegment {
    fn new(meta: Arc<SegmentMeta>, schema: &TableSchema, batches: Vec<RecordBatch>) -> Result<Self> {
        let rows = usize::try_from(meta.rows).map_err(|_| Error::unsupported("segment has too many rows"))?;
        let columns = schema.columns().iter().enumerate().map(|(index, column)| {
            let arrays = batches.iter().map(|batch| Arc::clone(batch.column(index))).collect();
            device_column(column, arrays)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(Self { meta, rows, columns })
    }

    /// How many rows a part of so many bytes has, so that blocks of kernels end where parts do.
    fn part_rows(&self, bytes: u64) -> usize {
        let row_bits: u64 = self.columns.iter().map(|(column, _)| column.form.bytes(8) + 1).sum();
        // Each column and each validity begins at a multiple of the alignment.
        let room = bytes.saturating_sub(2 * ALIGNMENT * self.columns.len() as u64) * 8;
        let rows = room / row_bits.max(1) / u64::from(BLOCK_ITEMS) * u64::from(BLOCK_ITEMS);
        usize::try_from(rows.max(u64::from(BLOCK_ITEMS))).unwrap_or(BLOCK_ITEMS as usize).min(1 << 30)
    }

    /// What the texts behind codes take on the host.
    fn dictionary_bytes(&self) -> u64 {
        let dictionaries = self.columns.iter().filter_map(|(column, _)| column.dictionary.as_ref());
        dictionaries.map(|dictionary| dictionary.get_buffer_memory_size() as u64).sum()
    }

    fn image(&self, rows: Range<usize>) -> Result<Image> {
        let mut image = Image {
            rows: u32::try_from(rows.len()).map_err(|_| Error::internal("part has too many rows"))?,
            bytes: Vec::new(),
            places: Vec::with_capacity(self.columns.len()),
            stats: Vec::with_capacity(self.columns.len()),
        };
        for (column, array) in &self.columns {
            let array = array.slice(rows.start, rows.len());
            image.push(column, &array)?;
        }
        Ok(image)
    }
}

impl Image {
    fn push(&mut self, column: &DeviceColumn, array: &ArrayRef) -> Result<()> {
        self.stats.push(column_stats(column.id, array)?);
        let codes = array.as_dictionary_opt::<UInt32Type>().map(|array| array.keys() as &dyn Array);
        let array = codes.unwrap_or(array);
        let data = self.region(|bytes| put_values(array, bytes))?;
        let validity = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => None,
            Some(nulls) => Some(self.region(|bytes| {
                put_bits(nulls.inner(), bytes);
                Ok(())
            })?),
        };
        self.places.push(Place { data, validity });
        Ok(())
    }

    /// Appends whole words behind an aligned beginning.
    fn region(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Range<u64>> {
        let start = self.bytes.len().next_multiple_of(ALIGNMENT as usize);
        self.bytes.resize(start, 0);
        put(&mut self.bytes)?;
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        Ok(start as u64..self.bytes.len() as u64)
    }
}

fn device_column(column: &Column, arrays: Vec<ArrayRef>) -> Result<(DeviceColumn, ArrayRef)> {
    let (arrays, dictionary) = match ValueClass::of(&column.data_type) {
        Some(ValueClass::Text) => {
            let coded = code_text(&arrays, usize::MAX)?;
            let (arrays, dictionary) = coded
                .ok_or_else(|| Error::unsupported("column has too much text").with("column", &column.name))?;
            (arrays, Some(dictionary))
        }
        _ => (arrays, None),
    };
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let array = arrow_select::concat::concat(&arrays)?;
    Ok((DeviceColumn::new(column.id, &column.data_type, dictionary)?, array))
}

/// The values of a primitive or boolean array, as Arrow has them.
fn put_values(array: &dyn Array, out: &mut Vec<u8>) -> Result<()> {
    if let Some(bits) = array.as_boolean_opt() {
        put_bits(bits.values(), out);
        return Ok(());
    }
    let data = array.to_data();
    let width = data.data_type().primitive_width();
    let values = width.zip(data.buffers().first()).and_then(|(width, values)| {
        let start = data.offset() * width;
        values.as_slice().get(start..start + data.len() * width)
    });
    out.extend_from_slice(
        values.ok_or_else(|| Error::internal("array has no values").with("type", data.data_type()))?,
    );
    Ok(())
}

/// Bits from the first on, whatever their offset was.
fn put_bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    let sliced = bits.sliced();
    let bytes = bits.len().div_ceil(8);
    let from = out.len();
    out.extend_from_slice(sliced.as_slice().get(..bytes).unwrap_or_default());
    out.resize(from + bytes, 0);
    if let (Some(last), used @ 1..) = (out.last_mut(), bits.len() % 8) {
        *last &= u8::MAX >> (8 - used);
    }
}

/// Bits that a device wrote, as the validity of an array.
pub(crate) fn nulls_of(bits: BooleanBuffer) -> Option<NullBuffer> {
    Some(NullBuffer::new(bits)).filter(|nulls| nulls.null_count() > 0)
}
