//! Decoding points into a buffer that stays in cache.

use super::{decode_speeds, decoders};
use crate::contenders::{Ours, What};
use crate::options::Options;
use crate::sets::{self, BLOCK};
use crate::table::{Cell, Table};

pub fn run(options: &Options) -> Table {
    let contenders = decoders();
    let mut table = Table::new(
        "decode",
        "Decoding times and values, GB/s of one core (16 bytes a point), blocks of 8192 points, output in cache",
        ["data set".to_owned(), "modes of values".to_owned()]
            .into_iter()
            .chain(contenders.iter().map(|contender| contender.name())),
    );
    for set in sets::all(options) {
        let mut encoded: Vec<_> = contenders.iter().map(|contender| contender.encode(&set)).collect();
        for (encoded, contender) in encoded.iter_mut().zip(&contenders) {
            encoded.check(&set, &contender.name());
        }
        let mut row =
            vec![Cell::Text(set.name.to_owned()), Cell::Text(Ours::best().encode_blocks(&set).modes())];
        row.extend(decode_speeds(&mut encoded, What::Points, &set, BLOCK));
        table.rows.push(row);
    }
    table
}
