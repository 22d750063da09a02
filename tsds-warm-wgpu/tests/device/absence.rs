//! A machine without Vulkan.

use std::process::Command;

use crate::{Adapter, Bench, Test};

pub(crate) const TESTS: &[Test<Adapter>] = &[
    ("without_a_driver_tests_are_ignored_and_nothing_panics", without_driver),
    ("without_a_driver_tests_fail_where_the_tier_is_required", without_required_driver),
];

/// These tests on a machine without Vulkan.
fn run(required: &str) -> (bool, String) {
    let nowhere = "/nonexistent/driver.json";
    let output = Command::new(std::env::current_exe().unwrap())
        .env("VK_DRIVER_FILES", nowhere)
        .env("VK_ICD_FILENAMES", nowhere)
        .env("TSDS_REQUIRE", required)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn without_required_driver(_: &Bench<Adapter>) {
    let (passed, text) = run("acme.other,tsds.warm.wgpu");
    assert!(!passed && text.contains(" 0 passed;"), "{text}");
}

fn without_driver(_: &Bench<Adapter>) {
    let (passed, text) = run("");
    assert!(passed, "{text}");
    assert!(text.contains("absent: no Vulkan adapter") && text.contains(" 0 passed; 0 failed;"), "{text}");
}
