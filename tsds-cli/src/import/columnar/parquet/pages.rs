//! The pages of the columns, unpacked, and looked over before a decoder gets them.

use std::collections::VecDeque;
use std::sync::Arc;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::super::super::input::InputBytes;
use super::chunk::ChunkBytes;
use super::delta::skip_deltas;

/// All row groups of a file.
pub(super) struct CheckedGroups {
    bytes: InputBytes,
    metadata: Arc<ParquetMetaData>,
    rows: usize,
}

impl CheckedGroups {
    /// # Errors
    ///
    /// A number of rows that cannot be.
    pub(super) fn new(bytes: InputBytes, metadata: &Arc<ParquetMetaData>) -> Result<Self> {
        let rows = metadata.row_groups().iter().try_fold(0_usize, |rows, group| {
            usize::try_from(group.num_rows()).ok().and_then(|more| rows.checked_add(more))
        });
        let rows = rows.ok_or_else(|| ParquetError::General("the number of rows is impossible".into()))?;
        Ok(Self { bytes, metadata: Arc::clone(metadata), rows })
    }
}

impl RowGroups for CheckedGroups {
    fn num_rows(&self) -> usize {
        self.rows
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let groups = (0..self.metadata.num_row_groups()).collect();
        let (bytes, metadata) = (self.bytes.clone(), Arc::clone(&self.metadata));
        Ok(Box::new(Chunks { bytes, metadata, column, groups }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// One column of one row group after the other.
struct Chunks {
    bytes: InputBytes,
    metadata: Arc<ParquetMetaData>,
    column: usize,
    groups: VecDeque<usize>,
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.groups.pop_front()?;
        Some(self.open(group).map(|pages| Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for Chunks {}

impl Chunks {
    fn open(&self, group: usize) -> Result<CheckedPages> {
        let missing = || ParquetError::General("a row group lacks a column".into());
        let group = self.metadata.row_groups().get(group).ok_or_else(missing)?;
        let chunk = group.columns().get(self.column).ok_or_else(missing)?;
        let rows = usize::try_from(group.num_rows())?;
        let bytes = Arc::new(ChunkBytes::new(self.bytes.clone(), chunk.compression()));
        let pages = SerializedPageReader::new(bytes, chunk, rows, None)?;
        Ok(CheckedPages {
            pages,
            has_definitions: chunk.column_descr().max_def_level() > 0,
            has_repetitions: chunk.column_descr().max_rep_level() > 0,
        })
    }
}

struct CheckedPages {
    pages: SerializedPageReader<ChunkBytes>,
    /// Which levels stand before the values.
    has_definitions: bool,
    has_repetitions: bool,
}

impl CheckedPages {
    /// Refuses lists of lengths that claim more values than the page has: the decoder allocates as many.
    fn check(&self, page: &Page) -> Result<()> {
        let (lists, values) = match page.encoding() {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => (1, page.num_values()),
            Encoding::DELTA_BYTE_ARRAY => (2, page.num_values()),
            _ => return Ok(()),
        };
        let mut bytes = self.values(page).unwrap_or_default();
        for _ in 0..lists {
            bytes = skip_deltas(bytes, values.into())
                .ok_or_else(|| ParquetError::General("a page has lists of lengths that cannot be".into()))?;
        }
        Ok(())
    }

    /// What stands behind the levels of a page.
    fn values<'a>(&self, page: &'a Page) -> Option<&'a [u8]> {
        match page {
            Page::DataPage { buf, .. } => {
                let mut bytes: &[u8] = buf;
                for _ in 0..usize::from(self.has_definitions) + usize::from(self.has_repetitions) {
                    let (len, rest) = bytes.split_first_chunk::<4>()?;
                    bytes = rest.get(usize::try_from(u32::from_le_bytes(*len)).ok()?..)?;
                }
                Some(bytes)
            }
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = def_levels_byte_len.checked_add(*rep_levels_byte_len)?;
                buf.get(usize::try_from(levels).ok()?..)
            }
            Page::DictionaryPage { buf, .. } => Some(buf),
        }
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            self.check(page)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
