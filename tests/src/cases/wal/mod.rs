//! Cases for [`tsds_traits::WalSink`].

mod append;
mod bench;
mod damage;
mod durability;
mod faults;
mod history;
mod release;

use crate::case::Case;
use crate::fixture::WalFixture;

pub(crate) use bench::claims;

/// Every case of the trait.
pub fn cases() -> Vec<Case<dyn WalFixture>> {
    let groups = [
        append::cases(),
        durability::cases(),
        faults::cases(),
        damage::cases(),
        release::cases(),
        history::cases(),
    ];
    groups.into_iter().flatten().collect()
}
