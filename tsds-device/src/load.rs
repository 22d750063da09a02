//! From a source to the device.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::DataType;
use tsds_codec_gorilla::Kind;
use tsds_compute::column_stats;
use tsds_traits::{
    Column, ColumnStats, EncodedBlock, Error, Result, SegmentMeta, SegmentSource, TableSchema, ValueClass,
    World, integer_form,
};

use crate::arena::{ALIGNMENT, Arena};
use crate::device::Device;
use crate::encode;
use crate::kernel::BLOCK_ITEMS;
use crate::meaning::Numbers;
use crate::residency::{Putting, read_rows};
use crate::room;
use crate::segment::{DeviceColumn, DevicePart, DeviceSegment, Encoded, Place};

/// How large parts can be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartLimits {
    /// Of the part itself.
    pub(crate) bytes: u64,
    /// Of the memory in which requests work on it.
    pub(crate) scratch_bytes: u64,
}

/// Copies all of a segment to the device, in parts.
///
/// # Errors
///
/// `Corrupt` for a damaged source; `NoSpace`; `Unsupported` for a column that no device holds, and for a segment that would not fit if
/// there were no other; `DeviceLost`; as for I/O.
pub(crate) async fn load<D: Device>(
    world: &World,
    device: &Arc<D>,
    arena: &Arc<Arena<D>>,
    limits: PartLimits,
    source: &dyn SegmentSource,
    putting: &mut Putting<DeviceSegment<D>>,
) -> Result<DeviceSegment<D>> {
    let (meta, schema) = (Arc::clone(source.meta()), Arc::clone(source.schema()));
    let batches = read_rows(source).await?;
    let blocks = encoded_blocks(source).await?;
    let host = (*world.executor).blocking(move || HostSegment::new(meta, &schema, batches, blocks)).await?;
    let host = Arc::new(host);

    let bytes = limits.bytes.min(arena.slab_bytes());
    let ranges = host.part_ranges(PartLimits { bytes, ..limits })?;
    let too_large = |bytes: u64| {
        Error::unsupported("segment does not fit, even if it were the only one")
            .with("needed_bytes", bytes)
            .with("limit_bytes", arena.limit_bytes())
            .with("slab_bytes", arena.slab_bytes())
    };
    let (mut parts, mut bytes) = (Vec::with_capacity(ranges.len()), host.host_bytes());
    if bytes > arena.limit_bytes() {
        return Err(too_large(bytes));
    }
    putting.at_least(bytes)?;
    let mut room = arena.room();
    for rows in ranges {
        let start = rows.start;
        let job = Arc::clone(&host);
        let image = (*world.executor).blocking(move || job.image(rows)).await?;
        bytes += (image.bytes.len() as u64).next_multiple_of(ALIGNMENT);
        if !room.take(image.bytes.len() as u64) || bytes > arena.limit_bytes() {
            return Err(too_large(bytes));
        }
        putting.at_least(bytes)?;
        let extent = arena.take(image.bytes.len() as u64).await?;
        device.write(extent.buffer(), extent.at(), &image.bytes)?;
        parts.push(DevicePart {
            first_row: start as u64,
            rows: image.rows,
            extent,
            cuts: image.cuts,
            places: image.places,
            stats: image.stats,
        });
    }
    let HostSegment { meta, columns, .. } = &*host;
    let columns = columns.iter().map(|column| column.device.clone()).collect();
    Ok(DeviceSegment::new(Arc::clone(meta), columns, parts, host.host_bytes()))
}

/// How many rows a part can have so that looking up what they stand for, `host_bits` each, takes no more of the host than a part may take of
/// the device, nor than half of a wave's room; a few in any case.
fn most_looked_up(limits: PartLimits, host_bits: u64) -> u64 {
    let bytes = limits.bytes.min(room::of_wave(limits.scratch_bytes) / 2);
    let most = bytes.saturating_mul(8) / host_bits.max(1);
    (most / u64::from(u32::BITS) * u64::from(u32::BITS)).max(u32::BITS.into())
}

