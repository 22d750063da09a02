//! One input: every tier is fed with it and asked, and the answers compared.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tsds_traits::{BuildContext, ErrorKind, Put, SegmentHandle, SegmentId, Tier, TierCapabilities};

use super::answer::{Answer, ask, ensure_same, ensure_same_across_cuts};
use super::input::Input;
use super::report::Tally;
use crate::case::Machine;
use crate::data::segments::Segment;
use crate::fixture::{TierFixture, build_context_in};
use crate::{CaseResult, Failure};

/// A tier with what it took.
struct Fed {
    id: String,
    tier: Arc<dyn Tier>,
    handles: Vec<SegmentHandle>,
}

/// Compares the answers of tiers, each open and empty in a directory of its own; the first one is right.
///
/// # Errors
///
/// A failure if an answer differs or breaks a contract.
pub(super) fn compare(fixtures: &[Arc<dyn TierFixture>], seed: u64, input: &Input) -> CaseResult<Tally> {
    let machine = Machine::new(seed);
    let cuts = input.cuts();
    machine.run(async {
        let mut fed = Vec::with_capacity(fixtures.len());
        for (number, fixture) in fixtures.iter().enumerate() {
            let directory = PathBuf::from(format!("/database/plugin-{number}"));
            let context = build_context_in(machine.sim.world(), directory);
            let of_tier = |failure: Failure| failure.during(fixture.id());
            fed.push(feed(&**fixture, context, &cuts).await.map_err(of_tier)?);
        }
        let tally = questions(&fed, input, &cuts).await?;
        for Fed { id, tier, .. } in &fed {
            tier.close().await.map_err(|error| Failure::from(error).during(format!("closing {id}")))?;
        }
        Ok(tally)
    })
}

async fn feed(fixture: &dyn TierFixture, context: BuildContext, cuts: &[Vec<Segment>]) -> CaseResult<Fed> {
    let tier = fixture.open(context).await?;
    let mut handles = Vec::new();
    for segment in cuts.iter().flatten() {
        match tier.put(Arc::new(segment.source()?)).await {
            Ok(Put::Stored(stored)) => handles.push(segment.handle(&stored.record)),
            Ok(Put::Declined(_)) => {}
            Err(error) if error.kind() == ErrorKind::NoSpace => {}
            Err(error) => return Err(Failure::from(error).during("putting a segment")),
        }
    }
    Ok(Fed { id: fixture.id(), tier, handles })
}

async fn questions(fed: &[Fed], input: &Input, all: &[Vec<Segment>; 2]) -> CaseResult<Tally> {
    let claimed = claimed_by_all(fed);
    let taken = taken_by_all(fed);
    let is_taken = |segment: &&Segment| taken.contains(&segment.id());
    let cuts = all.each_ref().map(|cut| cut.iter().filter(is_taken).map(Segment::id).collect::<Vec<_>>());
    let whole = all.iter().zip(&cuts).all(|(cut, taken)| cut.len() == taken.len());
    let mut tally = Tally { inputs: 1, ..Tally::default() };
    for query in &input.queries {
        let Some(query) = query.within(&claimed) else {
            tally.unclaimed += 1;
            continue;
        };
        let mut by_cut = Vec::with_capacity(cuts.len());
        for cut in &cuts {
            let mut expected: Option<Answer> = None;
            for one in fed {
                let during = |failure: Failure| failure.during(format!("{}, asked {query:?}", one.id));
                let handles = one.named(cut);
                let answer = ask(&one.tier, &input.schema, &handles, &query).await.map_err(during)?;
                match &expected {
                    None => expected = Some(answer),
                    Some(expected) => ensure_same(&answer, expected).map_err(during)?,
                }
            }
            if let Some(answer) = expected {
                tally.count(&answer);
                by_cut.push(answer);
            }
        }
        if let ([first, second], true) = (&by_cut[..], whole) {
            let during = |failure: Failure| failure.during(format!("all tiers, asked {query:?}"));
            ensure_same_across_cuts(&query, second, first).map_err(during)?;
        }
    }
    Ok(tally)
}

impl Fed {
    /// Segments as requests to this tier name them.
    fn named(&self, segments: &[SegmentId]) -> Vec<SegmentHandle> {
        let find = |id: &SegmentId| self.handles.iter().find(|handle| handle.meta.id == *id).cloned();
        segments.iter().filter_map(find).collect()
    }
}

fn taken_by_all(fed: &[Fed]) -> BTreeSet<SegmentId> {
    let taken =
        fed.iter().map(|one| one.handles.iter().map(|handle| handle.meta.id).collect::<BTreeSet<_>>());
    taken.reduce(|all, more| all.intersection(&more).copied().collect()).unwrap_or_default()
}

fn claimed_by_all(fed: &[Fed]) -> TierCapabilities {
    let all = |claims: fn(&TierCapabilities) -> bool| fed.iter().all(|one| claims(one.tier.capabilities()));
    TierCapabilities::new(tsds_traits::Durability::Volatile)
        .with_predicate(all(|tier| tier.predicate))
        .with_order(all(|tier| tier.order))
        .with_limit(all(|tier| tier.limit))
        .with_aggregate(all(|tier| tier.aggregate))
}

impl Tally {
    fn count(&mut self, answer: &Answer) {
        match answer {
            Answer::Rows(rows) => {
                self.scans += 1;
                self.rows += rows.len() as u64;
            }
            Answer::Groups(groups) => {
                self.aggregates += 1;
                self.groups += groups.len() as u64;
            }
            Answer::Refused(_) => self.refused += 1,
        }
    }
}
