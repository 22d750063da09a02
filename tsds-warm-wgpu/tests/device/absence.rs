//! A machine without Vulkan.

use std::process::Command;

use crate::support::{Bench, Test};

pub(crate) const TESTS: &[Test] =
    &[("without_a_driver_tests_are_ignored_and_nothing_panics", without_driver)];

fn without_driver(_: &Bench) {
    let nowhere = "/nonexistent/driver.json";
    let output = Command::new(std::env::current_exe().unwrap())
        .env("VK_DRIVER_FILES", nowhere)
        .env("VK_ICD_FILENAMES", nowhere)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("absent: no Vulkan adapter") && text.contains(" 0 passed; 0 failed;"), "{text}");
}
