//! What a tier does not claim, it refuses, and is none the worse for it.

use std::sync::Arc;

use futures::StreamExt;
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ErrorKind, Function, Predicate, ScanRequest, SortKey, Tier,
};

use super::bench::{TierBench, ensure_readable, plain_scan, sensor_segments, store_all, with_tier};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_eq, ensure_error, ensure_goes_by};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [lacks Predicate] a_predicate_that_is_not_claimed_is_unsupported,
        [lacks Order] an_order_that_is_not_claimed_is_unsupported,
        [lacks Limit] a_limit_that_is_not_claimed_is_unsupported,
        [lacks Aggregate] an_aggregate_that_is_not_claimed_is_unsupported,
        [claims Aggregate, lacks Predicate] a_predicate_on_an_aggregate_that_is_not_claimed_is_unsupported,
        [] it_goes_by_its_plugin_id,
        [] name_and_capabilities_stay,
    ]
}

/// Fails unless the stream's first and only item is `Unsupported`.
async fn ensure_refused<T: std::fmt::Debug>(
    mut stream: futures::stream::BoxStream<'static, tsds_traits::Result<T>>,
    what: &str,
) -> CaseResult {
    match stream.next().await {
        Some(item) => ensure_error(item, ErrorKind::Unsupported, what)?,
        None => ensure(false, || format!("{what}: the stream ends without an item"))?,
    }
    let after = stream.next().await;
    ensure(after.is_none(), || format!("{what}: the stream goes on after its error: {after:?}"))
}

/// Asks for more than is claimed, and then for what every tier does.
fn refused_scan(bench: &TierBench, what: &str, beyond: impl Fn(ScanRequest) -> ScanRequest) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 20)?;
        let handles = store_all(&tier, &segments).await?;
        let before = tier.usage();
        let request = beyond(plain_scan(&segments[0].schema, &handles));
        ensure_refused(tier.clone().scan(request), what).await?;
        ensure_eq(&tier.usage(), &before, "usage after a refused request")?;
        ensure_readable(&tier, &segments, &handles).await
    })
}

fn a_predicate_that_is_not_claimed_is_unsupported(bench: &TierBench) -> CaseResult {
    refused_scan(bench, "a scan with a predicate", |request| {
        let predicate = Some(Predicate::IsNull(request.projection[0]));
        ScanRequest { predicate, ..request }
    })
}

fn an_order_that_is_not_claimed_is_unsupported(bench: &TierBench) -> CaseResult {
    refused_scan(bench, "a scan with an order", |request| {
        let key = SortKey { column: request.projection[0], descending: true, nulls_first: false };
        ScanRequest { order: vec![key], ..request }
    })
}

fn a_limit_that_is_not_claimed_is_unsupported(bench: &TierBench) -> CaseResult {
    refused_scan(bench, "a scan with a limit", |request| ScanRequest { limit: Some(3), ..request })
}

async fn refused_aggregate(tier: &Arc<dyn Tier>, predicate: Option<Predicate>) -> CaseResult {
    let segments = sensor_segments(2, 20)?;
    let handles = store_all(tier, &segments).await?;
    let aggregates = vec![Aggregate { function: Function::Count, column: None }];
    let request = AggregateRequest {
        predicate,
        ..AggregateRequest::new(
            segments[0].schema.clone(),
            handles.clone(),
            AggregatePlan { group_by: vec![], bucket: None, aggregates },
        )
    };
    ensure_refused(tier.clone().aggregate(request), "an aggregate beyond what is claimed").await?;
    ensure_readable(tier, &segments, &handles).await
}

fn an_aggregate_that_is_not_claimed_is_unsupported(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| refused_aggregate(&tier, None).await)
}

fn a_predicate_on_an_aggregate_that_is_not_claimed_is_unsupported(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| refused_aggregate(&tier, Some(Predicate::Constant(Some(true)))).await)
}

fn it_goes_by_its_plugin_id(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| ensure_goes_by(tier.name(), &bench.fixture.id()))
}

fn name_and_capabilities_stay(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let (name, capabilities) = (tier.name(), tier.capabilities().clone());
        ensure(name.contains('.'), || format!("the name {name:?} has no owner"))?;
        let segments = sensor_segments(1, 20)?;
        store_all(&tier, &segments).await?;
        tier.close().await?;
        ensure_eq(tier.name(), name, "name after use")?;
        ensure_eq(tier.capabilities(), &capabilities, "capabilities after use")
    })
}
