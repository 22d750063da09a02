//! The footer of a file, decoded once per request and checked against the record and the table.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use tsds_traits::{Error, Executor, Result, TableSchema, panic_text};

use super::fetch::VerifiedFile;
use crate::layout::file_schema;
use crate::record::{FOOTER_TAIL_BYTES, FileRecord};

/// The decoded footer of one file.
#[derive(Clone, Debug)]
pub(crate) struct Footer {
    /// With every column in its own type.
    plain: ArrowReaderMetadata,
    /// With every column of text as codes into a dictionary.
    coded: ArrowReaderMetadata,
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
        executor: &Arc<dyn Executor>,
    ) -> Result<Self> {
        let range = file.record().footer_range();
        let fetched = file.fetch(std::slice::from_ref(&range)).await?;
        let (record, schema) = (Arc::clone(file.record()), Arc::clone(schema));
        (**executor)
            .blocking(move || {
                let verified = fetched.verify()?;
                let bytes = verified.slice(range.start..range.end - FOOTER_TAIL_BYTES).ok_or_else(|| {
                    Error::corrupt("footer lies outside of the file").with("file", &record.path)
                })?;
                decoding(&record, range.start, || Self::decode(&bytes, &record, &schema))
            })
            .await
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
        Ok(Self { plain: reader(TextForm::Own)?, coded: reader(TextForm::Coded)? })
    }

    pub(super) fn arrow(&self, text: TextForm) -> &ArrowReaderMetadata {
        match text {
            TextForm::Own => &self.plain,
            TextForm::Coded => &self.coded,
        }
    }

    /// Where the pages of some columns of a row group lie. `None` for a group or column that does not exist.
    pub(super) fn column_ranges(&self, group: usize, columns: &[usize]) -> Option<Vec<Range<u64>>> {
        let group = self.plain.metadata().row_groups().get(group)?;
        let ranges = columns.iter().map(|column| {
            let chunk = group.columns().get(*column)?;
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let (start, len) = (u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?);
            Some(start..start.checked_add(len)?)
        });
        ranges.collect()
    }
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
