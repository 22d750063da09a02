//! What a stored byte survives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a write survives, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing: it is gone with the process or the device.
    Volatile,
    /// The end of the process, but not of the machine.
    Process,
    /// A power cut.
    Power,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Volatile => "volatile",
            Self::Process => "process",
            Self::Power => "power",
        })
    }
}
