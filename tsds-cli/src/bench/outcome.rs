//! What was measured, as a table and as JSON.

use std::time::Duration;

use serde::Serialize;

use crate::output::{Align, TextTable, rate, thousands};

/// All that a run measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// The tier.
    pub(crate) backend: String,
    /// Its device.
    pub(crate) device: Option<String>,
    /// With what the tier was compared.
    pub(crate) baseline: &'static str,
    /// How many bytes a second the device moves when it copies its own memory; each byte is read and written.
    pub(crate) copy_bytes_per_s: Option<f64>,
    /// Each operation on each number of rows.
    pub(crate) measured: Vec<Measured>,
    /// From how many rows on the device is faster.
    pub(crate) faster_from: Vec<FasterFrom>,
    /// What was not measured.
    pub(crate) skipped: Vec<Skipped>,
}

/// One operation on some rows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) operation: &'static str,
    pub(crate) rows: u64,
    /// Rows or groups of the result.
    pub(crate) returned: u64,
    /// The bytes that cannot but be read.
    pub(crate) bytes: u64,
    pub(crate) device: Timing,
    pub(crate) cpu: Timing,
}

/// The median of some runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Timing {
    pub(crate) seconds: f64,
    pub(crate) runs: usize,
}

/// From how many rows on the device is faster than the CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FasterFrom {
    operation: &'static str,
    /// The smallest number of rows from which on it always was; `None` if it was not on the largest.
    rows: Option<u64>,
    measured_up_to: u64,
}

/// A size that was not measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Skipped {
    pub(crate) rows: u64,
    pub(crate) why: String,
}

impl Timing {
    pub(super) fn median(runs: &[Duration]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        Self { seconds: median.as_secs_f64().max(1e-9), runs: runs.len() }
    }
}

impl Measured {
    fn bytes_per_s(&self) -> f64 {
        self.bytes as f64 / self.device.seconds
    }

    /// How many times as fast as the CPU the device is.
    fn speedup(&self) -> f64 {
        self.cpu.seconds / self.device.seconds
    }
}

impl Outcome {
    /// Finds out from how many rows on the device is faster.
    pub(crate) fn settle(&mut self) {
        let mut operations: Vec<&'static str> = Vec::new();
        for one in &self.measured {
            if !operations.contains(&one.operation) {
                operations.push(one.operation);
            }
        }
        self.faster_from = operations.into_iter().map(|operation| self.faster_from(operation)).collect();
    }

    fn faster_from(&self, operation: &'static str) -> FasterFrom {
        let mut of_it: Vec<&Measured> =
            self.measured.iter().filter(|one| one.operation == operation).collect();
        of_it.sort_by_key(|one| one.rows);
        let wins = of_it.iter().rev().take_while(|one| one.speedup() > 1.0);
        FasterFrom {
            operation,
            rows: wins.last().map(|one| one.rows),
            measured_up_to: of_it.last().map_or(0, |one| one.rows),
        }
    }

    /// The tables for people.
    pub(crate) fn text(&self) -> String {
        let device = self.device.as_deref().unwrap_or("the host");
        let mut text = format!("{} on {device}, beside {}\n", self.backend, self.baseline);
        text.push_str(&match self.copy_bytes_per_s {
            Some(copy) => {
                format!("the device copies its own memory at {} (read and written)\n\n", gigabytes(copy))
            }
            None => "how fast the device copies its own memory is not known\n\n".to_owned(),
        });
        text.push_str(&self.measurements().text());
        text.push_str("\nB/row: what cannot but be read of every row, and of those that are returned. ms: medians of warm runs.\n\n");
        text.push_str(&self.comparison().text());
        for Skipped { rows, why } in &self.skipped {
            text.push_str(&format!("\nnot measured: {} rows: {why}\n", thousands(*rows)));
        }
        text
    }

