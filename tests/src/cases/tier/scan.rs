//! Plain scans: what every tier must do.

use std::cell::Cell;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::join_all;
use proptest::prelude::*;
use tsds_traits::{ColumnId, ScanRequest, Tier};

use super::bench::{
    TierBench, collect, ensure_not_found, ensure_readable, ensure_scan, offer_all, open, plain_scan, rows,
    scan, sensor_segments, store_all, stored_segment, with_tier,
};
use super::edges::store_edges;
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::Encoding;
use crate::data::arrays::Layout;
use crate::data::segments::Segment;
use crate::data::{queries, schemas, segments};
use crate::fixture::{TierFixture, build_context};
use crate::model;
use crate::outcome::{ensure, ensure_eq, ensure_same_sequence};
use crate::watched::watched;

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [] a_scan_without_order_gives_storage_order,
        [] every_edge_value_is_read_as_it_was_put,
        [] rows_of_any_schema_are_read_as_they_were_put,
        [] segments_come_in_the_order_of_the_request,
        [] a_projection_gives_its_columns_in_its_order,
        [] a_projection_without_columns_gives_row_counts,
        [] a_batch_holds_no_more_rows_than_asked,
        [] the_same_request_gives_the_same_rows,
        [] the_layout_of_what_was_put_does_not_show,
        [] every_edge_value_is_read_from_blocks_as_it_was_put,
        [] a_scan_of_no_segments_is_empty,
        [] an_absent_segment_gives_not_found_and_ends_the_stream,
        [] a_scan_does_nothing_before_it_is_polled,
        [] concurrent_scans_do_not_disturb_each_other,
        [] a_dropped_scan_leaves_later_scans_unaffected,
        [] a_segment_removed_under_an_open_scan_never_gives_wrong_rows,
    ]
}

fn a_scan_without_order_gives_storage_order(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(3, 300)?;
        let handles = store_all(&tier, &segments).await?;
        ensure_readable(&tier, &segments, &handles).await
    })
}

fn every_edge_value_is_read_as_it_was_put(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| edges_are_readable(&tier, Layout::COMPACT, 1_000).await)
}

async fn edges_are_readable(tier: &Arc<dyn Tier>, layout: Layout, batch_rows: usize) -> CaseResult {
    for (segment, handle) in store_edges(tier, |segment| segment.with_layout(layout, batch_rows)).await? {
        ensure_readable(tier, &[segment], &[handle]).await?;
    }
    Ok(())
}

fn rows_of_any_schema_are_read_as_they_were_put(bench: &TierBench) -> CaseResult {
    let strategy = schemas::any_schema().prop_flat_map(|schema| segments::segments(&schema, 3, 300));
    let (offered_rows, taken_rows) = (Cell::new(0), Cell::new(0));
    bench.for_all(&strategy, |segments| {
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            let count =
                |segments: &[Segment]| segments.iter().map(|segment| segment.rows.len()).sum::<usize>();
            offered_rows.set(offered_rows.get() + count(&segments));
            taken_rows.set(taken_rows.get() + count(&taken));
            ensure_readable(&tier, &taken, &handles).await
        })
    })?;
    // Who declines everything would pass every property.
    let (offered, taken) = (offered_rows.get(), taken_rows.get());
    ensure(taken * 2 >= offered, || format!("of {offered} rows that were offered, the tier took {taken}"))
}

fn segments_come_in_the_order_of_the_request(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(4, 30)?;
        let handles = store_all(&tier, &segments).await?;
        for order in [[3, 0, 2, 1], [1, 2, 3, 0]] {
            let segments: Vec<Segment> = order.iter().map(|index| segments[*index].clone()).collect();
            let handles: Vec<_> = order.iter().map(|index| handles[*index].clone()).collect();
            ensure_readable(&tier, &segments, &handles).await?;
        }
        // One segment of several that are there.
        ensure_readable(&tier, &segments[2..3], &handles[2..3]).await
    })
}

