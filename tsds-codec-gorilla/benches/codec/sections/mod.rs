//! What is measured.

mod columns;
mod decode;
mod encode;
mod filter;
mod memory;
mod ratios;
mod sizes;

use std::iter;

use tsds_codec_gorilla::Isa;

use crate::contenders::{Contender, Encoded, Ours, OursAsArrays, Output, Parquet, Pco, Tsz, What};
use crate::options::Options;
use crate::sets::Set;
use crate::table::{Cell, Table};

pub struct Section {
    pub name: &'static str,
    pub run: fn(&Options) -> Table,
}

pub const ALL: [Section; 8] = [
    Section { name: "ratios", run: ratios::run },
    Section { name: "sizes", run: sizes::run },
    Section { name: "decode", run: decode::run },
    Section { name: "times", run: columns::times },
    Section { name: "values", run: columns::values },
    Section { name: "memory", run: memory::run },
    Section { name: "encode", run: encode::run },
    Section { name: "filter", run: filter::run },
];

/// The codec with each of the instruction sets that there are, slowest first, into slices; as the engine uses it; and
/// the others.
fn decoders() -> Vec<Box<dyn Contender>> {
    let ours = Isa::available().into_iter().map(|isa| Box::new(Ours::with(isa)) as Box<dyn Contender>);
    let arrays: Box<dyn Contender> = Box::new(OursAsArrays);
    ours.chain([arrays]).chain(others()).collect()
}

/// The codec, and the others.
fn encoders() -> Vec<Box<dyn Contender>> {
    let ours: Box<dyn Contender> = Box::new(Ours::best());
    iter::once(ours).chain(others()).collect()
}

fn others() -> [Box<dyn Contender>; 4] {
    [Box::new(Pco), Box::new(Parquet::Split), Box::new(Parquet::Dictionary), Box::new(Tsz)]
}

/// Times decoding of everything that was encoded, each into an output of its own with `room` rows.
fn decode_speeds(encoded: &mut [Box<dyn Encoded>], what: What, set: &Set, room: usize) -> Vec<Cell> {
    let mut outputs: Vec<Output> = encoded.iter().map(|_| Output::large(room)).collect();
    let mut ways: Vec<Box<dyn FnMut() + '_>> = encoded
        .iter_mut()
        .zip(&mut outputs)
        .map(|(encoded, out)| Box::new(|| encoded.decode(what, out)) as Box<dyn FnMut()>)
        .collect();
    // Once around the output, so that no page of it is new to the process.
    ways.iter_mut().for_each(|way| (0..=room / set.rows()).for_each(|_| way()));
    let bytes = set.rows() * what.bytes_per_row();
    crate::clock::in_turn(&mut ways).into_iter().map(|took| Cell::speed(bytes, took)).collect()
}
