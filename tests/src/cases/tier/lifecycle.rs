//! Closing.

use std::sync::Arc;

use futures::StreamExt;
use tsds_traits::{Aggregate, AggregatePlan, AggregateRequest, ErrorKind, Function};

use super::bench::{TierBench, collect, plain_scan, sensor_segments, store_all, stored_segment, with_tier};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::claims::Claim;
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_error};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [] closing_twice_succeeds,
        [] after_closing_every_call_gives_closed,
        [] a_scan_that_is_open_when_the_tier_closes_ends,
    ]
}

fn closing_twice_succeeds(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        store_all(&tier, &sensor_segments(1, 20)?).await?;
        let (first, second) = futures::join!(tier.close(), tier.close());
        first?;
        second?;
        Ok(tier.close().await?)
    })
}

fn after_closing_every_call_gives_closed(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 20)?;
        let handles = store_all(&tier, &segments[..1]).await?;
        tier.close().await?;
        let closed = ErrorKind::Closed;
        ensure_error(tier.put(Arc::new(segments[1].source()?)).await, closed, "put after closing")?;
        ensure_error(tier.put(Arc::new(segments[0].source()?)).await, closed, "put again after closing")?;
        ensure_error(tier.list().await, closed, "list after closing")?;
        ensure_error(tier.remove(&[stored_segment(&handles[0])]).await, closed, "remove after closing")?;
        let (batches, error) = collect(&tier, plain_scan(&segments[0].schema, &handles)).await;
        ensure(batches.is_empty(), || "a scan after closing gives rows".into())?;
        ensure_error(error.map_or(Ok(()), Err), closed, "scan after closing")?;
        if bench.claims.has(Claim::Aggregate) {
            let aggregates = vec![Aggregate { function: Function::Count, column: None }];
            let request = AggregateRequest::new(
                segments[0].schema.clone(),
                handles,
                AggregatePlan { group_by: vec![], bucket: None, aggregates },
            );
            let first = tier.clone().aggregate(request).next().await;
            ensure_error(
                first.unwrap_or(Ok(arrow_array::RecordBatch::new_empty(segments[0].schema.arrow().clone()))),
                closed,
                "aggregate after closing",
            )?;
        }
        // These answer still.
        let _ = (tier.name(), tier.capabilities(), tier.usage());
        Ok(())
    })
}

fn a_scan_that_is_open_when_the_tier_closes_ends(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 100)?;
        let handles = store_all(&tier, &segments).await?;
        let request =
            tsds_traits::ScanRequest { batch_rows: 10, ..plain_scan(&segments[0].schema, &handles) };
        let mut stream = tier.clone().scan(request);
        ensure(stream.next().await.is_some(), || "a scan ends too early".into())?;
        tier.close().await?;
        let mut rows = 10;
        let mut failed = false;
        while let Some(item) = stream.next().await {
            match item {
                Ok(batch) => rows += batch.rows.num_rows(),
                Err(_) => failed = true,
            }
        }
        ensure(failed || rows == 200, || format!("{rows} of 200 rows came without an error"))
    })
}
