//! Neighbouring rows of one group.

use arrow_buffer::BooleanBuffer;
use tsds_traits::{Error, Result, TableSchema};

use super::groups::{GroupRows, Groups};
use super::selection::Selection;
use crate::array::{Column, Columns, Values, changes, views};
use crate::bucket::{BucketSpan, Bucketer};

/// The rows `start..end` of a batch, all of one group and at least one of them selected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) group: usize,
}

/// Cuts a batch into runs and numbers their groups.
pub(super) fn find(
    groups: &mut Groups,
    schema: &TableSchema,
    bucketer: Option<&Bucketer>,
    columns: &Columns<'_>,
    mask: Option<&BooleanBuffer>,
) -> Result<Vec<Run>> {
    let rows = columns.rows();
    let arrays = groups.column_ids().map(|id| columns.array(id)).collect::<Result<Vec<_>>>()?;
    let mut group_rows = GroupRows::new(views(arrays.into_iter().map(|array| array.as_ref()))?);
    let starts: Vec<usize> = match (rows, group_rows.views.is_empty()) {
        (0, _) => return Ok(Vec::new()),
        (_, true) => vec![0],
        (_, false) => changes(&group_rows.views, rows).set_indices().collect(),
    };
    let times = match bucketer {
        Some(bucketer) => Some((bucketer, times(schema, columns)?)),
        None => None,
    };
    let selected = Selection::new(mask, None);
    let mut runs = Vec::with_capacity(starts.len());
    let mut key = Vec::new();
    let mut span = None;
    let ends = starts.iter().skip(1).copied().chain([rows]);
    for (start, end) in starts.iter().copied().zip(ends) {
        if selected.count(start, end) == 0 {
            continue;
        }
        groups.key(&mut group_rows, start, &mut key)?;
        let Some((bucketer, times)) = times else {
            runs.push(Run { start, end, group: groups.intern(&key)? as usize });
            continue;
        };
        let mut from = start;
        while from < end {
            let bucket = bucket_of(bucketer, times[from], &mut span);
            let to = from + times[from..end].iter().take_while(|time| bucket.contains(**time)).count();
            if selected.count(from, to) > 0 {
                groups.set_bucket(&mut key, bucket.start);
                runs.push(Run { start: from, end: to, group: groups.intern(&key)? as usize });
            }
            from = to;
        }
    }
    Ok(runs)
}

/// The bucket of a time, which often is the last one again.
fn bucket_of(bucketer: &Bucketer, time: i64, last: &mut Option<BucketSpan>) -> BucketSpan {
    match *last {
        Some(span) if span.contains(time) => span,
        _ => *last.insert(bucketer.span_of(time)),
    }
}

/// The time column, which has no nulls.
pub(super) fn times<'a>(schema: &TableSchema, columns: &Columns<'a>) -> Result<&'a [i64]> {
    let time = schema.time_column();
    match Column::new(columns.array(time.id)?.as_ref())? {
        Column { values: Values::I64(times), nulls: None, .. } => Ok(times),
        _ => Err(Error::invalid_input("time column must be a timestamp that is never null")
            .with("column", &time.name)),
    }
}
