//! What a block consists of.

use super::header::{CORRECTIONS, EXCEPTIONS, HEADER_LEN, Header, Mode, NULLS, SINGLE, Shape};
use crate::bits::Reader;
use crate::error::{Damaged, Result};
use crate::ints::Stream;
use crate::isa::Isa;
use crate::values::{DecimalFit, Exceptions, Kind, MAX_DISTINCT};

/// How deep values lie within values: exceptions of the values of a dictionary.
pub(crate) const MAX_DEPTH: usize = 2;

/// A block whose header, checksum and directories are right.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) rows: usize,
    pub(crate) isa: Isa,
    /// The bytes of the block.
    pub(crate) len: usize,
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
    Decimal(Box<Decimal<'a>>),
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
    pub(crate) exceptions: Exceptions,
}

impl<'a> Block<'a> {
    /// Checks a block and reads everything but the values themselves.
    ///
    /// # Errors
    ///
    /// [`Damaged`] for bytes that are no block.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::parse_with(bytes, Isa::best())
    }

    /// Like [`Block::parse`], to be decoded with other instructions, such as to compare them. What comes out is the same.
    /// Instructions that the processor does not have are replaced by portable ones.
    ///
    /// # Errors
    ///
    /// As [`Block::parse`].
    pub fn parse_with(bytes: &'a [u8], isa: Isa) -> Result<Self> {
        let (header, payload) = Header::parse(bytes)?;
        Self::parse_payload(header, payload, isa)
    }

    /// Reads what stands behind a header, for which nothing is allocated before.
    pub(crate) fn parse_payload(header: Header, payload: &'a [u8], isa: Isa) -> Result<Self> {
        let Header { kind, shape, rows } = header;
        let mut reader = Reader::new(payload);
        let validity = match shape.has(NULLS) {
            true => Some(Stream::parse(&mut reader, rows)?),
            false => None,
        };
        let values = Values::parse(&mut reader, kind, shape, rows, isa, 0)?;
        reader.finish()?;
        Ok(Self { kind, mode: shape.mode, rows, isa, len: HEADER_LEN + payload.len(), validity, values })
    }
}

impl Block<'_> {
    /// What the values are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How the values are stored.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether some rows are null.
    pub fn has_nulls(&self) -> bool {
        self.validity.is_some()
    }

    /// How many values there are, nulls among them.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl<'a> Values<'a> {
    fn parse(
        reader: &mut Reader<'a>,
        kind: Kind,
        shape: Shape,
        rows: usize,
        isa: Isa,
        depth: usize,
    ) -> Result<Self> {
        let nests = shape.mode == Mode::Dictionary || shape.has(EXCEPTIONS);
        if nests && depth == MAX_DEPTH {
            return Err(Damaged::new("values are nested too deeply"));
        }
        let of_decimals = shape.flags & !NULLS;
        let has_detail = matches!(shape.mode, Mode::Decimal | Mode::Classic);
        if (of_decimals != 0 && shape.mode != Mode::Decimal) || (shape.detail != 0 && !has_detail) {
            return Err(Damaged::new("its mode has no such flags"));
        }
        let is_bits = shape.mode == Mode::Bits;
        if is_bits != (kind == Kind::Boolean) || (shape.mode == Mode::Decimal && !kind.is_float()) {
            return Err(Damaged::new("its mode is not one for its type"));
        }
        Ok(match shape.mode {
            Mode::Raw => Self::Raw(reader.bytes(rows * kind.width())?),
            Mode::Progression => Self::Progression { first: reader.signed()?, step: reader.signed()? },
            Mode::Integers => Self::Integers(Stream::parse(reader, rows)?),
            Mode::Decimal => Self::Decimal(Box::new(Decimal::parse(reader, kind, shape, rows, isa, depth)?)),
            Mode::Dictionary => Self::parse_dictionary(reader, kind, rows, isa, depth)?,
            Mode::Classic => {
                let bytes = reader.rest();
                Self::Classic { lanes_log2: shape.detail, bytes: reader.bytes(bytes.len())? }
            }
            Mode::Bits => Self::Bits(Stream::parse(reader, rows)?),
        })
    }

    fn parse_dictionary(
        reader: &mut Reader<'a>,
        kind: Kind,
        rows: usize,
        isa: Isa,
        depth: usize,
    ) -> Result<Self> {
        let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= MAX_DISTINCT.min(rows));
        let count = count.ok_or(Damaged::new("its dictionary is too large"))?;
        let lanes = Self::parse_nested(reader, kind, count, isa, depth + 1)?;
        Ok(Self::Dictionary { lanes, codes: Stream::parse(reader, rows)? })
    }

    /// Values within values, which are decoded at once.
    fn parse_nested(
        reader: &mut Reader<'a>,
        kind: Kind,
        count: usize,
        isa: Isa,
        depth: usize,
    ) -> Result<Vec<i64>> {
        let shape: [u8; 3] = reader.bytes(3)?.try_into().map_err(|_| Damaged::new("it ends too early"))?;
        let shape = Shape::parse(shape)?;
        if shape.mode == Mode::Classic || shape.has(NULLS) {
            return Err(Damaged::new("its nested values have a mode that cannot be"));
        }
        let values = Self::parse(reader, kind, shape, count, isa, depth)?;
        let mut lanes = vec![0; count];
        values.read_lanes(kind, 0..count, count, isa, &mut lanes)?;
        Ok(lanes)
    }
}

impl<'a> Decimal<'a> {
    fn parse(
        reader: &mut Reader<'a>,
        kind: Kind,
        shape: Shape,
        rows: usize,
        isa: Isa,
        depth: usize,
    ) -> Result<Self> {
        let is_single = shape.has(SINGLE);
        if (kind == Kind::Float32 && !is_single) || (is_single && shape.has(CORRECTIONS)) {
            return Err(Damaged::new("its decimals have flags that do not go together"));
        }
        let fit = DecimalFit::new(shape.detail, reader.byte()?, shape.has(SINGLE));
        let fit = fit.ok_or(Damaged::new("its decimals have a divisor that cannot be"))?;
        let numbers = Stream::parse(reader, rows)?;
        let corrections = match shape.has(CORRECTIONS) {
            true => Some(Stream::parse(reader, rows)?),
            false => None,
        };
        let mut exceptions = Exceptions::default();
        if shape.has(EXCEPTIONS) {
            let count = usize::try_from(reader.varint()?).ok().filter(|count| *count <= rows);
            let count = count.ok_or(Damaged::new("it has more exceptions than rows"))?;
            exceptions.rows = vec![0; count];
            let stream = Stream::parse(reader, count)?;
            Values::Integers(stream).read_lanes(Kind::Int64, 0..count, count, isa, &mut exceptions.rows)?;
            let ascend = exceptions.rows.windows(2).all(|pair| pair[0] < pair[1]);
            let within = |row: Option<&i64>| row.is_none_or(|row| (0..rows as i64).contains(row));
            if !ascend || !within(exceptions.rows.first()) || !within(exceptions.rows.last()) {
                return Err(Damaged::new("its exceptions are not in the order of their rows"));
            }
            exceptions.lanes = Values::parse_nested(reader, kind, count, isa, depth + 1)?;
        }
        Ok(Self { numbers, fit, corrections, exceptions })
    }
}
