//! How many times smaller than raw, over the series of each kind.

use super::encoders;
use crate::options::Options;
use crate::series::{Group, Series};
use crate::sets::{self, BLOCK, Set};
use crate::table::{Cell, Table};

const SMALL_BLOCK: usize = 1024;

pub fn run(_: &Options) -> Table {
    let contenders = encoders();
    let ways: Vec<_> = contenders
        .iter()
        .flat_map(|contender| {
            let rows: &[usize] = if contender.in_blocks() { &[SMALL_BLOCK, BLOCK] } else { &[BLOCK] };
            rows.iter().map(move |rows| (contender, *rows))
        })
        .collect();
    let names = ways.iter().map(|(contender, rows)| match contender.in_blocks() {
        true => format!("{}, {rows}", contender.name()),
        false => contender.name(),
    });
    let mut table = Table::new(
        "ratios",
        "Times smaller than 16 bytes a point, median over the series of a kind, in blocks of so many points",
        ["series".to_owned(), "how many".to_owned()].into_iter().chain(names),
    );
    let all = sets::all_series();
    let kinds: [(&str, &[Group]); 6] = [
        ("sensors", &[Group::Sensor]),
        ("servers", &[Group::Server]),
        ("sensors and servers", &[Group::Sensor, Group::Server]),
        ("trades", &[Group::Market]),
        ("other real series", &[Group::Other]),
        ("made", &[Group::Artificial, Group::Synthetic]),
    ];
    for (name, groups) in kinds {
        let series: Vec<&Series> = all.iter().filter(|series| groups.contains(&series.group)).collect();
        if series.is_empty() {
            continue;
        }
        let mut row = vec![Cell::Text(name.to_owned()), Cell::number(series.len() as f64, 0)];
        for (contender, rows) in &ways {
            let ratio = |series: &&Series| {
                let set = Set { name: "", blocks: sets::whole_blocks(series, *rows).collect() };
                (set.rows() * 16) as f64 / contender.encode(&set).sizes().total() as f64
            };
            row.push(Cell::number(median(series.iter().map(ratio).collect()), 1));
        }
        table.rows.push(row);
    }
    table
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
