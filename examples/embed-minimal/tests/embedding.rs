//! What an embedder gets, and what it costs in crates.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::process::Command;

use example_embed::Measurements;

#[test]
fn measurements_are_there_when_the_program_starts_again() {
    let directory = tempfile::TempDir::new().unwrap();
    let measurements = Measurements::open(directory.path()).unwrap();
    measurements.add(&[(0, "hall", 18.5), (0, "attic", 31.0), (60_000, "hall", 19.25)]).unwrap();
    measurements.close().unwrap();
    let measurements = Measurements::open(directory.path()).unwrap();
    assert_eq!(measurements.highest("hall").unwrap(), Some(19.25));
    assert_eq!(measurements.highest("attic").unwrap(), Some(31.0));
    assert_eq!(measurements.highest("cellar").unwrap(), None);
}

/// The page on crates and features in the README says how many; this is the most that is accepted.
const MOST_CRATES: usize = 152;

#[test]
fn the_engine_alone_needs_few_crates() {
    let mut tree = Command::new(env!("CARGO"));
    let arguments = ["tree", "--edges", "normal,build", "--prefix", "none", "--locked", "--offline"];
    let output = tree.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(crates.iter().any(|name| name.starts_with("tsds-engine ")));
    assert!(!crates.iter().any(|name| name.starts_with("wgpu") || name.starts_with("tsds-codec-gorilla")));
    assert!(crates.len() <= MOST_CRATES, "{} crates:\n{crates:#?}", crates.len());
}
