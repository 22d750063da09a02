//! The rows of one column in one group.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use tsds_segment::ColumnDecoder;
use tsds_traits::{CodecLookup, EncodedBlock, Error, Result};

/// One column of a group, or some of its blocks. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    decoder: Arc<ColumnDecoder>,
    pieces: Arc<[Piece]>,
}

/// A run of rows that is held in one form.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// The rows, relative to the group.
    pub(crate) rows: Range<usize>,
    pub(crate) body: Body,
}

/// How rows are held. Text is `Dictionary(UInt32, Utf8)` or `Utf8`, whatever the schema says.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// As an array, of any number of blocks.
    Values(ArrayRef),
    /// As one block.
    Encoded(EncodedBlock),
}

impl Part {
    /// `pieces` ascend and do not overlap.
    pub(crate) fn new(decoder: Arc<ColumnDecoder>, pieces: Vec<Piece>) -> Self {
        Self { decoder, pieces: pieces.into() }
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The same rows, decoded but for blocks whose codec can test them as they are.
    ///
    /// # Errors
    ///
    /// As [`Part::decode`].
    pub(crate) fn prepared(&self, codecs: &dyn CodecLookup) -> Result<Self> {
        let pieces = self.pieces.iter().map(|piece| match &piece.body {
            Body::Encoded(block) if !codecs.codec(&block.layout.codec)?.capabilities().filter => {
                Ok(Piece { rows: piece.rows.clone(), body: Body::Values(self.decode(piece)?) })
            }
            _ => Ok(piece.clone()),
        });
        Ok(Self::new(Arc::clone(&self.decoder), pieces.collect::<Result<_>>()?))
    }

    /// Those of `ranges` that are not held, where ranges and pieces are of whole blocks.
    pub(crate) fn missing(&self, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
        let mut missing = Vec::new();
        for range in ranges {
            let mut from = range.start;
            for piece in self.overlapping(range) {
                if from < piece.rows.start {
                    missing.push(from..piece.rows.start);
                }
                from = from.max(piece.rows.end);
            }
            if from < range.end {
                missing.push(from..range.end);
            }
        }
        missing
    }

    /// What either part holds; neither holds what the other does, or else the same.
    #[must_use]
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut pieces: Vec<Piece> = self.pieces.iter().chain(&*other.pieces).cloned().collect();
        pieces.sort_by_key(|piece| piece.rows.start);
        pieces.dedup_by_key(|piece| piece.rows.start);
        Self::new(Arc::clone(&self.decoder), pieces)
    }

    /// The one array that holds all `rows` of the group, where there is such an array.
    pub(crate) fn whole(&self, rows: usize) -> Option<&ArrayRef> {
        match &*self.pieces {
            [Piece { rows: held, body: Body::Values(array) }] if *held == (0..rows) => Some(array),
            _ => None,
        }
    }

    /// The array of a piece.
    ///
    /// # Errors
    ///
    /// `Corrupt`; what the codec says.
    pub(crate) fn decode(&self, piece: &Piece) -> Result<ArrayRef> {
        match &piece.body {
            Body::Values(array) => Ok(Arc::clone(array)),
            Body::Encoded(block) => self.decoder.decode(block),
        }
    }

    /// The pieces that hold one of `rows`.
    pub(crate) fn overlapping(&self, rows: &Range<usize>) -> &[Piece] {
        let from = self.pieces.partition_point(|piece| piece.rows.end <= rows.start);
        let upto = self.pieces.partition_point(|piece| piece.rows.start < rows.end);
        self.pieces.get(from..upto).unwrap_or_default()
    }

    /// The encoded blocks that `pieces` begin with and of which `rows` has every row. They are decoded and joined in one go, as
    /// numbers: text is made of the codes of all of them at once.
    fn whole_blocks<'a>(pieces: &'a [Piece], rows: &Range<usize>) -> Vec<&'a EncodedBlock> {
        let whole = pieces.iter().map_while(|piece| match &piece.body {
            Body::Encoded(block) if rows.start <= piece.rows.start && piece.rows.end <= rows.end => {
                Some(block)
            }
            _ => None,
        });
        whole.collect()
    }

    /// `rows` as one array.
    ///
    /// # Errors
    ///
    /// As [`Part::decode`]; `Internal` for rows that are not held.
    pub(crate) fn slice(&self, rows: &Range<usize>) -> Result<ArrayRef> {
        let (mut arrays, mut pieces) = (Vec::new(), self.overlapping(rows));
        while let Some((first, rest)) = pieces.split_first() {
            let whole = Self::whole_blocks(pieces, rows);
            if whole.len() > 1 {
                arrays.push(self.decoder.decode_all(whole.iter().copied())?);
                pieces = pieces.get(whole.len()..).unwrap_or_default();
                continue;
            }
            let array = self.decode(first)?;
            let from = rows.start.max(first.rows.start);
            let upto = rows.end.min(first.rows.end);
            arrays.push(array.slice(from - first.rows.start, upto - from));
            pieces = rest;
        }
        let array = join(arrays)?;
        if array.len() == rows.len() {
            return Ok(array);
        }
        Err(Error::internal("rows of a column were not loaded").with("rows", format_args!("{rows:?}")))
    }
}

/// One array of several.
///
/// # Errors
///
/// `Internal` for no array at all.
pub(crate) fn join(mut arrays: Vec<ArrayRef>) -> Result<ArrayRef> {
    match arrays.len() {
        0 => Err(Error::internal("rows of a column were not loaded")),
        1 => Ok(arrays.remove(0)),
        _ => {
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            Ok(arrow_select::concat::concat(&arrays)?)
        }
    }
}

/// What the buffers of an array take in memory, with whatever else lies in the same allocations; the values of a dictionary
/// are not counted, since other arrays share them.
pub(crate) fn array_bytes(array: &dyn Array) -> u64 {
    let data = array.to_data();
    let mut allocations: Vec<(*const u8, usize)> = Vec::with_capacity(3);
    let validity = data.nulls().map(|nulls| nulls.buffer());
    for buffer in data.buffers().iter().chain(validity) {
        allocations.push((buffer.data_ptr().as_ptr().cast_const(), buffer.capacity()));
    }
    allocations.sort_unstable();
    allocations.dedup();
    allocations.into_iter().map(|(_, capacity)| capacity as u64).sum()
}
