//! The footer of a file, decoded once and checked against the record and the table; with its page index and bloom filters
//! where somebody asks for them.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::SchemaDescriptor;
use tsds_traits::{Error, Executor, Result, TableSchema, panic_text};

use super::fetch::{Verified, VerifiedFile};
use crate::layout::file_schema;
use crate::record::{FOOTER_TAIL_BYTES, FileRecord};

/// Bloom filters that are larger than this together are not read.
const MAX_BLOOM_BYTES: u64 = 1 << 20;

/// The decoded footer of one file.
#[derive(Clone, Debug)]
pub(crate) struct Footer {
    /// With every column in its own type.
    plain: ArrowReaderMetadata,
    /// With every column of text as codes into a dictionary.
    coded: ArrowReaderMetadata,
    /// The columns of the file that each column of the table is stored as: one, or all that a payload is made of.
    leaves: Arc<[Range<usize>]>,
    index: Option<Index>,
}

/// What lies before the footer: of the page index the metadata has all.
#[derive(Clone, Debug, Default)]
struct Index {
    /// By row group and position of the file's column.
    blooms: HashMap<(usize, usize), Sbbf>,
    bloom_bytes: usize,
}

/// How much of a file's end is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The footer, and more if it comes with the same bytes.
    Footer,
    /// Page index and bloom filters too.
    Index,
}

/// How columns of text are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// As the table has them.
    Own,
    /// As codes into a dictionary, which is how they lie in most files.
    Coded,
}

impl Footer {
    /// Reads, verifies and decodes the footer.
    ///
    /// # Errors
    ///
    /// `NotFound` without the file; `Corrupt` if it is not the file of the record and the table; as for I/O.
    pub(crate) async fn load(
        file: &VerifiedFile,
        schema: &Arc<TableSchema>,
        detail: Detail,
        executor: &Arc<dyn Executor>,
    ) -> Result<Self> {
        let range = file.record().footer_range();
        let fetched = file.fetch(std::slice::from_ref(&range)).await?;
        let (record, schema) = (Arc::clone(file.record()), Arc::clone(schema));
        let decoded = (**executor)
            .blocking(move || {
                let verified = fetched.verify()?;
                let bytes = verified.slice(range.start..range.end - FOOTER_TAIL_BYTES).ok_or_else(|| {
                    Error::corrupt("footer lies outside of the file").with("file", &record.path)
                })?;
                decoding(&record, range.start, || {
                    let footer = Self::decode(&bytes, &record, &schema)?;
                    // Of a small file it is there already.
                    let wanted = footer.index_ranges();
                    let there = wanted.iter().all(|range| verified.slice(range.clone()).is_some());
                    if there { footer.indexed(&verified) } else { Ok(footer) }
                })
            })
            .await?;
        match detail {
            Detail::Index if decoded.index.is_none() => decoded.with_index(file, executor).await,
            _ => Ok(decoded),
        }
    }

    /// Whether this is known.
    pub(super) fn has(&self, detail: Detail) -> bool {
        detail == Detail::Footer || self.index.is_some()
    }

    /// Reads page index and bloom filters too.
    ///
    /// # Errors
    ///
    /// As [`Footer::load`].
    pub(super) async fn with_index(&self, file: &VerifiedFile, executor: &Arc<dyn Executor>) -> Result<Self> {
        let ranges = self.index_ranges();
        let fetched = file.fetch(&ranges).await?;
        let (own, record) = (self.clone(), Arc::clone(file.record()));
        let start = ranges.iter().map(|range| range.start).min().unwrap_or_default();
        (**executor)
            .blocking(move || {
                let verified = fetched.verify()?;
                decoding(&record, start, || own.indexed(&verified))
            })
            .await
    }

    fn indexed(self, verified: &Verified) -> Result<Self, ParquetError> {
        let metadata = self.plain.metadata();
        let mut index = Index::default();
        for ((group, column), chunk) in self.bloom_chunks() {
            if let Some(bloom) = Sbbf::read_from_column_chunk(chunk, verified)? {
                index.blooms.insert((group, column), bloom);
                index.bloom_bytes +=
                    usize::try_from(chunk.bloom_filter_length().unwrap_or_default()).unwrap_or(0);
            }
        }
        let mut reader = ParquetMetaDataReader::new_with_metadata((**metadata).clone())
            .with_page_index_policy(PageIndexPolicy::Optional);
        reader.read_page_indexes(verified)?;
        let metadata = Arc::new(reader.finish()?);
        Ok(Self {
            plain: rebuilt(&self.plain, &metadata)?,
            coded: rebuilt(&self.coded, &metadata)?,
            leaves: self.leaves,
            index: Some(index),
        })
    }

