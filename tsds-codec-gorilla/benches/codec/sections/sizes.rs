//! Bytes of a point, series by series.

use super::others;
use crate::classic;
use crate::contenders::{Encoded, Ours, Sizes};
use crate::options::Options;
use crate::sets::{self, BLOCK, Block, Set};
use crate::table::{Cell, Table};

pub fn run(options: &Options) -> Table {
    let others = others();
    let names = others.iter().map(|contender| contender.name());
    let own = ["series", "points", "modes of values", "times", "values", "ours", "classic codes"];
    let mut table = Table::new(
        "sizes",
        "Bytes of a point (time and value, 16 bytes decoded), blocks of 8192 points; Parquet in one row group",
        own.into_iter().map(str::to_owned).chain(names),
    );
    for series in sets::all_series().into_iter().filter(|series| options.takes(&series.name)) {
        let set = Set { name: "", blocks: sets::whole_blocks(&series, BLOCK).collect() };
        let each = |bytes: usize| Cell::number(bytes as f64 / set.rows() as f64, 3);
        let own = Ours::best().encode_blocks(&set);
        let mut row = vec![Cell::Text(series.name.clone()), Cell::number(set.rows() as f64, 0)];
        row.push(Cell::Text(own.modes()));
        if let Sizes::Columns { times, values } = own.sizes() {
            row.extend([each(times), each(values), each(times + values)]);
        }
        let classic = |block: &Block| {
            let values: Vec<u64> = block.values().iter().map(|value| value.to_bits()).collect();
            classic::encoded_len_times(block.times()) + classic::encoded_len_floats64(&values)
        };
        row.push(each(set.blocks.iter().map(classic).sum()));
        row.extend(others.iter().map(|contender| each(contender.encode(&set).sizes().total())));
        table.rows.push(row);
    }
    table
}
