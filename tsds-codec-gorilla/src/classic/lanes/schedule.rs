//! Which rows a lane has, and which words of the shared array.

use std::ops::Range;

/// Rows divided among lanes: each has a run of neighbouring rows, of the same length but that the first `longer` lanes have one
/// more.
#[derive(Clone, Copy)]
pub(in crate::classic) struct Division {
    /// Rows that every lane has.
    pub(super) each: usize,
    /// Lanes that have one row more.
    pub(super) longer: usize,
}

impl Division {
    pub(super) fn new(rows: usize, lanes: usize) -> Self {
        Self { each: rows / lanes, longer: rows % lanes }
    }

    /// Rows of the longest lane: steps in which all are decoded.
    pub(super) fn steps(self) -> usize {
        self.each + usize::from(self.longer > 0)
    }

    /// The first of a lane's rows.
    pub(super) fn start(self, lane: usize) -> usize {
        lane * self.each + lane.min(self.longer)
    }

    pub(super) fn rows(self, lane: usize) -> Range<usize> {
        self.start(lane)..self.start(lane + 1)
    }
}

/// Words that a lane has before the first step. It always has as many, as it takes one whenever it comes to the next.
pub(super) const AHEAD: usize = 3;

/// Until when a lane takes words from the array; after that it has zeros. Lanes end in zeros sooner or later, since words are
/// taken ahead: those are not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supply {
    /// Never, not even before the first step.
    None,
    /// Before the first step, and in the first so many.
    Steps(usize),
}

impl Supply {
    /// As the head of a block has it: how many steps before the end it ceases, or one more than there are.
    pub(super) fn to_idle_steps(self, steps: usize) -> usize {
        match self {
            Self::None => steps + 1,
            Self::Steps(supplied) => steps - supplied,
        }
    }

    /// From what the head of a block has.
    pub(super) fn from_idle_steps(idle: u64, steps: usize) -> Option<Self> {
        let idle = usize::try_from(idle).ok()?;
        match steps.checked_sub(idle) {
            Some(supplied) => Some(Self::Steps(supplied)),
            None if idle == steps + 1 => Some(Self::None),
            None => None,
        }
    }

    /// Whether words are taken at all.
    pub(super) fn is_there(self) -> bool {
        self != Self::None
    }

    /// Steps in which words are taken.
    pub(super) fn steps(self) -> usize {
        match self {
            Self::None => 0,
            Self::Steps(supplied) => supplied,
        }
    }
}
