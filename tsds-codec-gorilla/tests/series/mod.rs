//! The series that sizes and speeds are measured on: every numeric column of the published data sets, where their folder is
//! there, and mixes made by a fixed generator.
//!
//! A series is what the engine hands a codec as a time column and a value column of one series: ordered by time, equal times in
//! the order of the file. All times are milliseconds since 1970, although most files could do with seconds: that is what a user
//! who has both kinds of data takes.
#![allow(dead_code, unreachable_pub, reason = "tests and benches each take what they need")]

mod files;
mod rng;
mod synthetic;

use std::path::PathBuf;

pub use rng::SplitMix;
pub use synthetic::synthetic;

/// Where a series comes from, as far as limits and medians differ by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Physical sensors: air, rooms, machines, roads.
    Sensor,
    /// Servers: CPU, disk, network, latency, request counts.
    Server,
    /// Trades.
    Market,
    /// Real series that are neither: tweets, advertisements, taxi rides, key strokes.
    Other,
    /// Made by the authors of a data set.
    Artificial,
    /// Made here.
    Synthetic,
}

/// One numeric column with its times.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub group: Group,
    /// Milliseconds since 1970, ascending, not always strictly.
    pub times: Vec<i64>,
    /// One for each time. What stands where `valid` is false is zero.
    pub values: Vec<f64>,
    /// One for each time, or empty where no value is missing.
    pub valid: Vec<bool>,
}

impl Series {
    /// The series without the times whose value is missing.
    pub fn points(&self) -> Series {
        let mut points = Series { times: Vec::new(), values: Vec::new(), valid: Vec::new(), ..self.clone() };
        if self.valid.is_empty() {
            return self.clone();
        }
        for (row, valid) in self.valid.iter().enumerate() {
            if *valid {
                points.times.push(self.times[row]);
                points.values.push(self.values[row]);
            }
        }
        points
    }

    /// All values are decimal numbers with at most `digits` digits after the point.
    pub fn has_at_most_decimals(&self, digits: u32) -> bool {
        let scale = 10_f64.powi(digits as i32);
        self.values.iter().all(|value| {
            let scaled = (value * scale).round();
            scaled.abs() < 9e15 && scaled / scale == *value
        })
    }

    fn in_order(mut self) -> Series {
        let mut order: Vec<usize> = (0..self.times.len()).collect();
        order.sort_by_key(|row| self.times[*row]);
        self.times = order.iter().map(|row| self.times[*row]).collect();
        self.values = order.iter().map(|row| self.values[*row]).collect();
        if !self.valid.is_empty() {
            self.valid = order.iter().map(|row| self.valid[*row]).collect();
        }
        self
    }
}

/// The folder of the data sets: `TSDS_TEST_DATA`, else `../shared/data` beside the workspace.
///
/// # Errors
///
/// Says where it was looked for.
pub fn folder() -> Result<PathBuf, String> {
    let folder = match std::env::var_os("TSDS_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
    };
    #[allow(clippy::disallowed_methods, reason = "a test reads files of its machine")]
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(format!("no data sets at {}: set TSDS_TEST_DATA", folder.display())),
    }
}

/// Every series of the data sets, ordered by name.
///
/// # Errors
///
/// Says where the folder was looked for.
pub fn published() -> Result<Vec<Series>, String> {
    let folder = folder()?;
    let mut series = files::nab(&folder.join("nab/data"));
    series.extend(files::beijing_air(&folder.join("beijing_air")));
    series.extend(files::occupancy(&folder.join("occupancy")));
    series.extend(files::lean_ticks(&folder.join("lean_ticks")));
    series.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(series.into_iter().map(Series::in_order).collect())
}