    /// The chunks whose bloom filters are read.
    fn bloom_chunks(&self) -> Vec<((usize, usize), &ColumnChunkMetaData)> {
        let groups = self.plain.metadata().row_groups().iter().enumerate();
        let chunks = groups.flat_map(|(group, columns)| {
            let columns = columns.columns().iter().enumerate();
            columns.map(move |(column, chunk)| ((group, column), chunk))
        });
        let blooms: Vec<_> = chunks.filter(|(_, chunk)| bloom_range(chunk).is_some()).collect();
        let ranges = blooms.iter().filter_map(|(_, chunk)| bloom_range(chunk));
        let bytes = ranges.fold(0u64, |sum, range| sum.saturating_add(range.end - range.start));
        if bytes <= MAX_BLOOM_BYTES { blooms } else { Vec::new() }
    }

    /// Where page index and bloom filters lie.
    fn index_ranges(&self) -> Vec<Range<u64>> {
        let chunks = self.plain.metadata().row_groups().iter().flat_map(|group| group.columns());
        let parts = chunks.flat_map(|chunk| {
            let columns = part(chunk.column_index_offset(), chunk.column_index_length());
            [columns, part(chunk.offset_index_offset(), chunk.offset_index_length())]
        });
        // Decoded as one.
        let pages = parts.flatten().reduce(|all, part| all.start.min(part.start)..all.end.max(part.end));
        let blooms = self.bloom_chunks().into_iter().filter_map(|(_, chunk)| bloom_range(chunk));
        pages.into_iter().chain(blooms).collect()
    }

    /// The bloom filter of a column in a row group, if it is known.
    pub(super) fn bloom(&self, group: usize, column: usize) -> Option<&Sbbf> {
        self.index.as_ref()?.blooms.get(&(group, self.leaf(column)?))
    }

    /// The position in the file of a column that is stored as one.
    pub(super) fn leaf(&self, column: usize) -> Option<usize> {
        let leaves = self.leaves.get(column)?;
        (leaves.len() == 1).then_some(leaves.start)
    }

    /// About how many bytes of memory it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let blooms = self.index.as_ref().map_or(0, |index| index.bloom_bytes);
        size_of::<Self>() + self.plain.metadata().memory_size() + blooms
    }

    fn decode(bytes: &[u8], record: &FileRecord, schema: &TableSchema) -> Result<Self, ParquetError> {
        let metadata = Arc::new(ParquetMetaDataReader::decode_metadata(bytes)?);
        let matches = metadata.num_row_groups() == record.row_groups.len()
            && metadata
                .row_groups()
                .iter()
                .zip(&record.row_groups)
                .all(|(group, noted)| u64::try_from(group.num_rows()) == Ok(noted.rows));
        if !matches {
            return Err(ParquetError::General("row groups are not those of the record".into()));
        }
        let reader = |text| {
            let options = ArrowReaderOptions::new().with_schema(decoded_schema(schema, text));
            ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)
        };
        let leaves = leaves_of(metadata.file_metadata().schema_descr()).into();
        Ok(Self { plain: reader(TextForm::Own)?, coded: reader(TextForm::Coded)?, leaves, index: None })
    }

    pub(super) fn arrow(&self, text: TextForm) -> &ArrowReaderMetadata {
        match text {
            TextForm::Own => &self.plain,
            TextForm::Coded => &self.coded,
        }
    }

    /// Where those pages of some columns of a row group lie that hold selected rows, all of them without a selection, and
    /// whether some are left out. `None` for a group or column that does not exist.
    pub(super) fn page_ranges(
        &self,
        group: usize,
        columns: &[usize],
        selection: Option<&RowSelection>,
    ) -> Option<PageRanges> {
        let metadata = self.plain.metadata();
        let chunks = metadata.row_groups().get(group)?.columns();
        let locations = metadata.offset_index().and_then(|index| index.get(group));
        let mut found = PageRanges { ranges: Vec::with_capacity(columns.len()), skips: false };
        let mut leaves = Vec::with_capacity(columns.len());
        for column in columns {
            leaves.extend(self.leaves.get(*column)?.clone());
        }
        for column in leaves {
            let chunk = chunks.get(column)?;
            let whole = chunk_range(chunk)?;
            let pages = locations.and_then(|columns| columns.get(column)).map(|index| index.page_locations());
            let (Some(selection), Some(pages)) = (selection, pages.filter(|pages| !pages.is_empty())) else {
                found.ranges.push(whole);
                continue;
            };
            let wanted = selection.scan_ranges(pages);
            found.skips |= wanted.len() < pages.len();
            // What lies before the first page is the dictionary.
            let first = pages.first().and_then(|page| u64::try_from(page.offset).ok())?;
            if whole.start < first {
                found.ranges.push(whole.start..first);
            }
            found.ranges.extend(wanted);
        }
        Some(found)
    }
}

