//! What an import did, for people and for programs.

use std::time::Duration;

use serde_json::json;
use tsds_traits::{TableSchema, type_name};

use crate::arguments::Import as Arguments;
use crate::failure::Result;
use crate::output::{counted, rate, seconds, thousands};
use crate::session::Session;

/// What an import did.
pub(super) struct Summary {
    /// Whether the table is new.
    pub(super) created: bool,
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// Rows that were written.
    pub(super) rows: u64,
    /// Rows that an earlier run of the same import had written.
    pub(super) already_there: u64,
    /// Rows that were left out.
    pub(super) skipped: u64,
    /// How long the first pass took.
    pub(super) check: Duration,
    pub(super) elapsed: Duration,
}

impl Summary {
    pub(super) fn show(&self, session: &Session, arguments: &Arguments, schema: &TableSchema) -> Result<()> {
        let per_second = (self.rows + self.already_there) as f64 / self.elapsed.as_secs_f64().max(1e-9);
        if arguments.json {
            return session.output.print_json(&json!({
                "table": arguments.table,
                "created": self.created,
                "files": self.files,
                "bytes": self.bytes,
                "rows": self.rows,
                "already_there": self.already_there,
                "skipped": self.skipped,
                "seconds": self.elapsed.as_secs_f64(),
                "check_seconds": self.check.as_secs_f64(),
                "rows_per_s": per_second,
                "columns": columns(schema),
            }));
        }
        let more = |rows: u64, what: &str| match rows {
            0 => String::new(),
            rows => format!(", {} {what}", thousands(rows)),
        };
        let there = more(self.already_there, "were there already");
        let skipped = more(self.skipped, "left out");
        session.output.print(&format!(
            "{} of {} from {} into {} table {} in {} ({} rows/s){there}{skipped}\n",
            counted(self.rows, "row"),
            counted(schema.columns().len() as u64, "column"),
            counted(self.files as u64, "file"),
            if self.created { "the new" } else { "the" },
            arguments.table,
            seconds(self.elapsed),
            rate(per_second),
        ))
    }
}

fn columns(schema: &TableSchema) -> Vec<serde_json::Value> {
    let role = |index: usize| match index {
        index if index == schema.time_index() => "time",
        index if schema.series_indices().contains(&index) => "series",
        _ => "value",
    };
    let describe = schema.columns().iter().enumerate().map(|(index, column)| {
        json!({ "name": column.name, "type": type_name(&column.data_type), "role": role(index) })
    });
    describe.collect()
}
