//! What a power cut leaves of one file.

use std::sync::Arc;

use super::content::Content;
use super::pages::{PAGE, Page, Pages, SECTOR, SECTORS_PER_PAGE};
use crate::sim::Survival;
use crate::sim::random::SeededNumbers;

/// What stands where space was given to a file but its bytes never arrived.
enum Filler {
    Zeros,
    Garbage,
    /// Bytes of some other file: the most plausible kind of garbage.
    Foreign(Arc<Page>),
}

impl Filler {
    fn choose(numbers: &mut SeededNumbers, foreign: Option<&Arc<Page>>) -> Self {
        match (numbers.below(4), foreign) {
            (0, _) => Self::Garbage,
            (1, Some(page)) => Self::Foreign(Arc::clone(page)),
            _ => Self::Zeros,
        }
    }
}

/// Where the file grew, and with what.
struct Growth {
    old_len: u64,
    filler: Filler,
}

/// Which of the unsynced units (sectors, or whole pages on a device that writes those atomically) reached the disk.
enum Pattern {
    Nothing,
    Everything,
    Half,
    /// Those that come first in the file.
    First(u64),
    AllBut(u64),
    Only(u64),
}

impl Pattern {
    fn choose(numbers: &mut SeededNumbers, units: u64) -> Self {
        match numbers.below(8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 | 3 => Self::First(numbers.below(units + 1)),
            4 => Self::AllBut(numbers.below(units)),
            5 => Self::Only(numbers.below(units)),
            _ => Self::Half,
        }
    }

    fn survives(&self, unit: u64, numbers: &mut SeededNumbers) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Half => numbers.one_in(2),
            Self::First(count) => unit < *count,
            Self::AllBut(missing) => unit != *missing,
            Self::Only(one) => unit == *one,
        }
    }
}

impl Content {
    /// The file after a power cut: all that was synced, and of the rest what `survival` and the numbers say.
    pub(crate) fn after_power_cut(
        &self,
        survival: Survival,
        numbers: &mut SeededNumbers,
        foreign: Option<&Arc<Page>>,
    ) -> Self {
        let (len, truncated) = self.surviving_len(survival, numbers);
        let mut pages = self.disk.clone();
        let mut old_len = self.disk_len;
        if truncated && self.shortest < old_len {
            pages.cut(self.shortest);
            old_len = self.shortest;
        }
        if !self.dirty.is_empty() && survival != Survival::Nothing {
            self.apply_dirty(&mut pages, old_len, survival, numbers, foreign);
        }
        pages.cut(len);
        Self::clean(pages, len, self.reserved.min(len.div_ceil(PAGE)))
    }

    /// The length that is left, and whether an unsynced cut of the file survived.
    fn surviving_len(&self, survival: Survival, numbers: &mut SeededNumbers) -> (u64, bool) {
        match survival {
            Survival::Nothing => (self.disk_len, false),
            Survival::Everything => (self.len, true),
            Survival::Random if self.lengths.is_empty() => (self.disk_len, false),
            Survival::Random => match numbers.below(4) {
                0 => (self.disk_len, false),
                1 => (self.len, true),
                2 => (self.lengths[numbers.index(self.lengths.len())], true),
                // Write-back extends a file piece by piece.
                _ => {
                    let sectors = self.len.saturating_sub(self.disk_len) / SECTOR;
                    let between = self.disk_len + numbers.below(sectors + 1) * SECTOR;
                    (between.min(self.len).max(self.shortest), true)
                }
            },
        }
    }

    fn apply_dirty(
        &self,
        pages: &mut Pages,
        old_len: u64,
        survival: Survival,
        numbers: &mut SeededNumbers,
        foreign: Option<&Arc<Page>>,
    ) {
        let whole_pages = numbers.one_in(2);
        let units: u64 = if whole_pages {
            self.dirty.len() as u64
        } else {
            self.dirty.values().map(|mask| u64::from(mask.count_ones())).sum()
        };
        let pattern = match survival {
            Survival::Everything => Pattern::Everything,
            Survival::Nothing => Pattern::Nothing,
            Survival::Random => Pattern::choose(numbers, units),
        };
        let growth = Growth { old_len, filler: Filler::choose(numbers, foreign) };
        let mut unit = 0;
        for (&number, &mask) in &self.dirty {
            let mut survivors = 0_u8;
            if whole_pages {
                survivors = if pattern.survives(unit, numbers) { mask } else { 0 };
                unit += 1;
            } else {
                for sector in (0..SECTORS_PER_PAGE).filter(|sector| mask & 1 << sector != 0) {
                    survivors |= u8::from(pattern.survives(unit, numbers)) << sector;
                    unit += 1;
                }
            }
            if survivors == u8::MAX {
                pages.copy_from(&self.cache, number);
            } else {
                self.merge_page(pages, number, mask, survivors, &growth, numbers);
            }
        }
    }

    fn merge_page(
        &self,
        pages: &mut Pages,
        number: u64,
        mask: u8,
        survivors: u8,
        growth: &Growth,
        numbers: &mut SeededNumbers,
    ) {
        let earlier = self.earlier.get(&number).filter(|_| numbers.one_in(2));
        for sector in (0..SECTORS_PER_PAGE).filter(|sector| mask & 1 << sector != 0) {
            let range = (sector * SECTOR) as usize..((sector + 1) * SECTOR) as usize;
            if survivors & 1 << sector != 0 {
                if let Some(new) = self.cache.get(number) {
                    pages.edit(number)[range.clone()].copy_from_slice(&new[range]);
                }
            } else if let Some(page) = earlier {
                pages.edit(number)[range.clone()].copy_from_slice(&page[range]);
            } else if number * PAGE + sector * SECTOR >= growth.old_len {
                match &growth.filler {
                    Filler::Zeros => {}
                    Filler::Garbage => numbers.fill(&mut pages.edit(number)[range]),
                    Filler::Foreign(page) => {
                        pages.edit(number)[range.clone()].copy_from_slice(&page[range]);
                    }
                }
            }
        }
    }
}