impl Footer {
    /// Rows of a row group, ascending, at which to cut it so that some columns of a part take about so many bytes, as far as whole
    /// pages allow. `None` without page index.
    pub(super) fn page_cuts(&self, group: usize, columns: &[usize], most_bytes: u64) -> Option<Vec<usize>> {
        let metadata = self.plain.metadata();
        let chunks = metadata.row_groups().get(group)?.columns();
        let indexes = metadata.offset_index()?.get(group)?;
        let mut pages: Vec<(usize, u64)> = Vec::new();
        for column in columns {
            for leaf in self.leaves.get(*column)?.clone() {
                let (chunk, index) = (chunks.get(leaf)?, indexes.get(leaf)?);
                let (packed, plain) = (chunk.compressed_size().max(1), chunk.uncompressed_size().max(1));
                let known = index.unencoded_byte_array_data_bytes();
                for (number, page) in index.page_locations().iter().enumerate() {
                    // A page of codes or of little entropy says nothing of what its bytes come to, where their number is not noted.
                    let size = u64::try_from(page.compressed_page_size).unwrap_or(0);
                    let unpacked =
                        u128::from(size) * plain.unsigned_abs() as u128 / packed.unsigned_abs() as u128;
                    let noted = known.and_then(|known| u64::try_from(*known.get(number)?).ok()).unwrap_or(0);
                    let bytes = u64::try_from(unpacked).unwrap_or(u64::MAX).max(noted);
                    pages.push((usize::try_from(page.first_row_index).ok()?, bytes));
                }
            }
        }
        pages.sort_unstable();
        let (mut cuts, mut start, mut bytes) = (Vec::new(), 0, 0_u64);
        for (row, own) in pages {
            if row > start && bytes.saturating_add(own) > most_bytes {
                cuts.push(row);
                (start, bytes) = (row, 0);
            }
            bytes = bytes.saturating_add(own);
        }
        Some(cuts)
    }
}

/// The columns of a file, each made of the leaves that are its part of a row group.
fn leaves_of(schema: &SchemaDescriptor) -> Vec<Range<usize>> {
    let mut leaves: Vec<Range<usize>> = Vec::new();
    for leaf in 0..schema.num_columns() {
        let root = schema.get_column_root_idx(leaf);
        // Leaves follow each other as their columns do.
        match leaves.get_mut(root) {
            Some(of_root) => of_root.end = leaf + 1,
            None => leaves.push(leaf..leaf + 1),
        }
    }
    leaves
}

/// Pages that are needed.
#[derive(Clone, Debug, Default)]
pub(super) struct PageRanges {
    pub(super) ranges: Vec<Range<u64>>,
    /// Whether there are others, which must not be asked for.
    pub(super) skips: bool,
}

/// Where the pages of a column chunk lie, with its dictionary.
fn chunk_range(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (start, len) = (u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?);
    Some(start..start.checked_add(len)?)
}

fn bloom_range(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    part(chunk.bloom_filter_offset(), chunk.bloom_filter_length())
}

fn part(offset: Option<i64>, len: Option<i32>) -> Option<Range<u64>> {
    let (offset, len) = (u64::try_from(offset?).ok()?, u64::try_from(len?).ok()?);
    Some(offset..offset.checked_add(len)?)
}

/// The same with other metadata of the same file.
fn rebuilt(
    reader: &ArrowReaderMetadata,
    metadata: &Arc<ParquetMetaData>,
) -> Result<ArrowReaderMetadata, ParquetError> {
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(reader.schema()));
    ArrowReaderMetadata::try_new(Arc::clone(metadata), options)
}

/// The schema that the decoder is asked for.
fn decoded_schema(schema: &TableSchema, text: TextForm) -> SchemaRef {
    let file = file_schema(schema);
    if text == TextForm::Own {
        return file;
    }
    let fields = file.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(coded_text())),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type of text in [`TextForm::Coded`].
pub(super) fn coded_text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Runs a decoder over verified bytes. That it fails or panics nonetheless means that the file was never right.
pub(super) fn decoding<T>(
    record: &FileRecord,
    offset: u64,
    decode: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T> {
    let corrupt = |cause: String| {
        Error::corrupt("file cannot be decoded as parquet")
            .with("file", &record.path)
            .with("offset", offset)
            .with("cause", cause)
    };
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| corrupt(error.to_string()).with_source(error)),
        Err(panic) => Err(corrupt(format!("decoder panicked: {}", panic_text(&*panic)))),
    }
}
