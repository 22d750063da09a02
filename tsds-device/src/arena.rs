//! Where the columns of segments lie: slabs of device memory, reserved one after the other up to a limit.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tsds_traits::{Error, ErrorKind, Result};

use crate::device::Device;

/// Extents begin at and are multiples of so many bytes: what every device accepts as the beginning of an array.
pub(crate) const ALIGNMENT: u64 = 256;

/// Slabs of one size. A slab that was reserved stays reserved.
#[derive(Debug)]
pub(crate) struct Arena<D: Device> {
    device: Arc<D>,
    slab_bytes: u64,
    max_slabs: usize,
    slabs: Mutex<Vec<Slab<D::Buffer>>>,
    /// Held while a slab is reserved, so that only one is at a time.
    growing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Slab<B> {
    buffer: Arc<B>,
    free: FreeList,
}

/// Some memory of a slab, given back when dropped.
#[derive(Debug)]
pub(crate) struct Extent<D: Device> {
    arena: Arc<Arena<D>>,
    slab: usize,
    buffer: Arc<D::Buffer>,
    at: u64,
    bytes: u64,
}

impl<D: Device> Arena<D> {
    /// At most `max_slabs` slabs of `slab_bytes`; nothing is reserved yet.
    pub(crate) fn new(device: Arc<D>, slab_bytes: u64, max_slabs: usize) -> Arc<Self> {
        let slab_bytes = slab_bytes / ALIGNMENT * ALIGNMENT;
        let growing = tokio::sync::Mutex::new(());
        Arc::new(Self { device, slab_bytes, max_slabs, slabs: Mutex::default(), growing })
    }

    /// How much memory one extent can have.
    pub(crate) fn slab_bytes(&self) -> u64 {
        self.slab_bytes
    }

    /// How much memory all slabs can have.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.slab_bytes.saturating_mul(self.max_slabs as u64)
    }

    /// The room that there is where nothing is.
    pub(crate) fn room(&self) -> Room {
        Room { slab_bytes: self.slab_bytes, left: Vec::new(), max_slabs: self.max_slabs }
    }

    /// How much memory is reserved on the device.
    pub(crate) fn reserved_bytes(&self) -> u64 {
        self.slabs().len() as u64 * self.slab_bytes
    }

    /// Takes memory, whose contents are not defined.
    ///
    /// # Errors
    ///
    /// `NoSpace` if no slab has so much in one piece and there can be no further one; `DeviceLost`.
    pub(crate) async fn take(self: &Arc<Self>, bytes: u64) -> Result<Extent<D>> {
        let bytes = bytes.max(1).next_multiple_of(ALIGNMENT);
        if let Some(extent) = self.take_from_slabs(bytes) {
            return Ok(extent);
        }
        let _growing = self.growing.lock().await;
        // Somebody else may have reserved a slab meanwhile, or given something back.
        if let Some(extent) = self.take_from_slabs(bytes) {
            return Ok(extent);
        }
        let reserved = self.slabs().len();
        if bytes <= self.slab_bytes && reserved < self.max_slabs {
            let buffer = self.device.allocate(self.slab_bytes).await?;
            self.slabs().push(Slab { buffer: Arc::new(buffer), free: FreeList::new(self.slab_bytes) });
        }
        self.take_from_slabs(bytes).ok_or_else(|| {
            Error::new(
                ErrorKind::NoSpace,
                "no device memory left in one piece; evict some, or raise max_memory_mb",
            )
            .with("needed_bytes", bytes)
            .with("slabs", reserved)
            .with("slab_bytes", self.slab_bytes)
        })
    }

    /// Lets go of all slabs; those in which somebody still reads go with the last reader.
    pub(crate) fn close(&self) {
        let slabs = std::mem::take(&mut *self.slabs());
        drop(slabs);
    }