    fn measurements(&self) -> TextTable {
        let right = |name| (name, Align::Right);
        let mut table = TextTable::new([
            ("operation", Align::Left),
            right("rows"),
            right("result"),
            right("B/row"),
            right("ms"),
            right("rows/s"),
            right("GB/s"),
            right("of copy"),
            right("cpu ms"),
            right("times cpu"),
        ]);
        for one in &self.measured {
            let share = self.copy_bytes_per_s.map(|copy| 100.0 * one.bytes_per_s() / copy);
            table.row([
                one.operation.to_owned(),
                thousands(one.rows),
                thousands(one.returned),
                format!("{:.1}", one.bytes as f64 / one.rows.max(1) as f64),
                milliseconds(one.device.seconds),
                rate(one.rows as f64 / one.device.seconds),
                format!("{:.2}", one.bytes_per_s() / 1e9),
                share.map_or(String::new(), |share| format!("{share:.1} %")),
                milliseconds(one.cpu.seconds),
                format!("{:.*}", if one.speedup() < 0.1 { 3 } else { 2 }, one.speedup()),
            ]);
        }
        table
    }

    fn comparison(&self) -> TextTable {
        let mut table = TextTable::new([("operation", Align::Left), ("faster than the CPU", Align::Left)]);
        for one in &self.faster_from {
            let from = match one.rows {
                Some(rows) => format!("from {} rows on", thousands(rows)),
                None => format!("never up to {} rows", thousands(one.measured_up_to)),
            };
            table.row([one.operation, &from]);
        }
        table
    }
}

fn milliseconds(seconds: f64) -> String {
    let milliseconds = seconds * 1e3;
    let decimals = if milliseconds < 10.0 { 2 } else { usize::from(milliseconds < 100.0) };
    format!("{milliseconds:.decimals$}")
}

fn gigabytes(per_second: f64) -> String {
    format!("{:.2} GB/s", per_second / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rows: u64, device: f64, cpu: f64) -> Measured {
        let timing = |seconds| Timing { seconds, runs: 3 };
        Measured {
            operation: "sum",
            rows,
            returned: 1,
            bytes: 8 * rows,
            device: timing(device),
            cpu: timing(cpu),
        }
    }

    fn outcome(measured: Vec<Measured>) -> Outcome {
        let mut outcome = Outcome {
            backend: "acme.warm".into(),
            device: Some("Voodoo".into()),
            baseline: "tsds.warm.cpu",
            copy_bytes_per_s: Some(10e9),
            measured,
            faster_from: Vec::new(),
            skipped: Vec::new(),
        };
        outcome.settle();
        outcome
    }

    #[test]
    fn the_device_is_faster_from_where_it_stays_faster() {
        let rows = |speedups: &[f64]| {
            let one = |(index, speedup): (usize, &f64)| measured(10u64.pow(index as u32), 1.0, *speedup);
            outcome(speedups.iter().enumerate().map(one).collect()).faster_from.remove(0).rows
        };
        assert_eq!(rows(&[0.5, 2.0, 3.0]), Some(10));
        assert_eq!(rows(&[2.0, 0.5, 3.0]), Some(100));
        assert_eq!(rows(&[2.0, 3.0, 0.5]), None);
        assert_eq!(rows(&[2.0]), Some(1));
    }

    #[test]
    fn the_table_says_rates_and_shares() {
        let text = outcome(vec![measured(1_000_000, 0.004, 0.008)]).text();
        for part in
            ["1,000,000", "8.0", "4.00", "250 M", "2.00", "20.0 %", "from 1,000,000 rows on", "10.00 GB/s"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        let text = outcome(vec![measured(10, 2.0, 1.0)]).text();
        assert!(text.contains("never up to 10 rows"), "{text}");
    }

    #[test]
    fn the_median_is_of_what_was_run() {
        let runs = [5, 1, 9].map(Duration::from_secs);
        assert_eq!(Timing::median(&runs).seconds, 5.0);
    }
}
