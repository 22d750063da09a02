//! What the fuzz targets check, on stable and for every input that has been kept: the golden blocks, and what fuzzing found.
//!
//! `.ci/fuzz` looks for more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs, unreachable_pub)]

#[path = "../../fuzz/harness/mod.rs"]
mod harness;

use std::fs;
use std::path::Path;

/// Runs a target's harness on every file of its seeds, and of the golden ones with an extension.
fn replay(target: &str, golden: &str, harness: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = 0;
    for (folder, extension) in
        [(root.join("fuzz/seeds").join(target), ""), (root.join("tests/golden/v1"), golden)]
    {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().map_or("", |extension| extension.to_str().unwrap()) == extension {
                harness(&fs::read(path).unwrap());
                inputs += 1;
            }
        }
    }
    assert!(inputs > 5, "only {inputs} inputs in {target}");
}

#[test]
fn any_bytes_are_damage_or_a_block_that_every_path_reads_alike() {
    replay("block", "tsg", harness::block);
}

#[test]
fn any_bytes_are_damage_or_classic_codes_that_every_path_reads_alike() {
    replay("classic", "tsg", harness::classic);
}

#[test]
fn values_of_any_kind_come_back_from_every_mode() {
    replay("round_trip", "tsg", harness::round_trip);
}

#[test]
fn any_bytes_are_damage_or_points_that_every_path_reads_alike() {
    replay("points", "tsgp", harness::points);
}
