//! Comma-separated values: quoted as in RFC 4180, lines ended with a line feed.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::cell::{Cell, Column};
use super::payload::payload_text;
use super::time::append_time;
use super::{ResultWriter, TEXT_BUFFER};

/// Null is an empty field, empty text is `""`; times end in `Z`; durations are numbers of their unit; bytes are
/// hexadecimal digits, nested values JSON.
pub(super) struct CsvWriter {
    target: Box<dyn Write + Send>,
    buffer: Vec<u8>,
}

impl CsvWriter {
    pub(super) fn new(schema: &SchemaRef, target: Box<dyn Write + Send>) -> io::Result<Self> {
        let mut writer = Self { target, buffer: Vec::with_capacity(TEXT_BUFFER + 4096) };
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                writer.buffer.push(b',');
            }
            append_text(field.name(), &mut writer.buffer);
        }
        writer.buffer.push(b'\n');
        writer.spill()?;
        Ok(writer)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.target.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl ResultWriter for CsvWriter {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns =
            batch.columns().iter().map(|array| Column::new(array)).collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    self.buffer.push(b',');
                }
                append_cell(column.cell(row), &mut self.buffer)?;
            }
            self.buffer.push(b'\n');
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

fn append_cell(cell: Cell<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match cell {
        Cell::Null => {}
        Cell::Text(text) => append_text(text, out),
        Cell::Payload(array, row) => append_text(&payload_text(array, row)?, out),
        Cell::Time(value, unit) => {
            append_time(value, unit, b'T', out);
            out.push(b'Z');
        }
        other => {
            if !other.append_number(out) && !other.append_calendar(out) {
                out.extend_from_slice(other.special().unwrap_or_default().as_bytes());
            }
        }
    }
    Ok(())
}

fn append_text(text: &str, out: &mut Vec<u8>) {
    let needs_quotes = text.is_empty()
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if !needs_quotes {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
