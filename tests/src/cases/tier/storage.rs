//! Putting, listing, removing.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::future::{Either, select};
use tsds_traits::{ErrorKind, Put, SegmentMeta, StoredSegment, Tier};

use super::bench::{
    TierBench, ensure_absent, ensure_readable, listed, open, put, sensor_segments, store, store_all,
    stored_segment, with_tier,
};
use crate::case::{Case, cases};
use crate::data::segments::Segment;
use crate::data::{FailingSource, GatedSource};
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_eq, ensure_error};
use crate::{CaseResult, Failure};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [] a_stored_segment_is_listed_until_it_is_removed,
        [] list_ascends_whatever_the_order_of_puts,
        [] putting_a_segment_again_changes_nothing,
        [] removing_an_absent_segment_succeeds,
        [] what_list_gives_is_enough_to_remove,
        [] another_generation_is_another_segment,
        [] a_source_that_fails_leaves_nothing_behind,
        [] a_put_in_progress_shows_nothing,
        [] a_dropped_put_leaves_a_whole_segment_or_none,
        [] concurrent_puts_of_one_segment_act_as_one,
        [] concurrent_puts_of_different_segments_all_count,
        [] usage_counts_what_is_held,
        [claims SegmentLimit] a_segment_of_just_the_limit_is_not_declined,
        [claims SegmentLimit] a_segment_beyond_the_limit_is_declined_and_leaves_no_trace,
    ]
}

fn a_stored_segment_is_listed_until_it_is_removed(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        ensure_eq(&listed(&tier).await?, &vec![], "list of an empty tier")?;
        let segments = sensor_segments(3, 20)?;
        let handles = store_all(&tier, &segments).await?;
        let ids: Vec<_> = segments.iter().map(Segment::id).collect();
        ensure_eq(&listed(&tier).await?, &ids, "list after three puts")?;
        tier.remove(&[stored_segment(&handles[1])]).await?;
        ensure_eq(&listed(&tier).await?, &vec![ids[0], ids[2]], "list after a removal")?;
        ensure_absent(&tier, &segments[1], &handles[1].record).await?;
        let kept = [segments[0].clone(), segments[2].clone()];
        ensure_readable(&tier, &kept, &[handles[0].clone(), handles[2].clone()]).await?;
        tier.remove(&[stored_segment(&handles[0]), stored_segment(&handles[2])]).await?;
        ensure_eq(&listed(&tier).await?, &vec![], "list after all was removed")
    })
}

fn list_ascends_whatever_the_order_of_puts(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(4, 5)?;
        for index in [2, 0, 3, 1] {
            store(&tier, &segments[index]).await?;
        }
        let ids: Vec<_> = segments.iter().map(Segment::id).collect();
        ensure_eq(&listed(&tier).await?, &ids, "list")
    })
}

fn putting_a_segment_again_changes_nothing(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(1, 50)?;
        let first = store(&tier, &segments[0]).await?;
        let usage = tier.usage();
        let again = store(&tier, &segments[0]).await?;
        ensure_eq(&again, &first, "what putting a stored segment again returns")?;
        ensure_eq(&tier.usage(), &usage, "usage after putting a stored segment again")?;
        ensure_eq(&listed(&tier).await?, &vec![segments[0].id()], "list")?;
        ensure_readable(&tier, &segments, &[segments[0].handle(&first.record)]).await
    })
}

fn removing_an_absent_segment_succeeds(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 5)?;
        let handles = store_all(&tier, &segments).await?;
        tier.remove(&[]).await?;
        tier.remove(&[stored_segment(&handles[0])]).await?;
        tier.remove(&[stored_segment(&handles[0])]).await?;
        // Absent and present ones in one call, and one that was never there.
        let never = StoredSegment { id: tsds_traits::SegmentId::new(99), record: bytes::Bytes::new() };
        tier.remove(&[never, stored_segment(&handles[0]), stored_segment(&handles[1])]).await?;
        ensure_eq(&listed(&tier).await?, &vec![], "list")
    })
}

