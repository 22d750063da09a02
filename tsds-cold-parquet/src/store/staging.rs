//! Names of what is not yet, or no longer, part of a store.

use tsds_traits::{Result, World};

/// The directory under the root for what has no name of its own yet.
pub(super) const STAGING: &str = "_staging";

/// A new name under [`STAGING`]. It begins with the wall clock, which is the only record of its age.
pub(super) fn new_name(world: &World) -> Result<String> {
    let mut random = [0u8; 8];
    world.random.fill(&mut random)?;
    Ok(format!("{:016x}-{:016x}", world.clock.wall_nanos(), u64::from_le_bytes(random)))
}

/// When what has this name was staged, by the wall clock in nanoseconds.
pub(super) fn staged_at(name: &str) -> Option<i64> {
    name.split_once('-').and_then(|(at, _)| i64::from_str_radix(at, 16).ok())
}
