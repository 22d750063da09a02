//! Which adapters there are.

use tsds_device::Device;
use tsds_warm_wgpu::{AdapterSummary, list_adapters};

use crate::{Adapter, Bench, Test};

pub(crate) const TESTS: &[Test<Adapter>] = &[("the_device_is_among_the_adapters_that_are_listed", listed)];

fn listed(bench: &Bench<Adapter>) {
    let found = bench.runtime.block_on(list_adapters(&bench.world())).unwrap();
    let info = bench.device.info();
    let is_it = |adapter: &AdapterSummary| {
        adapter.name == info.name && adapter.driver == info.driver && adapter.software == info.software
    };
    assert!(found.iter().any(is_it), "{found:?}");
}
