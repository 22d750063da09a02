//! What was measured: a line for each, the goals that it settles, and all of it as lines of JSON.

use std::fmt::Write as _;

/// All that was measured so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What the device copies of its own memory in a second.
    copy: f64,
    goals: Vec<Goal>,
    json: String,
}

/// Something of which it was said how fast it has to be.
#[derive(Debug)]
struct Goal {
    what: &'static str,
    goal: f64,
    unit: &'static str,
    /// Whether less is better.
    at_most: bool,
    measured: Option<f64>,
}

/// Every goal: what, how much, in which unit, and whether less is better.
const GOALS: [(&str, f64, &str, bool); 10] = [
    (FILTER, 85.0, "% of copy", false),
    (CONJUNCTION, 80.0, "% of copy", false),
    (GATHER, 75.0, "% of copy", false),
    (SORT, 8.0, "G rows/s", false),
    (TOP, 5.0, "times the sort", false),
    (WINDOWS, 70.0, "% of copy", false),
    (FUSED, 100.0, "% of copy, decoded", false),
    (CLASSIC, 20.0, "G values/s", false),
    (UPLOAD, 80.0, "% of link", false),
    (SMALL, 60.0, "us", true),
];

pub(super) const FILTER: &str = "range filter to a bitmask";
pub(super) const CONJUNCTION: &str = "three columns to a bitmask";
pub(super) const GATHER: &str = "gather of everything";
pub(super) const SORT: &str = "sort of 64-bit keys with row ids";
pub(super) const TOP: &str = "first 1,000 of 64-bit keys";
pub(super) const WINDOWS: &str = "windows over sorted rows";
pub(super) const FUSED: &str = "filter of decimals as they lie";
pub(super) const CLASSIC: &str = "decoding classic codes";
pub(super) const UPLOAD: &str = "writes of 64 MiB";
pub(super) const SMALL: &str = "100 small segments beside their kernels";

/// What a run of something took, and what it is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) seconds: f64,
    pub(super) rows: u64,
    /// What cannot but be moved; 0 where that says nothing.
    pub(super) bytes: u64,
}

impl Measured {
    pub(super) fn rows_per_s(self) -> f64 {
        self.rows as f64 / self.seconds
    }

    pub(super) fn bytes_per_s(self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}

impl Report {
    pub(super) fn new(device: &str, rows: usize, copy: f64) -> Self {
        let goals =
            GOALS.map(|(what, goal, unit, at_most)| Goal { what, goal, unit, at_most, measured: None });
        let mut report = Self { copy, goals: goals.into(), json: String::new() };
        let name: String =
            device.chars().filter(|char| !matches!(char, '"' | '\\') && !char.is_control()).collect();
        let _ = writeln!(
            report.json,
            "{{\"device\": \"{name}\", \"rows\": {rows}, \"copy_bytes_per_s\": {copy:.0}}}"
        );
        report
    }

    /// A share of what the device copies, in percent.
    pub(super) fn of_copy(&self, bytes_per_s: f64) -> f64 {
        100.0 * bytes_per_s / self.copy
    }

    /// Prints a line for something that ran on the device.
    pub(super) fn ran(&mut self, name: &str, one: Measured) {
        print!("{name:38} {:10.3} ms {:9.1} M rows/s", one.seconds * 1e3, one.rows_per_s() / 1e6);
        match one.bytes {
            0 => println!(),
            _ => println!(" {:9.2} GB/s {:6.1} %", one.bytes_per_s() / 1e9, self.of_copy(one.bytes_per_s())),
        }
        let Measured { seconds, rows, bytes } = one;
        self.note(&format!(
            "\"name\": \"{name}\", \"seconds\": {seconds:e}, \"rows\": {rows}, \"bytes\": {bytes}"
        ));
    }

    /// Prints a line for something else.
    pub(super) fn found(&mut self, name: &str, value: f64, unit: &str) {
        println!("{name:38} {value:10.2} {unit}");
        self.note(&format!("\"name\": \"{name}\", \"value\": {value:e}, \"unit\": \"{unit}\""));
    }

    /// Says what was measured of a goal. Of several measurements the last one counts.
    pub(super) fn settle(&mut self, what: &str, measured: f64) {
        if let Some(goal) = self.goals.iter_mut().find(|goal| goal.what == what) {
            goal.measured = Some(measured);
        }
    }

    /// Adds what is not printed.
    pub(super) fn note(&mut self, fields: &str) {
        let _ = writeln!(self.json, "{{{fields}}}");
    }

    /// Prints the goals, and returns everything as lines of JSON.
    pub(super) fn finish(mut self) -> String {
        println!("\n{:42} {:>28} {:>12}  reached", "goal", "asked", "measured");
        for Goal { what, goal, unit, at_most, measured } in std::mem::take(&mut self.goals) {
            let asked = format!("{} {goal} {unit}", if at_most { "<=" } else { ">=" });
            let reached = measured.map(|measured| if at_most { measured <= goal } else { measured >= goal });
            let said = match reached {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not measured",
            };
            let number = measured.map_or_else(String::new, |measured| format!("{measured:.2}"));
            println!("{what:42} {asked:>28} {number:>12}  {said}");
            let json = |known: Option<String>| known.unwrap_or_else(|| "null".into());
            let (measured, reached) =
                (json(measured.map(|one| format!("{one:e}"))), json(reached.map(|one| one.to_string())));
            self.note(&format!(
                "\"goal\": \"{what}\", \"asked\": {goal}, \"unit\": \"{unit}\", \"at_most\": {at_most}, \"measured\": {measured}, \"reached\": {reached}"
            ));
        }
        self.json
    }
}
