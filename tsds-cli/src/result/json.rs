//! JSON lines: one object a row.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::cell::{Cell, Column};
use super::payload::append_payload;
use super::time::append_time;
use super::{ResultWriter, TEXT_BUFFER};

/// Times are text that ends in `Z`, dates and times of day are text, durations are numbers of their unit; bytes are text of two
/// hexadecimal digits each, lists and structs arrays and objects, maps arrays of pairs; NaN and the infinities, which JSON lacks, are text.
pub(super) struct JsonWriter {
    target: Box<dyn Write + Send>,
    buffer: Vec<u8>,
    /// Each column's key with the colon behind it.
    keys: Vec<Vec<u8>>,
}

impl JsonWriter {
    pub(super) fn new(schema: &SchemaRef, target: Box<dyn Write + Send>) -> io::Result<Self> {
        let keys = schema.fields().iter().enumerate().map(|(index, field)| {
            let mut key = if index == 0 { b"{".to_vec() } else { b",".to_vec() };
            serde_json::to_writer(&mut key, field.name())?;
            key.push(b':');
            Ok(key)
        });
        let keys = keys.collect::<io::Result<Vec<_>>>()?;
        Ok(Self { target, buffer: Vec::with_capacity(TEXT_BUFFER + 4096), keys })
    }

    fn spill(&mut self) -> io::Result<()> {
        self.target.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl ResultWriter for JsonWriter {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns =
            batch.columns().iter().map(|array| Column::new(array)).collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            if columns.is_empty() {
                self.buffer.push(b'{');
            }
            for (key, column) in self.keys.iter().zip(&columns) {
                self.buffer.extend_from_slice(key);
                append_cell(column.cell(row), &mut self.buffer)?;
            }
            self.buffer.extend_from_slice(b"}\n");
            if self.buffer.len() >= TEXT_BUFFER {
                self.spill()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.spill()?;
        self.target.flush()
    }
}

pub(super) fn append_cell(cell: Cell<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Payload(array, row) => append_payload(array, row, out)?,
        Cell::Text(text) => serde_json::to_writer(out, text)?,
        Cell::Time(value, unit) => {
            out.push(b'"');
            append_time(value, unit, b'T', out);
            out.extend_from_slice(b"Z\"");
        }
        other => {
            if !other.append_number(out) {
                out.push(b'"');
                if !other.append_calendar(out) {
                    out.extend_from_slice(other.special().unwrap_or_default().as_bytes());
                }
                out.push(b'"');
            }
        }
    }
    Ok(())
}
