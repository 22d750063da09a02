//! Decoding points into more memory than any cache holds.

use super::{decode_speeds, decoders};
use crate::contenders::What;
use crate::options::Options;
use crate::sets;
use crate::table::{Cell, Table};

/// 128 MiB of points.
const ROOM: usize = 8 << 20;
/// A set of each kind is enough: memory is the same to all.
const SETS: [&str; 4] = ["air temperature", "server CPU", "trade price", "made: 2 decimals, jitter"];

pub fn run(options: &Options) -> Table {
    let contenders = decoders();
    let mut table = Table::new(
        "memory",
        "Decoding times and values, GB/s of one core (16 bytes a point), output running through 128 MiB",
        ["data set".to_owned()].into_iter().chain(contenders.iter().map(|contender| contender.name())),
    );
    for set in sets::all(options).into_iter().filter(|set| SETS.contains(&set.name)) {
        let mut encoded: Vec<_> = contenders.iter().map(|contender| contender.encode(&set)).collect();
        let mut row = vec![Cell::Text(set.name.to_owned())];
        row.extend(decode_speeds(&mut encoded, What::Points, &set, ROOM));
        table.rows.push(row);
    }
    table
}
