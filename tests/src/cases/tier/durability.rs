//! What survives closing, killing and power cuts.

use tsds_traits::SegmentHandle;

use super::bench::{
    TierBench, ensure_absent, ensure_readable, listed, open, sensor_segments, store, store_all,
    stored_segment,
};
use crate::case::{Case, Machine, cases};
use crate::data::segments::Segment;
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_eq};
use crate::{CaseResult, Failure};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [claims Power] what_was_stored_is_there_after_reopening,
        [claims Power] what_was_stored_survives_a_power_cut,
        [claims Power] what_was_removed_stays_removed_after_reopening,
        [claims Power, claims Disk] a_put_cut_short_by_a_power_cut_is_whole_or_absent,
        [lacks Process] a_volatile_tier_is_empty_after_reopening,
        [] a_tier_reopens_after_a_power_cut_at_any_moment,
    ]
}

/// Stores segments on a machine and closes the tier.
fn stored_on(bench: &TierBench, machine: &Machine, segments: &[Segment]) -> CaseResult<Vec<SegmentHandle>> {
    machine.run(async {
        let tier = open(bench, machine).await?;
        let handles = store_all(&tier, segments).await?;
        tier.close().await?;
        Ok(handles)
    })
}

fn what_was_stored_is_there_after_reopening(bench: &TierBench) -> CaseResult {
    let segments = sensor_segments(3, 50)?;
    let machine = bench.machine();
    let receipts = machine.run(async {
        let tier = open(bench, &machine).await?;
        let mut receipts = Vec::new();
        for segment in &segments {
            receipts.push(store(&tier, segment).await?);
        }
        tier.close().await?;
        Ok(receipts)
    })?;
    let machine = machine.kill();
    machine.run(async {
        let tier = open(bench, &machine).await?;
        let ids: Vec<_> = segments.iter().map(Segment::id).collect();
        ensure_eq(&listed(&tier).await?, &ids, "list after reopening")?;
        let handles: Vec<_> =
            segments.iter().zip(&receipts).map(|(segment, stored)| segment.handle(&stored.record)).collect();
        ensure_readable(&tier, &segments, &handles).await?;
        for (segment, stored) in segments.iter().zip(&receipts) {
            ensure_eq(&store(&tier, segment).await?, stored, "what putting again after reopening returns")?;
        }
        ensure_eq(&listed(&tier).await?, &ids, "list after putting again")
    })
}

fn what_was_stored_survives_a_power_cut(bench: &TierBench) -> CaseResult {
    for number in 0..8 {
        let segments = sensor_segments(2, 50)?;
        let machine = bench.machine_number(number);
        let handles = machine.run(async { store_all(&open(bench, &machine).await?, &segments).await })?;
        let machine = machine.crash();
        let outcome = machine.run(async {
            let tier = open(bench, &machine).await?;
            ensure_eq(&listed(&tier).await?.len(), &segments.len(), "segments listed after a power cut")?;
            ensure_readable(&tier, &segments, &handles).await
        });
        outcome.map_err(|failure: Failure| failure.during(format!("power cut number {number}")))?;
    }
    Ok(())
}

fn what_was_removed_stays_removed_after_reopening(bench: &TierBench) -> CaseResult {
    let segments = sensor_segments(2, 20)?;
    let machine = bench.machine();
    let handles = machine.run(async {
        let tier = open(bench, &machine).await?;
        let handles = store_all(&tier, &segments).await?;
        tier.remove(&[stored_segment(&handles[0])]).await?;
        tier.close().await?;
        Ok(handles)
    })?;
    let machine = machine.kill();
    machine.run(async {
        let tier = open(bench, &machine).await?;
        ensure_eq(&listed(&tier).await?, &vec![segments[1].id()], "list after reopening")?;
        ensure_absent(&tier, &segments[0], &handles[0].record).await?;
        ensure_readable(&tier, &segments[1..], &handles[1..]).await
    })
}

