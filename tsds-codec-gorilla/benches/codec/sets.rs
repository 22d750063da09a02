//! What speeds are measured on: blocks of series that are alike.

use arrow_array::{Float64Array, TimestampMillisecondArray};

use crate::options::Options;
use crate::series::{self, Series};

/// How many points a block has at most.
pub const BLOCK: usize = 8192;
/// How many blocks a set has at most: enough that no branch predictor knows them by heart, few enough that the encoded bytes
/// stay in cache.
const BLOCKS: usize = 64;

/// The sets, each with what the names of its series have in them.
const SETS: [(&str, &str, &str); 16] = [
    ("air temperature", "beijing_air/", "/TEMP"),
    ("air pressure", "beijing_air/", "/PRES"),
    ("PM2.5", "beijing_air/", "/PM2.5"),
    ("carbon monoxide", "beijing_air/", "/CO"),
    ("room temperature", "occupancy/", "/Temperature"),
    ("room CO2", "occupancy/", "/CO2"),
    ("machine temperature", "nab/", "machine_temperature"),
    ("server CPU", "nab/realAWSCloudwatch/", "_cpu_utilization_"),
    ("tweets", "nab/realTweets/", ""),
    ("trade price", "lean_ticks/", "/price"),
    ("trade size", "lean_ticks/", "/size"),
    ("made: 2 decimals, jitter", "synthetic/", "decimal2_jitter"),
    ("made: 1 decimal, repeats", "synthetic/", "decimal1_regular"),
    ("made: counter", "synthetic/", "counter"),
    ("made: full precision", "synthetic/", "full_precision_walk"),
    ("made: integer gauge", "synthetic/", "integer_gauge"),
];

pub struct Set {
    pub name: &'static str,
    pub blocks: Vec<Block>,
}

/// Points as Arrow has them, so that nobody's encoder has to copy them first.
pub struct Block {
    pub time_array: TimestampMillisecondArray,
    pub value_array: Float64Array,
}

impl Block {
    pub fn rows(&self) -> usize {
        self.time_array.len()
    }

    pub fn times(&self) -> &[i64] {
        self.time_array.values()
    }

    pub fn values(&self) -> &[f64] {
        self.value_array.values()
    }
}

impl Set {
    pub fn rows(&self) -> usize {
        self.blocks.iter().map(|block| block.rows()).sum()
    }
}

/// The sets that are wanted and there.
pub fn all(options: &Options) -> Vec<Set> {
    let series = all_series();
    let set = |(name, from, part): &(&'static str, &str, &str)| Set {
        name,
        blocks: series
            .iter()
            .filter(|series| series.name.starts_with(from) && series.name.contains(part))
            .flat_map(|series| whole_blocks(series, BLOCK))
            .take(BLOCKS)
            .collect(),
    };
    SETS.iter().map(set).filter(|set| options.takes(set.name) && !set.blocks.is_empty()).collect()
}

/// Every published series, if they are there, and every made one.
pub fn all_series() -> Vec<Series> {
    let mut series = series::published().unwrap_or_else(|why| {
        eprintln!("{why}");
        Vec::new()
    });
    series.extend(series::synthetic(BLOCKS * BLOCK / 2));
    series.into_iter().map(|series| series.points()).collect()
}

/// The blocks of a series, without a last one that is short unless it is the only one.
pub fn whole_blocks(series: &Series, rows: usize) -> impl Iterator<Item = Block> {
    let blocks = (series.times.len() / rows).max(1);
    let pairs = series.times.chunks(rows).zip(series.values.chunks(rows)).take(blocks);
    pairs.map(|(times, values)| Block {
        time_array: times.to_vec().into(),
        value_array: values.to_vec().into(),
    })
}