fn what_list_gives_is_enough_to_remove(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(3, 5)?;
        let handles = store_all(&tier, &segments).await?;
        let all = tier.list().await?;
        tier.remove(&all).await?;
        ensure_eq(&listed(&tier).await?, &vec![], "list after removing what it gave")?;
        ensure_absent(&tier, &segments[0], &handles[0].record).await
    })
}

fn another_generation_is_another_segment(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let first = sensor_segments(1, 30)?.remove(0);
        let second = first.clone().with_generation(1);
        let handles = store_all(&tier, &[first.clone(), second.clone()]).await?;
        ensure_eq(&listed(&tier).await?, &vec![first.id(), second.id()], "list of two generations")?;
        tier.remove(&[stored_segment(&handles[0])]).await?;
        ensure_absent(&tier, &first, &handles[0].record).await?;
        ensure_readable(&tier, &[second], &handles[1..]).await
    })
}

fn a_source_that_fails_leaves_nothing_behind(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segment = sensor_segments(1, 40)?.remove(0).with_layout(Default::default(), 10);
        let before = tier.usage();
        for after_batches in 0..=4 {
            let source = FailingSource::new(segment.source()?, after_batches, ErrorKind::Corrupt);
            let result = tier.put(Arc::new(source)).await;
            ensure(result.is_err(), || format!("put succeeds though its source failed: {result:?}"))?;
            ensure_eq(&listed(&tier).await?, &vec![], "list after a put that failed")?;
            ensure_eq(&tier.usage(), &before, "usage after a put that failed")?;
            ensure_absent(&tier, &segment, b"").await?;
        }
        let stored = store(&tier, &segment).await?;
        ensure_readable(&tier, std::slice::from_ref(&segment), &[segment.handle(&stored.record)]).await
    })
}

fn a_put_in_progress_shows_nothing(bench: &TierBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let tier = open(bench, &machine).await?;
        let segment = sensor_segments(1, 40)?.remove(0).with_layout(Default::default(), 10);
        let (source, reached, gate) = GatedSource::new(segment.source()?);
        let look = async {
            reached.await.map_err(|_| Failure::new("put does not read its source"))?;
            // A tier may make others wait until the put is done: then there is nothing to see, and the gate opens.
            let seen = pin!(async {
                ensure_eq(&listed(&tier).await?, &vec![], "list during a put")?;
                ensure_absent(&tier, &segment, b"").await
            });
            let waited = machine.sim.world().clock.sleep(Duration::from_secs(1));
            let outcome = match select(seen, waited).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => Ok(()),
            };
            drop(gate);
            outcome
        };
        let (put, look) = futures::join!(tier.put(Arc::new(source)), look);
        look?;
        ensure(matches!(put, Ok(Put::Stored(_))), || format!("put of a slow source gives {put:?}"))?;
        ensure_eq(&listed(&tier).await?, &vec![segment.id()], "list after the put")
    })
}

