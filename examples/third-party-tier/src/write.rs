//! Writing a file, batch by batch, under a name that does not count yet.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use tsds_traits::{Error, OpenMode, Put, Result, SegmentMeta, TableSchema, VfsFile};

use crate::read::{CHECKSUMS, SEGMENT, checksum, footer_of};
use crate::shelf::{Held, Shelf};

/// The schema of the files of a table: text is never a dictionary there, since a file has room for one dictionary of a
/// column only, and batches come with theirs.
pub(crate) fn file_schema(schema: &TableSchema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Dictionary(_, values) => Field::new(field.name(), (**values).clone(), field.is_nullable()),
        _ => Field::clone(field),
    };
    Arc::new(Schema::new(schema.arrow().fields().iter().map(field).collect::<Vec<_>>()))
}

/// A file that is being written. Whatever becomes of it, it is gone when dropped.
pub(crate) struct Draft {
    shelf: Arc<Shelf>,
    meta: Arc<SegmentMeta>,
    schema: SchemaRef,
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    /// Encodes into memory, from where every batch goes to the file.
    writer: FileWriter<Vec<u8>>,
    bytes: u64,
    rows: u64,
    checksums: Vec<String>,
}

impl Draft {
    /// Blocking, as everything here.
    pub(crate) fn new(shelf: Arc<Shelf>, meta: Arc<SegmentMeta>, schema: &TableSchema) -> Result<Self> {
        let schema = file_schema(schema);
        let writer = FileWriter::try_new(Vec::new(), &schema)?;
        let path = shelf.draft_path(meta.id);
        let file = shelf.world.vfs.open(&path, OpenMode::OpenOrCreate)?;
        let mut draft =
            Self { shelf, meta, schema, path, file, writer, bytes: 0, rows: 0, checksums: Vec::new() };
        draft.append()?;
        Ok(draft)
    }

    /// Writes what was encoded, and returns it.
    fn append(&mut self) -> Result<Vec<u8>> {
        let encoded = std::mem::take(self.writer.get_mut());
        self.file.write_all_at(&encoded, self.bytes)?;
        self.bytes += encoded.len() as u64;
        Ok(encoded)
    }

    /// # Errors
    ///
    /// `Unsupported` for text beyond what an Arrow array can hold without a dictionary.
    pub(crate) fn write(mut self, batch: &RecordBatch) -> Result<Self> {
        if batch.num_rows() == 0 {
            return Ok(self);
        }
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
            arrow_cast::cast(column, field.data_type()).map_err(|error| match error {
                ArrowError::OffsetOverflowError(_) => {
                    Error::unsupported("text of a batch is longer than 2 GiB").with("column", field.name())
                }
                error => error.into(),
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        self.writer.write(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
        let encoded = self.append()?;
        self.checksums.push(format!("{:08x}", checksum(&encoded)));
        self.rows += batch.num_rows() as u64;
        Ok(self)
    }

    /// Completes the file and makes it the segment's.
    pub(crate) fn publish(mut self) -> Result<Put> {
        if self.rows != self.meta.rows {
            return Err(Error::corrupt("source has another number of rows than its metadata")
                .with("rows", self.rows)
                .with("claimed", self.meta.rows));
        }
        let meta = serde_json::to_string(&*self.meta)
            .map_err(|error| Error::internal("metadata is not JSON").with_source(error))?;
        self.writer.write_metadata(SEGMENT, meta);
        self.writer.write_metadata(CHECKSUMS, self.checksums.join(","));
        self.writer.finish()?;
        let end = self.append()?;
        let held = Held { rows: self.rows, bytes: self.bytes, footer: checksum(footer_of(&end)?) };
        self.file.sync_all()?;
        self.shelf.publish(&self.path, self.meta.id, held)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Not here: a put that is dropped is dropped by async code. A published draft has another name by now.
        let (vfs, path) = (self.shelf.world.vfs.clone(), std::mem::take(&mut self.path));
        self.shelf.world.executor.spawn_blocking(Box::new(move || {
            // What stays is removed when the tier is opened.
            let _ = vfs.remove_file(&path);
        }));
    }
}
