//! Filtering encoded values, beside decoding them and comparing.

use std::hint::black_box;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use tsds_codec_gorilla::GorillaCodec;
use tsds_traits::{Codec, KeySet, key_of_f64};

use crate::clock;
use crate::contenders::{OurBlocks, Ours};
use crate::options::Options;
use crate::sets::{self, Set};
use crate::table::{Cell, Table};

/// How many of a hundred rows pass.
const PASSING: [usize; 3] = [1, 10, 50];

pub fn run(options: &Options) -> Table {
    let mut table = Table::new(
        "filter",
        "Keeping the rows whose value is above a limit, GB/s of one core (8 bytes a value), blocks of 8192 values: by the codec, \
         and by decoding with it and comparing; with the limit so that 1, 10 or 50 % pass",
        ["data set".to_owned()].into_iter().chain(
            PASSING
                .into_iter()
                .flat_map(|percent| [format!("filter, {percent} %"), format!("decode, {percent} %")]),
        ),
    );
    for set in sets::all(options) {
        let blocks = Ours::best().encode_blocks(&set);
        let mut row = vec![Cell::Text(set.name.to_owned())];
        for percent in PASSING {
            let limit = limit(&set, percent);
            assert_eq!(by_codec(&blocks, limit), by_comparing(&blocks, limit), "{}", set.name);
            let mut ways: [Box<dyn FnMut() + '_>; 2] = [
                Box::new(|| {
                    black_box(by_codec(&blocks, limit));
                }),
                Box::new(|| {
                    black_box(by_comparing(&blocks, limit));
                }),
            ];
            row.extend(clock::in_turn(&mut ways).into_iter().map(|took| Cell::speed(set.rows() * 8, took)));
        }
        table.rows.push(row);
    }
    table
}

/// What is below so many of a hundred values.
fn limit(set: &Set, percent: usize) -> f64 {
    let mut values: Vec<f64> = set.blocks.iter().flat_map(|block| block.values().to_vec()).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() - 1 - values.len() * percent / 100]
}

/// How many rows pass. Counting costs both ways the same, and less than a hundredth.
fn by_codec(blocks: &OurBlocks, limit: f64) -> usize {
    let above = KeySet::from_ranges([key_of_f64(limit) + 1..=key_of_f64(f64::INFINITY)]);
    let codec = GorillaCodec::new();
    let passing = |(rows, bytes)| {
        codec.filter(codec.version(), bytes, rows, &DataType::Float64, &above).unwrap().count_set_bits()
    };
    blocks.values().map(passing).sum()
}

fn by_comparing(blocks: &OurBlocks, limit: f64) -> usize {
    let codec = GorillaCodec::new();
    let passing = |(rows, bytes)| {
        let array = codec.decode(codec.version(), bytes, rows, &DataType::Float64).unwrap();
        let values = array.as_primitive::<Float64Type>().values();
        // A mask as the engine needs it, not only the count.
        let mask: Vec<u64> = values
            .chunks(64)
            .map(|values| {
                let bits = values.iter().enumerate().map(|(bit, value)| u64::from(*value > limit) << bit);
                bits.fold(0, |mask, bit| mask | bit)
            })
            .collect();
        black_box(&mask).iter().map(|word| word.count_ones() as usize).sum::<usize>()
    };
    blocks.values().map(passing).sum()
}
