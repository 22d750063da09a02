//! Decoding one column without the other.

use super::{decode_speeds, decoders};
use crate::contenders::What;
use crate::options::Options;
use crate::sets::{self, BLOCK};
use crate::table::{Cell, Table};

pub fn times(options: &Options) -> Table {
    let title =
        "Decoding times alone, GB/s of one core (8 bytes a time), blocks of 8192 times, output in cache";
    column(What::Times, "times", title, options)
}

pub fn values(options: &Options) -> Table {
    let title =
        "Decoding values alone, GB/s of one core (8 bytes a value), blocks of 8192 values, output in cache";
    column(What::Values, "values", title, options)
}

fn column(what: What, name: &'static str, title: &str, options: &Options) -> Table {
    let decoders: Vec<_> = decoders().into_iter().filter(|decoder| decoder.has_columns()).collect();
    let names = decoders.iter().map(|decoder| decoder.name());
    let mut table = Table::new(name, title, ["data set".to_owned()].into_iter().chain(names));
    for set in sets::all(options) {
        let mut encoded: Vec<_> = decoders.iter().map(|decoder| decoder.encode(&set)).collect();
        let mut row = vec![Cell::Text(set.name.to_owned())];
        row.extend(decode_speeds(&mut encoded, what, &set, BLOCK));
        table.rows.push(row);
    }
    table
}
