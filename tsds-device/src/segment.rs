//! A segment on a device.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::DataType;
use tsds_traits::{ColumnId, ColumnStats, Error, Result, SegmentMeta, ValueClass};

use crate::arena::Extent;
use crate::device::Device;
use crate::encode::{Classic, Fit};
use crate::kernel::{Class, ColumnEntry, Form, NONE};
use crate::meaning::Meaning;
use crate::residency::{Charge, Held};

/// A segment whose columns are on a device.
#[derive(Debug)]
pub(crate) struct DeviceSegment<D: Device> {
    pub(crate) meta: Arc<SegmentMeta>,
    pub(crate) columns: Vec<DeviceColumn>,
    /// In row order.
    pub(crate) parts: Vec<DevicePart<D>>,
    /// What columns take on the host.
    host_bytes: u64,
    charge: Option<Charge>,
}

/// What all parts of a column have in common.
#[derive(Clone, Debug)]
pub(crate) struct DeviceColumn {
    pub(crate) id: ColumnId,
    /// The type on the device: that of the schema, but where numbers stand for something else.
    pub(crate) data_type: DataType,
    pub(crate) form: Form,
    pub(crate) class: Class,
    pub(crate) meaning: Meaning,
}

/// Consecutive rows of a segment, in one piece of device memory.
#[derive(Debug)]
pub(crate) struct DevicePart<D: Device> {
    /// The number of the first row in the segment.
    pub(crate) first_row: u64,
    pub(crate) rows: u32,
    pub(crate) extent: Extent<D>,
    /// The rows of the part at which encoded blocks begin, the same in all columns; none if no column is encoded.
    pub(crate) cuts: Vec<u32>,
    /// One for each column.
    pub(crate) places: Vec<Place>,
    /// One for each column.
    pub(crate) stats: Vec<ColumnStats>,
}

/// Where a column of a part is, in bytes from the beginning of the part.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) data: Range<u64>,
    /// `None` if no row is null.
    pub(crate) validity: Option<Range<u64>>,
    /// If the values are encoded.
    pub(crate) encoded: Option<Encoded>,
}

/// What else is known of encoded values.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// How many encoded blocks there are.
    pub(crate) blocks: u32,
    /// The divisors of decimals.
    pub(crate) fits: Vec<Fit>,
    /// The blocks that are in the codes of the paper.
    pub(crate) classic: Vec<Classic>,
}

impl DeviceColumn {
    /// How numbers of a type lie on the device, and what they stand for.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a type that no device has.
    pub(crate) fn new(id: ColumnId, data_type: &DataType, meaning: Meaning) -> Result<Self> {
        let unsupported =
            || Error::unsupported("device does not hold columns of this type").with("type", data_type);
        let class = match ValueClass::of(data_type).ok_or_else(unsupported)? {
            ValueClass::Bool | ValueClass::UInt => Class::Unsigned,
            ValueClass::Int => Class::Signed,
            ValueClass::F32 => Class::Float32,
            ValueClass::F64 => Class::Float64,
            _ => return Err(unsupported()),
        };
        let form = match (data_type, data_type.primitive_width()) {
            (DataType::Boolean, _) => Form::Bits,
            (_, Some(1)) => Form::Plain8,
            (_, Some(2)) => Form::Plain16,
            (_, Some(4)) => Form::Plain32,
            (_, Some(8)) => Form::Plain64,
            _ => return Err(unsupported()),
        };
        Ok(Self { id, data_type: data_type.clone(), form, class, meaning })
    }
}

impl Form {
    /// How many bytes so many values take, plain.
    pub(crate) fn bytes(self, rows: u64) -> u64 {
        match self {
            Self::Plain64 => rows * 8,
            Self::Plain32 => rows * 4,
            Self::Plain16 => rows * 2,
            Self::Plain8 => rows,
            Self::Bits => rows.div_ceil(8),
            // As long as a plain column at most.
            Self::Encoded => rows * 8,
        }
    }
}

impl<D: Device> DeviceSegment<D> {
    /// `host_bytes` is what columns take on the host.
    pub(crate) fn new(
        meta: Arc<SegmentMeta>,
        columns: Vec<DeviceColumn>,
        parts: Vec<DevicePart<D>>,
        host_bytes: u64,
    ) -> Self {
        Self { meta, columns, parts, host_bytes, charge: None }
    }

    /// Where a column stands among the columns.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a column that the segment lacks.
    pub(crate) fn index_of(&self, column: ColumnId) -> Result<usize> {
        self.columns.iter().position(|own| own.id == column).ok_or_else(|| {
            Error::invalid_input("segment lacks a column that is asked for")
                .with("segment", self.meta.id)
                .with("column", column)
        })
    }

    /// A column by its id.
    ///
    /// # Errors
    ///
    /// As [`DeviceSegment::index_of`].
    pub(crate) fn column(&self, column: ColumnId) -> Result<&DeviceColumn> {
        let index = self.index_of(column)?;
        self.columns.get(index).ok_or_else(|| Error::internal("a column has no place"))
    }
}

impl<D: Device> DevicePart<D> {
    /// The entry of a column in a column table.
    ///
    /// # Errors
    ///
    /// `Internal` beyond what 32 bits can address.
    pub(crate) fn entry(&self, column: &DeviceColumn, index: usize) -> Result<ColumnEntry> {
        let word = |at: u64| {
            u32::try_from((self.extent.at() + at) / 4)
                .map_err(|_| Error::internal("slab is too large to be addressed"))
        };
        let place = self.places.get(index).ok_or_else(|| Error::internal("a column has no place"))?;
        let validity = place.validity.as_ref().map(|validity| word(validity.start)).transpose()?;
        let blocks = place.encoded.as_ref().map(|encoded| encoded.blocks);
        Ok(ColumnEntry {
            form: if blocks.is_some() { Form::Encoded } else { column.form },
            class: column.class,
            data: word(place.data.start)?,
            validity: validity.unwrap_or(NONE),
            blocks: blocks.unwrap_or(0),
            decoded: column.form,
        })
    }

    /// The statistics of a column.
    pub(crate) fn stats(&self, column: ColumnId) -> Option<&ColumnStats> {
        self.stats.iter().find(|stats| stats.column == column)
    }
}

impl<D: Device> Held for DeviceSegment<D> {
    fn rows(&self) -> u64 {
        self.meta.rows
    }

    /// Device memory, and what stays on the host: texts, wide decimals and payload.
    fn bytes(&self) -> u64 {
        self.host_bytes + self.parts.iter().map(|part| part.extent.bytes()).sum::<u64>()
    }

    fn hold(&mut self, charge: Charge) {
        self.charge = Some(charge);
    }
}