/// Polls a put `polls` times and drops it. Whether it was done before that.
async fn put_with_patience(tier: &Arc<dyn Tier>, segment: &Segment, polls: usize) -> CaseResult<bool> {
    let mut put = pin!(tier.put(Arc::new(segment.source()?)));
    let mut left = polls;
    let result = poll_fn(|context| match left.checked_sub(1) {
        None => Poll::Ready(None),
        Some(fewer) => {
            left = fewer;
            match put.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => {
                    // Whatever the put waits for, it gets no more than its number of polls.
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }
    });
    match result.await {
        None => Ok(false),
        Some(result) => result.map(|_| true).map_err(Into::into),
    }
}

fn a_dropped_put_leaves_a_whole_segment_or_none(bench: &TierBench) -> CaseResult {
    for polls in 0..60 {
        let machine = bench.machine_number(polls as u64);
        let done = machine.run(async {
            let tier = open(bench, &machine).await?;
            let segment = sensor_segments(1, 60)?.remove(0).with_layout(Default::default(), 7);
            let done = put_with_patience(&tier, &segment, polls).await?;
            // Without its receipt nobody reads a segment. Put again, whatever became of the first one, it is whole.
            let stored = store(&tier, &segment).await?;
            ensure_eq(&listed(&tier).await?, &vec![segment.id()], "list after the second put")?;
            ensure_eq(&tier.usage().segments, &1, "segments after the second put")?;
            ensure_readable(&tier, std::slice::from_ref(&segment), &[segment.handle(&stored.record)]).await?;
            Ok(done)
        });
        if done.map_err(|failure| failure.during(format!("put dropped after {polls} polls")))? && polls > 1 {
            return Ok(());
        }
    }
    Ok(())
}

fn concurrent_puts_of_one_segment_act_as_one(bench: &TierBench) -> CaseResult {
    for number in 0..8 {
        let machine = bench.machine_number(number);
        machine.run(async {
            let tier = open(bench, &machine).await?;
            let segment = sensor_segments(1, 60)?.remove(0).with_layout(Default::default(), 7);
            let puts = futures::future::join_all((0..4).map(|_| put(&tier, &segment))).await;
            let first = store(&tier, &segment).await?;
            for put in puts {
                ensure_eq(&put?, &Put::Stored(first.clone()), "what concurrent puts of one segment return")?;
            }
            ensure_eq(&listed(&tier).await?, &vec![segment.id()], "list")?;
            ensure_eq(&tier.usage().rows, &60, "rows held")?;
            ensure_readable(&tier, std::slice::from_ref(&segment), &[segment.handle(&first.record)]).await
        })?;
    }
    Ok(())
}

fn concurrent_puts_of_different_segments_all_count(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(6, 40)?;
        let puts = futures::future::join_all(segments.iter().map(|segment| store(&tier, segment))).await;
        let mut handles = Vec::new();
        for (segment, stored) in segments.iter().zip(puts) {
            handles.push(segment.handle(&stored?.record));
        }
        ensure_eq(&listed(&tier).await?.len(), &segments.len(), "segments listed")?;
        ensure_readable(&tier, &segments, &handles).await
    })
}

fn usage_counts_what_is_held(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let empty = tier.usage();
        ensure_eq(&(empty.segments, empty.rows), &(0, 0), "segments and rows of an empty tier")?;
        let segments = sensor_segments(3, 30)?;
        let handles = store_all(&tier, &segments).await?;
        let full = tier.usage();
        ensure_eq(&(full.segments, full.rows), &(3, 90), "segments and rows after three puts")?;
        ensure(full.bytes > empty.bytes, || format!("three segments take no bytes: {full}"))?;
        tier.remove(&[stored_segment(&handles[0])]).await?;
        let less = tier.usage();
        ensure_eq(&(less.segments, less.rows), &(2, 60), "segments and rows after a removal")?;
        ensure(less.bytes < full.bytes, || format!("a removal frees nothing: {full} before, {less} after"))
    })
}

fn a_segment_of_just_the_limit_is_not_declined(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let limit = tier.capabilities().max_segment_bytes.unwrap_or(u64::MAX);
        let mut segment = sensor_segments(1, 10)?.remove(0);
        segment.meta = Arc::new(SegmentMeta { plain_bytes: limit, ..(*segment.meta).clone() });
        // There may be no room for it beside what the tier needs itself.
        match tier.put(Arc::new(segment.source()?)).await {
            Ok(Put::Declined(why)) => ensure(false, || format!("a segment of the limit was declined: {why}")),
            Ok(Put::Stored(_)) => Ok(()),
            Err(error) => ensure_error::<()>(Err(error), ErrorKind::NoSpace, "put of a segment of the limit"),
        }
    })
}

fn a_segment_beyond_the_limit_is_declined_and_leaves_no_trace(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let limit = tier.capabilities().max_segment_bytes.unwrap_or(u64::MAX);
        let mut segment = sensor_segments(1, 10)?.remove(0);
        let meta = SegmentMeta { plain_bytes: limit.saturating_add(1), ..(*segment.meta).clone() };
        segment.meta = Arc::new(meta);
        match put(&tier, &segment).await? {
            Put::Declined(why) => ensure(!why.is_empty(), || "declined without a reason".into())?,
            Put::Stored(stored) => {
                ensure(false, || format!("a segment beyond the limit was stored: {stored:?}"))?
            }
        }
        ensure_eq(&listed(&tier).await?, &vec![], "list after a segment was declined")?;
        ensure_eq(&tier.usage().segments, &0, "segments after one was declined")?;
        ensure_absent(&tier, &segment, b"").await
    })
}
