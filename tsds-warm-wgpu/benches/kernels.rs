//! Every kernel over a million rows in one launch: `cargo bench -p tsds-warm-wgpu`, see [`tsds_device::conformance::time_kernels`]. The
//! adapter is the fastest kind that there is, software included, or the one that `TSDS_WGPU_ADAPTER` names a part of.

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    tsds_device::conformance::time_kernels(support::Adapter);
}
