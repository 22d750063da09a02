//! The first pass: finds the types and the bad rows before anything is written.

use csv::ByteRecord;
use tsds_traits::Result;

use super::super::checked::{Checked, MAX_SHOWN};
use super::super::header::Header;
use super::super::plan::{Origin, Plan};
use super::super::{BadRow, OnError, Place};
use super::build::{field, parse_cell};
use super::source::{Lines, Source};

/// Reads a file to its end, or with [`OnError::Stop`] to its first bad row. Blocking.
///
/// # Errors
///
/// What stops reading as such; a bad row is no error here.
pub(crate) fn check(source: &Source, header: &Header, plan: &Plan, on_error: OnError) -> Result<Checked> {
    let mut checked = Checked::new(plan.columns().len());
    let mut records = source.records()?;
    let mut record = ByteRecord::new();
    records.next(&mut record)?;
    let mut lines: Option<Lines> = None;
    while records.next(&mut record)? {
        match check_row(&mut checked, source, &record, header, plan) {
            Ok(()) => checked.rows += 1,
            Err(message) => {
                checked.bad_rows += 1;
                if checked.bad.len() < MAX_SHOWN {
                    let mut known = lines.map_or_else(|| Lines::of(source), Ok)?;
                    let line = known.line_of(&record)?;
                    lines = Some(known);
                    let (file, place) = (source.input.name.clone(), Place::Line(line));
                    checked.bad.push(BadRow { file, place, message });
                }
                if on_error == OnError::Stop {
                    break;
                }
            }
        }
    }
    Ok(checked)
}

fn check_row(
    checked: &mut Checked,
    source: &Source,
    record: &ByteRecord,
    header: &Header,
    plan: &Plan,
) -> Result<(), String> {
    expect_width(record, header)?;
    let nanos = plan.time_of(|index| field(record, header, index))?;
    for column in plan.columns() {
        if let Origin::Field(index) = column.origin {
            field(record, header, index)?;
        }
        if column.data_type.is_some() {
            parse_cell(source, record, header, column, nanos)?;
        }
    }
    checked.time(nanos);
    for (column, candidates) in plan.columns().iter().zip(&mut checked.candidates) {
        if let (Origin::Field(index), None) = (column.origin, &column.data_type) {
            let text = field(record, header, index)?;
            if !source.is_null(text) {
                candidates.observe(text);
            }
        }
    }
    Ok(())
}

/// Whether a row has as many fields as the header.
pub(super) fn expect_width(record: &ByteRecord, header: &Header) -> Result<(), String> {
    if record.len() == header.width() {
        return Ok(());
    }
    Err(format!("expected {} fields, found {}", header.width(), record.len()))
}