fn a_projection_gives_its_columns_in_its_order(bench: &TierBench) -> CaseResult {
    let strategy = schemas::any_schema()
        .prop_flat_map(|schema| (segments::segments(&schema, 2, 40), queries::projections(&schema)));
    bench.for_all(&strategy, |(segments, projection)| {
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            let request = ScanRequest::new(segments[0].schema.clone(), handles, projection.clone());
            ensure_scan(&tier, &taken, &request).await
        })
    })
}

fn a_projection_without_columns_gives_row_counts(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 33)?;
        let handles = store_all(&tier, &segments).await?;
        let request = ScanRequest::new(segments[0].schema.clone(), handles, vec![]);
        ensure_eq(&scan(&tier, &request).await?.len(), &66, "rows counted")
    })
}

fn a_batch_holds_no_more_rows_than_asked(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 130)?;
        let handles = store_all(&tier, &segments).await?;
        for batch_rows in [1, 7, 64, 65, 129, 130, 131, usize::MAX] {
            let request = ScanRequest { batch_rows, ..plain_scan(&segments[0].schema, &handles) };
            ensure_scan(&tier, &segments, &request).await?;
        }
        Ok(())
    })
}

fn the_same_request_gives_the_same_rows(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 200)?;
        let handles = store_all(&tier, &segments).await?;
        let request = plain_scan(&segments[0].schema, &handles);
        let first = scan(&tier, &request).await?;
        for _ in 0..3 {
            ensure_same_sequence(&scan(&tier, &request).await?, &first, "rows of the same request")?;
        }
        Ok(())
    })
}

fn the_layout_of_what_was_put_does_not_show(bench: &TierBench) -> CaseResult {
    let untidy = Layout { before: 5, after: 3, untidy: true };
    for (layout, batch_rows) in [(Layout::COMPACT, 7), (untidy, 1), (untidy, 64), (untidy, 1_000)] {
        with_tier(bench, async |tier| edges_are_readable(&tier, layout, batch_rows).await)?;
    }
    Ok(())
}

fn every_edge_value_is_read_from_blocks_as_it_was_put(bench: &TierBench) -> CaseResult {
    for block_rows in [1, 10, 1_000] {
        for dictionaries in [false, true] {
            with_tier(bench, async |tier| {
                let encoding = Some(Encoding { block_rows, dictionaries });
                for (segment, handle) in store_edges(&tier, |segment| segment.with_encoding(encoding)).await?
                {
                    ensure_readable(&tier, &[segment], &[handle]).await?;
                }
                Ok(())
            })
            .map_err(|failure| {
                failure.during(format!("blocks of {block_rows}, dictionaries {dictionaries}"))
            })?;
        }
    }
    Ok(())
}

fn a_scan_of_no_segments_is_empty(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(1, 5)?;
        store_all(&tier, &segments).await?;
        ensure_scan(&tier, &[], &plain_scan(&segments[0].schema, &[])).await
    })
}

fn an_absent_segment_gives_not_found_and_ends_the_stream(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(3, 20)?;
        let handles = store_all(&tier, &segments).await?;
        tier.remove(&[stored_segment(&handles[2])]).await?;
        let request = plain_scan(&segments[0].schema, &handles);
        let mut stream = tier.clone().scan(request.clone());
        let (mut batches, mut error) = (Vec::new(), None);
        while let Some(item) = stream.next().await {
            ensure(error.is_none(), || "the stream goes on after its error".into())?;
            match item {
                Ok(batch) => batches.push(batch),
                Err(failure) => error = Some(failure),
            }
        }
        ensure_not_found(error.as_ref(), segments[2].id())?;
        // What came before stands.
        let came = rows(&request, &batches)?;
        let stored: Vec<&[_]> = segments[..2].iter().map(|segment| &segment.rows[..]).collect();
        let expected = model::scan(&stored, &request);
        let prefix = expected.get(..came.len()).unwrap_or_default();
        ensure_same_sequence(&came, prefix, "rows before an absent segment")
    })
}

