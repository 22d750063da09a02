//! What became of a comparison.

use std::fmt;

use serde::Serialize;

/// What a comparison of tiers found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgainstReport {
    /// The seed of the first input.
    pub seed: u64,
    /// The tiers, the reference first.
    pub tiers: Vec<TierReport>,
    /// What was compared.
    #[serde(flatten)]
    pub tally: Tally,
    /// The first answer that differs.
    pub difference: Option<Difference>,
}

/// One of the tiers that were compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TierReport {
    /// The id of the fixture.
    pub backend: String,
    /// The device, if it has one.
    pub device: Option<String>,
    /// Why the tier cannot run here, if it cannot.
    pub absent_because: Option<String>,
}

/// What was compared so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Inputs: a table, its segments in two cuts, and queries.
    pub inputs: u64,
    /// Scans that all tiers answered.
    pub scans: u64,
    /// Rows of these.
    pub rows: u64,
    /// Aggregates that all tiers answered.
    pub aggregates: u64,
    /// Groups of these.
    pub groups: u64,
    /// Queries that all tiers refused with the same kind of error.
    pub refused: u64,
    /// Aggregates that were not asked for, since not all tiers claim them.
    pub unclaimed: u64,
}

/// An answer that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// With this seed the very first input shows it.
    pub seed: u64,
    /// What differs, and the smallest input with which it does.
    pub what: String,
}

impl AgainstReport {
    pub(super) fn new(seed: u64, tiers: Vec<TierReport>) -> Self {
        Self { seed, tiers, tally: Tally::default(), difference: None }
    }

    /// The tiers that cannot run here, with the reasons.
    pub fn absent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tiers.iter().filter_map(|tier| Some((tier.backend.as_str(), tier.absent_because.as_deref()?)))
    }

    /// Whether answers were compared and none differs.
    pub fn is_clean(&self) -> bool {
        self.difference.is_none() && self.tally.scans + self.tally.aggregates > 0
    }
}

impl fmt::Display for AgainstReport {
    /// One line, and the difference below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { inputs, scans, rows, aggregates, groups, .. } = &self.tally;
        let tiers: Vec<&str> = self.tiers.iter().rev().map(|tier| tier.backend.as_str()).collect();
        write!(f, "{}: {inputs} inputs, ", tiers.join(" against "))?;
        write!(f, "{scans} scans with {rows} rows and {aggregates} aggregates with {groups} groups")?;
        for (backend, why) in self.absent() {
            write!(f, "\n{backend} is absent: {why}")?;
        }
        match &self.difference {
            None => Ok(()),
            Some(Difference { seed, what }) => write!(f, "\nan answer differs, seed {seed:#x}: {what}"),
        }
    }
}

impl Tally {
    /// Adds what one more input gave.
    pub(super) fn add(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.scans += other.scans;
        self.rows += other.rows;
        self.aggregates += other.aggregates;
        self.groups += other.groups;
        self.refused += other.refused;
        self.unclaimed += other.unclaimed;
    }
}
