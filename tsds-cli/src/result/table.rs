//! A table for people: printed in blocks, so that a long result does not gather in memory.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use tsds_traits::{integer_form, is_payload_type};

use super::ResultWriter;
use super::cell::{Cell, Column};
use super::payload::payload_text;
use super::time::append_time;
use crate::output::{Align, TextTable};

/// The widths of columns are found over so many rows at a time.
const BLOCK_ROWS: usize = 1_000;

pub(super) struct TableWriter {
    target: Box<dyn Write + Send>,
    table: TextTable,
    printed: bool,
}

impl TableWriter {
    pub(super) fn new(schema: &SchemaRef, target: Box<dyn Write + Send>) -> Self {
        let columns = schema.fields().iter().map(|field| (field.name().as_str(), align(field.data_type())));
        Self { target, table: TextTable::new(columns), printed: false }
    }

    fn print(&mut self) -> io::Result<()> {
        let next = self.table.continued();
        let mut block = std::mem::replace(&mut self.table, next);
        self.printed = true;
        self.target.write_all(block.text().as_bytes())
    }
}

impl ResultWriter for TableWriter {
    fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns =
            batch.columns().iter().map(|array| Column::new(array)).collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let texts =
                columns.iter().map(|column| text(column.cell(row))).collect::<io::Result<Vec<_>>>()?;
            self.table.row(texts);
            if self.table.rows() == BLOCK_ROWS {
                self.print()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.table.rows() > 0 || !self.printed {
            self.print()?;
        }
        self.target.flush()
    }
}

fn align(data_type: &DataType) -> Align {
    match data_type {
        DataType::Duration(_) => Align::Right,
        DataType::Utf8 | DataType::Dictionary(..) | DataType::Boolean => Align::Left,
        other if integer_form(other).is_some() || is_payload_type(other) => Align::Left,
        _ => Align::Right,
    }
}

fn text(cell: Cell<'_>) -> io::Result<String> {
    let mut out = Vec::new();
    match cell {
        Cell::Null => return Ok("null".into()),
        Cell::Text(text) => return Ok(text.into()),
        Cell::Payload(array, row) => return payload_text(array, row),
        Cell::Time(value, unit) => append_time(value, unit, b' ', &mut out),
        other => {
            if !other.append_number(&mut out) && !other.append_calendar(&mut out) {
                return Ok(other.special().unwrap_or_default().into());
            }
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}
