//! One columnar file: its columns, and its rows as they are stored.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use tsds_traits::{Error, Result};

use super::super::csv::ReadOptions;
use super::super::header::{Header, distinct};
use super::super::input::Input;
use super::super::kind::Kind;
use super::ipc::{IpcBatches, read_schema};
use super::parquet::{ParquetBatches, read_footer};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct ColumnarFile {
    input: Input,
    header: Header,
    schema: SchemaRef,
    format: Format,
    options: Arc<ReadOptions>,
}

#[derive(Clone, Debug)]
enum Format {
    Parquet(ArrowReaderMetadata),
    Ipc(Kind),
}

/// The rows of a file as they are stored.
pub(super) trait Batches: Send {
    /// The next rows; nothing at the end. Blocking.
    fn next(&mut self) -> Result<Option<RecordBatch>>;
}

impl ColumnarFile {
    /// Reads what a file says of its columns; `header` says where the columns of all files are, by their names in this one.
    /// Blocking.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, by name.
    pub(crate) fn open(
        input: Input,
        kind: Kind,
        options: &Arc<ReadOptions>,
        header: impl FnOnce(&[String]) -> Result<Header>,
    ) -> Result<Self> {
        let (schema, format) = if kind == Kind::Parquet {
            let footer = read_footer(&input)?;
            (Arc::clone(footer.schema()), Format::Parquet(footer))
        } else {
            (read_schema(&input, kind)?, Format::Ipc(kind))
        };
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        distinct(&names).map_err(|error| error.with("file", &input.name))?;
        let header = header(&names)?;
        Ok(Self { input, header, schema, format, options: Arc::clone(options) })
    }

    /// The file as such.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// Which text stands for null.
    pub(super) fn null_text(&self) -> Option<&str> {
        self.options.null.as_deref()
    }

    /// What the file says of the column `index` of all files.
    pub(super) fn field(&self, index: usize) -> Result<&Field> {
        let field = self.schema.fields().get(self.header.position(index));
        field.map(Arc::as_ref).ok_or_else(|| Error::internal("a file has fewer columns than its header"))
    }

    /// Starts to read some of the columns of all files, which come in this order. Blocking.
    pub(super) fn batches(&self, columns: &[usize]) -> Result<Box<dyn Batches>> {
        let own: Vec<_> = columns.iter().map(|index| self.header.position(*index)).collect();
        Ok(match &self.format {
            Format::Parquet(footer) => Box::new(ParquetBatches::open(&self.input, footer, &own)?),
            Format::Ipc(kind) => Box::new(IpcBatches::open(&self.input, *kind, &self.schema, own)?),
        })
    }
}
