//! Cases for [`tsds_traits::Tier`].

mod aggregate;
pub(crate) mod bench;
mod durability;
mod edges;
mod faults;
mod history;
mod honesty;
mod lifecycle;
mod long;
mod memory;
mod payload;
mod pushdown;
mod scan;
mod series;
mod statistics;
mod storage;
mod threads;

use crate::case::Case;
use crate::fixture::TierFixture;

pub(crate) use bench::claims;

/// Every case of the trait.
pub fn cases() -> Vec<Case<dyn TierFixture>> {
    let groups = [
        storage::cases(),
        durability::cases(),
        faults::cases(),
        history::cases(),
        threads::cases(),
        scan::cases(),
        series::cases(),
        pushdown::cases(),
        aggregate::cases(),
        long::cases(),
        memory::cases(),
        payload::cases(),
        statistics::cases(),
        honesty::cases(),
        lifecycle::cases(),
    ];
    groups.into_iter().flatten().collect()
}
