//! What a device promises beside its kernels, on the simulator, and what is said where there is no device.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, ExitCode};

use tsds_device::Device;
use tsds_device::conformance::{Bench, Test, device_tests, run};
use tsds_traits::ErrorKind;
use tsds_warm_cuda::{CudaDevice, CudaSettings, list_adapters};

use support::Simulated;

const TESTS: &[Test<Simulated>] = &[
    ("the_device_is_among_those_that_are_listed", listed),
    ("a_device_is_opened_by_its_number_its_name_or_its_uuid", by_any_name),
    ("memory_that_is_allocated_is_counted_until_it_is_given_back", counted),
    ("measuring_the_link_leaves_nothing_behind", link),
    ("without_a_device_tests_are_ignored_and_nothing_panics", without_device),
    ("a_driver_that_is_too_old_is_named_as_the_reason", old_driver),
    ("a_device_that_is_too_old_is_named_as_the_reason", old_device),
    ("without_memory_pools_the_device_works_all_the_same", without_pools),
];

fn main() -> ExitCode {
    run(Simulated, [TESTS.to_vec(), device_tests()].concat())
}

fn listed(bench: &Bench<Simulated>) {
    let found = bench.runtime.block_on(list_adapters(&bench.world())).unwrap();
    assert!(found.iter().any(|device| device.name == bench.device.info().name), "{found:?}");
}

fn by_any_name(bench: &Bench<Simulated>) {
    let found = bench.runtime.block_on(list_adapters(&bench.world())).unwrap();
    let device = found.first().unwrap();
    for name in [device.ordinal.to_string(), device.name.to_uppercase(), device.uuid.clone()] {
        let settings = CudaSettings { device: Some(name), ..support::small() };
        let opened = bench.runtime.block_on(CudaDevice::open(&settings, &bench.world())).unwrap();
        assert_eq!(opened.info().name, device.name);
    }
}

fn counted(bench: &Bench<Simulated>) {
    let device = bench.runtime.block_on(CudaDevice::open(&support::small(), &bench.world())).unwrap();
    let before = device.allocated_bytes();
    let buffer = bench.runtime.block_on(device.allocate(1 << 20)).unwrap();
    assert_eq!(device.allocated_bytes(), before + (1 << 20));
    drop(buffer);
    assert_eq!(device.allocated_bytes(), before);
}

fn link(bench: &Bench<Simulated>) {
    let device = bench.runtime.block_on(CudaDevice::open(&support::small(), &bench.world())).unwrap();
    let before = device.allocated_bytes();
    let bytes_per_s = bench.runtime.block_on(device.link_bandwidth()).unwrap();
    assert!(bytes_per_s > 0.0 && bytes_per_s.is_finite(), "{bytes_per_s}");
    assert_eq!(device.allocated_bytes(), before);
    device.destroy("pulled out");
    let error = bench.runtime.block_on(device.link_bandwidth()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeviceLost, "{error}");
}

/// These tests where the simulator is set otherwise.
fn rerun(setting: &str, value: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .env(setting, value)
        .env("TSDS_REQUIRE", "")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn assert_absent(setting: &str, value: &str, reason: &str) {
    let (passed, text) = rerun(setting, value, &[]);
    let said = text.lines().nth(2).unwrap_or_default();
    assert!(passed && text.contains(reason) && text.contains(" 0 passed; 0 failed;"), "{said}");
}

fn without_device(_: &Bench<Simulated>) {
    assert_absent("TSDS_SIM_DEVICES", "0", "reason=no device");
}

fn old_driver(_: &Bench<Simulated>) {
    assert_absent("TSDS_SIM_DRIVER_VERSION", "11040", "too old for PTX 8.0: it is of CUDA 11.4");
}

fn old_device(_: &Bench<Simulated>) {
    assert_absent("TSDS_SIM_CAPABILITY", "61", "too old for the kernels");
}

fn without_pools(_: &Bench<Simulated>) {
    let (passed, text) = rerun("TSDS_SIM_POOLS", "0", &["memory_is"]);
    assert!(passed && text.contains(" 0 failed;") && !text.contains(" 0 passed;"), "{text}");
}
