//! The types of values.

/// What the values of a block are. Timestamps, dates, times of day and durations are the integers
/// that they lie in memory as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Signed integers of 8 bits.
    Int8 = 1,
    /// Signed integers of 16 bits.
    Int16 = 2,
    /// Signed integers of 32 bits.
    Int32 = 3,
    /// Signed integers of 64 bits, and timestamps.
    Int64 = 4,
    /// Unsigned integers of 8 bits.
    UInt8 = 5,
    /// Unsigned integers of 16 bits.
    UInt16 = 6,
    /// Unsigned integers of 32 bits.
    UInt32 = 7,
    /// Unsigned integers of 64 bits.
    UInt64 = 8,
    /// Floats of single precision.
    Float32 = 9,
    /// Floats of double precision.
    Float64 = 10,
    /// True or false.
    Boolean = 11,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::UInt8,
        Self::UInt16,
        Self::UInt32,
        Self::UInt64,
        Self::Float32,
        Self::Float64,
        Self::Boolean,
    ];

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    /// The bytes of a value as Arrow lays it out; 0 for booleans, which have a bit.
    pub fn width(self) -> usize {
        match self {
            Self::Boolean => 0,
            Self::Int8 | Self::UInt8 => 1,
            Self::Int16 | Self::UInt16 => 2,
            Self::Int32 | Self::UInt32 | Self::Float32 => 4,
            Self::Int64 | Self::UInt64 | Self::Float64 => 8,
        }
    }

    /// Whether values are floats.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }
}
