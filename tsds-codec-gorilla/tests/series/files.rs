//! Reading the published data sets.
#![allow(clippy::disallowed_methods, reason = "a test reads files of its machine")]

use std::fs;
use std::path::{Path, PathBuf};

use super::{Group, Series};

/// The Numenta Anomaly Benchmark: one series a file, `timestamp,value`.
pub(super) fn nab(folder: &Path) -> Vec<Series> {
    let mut series = Vec::new();
    for kind in entries(folder).into_iter().filter(|path| path.is_dir()) {
        for file in entries(&kind) {
            let name = format!("nab/{}/{}", stem(&kind), stem(&file));
            let group = nab_group(&name);
            let (times, values) =
                lines(&file).iter().map(|line| (date_time(&line[0]), number(&line[1]))).unzip();
            series.push(Series { name, group, times, values, valid: Vec::new() });
        }
    }
    series
}

fn nab_group(name: &str) -> Group {
    let has = |part: &str| name.contains(part);
    if has("/artificial") {
        Group::Artificial
    } else if has("_temperature_") || has("/realTraffic/") {
        Group::Sensor
    } else if has("/realAWSCloudwatch/") || has("cpu_utilization") || has("request_latency") {
        Group::Server
    } else {
        Group::Other
    }
}

/// Hourly air and weather of stations in Beijing; the hour stands in four columns, `NA` for a missing value.
pub(super) fn beijing_air(folder: &Path) -> Vec<Series> {
    const COLUMNS: [(&str, usize); 11] = [
        ("PM2.5", 5),
        ("PM10", 6),
        ("SO2", 7),
        ("NO2", 8),
        ("CO", 9),
        ("O3", 10),
        ("TEMP", 11),
        ("PRES", 12),
        ("DEWP", 13),
        ("RAIN", 14),
        ("WSPM", 16),
    ];
    let mut series = Vec::new();
    for file in with_ending(folder, ".csv") {
        let lines = lines(&file);
        let times: Vec<i64> = lines
            .iter()
            .map(|line| {
                let part = |column: usize| -> i64 { line[column].parse().unwrap() };
                (days(part(1), part(2), part(3)) * 24 + part(4)) * 3_600_000
            })
            .collect();
        for (column, at) in COLUMNS {
            let cells: Vec<_> = lines.iter().map(|line| line[at].as_str()).collect();
            series.push(Series {
                name: format!("beijing_air/{}/{column}", lines[0][17]),
                group: Group::Sensor,
                times: times.clone(),
                values: cells.iter().map(|cell| if *cell == "NA" { 0.0 } else { number(cell) }).collect(),
                valid: match cells.contains(&"NA") {
                    true => cells.iter().map(|cell| *cell != "NA").collect(),
                    false => Vec::new(),
                },
            });
        }
    }
    series
}

/// Room sensors, about once a minute; rows begin with a number that the header does not name. The last column is the label that
/// the data were collected to predict, not a measurement, and is left out.
pub(super) fn occupancy(folder: &Path) -> Vec<Series> {
    const COLUMNS: [(&str, usize); 5] =
        [("Temperature", 2), ("Humidity", 3), ("Light", 4), ("CO2", 5), ("HumidityRatio", 6)];
    let mut series = Vec::new();
    for file in with_ending(folder, ".txt") {
        let lines = lines(&file);
        for (column, at) in COLUMNS {
            let (times, values) = lines.iter().map(|line| (date_time(&line[1]), number(&line[at]))).unzip();
            let name = format!("occupancy/{}/{column}", stem(&file));
            series.push(Series { name, group: Group::Sensor, times, values, valid: Vec::new() });
        }
    }
    series
}

/// Trades of one day, `ts_ms,price,size`.
pub(super) fn lean_ticks(folder: &Path) -> Vec<Series> {
    let mut series = Vec::new();
    for file in with_ending(folder, ".csv") {
        let lines = lines(&file);
        for (column, at) in [("price", 1), ("size", 2)] {
            let (times, values) =
                lines.iter().map(|line| (line[0].parse::<i64>().unwrap(), number(&line[at]))).unzip();
            let name = format!("lean_ticks/{}/{column}", stem(&file));
            series.push(Series { name, group: Group::Market, times, values, valid: Vec::new() });
        }
    }
    series
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    entries
}

fn with_ending(folder: &Path, ending: &str) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The cells of every line but the first. No cell in these files has a comma.
fn lines(file: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let cells = |line: &str| line.split(',').map(|cell| cell.trim_matches('"').to_owned()).collect();
    text.lines().skip(1).filter(|line| !line.is_empty()).map(cells).collect()
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap_or_else(|_| panic!("not a number: {cell}"))
}

/// Milliseconds since 1970 of `2014-07-01 00:30:00`.
fn date_time(text: &str) -> i64 {
    let parts: Vec<i64> =
        text.split([' ', '-', ':', '.']).take(6).map(|part| part.parse().unwrap()).collect();
    let [year, month, day, hour, minute, second] = parts[..] else { panic!("not a time: {text}") };
    (((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000
}

/// Days since 1970 in the Gregorian calendar (Hinnant, `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