/// How many operations that change the disk it takes to open the tier, and to open it and put a segment.
fn operations_of_a_put(bench: &TierBench, segment: &Segment) -> CaseResult<(u64, u64)> {
    let machine = bench.machine();
    machine.run(async {
        let tier = open(bench, &machine).await?;
        let opened = machine.sim.operations();
        store(&tier, segment).await?;
        Ok((opened, machine.sim.operations()))
    })
}

/// Up to 40 moments among these operations, the first and the last among them.
fn moments(from: u64, to: u64) -> impl Iterator<Item = u64> {
    let step = ((to - from) / 40).max(1);
    (from..=to).filter(move |moment| (moment - from).is_multiple_of(step) || *moment == to)
}

fn a_put_cut_short_by_a_power_cut_is_whole_or_absent(bench: &TierBench) -> CaseResult {
    let segment = sensor_segments(1, 40)?.remove(0);
    let (opened, put) = operations_of_a_put(bench, &segment)?;
    ensure(put > opened, || "a put of a durable tier changes nothing on the disk".into())?;
    for moment in moments(opened + 1, put) {
        let machine = bench.machine();
        machine.sim.faults().crash_at_operation(moment);
        let stored = machine.sim.run_until_power_cut(async {
            let tier = open(bench, &machine).await?;
            store(&tier, &segment).await
        });
        let machine = machine.crash();
        let outcome = machine.run(async {
            let tier = open(bench, &machine).await?;
            let there = listed(&tier).await?;
            match (&stored, there.contains(&segment.id())) {
                (Some(Ok(stored)), present) => {
                    ensure(present, || "a put had returned, but its segment is gone".into())?;
                    let handle = segment.handle(&stored.record);
                    ensure_readable(&tier, std::slice::from_ref(&segment), &[handle]).await?;
                }
                (_, true) => {}
                (_, false) => ensure_absent(&tier, &segment, b"").await?,
            }
            let again = store(&tier, &segment).await?;
            ensure_eq(&listed(&tier).await?, &vec![segment.id()], "list after putting again")?;
            ensure_readable(&tier, std::slice::from_ref(&segment), &[segment.handle(&again.record)]).await
        });
        outcome.map_err(|failure: Failure| failure.during(format!("power cut at operation {moment}")))?;
    }
    Ok(())
}

fn a_volatile_tier_is_empty_after_reopening(bench: &TierBench) -> CaseResult {
    let segments = sensor_segments(2, 20)?;
    let machine = bench.machine();
    let handles = stored_on(bench, &machine, &segments)?;
    let machine = machine.kill();
    machine.run(async {
        let tier = open(bench, &machine).await?;
        ensure_eq(&listed(&tier).await?, &vec![], "list after reopening")?;
        ensure_eq(&tier.usage().segments, &0, "segments after reopening")?;
        for (segment, handle) in segments.iter().zip(&handles) {
            ensure_absent(&tier, segment, &handle.record).await?;
        }
        // It takes the same segments again.
        let handles = store_all(&tier, &segments).await?;
        ensure_readable(&tier, &segments, &handles).await
    })
}

fn a_tier_reopens_after_a_power_cut_at_any_moment(bench: &TierBench) -> CaseResult {
    let segments = sensor_segments(2, 20)?;
    let work = async |machine: &Machine| {
        let tier = open(bench, machine).await?;
        let handles = store_all(&tier, &segments).await?;
        tier.remove(&[stored_segment(&handles[0])]).await?;
        Ok(tier.close().await?)
    };
    let machine = bench.machine();
    machine.run(work(&machine))?;
    for moment in moments(1, machine.sim.operations().max(1)) {
        let machine = bench.machine();
        machine.sim.faults().crash_at_operation(moment);
        // By itself the work may fail as it likes.
        let _ = machine.sim.run_until_power_cut(work(&machine));
        let machine = machine.crash();
        let outcome = machine.run(async {
            let tier = open(bench, &machine).await?;
            for stored in tier.list().await? {
                tier.remove(&[stored]).await?;
            }
            let handle = segments[0].handle(&store(&tier, &segments[0]).await?.record);
            ensure_readable(&tier, &segments[..1], &[handle]).await
        });
        outcome.map_err(|failure: Failure| failure.during(format!("power cut at operation {moment}")))?;
    }
    Ok(())
}
