//! Decoding one column without the other.

use super::{decode_speeds, decoders};
use crate::contenders::What;
use crate::options::Options;
use crate::sets::{self, BLOCK};
use crate::table::{Cell, Table};

pub fn run(options: &Options) -> Table {
    let contenders = decoders();
    let title =
        "Decoding one column, GB/s of one core (8 bytes a value), blocks of 8192 values, output in cache";
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    for set in sets::all(options) {
        let (named, mut encoded): (Vec<_>, Vec<_>) = contenders
            .iter()
            .map(|contender| (contender.name(), contender.encode(&set)))
            .filter(|(_, encoded)| encoded.has_columns())
            .unzip();
        let mut row = vec![Cell::Text(set.name.to_owned())];
        names = vec!["data set".to_owned()];
        for (what, column) in [(What::Times, "times"), (What::Values, "values")] {
            row.extend(decode_speeds(&mut encoded, what, &set, BLOCK, 1));
            names.extend(named.iter().map(|name| format!("{column}: {name}")));
        }
        rows.push(row);
    }
    Table { rows, ..Table::new("columns", title, names) }
}
