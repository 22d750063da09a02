//! How much memory segments take, and may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tsds_traits::{Error, ErrorKind, Result};

/// Memory that segments share.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Option<u64>,
    /// What segments take, from the moment when their put sets it aside until the last reader lets go of them.
    held: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit, held: AtomicU64::new(0) }
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }
}

/// Memory that counts against the limit until dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Charge {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn grow(&mut self, more: u64) -> Result<()> {
        let budget = &self.budget;
        let fits =
            |held: u64| held.checked_add(more).filter(|sum| budget.limit.is_none_or(|limit| *sum <= limit));
        match budget.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits) {
            Ok(_) => {
                self.bytes += more;
                Ok(())
            }
            Err(held) => Err(Error::new(
                ErrorKind::NoSpace,
                "no memory left for another segment; evict some, or raise max_memory_mb",
            )
            .with("held_bytes", held)
            .with("needed_bytes", more)
            .with("limit_bytes", budget.limit.unwrap_or(u64::MAX))),
        }
    }

    /// # Errors
    ///
    /// `NoSpace` beyond the limit.
    pub(super) fn set(&mut self, bytes: u64) -> Result<()> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.grow(more),
            None => {
                self.budget.held.fetch_sub(self.bytes - bytes, Ordering::AcqRel);
                self.bytes = bytes;
                Ok(())
            }
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