/// The blocks of every column that a device can decode, in schema order; none where there is no segment file, or its columns
/// are not cut at the same rows.
async fn encoded_blocks(source: &dyn SegmentSource) -> Result<Vec<Option<Vec<EncodedBlock>>>> {
    let mut all = Vec::with_capacity(source.schema().columns().len());
    let mut cuts: Option<Vec<u64>> = None;
    for column in source.schema().columns() {
        let encoded = match device_kind(column) {
            Some(_) => source.blocks(column.id, 0..source.meta().rows).await?,
            None => None,
        };
        let blocks = encoded.map(|encoded| encoded.blocks);
        if let Some(blocks) = &blocks {
            let starts = encode::starts(blocks);
            let ascends = starts.first() == Some(&0) && starts.is_sorted_by(|a, b| a < b);
            if !ascends || cuts.get_or_insert_with(|| starts.clone()) != &starts {
                return Ok(vec![None; source.schema().columns().len()]);
            }
        }
        all.push(blocks);
    }
    Ok(all)
}

/// What the values of a column are on the device, if they can stay encoded there.
fn device_kind(column: &Column) -> Option<Kind> {
    let data_type = integer_form(&column.data_type).unwrap_or_else(|| column.data_type.clone());
    Some(match (data_type, ValueClass::of(&column.data_type)?) {
        (_, ValueClass::Text) => Kind::UInt32,
        (_, ValueClass::Decimal) => Kind::Int64,
        (DataType::Int64, _) => Kind::Int64,
        (DataType::Int32, _) => Kind::Int32,
        (DataType::UInt64, _) => Kind::UInt64,
        (DataType::UInt32, _) => Kind::UInt32,
        (DataType::Float64, _) => Kind::Float64,
        (DataType::Float32, _) => Kind::Float32,
        _ => return None,
    })
}

/// A segment on its way.
#[derive(Debug)]
struct HostSegment {
    meta: Arc<SegmentMeta>,
    rows: usize,
    columns: Vec<HostColumn>,
    /// The rows at which encoded blocks begin.
    cuts: Vec<usize>,
}

#[derive(Debug)]
struct HostColumn {
    device: DeviceColumn,
    numbers: Numbers,
    encoded: Option<(Kind, Vec<EncodedBlock>)>,
}

/// A part as it will lie on the device.
struct Image {
    rows: u32,
    cuts: Vec<u32>,
    bytes: Vec<u8>,
    places: Vec<Place>,
    stats: Vec<ColumnStats>,
}

impl HostSegment {
    fn new(
        meta: Arc<SegmentMeta>,
        schema: &TableSchema,
        batches: Vec<RecordBatch>,
        blocks: Vec<Option<Vec<EncodedBlock>>>,
    ) -> Result<Self> {
        let rows = usize::try_from(meta.rows).map_err(|_| Error::unsupported("segment has too many rows"))?;
        let mut columns = Vec::with_capacity(schema.columns().len());
        let mut cuts = Vec::new();
        for (index, (column, blocks)) in schema.columns().iter().zip(blocks).enumerate() {
            let arrays: Vec<_> = batches.iter().map(|batch| Arc::clone(batch.column(index))).collect();
            let (device, numbers) = device_column(column, &arrays)?;
            let encoded = device_kind(column).zip(blocks);
            if let Some((_, blocks)) = &encoded {
                cuts = encode::starts(blocks).into_iter().map(|row| row as usize).collect();
            }
            columns.push(HostColumn { device, numbers, encoded });
        }
        Ok(Self { meta, rows, columns, cuts })
    }

    /// The rows of parts within limits, if they were plain. Blocks of kernels end where parts do, and parts where encoded blocks do, if
    /// that is possible.
    ///
    /// # Errors
    ///
    /// `Unsupported` for rows of which not even a few fit.
    fn part_ranges(&self, limits: PartLimits) -> Result<Vec<Range<usize>>> {
        let row_bits: u64 = self.columns.iter().map(|column| column.device.form.bytes(8) + 1).sum();
        let columns = self.columns.len() as u64;
        // Each column and each validity begins at a multiple of the alignment, and ends with words that are only looked at.
        let room = limits.bytes.saturating_sub(2 * ALIGNMENT * columns) * 8;
        let host_bits: u64 = self.columns.iter().map(|column| column.device.meaning.host_row_bits()).sum();
        // What is looked up on the host gets half of the room of a wave.
        let scratch_bytes = limits.scratch_bytes / if host_bits > 0 { 2 } else { 1 };
        let most = (room / row_bits.max(1)).min(room::most_rows(scratch_bytes, row_bits, columns));
        let step = u64::from(if most >= u64::from(BLOCK_ITEMS) { BLOCK_ITEMS } else { u32::BITS });
        let most = (most / step * step).min(most_looked_up(limits, host_bits));
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(1 << 30);
        if most == 0 {
            return Err(Error::unsupported("rows are too wide for the memory of the device")
                .with("row_bits", row_bits)
                .with("part_bytes", limits.bytes)
                .with("scratch_bytes", limits.scratch_bytes));
        }
        let mut ranges = Vec::new();
        let mut start = 0;
        while start < self.rows {
            let furthest = self.rows.min(start + most);
            let last_cut = self.cuts.iter().rev().find(|cut| **cut > start && **cut <= furthest);
            let end = match last_cut {
                Some(cut) if furthest < self.rows => *cut,
                _ => furthest,
            };
            ranges.push(start..end);
            start = end;
        }
        Ok(ranges)
    }

