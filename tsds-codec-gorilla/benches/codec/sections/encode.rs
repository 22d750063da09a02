//! Encoding points.

use std::hint::black_box;

use super::encoders;
use crate::clock;
use crate::options::Options;
use crate::sets;
use crate::table::{Cell, Table};

pub fn run(options: &Options) -> Table {
    let contenders = encoders();
    let mut table = Table::new(
        "encode",
        "Encoding times and values, GB/s of one core (16 bytes a point), blocks of 8192 points",
        ["data set".to_owned()].into_iter().chain(contenders.iter().map(|contender| contender.name())),
    );
    for set in sets::all(options) {
        let mut ways: Vec<Box<dyn FnMut() + '_>> = contenders
            .iter()
            .map(|contender| {
                let set = &set;
                Box::new(move || drop(black_box(contender.encode(set)))) as Box<dyn FnMut()>
            })
            .collect();
        let mut row = vec![Cell::Text(set.name.to_owned())];
        row.extend(clock::in_turn(&mut ways).into_iter().map(|took| Cell::speed(set.rows() * 16, took)));
        table.rows.push(row);
    }
    table
}
