//! Every kernel by itself, and the rest of what a device has goals for: `cargo bench -p tsds-warm-wgpu`, see
//! [`tsds_device::conformance::time_kernels`]. The adapter is the fastest kind that there is, software
//! included, or the one that `TSDS_WGPU_ADAPTER` names a part of.
// The types of a wgpu device are deeper than the default allows for.
#![recursion_limit = "256"]

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    tsds_device::conformance::time_kernels(support::Adapter);
}