fn a_scan_does_nothing_before_it_is_polled(bench: &TierBench) -> CaseResult {
    let machine = bench.machine();
    let (world, activity) = watched(machine.sim.world());
    machine.run(async {
        let tier = bench.fixture.open(build_context(world)).await?;
        let segments = sensor_segments(2, 100)?;
        let handles = store_all(&tier, &segments).await?;
        let request = plain_scan(&segments[0].schema, &handles);
        let before = activity.count();
        let stream = tier.clone().scan(request.clone());
        ensure_eq(&activity.count(), &before, "operations and tasks that an unpolled scan started")?;
        drop(stream);
        ensure_eq(&activity.count(), &before, "operations and tasks that a dropped, unpolled scan started")?;
        ensure_readable(&tier, &segments, &handles).await
    })
}

fn concurrent_scans_do_not_disturb_each_other(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(4, 150)?;
        let handles = store_all(&tier, &segments).await?;
        let columns: Vec<ColumnId> = segments[0].schema.columns().iter().map(|column| column.id).collect();
        let scans = (0..8).map(|number: usize| {
            let (tier, range) = (tier.clone(), number % 4..4);
            let request = ScanRequest {
                batch_rows: 10 + number,
                projection: columns.iter().cycle().skip(number).take(3).copied().collect(),
                ..plain_scan(&segments[0].schema, &handles[range.clone()])
            };
            let segments = &segments[range];
            async move { ensure_scan(&tier, segments, &request).await }
        });
        join_all(scans).await.into_iter().collect()
    })
}

fn a_dropped_scan_leaves_later_scans_unaffected(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 100)?;
        let handles = store_all(&tier, &segments).await?;
        let request = ScanRequest { batch_rows: 10, ..plain_scan(&segments[0].schema, &handles) };
        for taken in 0..4 {
            let mut stream = tier.clone().scan(request.clone());
            for _ in 0..taken {
                ensure(stream.next().await.is_some(), || "a scan ends too early".into())?;
            }
            drop(stream);
            ensure_scan(&tier, &segments, &request).await?;
        }
        Ok(())
    })
}

fn a_segment_removed_under_an_open_scan_never_gives_wrong_rows(bench: &TierBench) -> CaseResult {
    for polled in 0..3 {
        let machine = bench.machine_number(polled as u64);
        machine.run(async {
            let tier = open(bench, &machine).await?;
            let segments = sensor_segments(2, 100)?;
            let handles = store_all(&tier, &segments).await?;
            let request = ScanRequest { batch_rows: 10, ..plain_scan(&segments[0].schema, &handles) };
            let mut stream = tier.clone().scan(request.clone());
            let mut batches = Vec::new();
            for _ in 0..polled {
                batches.extend(stream.next().await.transpose()?);
            }
            tier.remove(&handles.iter().map(stored_segment).collect::<Vec<_>>()).await?;
            let mut failed = false;
            while let Some(item) = stream.next().await {
                match item {
                    Ok(batch) => batches.push(batch),
                    Err(_) => failed = true,
                }
            }
            let stored: Vec<&[_]> = segments.iter().map(|segment| &segment.rows[..]).collect();
            let expected = model::scan(&stored, &request);
            let came = rows(&request, &batches)?;
            ensure(failed || came.len() == expected.len(), || {
                format!("{} of {} rows came without an error", came.len(), expected.len())
            })?;
            ensure_same_sequence(&came, expected.get(..came.len()).unwrap_or_default(), "rows")?;
            let (later, error) = collect(&tier, request).await;
            ensure(later.is_empty(), || "a scan after the removal gives rows".into())?;
            ensure_not_found(error.as_ref(), segments[0].id())
        })?;
    }
    Ok(())
}
