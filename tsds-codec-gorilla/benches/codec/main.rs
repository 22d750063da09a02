//! What the codec `tsds.gorilla` makes of real series, beside pco, Parquet and the crate tsz in the same run: sizes, and the speed
//! of one core in decoding, encoding and filtering.
//!
//! `cargo bench -p tsds-codec-gorilla --bench codec`, behind `--`:
//!
//! | | |
//! |---|---|
//! | `ratios`, `sizes`, `times`, `values`, `decode`, `memory`, `encode`, `filter` | only these sections; all without any |
//! | `--set <part of a name>` | only these data sets |
//! | `--json`, `--markdown` | the tables so, instead of for a terminal |
//! | `--page <file>` | puts the tables between their marks in this file of the workspace |
//!
//! The data sets are read from `TSDS_TEST_DATA`, else `../shared/data` beside the workspace; without them only made series are
//! measured.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

// The codes are not a public interface: their sources are part of the bench, for their sizes.
#[path = "../../src/classic/mod.rs"]
#[allow(dead_code, unused_imports)]
mod classic;
mod clock;
mod contenders;
#[path = "../../src/error.rs"]
#[allow(dead_code)]
mod error;
#[path = "../../src/isa.rs"]
#[allow(dead_code)]
mod isa;
mod options;
mod page;
#[path = "../../tests/rival/mod.rs"]
mod rival;
mod sections;
#[path = "../../tests/series/mod.rs"]
mod series;
mod sets;
mod table;

use options::{Form, Options};

fn main() {
    let options = Options::from_arguments(std::env::args().skip(1)).unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2);
    });
    let tables: Vec<_> = sections::ALL
        .iter()
        .filter(|section| options.runs(section.name))
        .map(|section| {
            eprintln!("{} ...", section.name);
            let table = (section.run)(&options);
            if options.form == Form::Text {
                println!("{}", table.text());
            }
            table
        })
        .collect();
    match options.form {
        Form::Text => {}
        Form::Markdown => tables.iter().for_each(|table| println!("{}", table.markdown())),
        Form::Json => println!("{}", serde_json::to_string_pretty(&table::json(&tables)).unwrap()),
    }
    if let Some(path) = &options.page {
        page::replace(path, &tables);
    }
}
