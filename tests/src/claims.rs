//! What a backend claims, and what a case needs of it.

use std::collections::BTreeSet;

use tsds_traits::{CodecCapabilities, Durability, TierCapabilities};

/// Something that a backend may or may not claim. It has the same name for every trait that knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Claim {
    /// A tier takes predicates.
    Predicate,
    /// A tier takes orders.
    Order,
    /// A tier takes limits.
    Limit,
    /// A tier answers aggregates.
    Aggregate,
    /// A tier has a largest segment.
    SegmentLimit,
    /// What is stored survives closing and reopening.
    Process,
    /// What is stored survives a power cut.
    Power,
    /// A codec takes integers.
    Integers,
    /// A codec takes timestamps.
    Timestamps,
    /// A codec takes dates, times of day and durations.
    Temporals,
    /// A codec takes decimals.
    Decimals,
    /// A codec takes floats.
    Floats,
    /// A codec takes booleans.
    Booleans,
    /// A codec takes raw bytes.
    Bytes,
    /// A codec filters without decoding.
    Filter,
    /// A codec's fixture brings blocks as releases wrote them.
    FrozenBlocks,
    /// A codec's fixture brings blocks that the format rules out.
    ForgedBlocks,
    /// A tier has a limit of bytes, small enough to be reached in a test: at most 8 MiB.
    Room,
    /// A tier keeps what it stores on the disk of its machine, whose faults therefore reach it.
    Disk,
    /// Not of the backend but of the run: memory is measured.
    MemoryMeter,
    /// A key provider makes new keys.
    Rotation,
}

impl Claim {
    /// The name in trial kinds and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Predicate => "predicate",
            Self::Order => "order",
            Self::Limit => "limit",
            Self::Aggregate => "aggregate",
            Self::SegmentLimit => "max_segment_bytes",
            Self::Process => "durability_process",
            Self::Power => "durability_power",
            Self::Integers => "integers",
            Self::Timestamps => "timestamps",
            Self::Temporals => "temporals",
            Self::Decimals => "decimals",
            Self::Floats => "floats",
            Self::Booleans => "booleans",
            Self::Bytes => "bytes",
            Self::Filter => "filter",
            Self::FrozenBlocks => "frozen_blocks",
            Self::ForgedBlocks => "forged_blocks",
            Self::Room => "small_limit_bytes",
            Self::Disk => "machine_disk",
            Self::MemoryMeter => "memory_meter",
            Self::Rotation => "rotation",
        }
    }
}

/// What a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A backend that claims it.
    Claimed(Claim),
    /// A backend that does not: such cases prove that what is not claimed is refused.
    Unclaimed(Claim),
}

/// Why a case does not apply to a backend, as the kind of its trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The backend does not claim what the case needs.
    Unsupported(Claim),
    /// The backend claims what the case needs it not to.
    Claimed(Claim),
    /// The backend is not on this machine, and why.
    Absent(String),
}

impl Skip {
    /// `unsupported:<claim>`, `claimed:<claim>` or `absent:<why>`.
    pub fn kind(&self) -> String {
        match self {
            Self::Unsupported(claim) => format!("unsupported:{}", claim.name()),
            Self::Claimed(claim) => format!("claimed:{}", claim.name()),
            Self::Absent(why) => format!("absent:{why}"),
        }
    }
}

/// All that a backend claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(BTreeSet<Claim>);

impl Claims {
    /// These claims.
    pub fn new(claims: impl IntoIterator<Item = Claim>) -> Self {
        Self(claims.into_iter().collect())
    }

    /// Adds a claim if `claimed`.
    #[must_use]
    pub fn with(mut self, claim: Claim, claimed: bool) -> Self {
        if claimed {
            self.0.insert(claim);
        }
        self
    }

    /// What a tier claims.
    pub fn of_tier(capabilities: &TierCapabilities) -> Self {
        Self::of_durability(capabilities.durability)
            .with(Claim::Predicate, capabilities.predicate)
            .with(Claim::Order, capabilities.order)
            .with(Claim::Limit, capabilities.limit)
            .with(Claim::Aggregate, capabilities.aggregate)
            .with(Claim::SegmentLimit, capabilities.max_segment_bytes.is_some())
    }

    /// What a codec claims.
    pub fn of_codec(capabilities: &CodecCapabilities) -> Self {
        Self::default()
            .with(Claim::Integers, capabilities.types.integers)
            .with(Claim::Timestamps, capabilities.types.timestamps)
            .with(Claim::Temporals, capabilities.types.temporals)
            .with(Claim::Decimals, capabilities.types.decimals)
            .with(Claim::Floats, capabilities.types.floats)
            .with(Claim::Booleans, capabilities.types.booleans)
            .with(Claim::Bytes, capabilities.types.bytes)
            .with(Claim::Filter, capabilities.filter)
    }

    /// What something of this durability claims.
    pub fn of_durability(durability: Durability) -> Self {
        Self::default()
            .with(Claim::Process, durability >= Durability::Process)
            .with(Claim::Power, durability >= Durability::Power)
    }

    /// The first reason not to run a case with these needs.
    pub fn skip(&self, needs: &[Need]) -> Option<Skip> {
        needs.iter().find_map(|need| match need {
            Need::Claimed(claim) if !self.0.contains(claim) => Some(Skip::Unsupported(*claim)),
            Need::Unclaimed(claim) if self.0.contains(claim) => Some(Skip::Claimed(*claim)),
            _ => None,
        })
    }

    /// Whether it is claimed.
    pub fn has(&self, claim: Claim) -> bool {
        self.0.contains(&claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_runs_only_where_its_needs_are_met() {
        let claims = Claims::of_tier(&TierCapabilities::new(Durability::Process).with_predicate(true));
        assert_eq!(claims.skip(&[]), None);
        assert_eq!(claims.skip(&[Need::Claimed(Claim::Predicate), Need::Unclaimed(Claim::Limit)]), None);
        let power = claims.skip(&[Need::Claimed(Claim::Power)]).unwrap();
        assert_eq!(power.kind(), "unsupported:durability_power");
        let predicate = claims.skip(&[Need::Unclaimed(Claim::Predicate)]).unwrap();
        assert_eq!(predicate.kind(), "claimed:predicate");
    }
}
