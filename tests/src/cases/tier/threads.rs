//! All methods may be called concurrently: here by threads of the real world.

use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::join_all;
use tsds_traits::Tier;

use super::bench::{
    TierBench, ensure_readable, listed, put, sensor_segments, store, store_all, stored_segment,
};
use crate::case::{Case, RealMachine, cases};
use crate::data::segments::Segment;
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_eq};
use crate::{CaseResult, Failure};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![[] threads_that_put_scan_and_remove_do_not_disturb_each_other]
}

/// Puts, reads and removes segments of its own, and reads those of all.
async fn work(
    tier: Arc<dyn Tier>,
    own: Vec<Segment>,
    shared: Arc<(Vec<Segment>, Vec<tsds_traits::SegmentHandle>)>,
) -> CaseResult {
    for round in 0..4 {
        let handles = store_all(&tier, &own).await?;
        ensure_readable(&tier, &own, &handles).await?;
        ensure_readable(&tier, &shared.0, &shared.1).await?;
        // Everybody puts the same ones again, and nothing changes.
        let again = put(&tier, &shared.0[round % shared.0.len()]).await?;
        ensure(matches!(again, tsds_traits::Put::Stored(_)), || format!("putting again gives {again:?}"))?;
        tier.remove(&handles.iter().map(stored_segment).collect::<Vec<_>>()).await?;
    }
    Ok(())
}

fn threads_that_put_scan_and_remove_do_not_disturb_each_other(bench: &TierBench) -> CaseResult {
    let machine = RealMachine::new()?;
    machine.run(async {
        let tier = bench.fixture.open(machine.context()).await?;
        let segments = sensor_segments(20, 60)?;
        let (common, own) = segments.split_at(4);
        let mut handles = Vec::new();
        for segment in common {
            handles.push(segment.handle(&store(&tier, segment).await?.record));
        }
        let shared = Arc::new((common.to_vec(), handles));
        let mut waiting = Vec::new();
        for own in own.chunks(2) {
            let (sender, receiver) = oneshot::channel();
            let work = work(tier.clone(), own.to_vec(), shared.clone());
            machine.world().executor.spawn(Box::pin(async move {
                let _ = sender.send(work.await);
            }));
            waiting.push(receiver);
        }
        for outcome in join_all(waiting).await {
            outcome.map_err(|_| Failure::new("a task that called the tier panicked"))??;
        }
        let ids: Vec<_> = common.iter().map(Segment::id).collect();
        ensure_eq(&listed(&tier).await?, &ids, "list after all threads are done")?;
        ensure_readable(&tier, &shared.0, &shared.1).await?;
        Ok(tier.close().await?)
    })
}