    /// What columns take on the host.
    fn host_bytes(&self) -> u64 {
        self.columns.iter().map(|column| column.device.meaning.host_bytes()).sum()
    }

    fn image(&self, rows: Range<usize>) -> Result<Image> {
        let is_cut = |row: &usize| *row == self.rows || self.cuts.binary_search(row).is_ok();
        // Blocks that reach beyond the part cannot be taken apart.
        let whole = is_cut(&rows.start) && is_cut(&rows.end);
        let cuts = self.cuts.iter().filter(|cut| whole && rows.contains(cut));
        let mut image = Image {
            rows: u32::try_from(rows.len()).map_err(|_| Error::internal("part has too many rows"))?,
            cuts: cuts.map(|cut| (cut - rows.start) as u32).collect(),
            bytes: Vec::new(),
            places: Vec::with_capacity(self.columns.len()),
            stats: Vec::with_capacity(self.columns.len()),
        };
        for column in &self.columns {
            let blocks = column.encoded.as_ref().filter(|_| whole);
            let blocks = blocks.map(|(kind, blocks)| (*kind, encode::of_rows(blocks, &rows)));
            image.push(column, &rows, blocks)?;
        }
        if image.places.iter().all(|place| place.encoded.is_none()) {
            image.cuts.clear();
        }
        Ok(image)
    }
}

impl Image {
    fn push(
        &mut self,
        column: &HostColumn,
        rows: &Range<usize>,
        blocks: Option<(Kind, Vec<&EncodedBlock>)>,
    ) -> Result<()> {
        let values = column.numbers.values.slice(rows.start, rows.len());
        self.stats.push(column_stats(column.device.id, &values)?);
        let array = column.numbers.array.slice(rows.start, rows.len());
        let encoded = match blocks {
            Some((kind, blocks)) => encode::encode(kind, &blocks, rows.start, &array)?,
            None => None,
        };
        let data = self.region(|bytes| match &encoded {
            Some(encoded) => {
                bytes.extend(encoded.words.iter().flat_map(|word| word.to_le_bytes()));
                Ok(())
            }
            None => put_values(&array, bytes),
        })?;
        let validity = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => None,
            Some(nulls) => Some(self.region(|bytes| {
                put_bits(nulls.inner(), bytes);
                // Kernels take 32 bits from anywhere, and may look at the words behind them.
                bytes.resize(bytes.len().next_multiple_of(4) + 8, 0);
                Ok(())
            })?),
        };
        let encoded = encoded.map(|encoded| Encoded {
            blocks: encoded.blocks,
            fits: encoded.fits,
            classic: encoded.classic,
        });
        self.places.push(Place { data, validity, encoded });
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

fn device_column(column: &Column, arrays: &[ArrayRef]) -> Result<(DeviceColumn, Numbers)> {
    let numbers = Numbers::of(column, arrays)?;
    let on_device = DeviceColumn::new(column.id, numbers.array.data_type(), numbers.meaning.clone());
    let on_device = on_device.map_err(|error| error.with("column", &column.name))?;
    Ok((on_device, numbers))
}

/// The values of a primitive or boolean array, as Arrow has them.
fn put_values(array: &dyn Array, out: &mut Vec<u8>) -> Result<()> {
    if let Some(bits) = array.as_boolean_opt() {
        put_bits(bits.values(), out);
        return Ok(());
    }
    let values = value_bytes(array)
        .ok_or_else(|| Error::internal("array has no values").with("type", array.data_type()))?;
    out.extend_from_slice(&values);
    Ok(())
}

/// The values of a primitive array, as Arrow has them.
pub(crate) fn value_bytes(array: &dyn Array) -> Option<Buffer> {
    let data = array.to_data();
    let width = data.data_type().primitive_width()?;
    let (start, bytes) = (data.offset() * width, data.len() * width);
    let values = data.buffers().first().filter(|values| start + bytes <= values.len())?;
    Some(values.slice_with_length(start, bytes))
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
