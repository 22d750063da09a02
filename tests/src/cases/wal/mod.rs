//! Cases for [`WalSink`].

mod append;
mod bench;
mod durability;
mod faults;
mod release;

use crate::case::Case;
use crate::fixture::WalFixture;

pub(crate) use bench::claims;

/// Every case of the trait.
pub fn cases() -> Vec<Case<dyn WalFixture>> {
    let groups = [append::cases(), durability::cases(), faults::cases(), release::cases()];
    groups.into_iter().flatten().collect()
}
