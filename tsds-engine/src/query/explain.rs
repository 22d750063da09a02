//! What a query would read, for people and machines.

use std::fmt;

use serde::Serialize;

use super::plan::{Part, Plan};

/// What a query would read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explain {
    /// The table.
    pub table: String,
    /// The filter as it was understood.
    pub filter: Option<String>,
    /// The sort columns, each with its direction.
    pub order: Vec<String>,
    /// The most rows that are returned.
    pub limit: Option<u64>,
    /// Whether rows are grouped.
    pub aggregate: bool,
    /// Rows in memory, all of which are looked at.
    pub hot_rows: u64,
    /// What each tier reads. One whose segments were written under several schema versions comes once for each.
    pub tiers: Vec<ExplainTier>,
}

/// What one tier reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainTier {
    /// `warm` or `cold`.
    pub tier: &'static str,
    /// The plugin that reads.
    pub backend: Option<&'static str>,
    /// The device on which it runs; the host if none.
    pub device: Option<String>,
    /// Why it is not a device that reads, where there is one.
    pub reason: Option<String>,
    /// Segments that may have matching rows.
    pub segments: usize,
    /// Segments that cannot have any, by their statistics.
    pub pruned: usize,
    /// Rows of the segments that may match.
    pub rows: u64,
    /// Bytes of those segments at their home.
    pub bytes: u64,
    /// What the tier does itself: `filter`, `sort`, `limit`, `aggregate`.
    pub pushdown: Vec<&'static str>,
}

impl Plan {
    pub(super) fn explain(&self) -> Explain {
        let mut tiers: Vec<ExplainTier> = self
            .parts
            .iter()
            .map(|part| ExplainTier {
                tier: part.role.name(),
                backend: Some(part.tier.name()),
                device: part.tier.capabilities().device.clone(),
                reason: part.reason.clone(),
                segments: part.segments.len(),
                pruned: 0,
                rows: part.rows(),
                bytes: part.segments.iter().map(|(_, entry)| entry.bytes).sum(),
                pushdown: self.pushdown(part),
            })
            .collect();
        for (role, pruned) in &self.pruned {
            match tiers.iter_mut().find(|tier| tier.tier == role.name()) {
                Some(tier) => tier.pruned = *pruned,
                None => tiers.push(ExplainTier {
                    tier: role.name(),
                    backend: None,
                    device: None,
                    reason: None,
                    segments: 0,
                    pruned: *pruned,
                    rows: 0,
                    bytes: 0,
                    pushdown: Vec::new(),
                }),
            }
        }
        let order = self.order.iter().map(|key| {
            let column = self.schema.column(key.column).map_or("?", |column| column.name.as_str());
            format!("{column} {}", if key.descending { "descending" } else { "ascending" })
        });
        Explain {
            table: self.snapshot.table.record.name.clone(),
            filter: self.filter_text.clone(),
            order: order.collect(),
            limit: self.limit,
            aggregate: self.aggregate.is_some(),
            hot_rows: self.snapshot.memory.iter().map(|memory| memory.rows).sum(),
            tiers,
        }
    }

    fn pushdown(&self, part: &Part) -> Vec<&'static str> {
        let capabilities = part.tier.capabilities();
        let wanted = [
            (part.view.predicate.is_some() && capabilities.predicate, "filter"),
            (!part.view.order.is_empty() && capabilities.order, "sort"),
            (self.limit.is_some() && self.aggregate.is_none() && capabilities.limit, "limit"),
            (self.aggregate.is_some() && capabilities.aggregate, "aggregate"),
        ];
        wanted.into_iter().filter(|(done, _)| *done).map(|(_, what)| what).collect()
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", if self.aggregate { "aggregate" } else { "scan" }, self.table)?;
        if let Some(filter) = &self.filter {
            writeln!(f, "  filter: {filter}")?;
        }
        if !self.order.is_empty() {
            writeln!(f, "  sort:   {}", self.order.join(", "))?;
        }
        if let Some(limit) = self.limit {
            writeln!(f, "  limit:  {limit}")?;
        }
        writeln!(f, "  hot:    {} rows in memory", self.hot_rows)?;
        for tier in &self.tiers {
            let backend = tier.backend.unwrap_or("nothing to read");
            let device = tier.device.as_deref().map(|device| format!(" on {device}")).unwrap_or_default();
            let reason = tier.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            writeln!(
                f,
                "  {}:   {backend}{device}: {} segments, {} pruned, {} rows, {} bytes, pushdown: {}{reason}",
                tier.tier,
                tier.segments,
                tier.pruned,
                tier.rows,
                tier.bytes,
                if tier.pushdown.is_empty() { "none".to_owned() } else { tier.pushdown.join(", ") },
            )?;
        }
        Ok(())
    }
}
