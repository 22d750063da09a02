//! `explain analyze`: what a query read, measured while it ran.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tsds_traits::ReadMeter;

use super::explain::Explain;
use super::plan::{Part, Plan};
use crate::core::lock;

/// What is measured of one part of a query. A query that nobody analyzes measures nothing.
#[derive(Debug, Default)]
pub(crate) struct Measuring {
    pub(crate) meter: ReadMeter,
    waited_nanos: AtomicU64,
    rows: AtomicU64,
    /// Why the tier could not answer, and another one did.
    failure: Mutex<Option<String>>,
}

impl Measuring {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { meter: ReadMeter::counting(), ..Self::default() })
    }

    /// Rows or states were given, and the reader waited so long for them.
    pub(crate) fn gave(&self, rows: u64, waited: Duration) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.waited_nanos.fetch_add(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, error: &tsds_traits::Error) {
        *lock(&self.failure) = Some(error.to_string());
    }
}

/// What a query would read, and what it read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    /// The plan.
    pub plan: Explain,
    /// Rows of the result.
    pub rows: u64,
    /// How long the whole query took.
    pub seconds: f64,
    /// Bytes that sorting wrote to disk.
    pub spilled_bytes: u64,
    /// What the tiers did, in the order of those parts of the plan that read something.
    pub tiers: Vec<MeasuredTier>,
}

/// What one tier did for a query. Tiers count as they see fit: what one does not count is zero.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasuredTier {
    /// `warm` or `cold`.
    pub tier: &'static str,
    /// The plugin.
    pub backend: &'static str,
    /// The device on which it runs; the host if none.
    pub device: Option<String>,
    /// How long the query waited for it. Tiers work at the same time: together they may have taken longer than the query.
    pub seconds: f64,
    /// Rows, or states of groups, that it gave.
    pub rows: u64,
    /// Segments of which more was read than what says where the rest is.
    pub segments_opened: u64,
    /// Segments that turned out to have no row that can match, besides those that were pruned before.
    pub segments_skipped: u64,
    /// Blocks or pages that were decoded or computed on.
    pub blocks_read: u64,
    /// Blocks or pages with no row that can match, or of which none was needed.
    pub blocks_skipped: u64,
    /// Bytes that were fetched from files, object stores or devices.
    pub bytes_read: u64,
    /// How often something was fetched.
    pub requests: u64,
    /// Why another tier answered in its place, if one did: what is measured is then of both.
    pub failure: Option<String>,
}

impl Plan {
    /// Measures from now on.
    pub(super) fn measure(&mut self) {
        for part in &mut self.parts {
            part.measuring = Some(Measuring::new());
        }
    }

    /// Gives what reads the measures when the query is through.
    pub(super) fn measures(&self) -> Measures {
        Measures { plan: self.explain(), spilled: Arc::clone(&self.spilled), parts: self.parts.clone() }
    }
}

/// Who measures.
pub(super) struct Measures {
    plan: Explain,
    spilled: Arc<AtomicU64>,
    parts: Vec<Part>,
}

impl Measures {
    pub(super) fn finish(self, rows: u64, took: Duration) -> Analysis {
        let tiers = self.parts.iter().filter_map(|part| {
            let measuring = part.measuring.as_ref()?;
            let counts = measuring.meter.counts();
            Some(MeasuredTier {
                tier: part.role.name(),
                backend: part.tier.name(),
                device: part.tier.capabilities().device.clone(),
                seconds: Duration::from_nanos(measuring.waited_nanos.load(Ordering::Relaxed)).as_secs_f64(),
                rows: measuring.rows.load(Ordering::Relaxed),
                segments_opened: counts.segments_opened,
                segments_skipped: counts.segments_skipped,
                blocks_read: counts.blocks_read,
                blocks_skipped: counts.blocks_skipped,
                bytes_read: counts.bytes_read,
                requests: counts.requests,
                failure: lock(&measuring.failure).clone(),
            })
        });
        Analysis {
            tiers: tiers.collect(),
            plan: self.plan,
            rows,
            seconds: took.as_secs_f64(),
            spilled_bytes: self.spilled.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.plan)?;
        writeln!(f, "measured: {} rows in {:.6} s", self.rows, self.seconds)?;
        for tier in &self.tiers {
            writeln!(
                f,
                "  {}:   {:.6} s for {} rows; segments: {} opened, {} skipped; blocks: {} read, {} skipped; {} bytes in {} reads",
                tier.tier,
                tier.seconds,
                tier.rows,
                tier.segments_opened,
                tier.segments_skipped,
                tier.blocks_read,
                tier.blocks_skipped,
                tier.bytes_read,
                tier.requests,
            )?;
            if let Some(failure) = &tier.failure {
                writeln!(f, "          answered by another tier: {failure}")?;
            }
        }
        if self.spilled_bytes > 0 {
            writeln!(f, "  sorted on disk: {} bytes", self.spilled_bytes)?;
        }
        Ok(())
    }
}
