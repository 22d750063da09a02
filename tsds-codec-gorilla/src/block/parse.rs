//! What a block consists of.

use super::header::{CORRECTIONS, EXCEPTIONS, Header, Mode, NULLS, SINGLE, Shape};
use crate::bits::Reader;
use crate::error::{Damaged, Result};
use crate::ints::Stream;
use crate::isa::Isa;
use crate::values::{DecimalFit, Exceptions, Kind, MAX_DISTINCT};

/// A block whose header, checksum and directories are right.
#[derive(Clone, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) rows: usize,
    /// 1 for valid rows, 0 for nulls; `None` where no row is null.
    pub(crate) validity: Option<Stream<'a>>,
    pub(crate) values: Values<'a>,
}

/// The values of a block; those of null rows can be anything.
#[derive(Clone, Debug)]
pub(crate) enum Values<'a> {
    /// As Arrow lays them out.
    Raw(&'a [u8]),
    /// Lanes.
    Progression { first: i64, step: i64 },
    /// Integers, or floats as integers in their order.
    Integers(Stream<'a>),
    /// Floats of which most are decimals.
    Decimal(Decimal<'a>),
    /// Distinct lanes, and which of them each row has.
    Dictionary { lanes: Vec<i64>, codes: Stream<'a> },
    /// The codes of the paper.
    Classic { lanes_log2: u8, bytes: &'a [u8] },
    /// 1 for true, 0 for false.
    Bits(Stream<'a>),
}

/// Decimals, what is added to their bits, and what is none.
#[derive(Clone, Debug)]
pub(crate) struct Decimal<'a> {
    pub(crate) numbers: Stream<'a>,
    pub(crate) fit: DecimalFit,
    pub(crate) corrections: Option<Stream<'a>>,
    pub(crate) exceptions: Option<Exceptions<'a>>,
}

impl<'a> Block<'a> {
    /// Reads everything but the values themselves.
    pub(crate) fn parse(bytes: &'a [u8], isa: Isa) -> Result<Self> {
        let (Header { kind, shape, rows }, payload) = Header::parse(bytes)?;
        let mut reader = Reader::new(payload);
        let validity = match shape.has(NULLS) {
            true => Some(Stream::parse(&mut reader, rows)?),
            false => None,
        };
        let values = Values::parse(&mut reader, kind, shape, rows, isa)?;
        reader.finish()?;
        Ok(Self { kind, mode: shape.mode, rows, validity, values })
    }
}

impl<'a> Values<'a> {
    fn parse(reader: &mut Reader<'a>, kind: Kind, shape: Shape, rows: usize, isa: Isa) -> Result<Self> {
        let is_bits = shape.mode == Mode::Bits;
        if is_bits != (kind == Kind::Boolean) || (shape.mode == Mode::Decimal && !kind.is_float()) {
            return Err(Damaged::new("its mode is not one for its type"));
        }
        Ok(match shape.mode {
            Mode::Raw => Self::Raw(reader.bytes(rows * kind.width())?),
            Mode::Progression => Self::Progression { first: reader.signed()?, step: reader.signed()? },
            Mode::Integers => Self::Integers(Stream::parse(reader, rows)?),
            Mode::Decimal => Self::Decimal(Decimal::parse(reader, shape, rows)?),
            Mode::Dictionary => Self::parse_dictionary(reader, kind, rows, isa)?,
            Mode::Classic => {
                let bytes = reader.rest();
                Self::Classic { lanes_log2: shape.detail, bytes: reader.bytes(bytes.len())? }
            }
            Mode::Bits => Self::Bits(Stream::parse(reader, rows)?),
        })
    }

    fn parse_dictionary(reader: &mut Reader<'a>, kind: Kind, rows: usize, isa: Isa) -> Result<Self> {
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= MAX_DISTINCT.min(rows));
        let count = count.ok_or(Damaged::new("its dictionary is too large"))?;
        let shape: [u8; 3] = reader.bytes(3)?.try_into().map_err(|_| Damaged::new("it ends too early"))?;
        let shape = Shape::parse(shape)?;
        if matches!(shape.mode, Mode::Dictionary | Mode::Classic) || shape.has(NULLS) {
            return Err(Damaged::new("its dictionary has a mode that cannot be"));
        }
        let values = Self::parse(reader, kind, shape, count, isa)?;
        let mut lanes = vec![0; count];
        values.read_lanes(kind, 0..count, count, isa, &mut lanes)?;
        Ok(Self::Dictionary { lanes, codes: Stream::parse(reader, rows)? })
    }
}

impl<'a> Decimal<'a> {
    fn parse(reader: &mut Reader<'a>, shape: Shape, rows: usize) -> Result<Self> {
        let fit = DecimalFit::new(shape.detail, shape.has(SINGLE));
        let fit = fit.ok_or(Damaged::new("its decimals have an exponent that cannot be"))?;
        let numbers = Stream::parse(reader, rows)?;
        let corrections = match shape.has(CORRECTIONS) {
            true => Some(Stream::parse(reader, rows)?),
            false => None,
        };
        let exceptions = match shape.has(EXCEPTIONS) {
            true => Some(Exceptions::parse(reader, rows)?),
            false => None,
        };
        Ok(Self { numbers, fit, corrections, exceptions })
    }
}