    fn take_from_slabs(self: &Arc<Self>, bytes: u64) -> Option<Extent<D>> {
        let mut slabs = self.slabs();
        let (slab, at, buffer) = slabs
            .iter_mut()
            .enumerate()
            .find_map(|(index, slab)| Some((index, slab.free.take(bytes)?, Arc::clone(&slab.buffer))))?;
        Some(Extent { arena: Arc::clone(self), slab, buffer, at, bytes })
    }

    fn slabs(&self) -> MutexGuard<'_, Vec<Slab<D::Buffer>>> {
        self.slabs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Device> Extent<D> {
    /// Which slab it is in.
    pub(crate) fn slab(&self) -> usize {
        self.slab
    }

    /// The slab.
    pub(crate) fn buffer(&self) -> &Arc<D::Buffer> {
        &self.buffer
    }

    /// Where it begins in the slab.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<D: Device> Drop for Extent<D> {
    fn drop(&mut self) {
        if let Some(slab) = self.arena.slabs().get_mut(self.slab) {
            slab.free.give_back(self.at, self.bytes);
        }
    }
}

/// What is left of an arena into which only one segment is put.
#[derive(Debug)]
pub(crate) struct Room {
    slab_bytes: u64,
    /// Of each slab, at its end.
    left: Vec<u64>,
    max_slabs: usize,
}

impl Room {
    /// Takes memory as [`Arena::take`] does; whether there was so much.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        let bytes = bytes.max(1).next_multiple_of(ALIGNMENT);
        if let Some(left) = self.left.iter_mut().find(|left| **left >= bytes) {
            *left -= bytes;
            return true;
        }
        let is_free = bytes <= self.slab_bytes && self.left.len() < self.max_slabs;
        self.left.extend(is_free.then(|| self.slab_bytes - bytes));
        is_free
    }
}

/// What of a slab nobody has: offsets and lengths, disjoint and never adjacent.
#[derive(Debug)]
struct FreeList {
    gaps: BTreeMap<u64, u64>,
}

impl FreeList {
    fn new(bytes: u64) -> Self {
        Self { gaps: BTreeMap::from([(0, bytes)]) }
    }

    /// The beginning of the smallest gap that is large enough.
    fn take(&mut self, bytes: u64) -> Option<u64> {
        let fitting = self.gaps.iter().filter(|(_, gap)| **gap >= bytes);
        let (at, gap) = fitting.min_by_key(|(_, gap)| **gap).map(|(at, gap)| (*at, *gap))?;
        self.gaps.remove(&at);
        if gap > bytes {
            self.gaps.insert(at + bytes, gap - bytes);
        }
        Some(at)
    }

    fn give_back(&mut self, at: u64, bytes: u64) {
        let (mut start, mut end) = (at, at + bytes);
        if let Some((before, gap)) = self.gaps.range(..at).next_back().map(|(before, gap)| (*before, *gap))
            && before + gap == at
        {
            self.gaps.remove(&before);
            start = before;
        }
        if let Some(gap) = self.gaps.remove(&end) {
            end += gap;
        }
        self.gaps.insert(start, end - start);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn extents_never_overlap_and_come_back_whole(
            steps in prop::collection::vec((1u64..40, any::<prop::sample::Index>(), any::<bool>()), 0..200)
        ) {
            let mut list = FreeList::new(256);
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (bytes, which, give_back) in steps {
                if give_back && !taken.is_empty() {
                    let (at, bytes) = taken.swap_remove(which.index(taken.len()));
                    list.give_back(at, bytes);
                } else if let Some(at) = list.take(bytes) {
                    prop_assert!(at + bytes <= 256);
                    prop_assert!(taken.iter().all(|(other, len)| at + bytes <= *other || other + len <= at));
                    taken.push((at, bytes));
                }
                let free: u64 = list.gaps.values().sum();
                prop_assert_eq!(free + taken.iter().map(|(_, bytes)| bytes).sum::<u64>(), 256);
            }
            taken.into_iter().for_each(|(at, bytes)| list.give_back(at, bytes));
            prop_assert_eq!(list.gaps, BTreeMap::from([(0, 256)]));
        }
    }
}
