//! Those who are measured in Python: a process that prints a line of JSON for each figure.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::report::{Answer, Report};

/// Runs a part of `peers.py`, which finds and leaves its files in the directory.
pub(crate) fn measure(part: &str, directory: &Path, report: &mut Report) {
    let python = std::env::var("TSDS_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/peers.py");
    let child = Command::new(&python).arg(script).arg(part).arg(directory).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return println!("nobody of Python is measured: {python}: {error}"),
    };
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        if let Some(note) = text("note") {
            println!("{note}");
            continue;
        }
        let answer = Answer { rows: line["rows"].as_u64().unwrap(), sum: line["sum"].as_i64().unwrap() };
        let took = Duration::from_secs_f64(line["seconds"].as_f64().unwrap());
        report.add(&text("who").unwrap(), &text("operation").unwrap(), took, answer);
    }
    assert!(child.wait().unwrap().success(), "{script} failed");
}
