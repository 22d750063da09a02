//! The first pass: finds the bad rows before anything is written.

use std::sync::Arc;

use tsds_traits::Result;

use super::super::checked::{Checked, MAX_SHOWN};
use super::super::plan::Plan;
use super::super::{BadRow, OnError, Place};
use super::convert::{Converter, Purpose};
use super::file::ColumnarFile;

/// Reads a file to its end, or with [`OnError::Stop`] to its first bad row, as far as anything can be wrong. Blocking.
///
/// # Errors
///
/// What stops reading as such; a bad row is no error here.
pub(in super::super) fn check(file: &ColumnarFile, plan: &Plan, on_error: OnError) -> Result<Checked> {
    let converter = Converter::new(file, &Arc::new(plan.clone()), Purpose::Check)?;
    // Types that the files do not say are always decided by the times.
    let mut checked = Checked::new(plan.columns().len());
    let mut batches = file.batches(converter.fields())?;
    let mut row: u64 = 0;
    while let Some(batch) = batches.next()? {
        let converted = converter.convert(&batch)?;
        checked.rows += (batch.num_rows() - converted.bad.len()) as u64;
        checked.bad_rows += converted.bad.len() as u64;
        for (index, time) in converted.times.iter().enumerate() {
            if let (Ok(nanos), false) = (time, converted.bad.contains_key(&index)) {
                checked.time(*nanos);
            }
        }
        let room = MAX_SHOWN.saturating_sub(checked.bad.len());
        let stop = on_error == OnError::Stop && !converted.bad.is_empty();
        checked.bad.extend(converted.bad.into_iter().take(room).map(|(index, message)| BadRow {
            file: converter.file().to_owned(),
            place: Place::Row(row + index as u64 + 1),
            message,
        }));
        if stop {
            break;
        }
        row += batch.num_rows() as u64;
    }
    Ok(checked)
}
