//! Predicates, orders and limits.

use std::sync::Arc;

use proptest::prelude::*;
use tsds_traits::{ColumnId, Comparison, Predicate, ScanRequest, SortKey, TableSchema, Tier, Value};

use super::bench::{TierBench, ensure_scan, offer_all, plain_scan, sensor_segments, store_all, with_tier};
use super::edges::store_edges;
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::arrays::value_of;
use crate::data::edges::edge_cells;
use crate::data::queries;
use crate::data::segments::Segment;
use crate::data::{schemas, segments};
use crate::fixture::TierFixture;

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [claims Predicate] every_comparison_of_every_type_keeps_the_right_rows,
        [claims Predicate] lists_and_tests_of_every_type_keep_the_right_rows,
        [claims Predicate] any_predicate_keeps_the_right_rows,
        [claims Predicate] a_predicate_may_read_columns_that_are_not_projected,
        [claims Order] every_type_orders_totally_with_nulls_where_asked,
        [claims Order] any_order_gives_rows_sorted_with_ties_by_row_number,
        [claims Order] an_order_may_read_columns_that_are_not_projected,
        [claims Limit] a_limit_counts_over_the_whole_request,
        [claims Order, claims Limit] a_limit_with_an_order_counts_per_segment,
        [claims Predicate, claims Order, claims Limit] any_combination_gives_the_right_rows,
    ]
}

fn all_columns(schema: &TableSchema) -> Vec<ColumnId> {
    schema.columns().iter().map(|column| column.id).collect()
}

/// The row numbers matter, not the values: two columns are enough to tell rows apart and to check the filtered one.
fn narrow(schema: &Arc<TableSchema>, column: ColumnId) -> Vec<ColumnId> {
    let time = schema.time_column().id;
    if column == time { vec![time] } else { vec![time, column] }
}

/// Literals of a column: the edges, and nothing else.
fn edge_values(schema: &TableSchema, column: ColumnId) -> Vec<Value> {
    let data_type = schema.column(column).map(|column| column.data_type.clone());
    let data_type = data_type.unwrap_or(arrow_schema::DataType::Null);
    edge_cells(&data_type).iter().filter_map(|cell| value_of(&data_type, cell)).collect()
}

/// Runs `check` on the edge values of every type, column by column.
fn for_every_column(
    bench: &TierBench,
    check: impl AsyncFn(&Arc<dyn Tier>, &[Segment], &ScanRequest, ColumnId) -> CaseResult,
) -> CaseResult {
    with_tier(bench, async |tier| {
        for (segment, handle) in store_edges(&tier, |segment| segment).await? {
            let schema = segment.schema.clone();
            let plain = plain_scan(&schema, &[handle]);
            for column in all_columns(&schema) {
                let request = ScanRequest { projection: narrow(&schema, column), ..plain.clone() };
                check(&tier, std::slice::from_ref(&segment), &request, column).await?;
            }
        }
        Ok(())
    })
}

fn every_comparison_of_every_type_keeps_the_right_rows(bench: &TierBench) -> CaseResult {
    for_every_column(bench, async |tier, segments, request, column| {
        for value in edge_values(&request.schema, column) {
            for comparison in Comparison::ALL {
                let predicate = Predicate::Compare { column, comparison, value: value.clone() };
                let request = ScanRequest { predicate: Some(predicate), ..request.clone() };
                ensure_scan(tier, segments, &request)
                    .await
                    .map_err(|failure| failure.during(format!("{:?}", request.predicate)))?;
            }
        }
        Ok(())
    })
}

fn lists_and_tests_of_every_type_keep_the_right_rows(bench: &TierBench) -> CaseResult {
    for_every_column(bench, async |tier, segments, request, column| {
        let values = edge_values(&request.schema, column);
        let doubled: Vec<Value> = values.iter().chain(values.iter().rev()).cloned().collect();
        let some: Vec<Value> = values.iter().step_by(3).cloned().collect();
        let lists = [vec![], some, values, doubled];
        let lists = lists.into_iter().flat_map(|values| {
            [false, true].map(|has_null| Predicate::In { column, values: values.clone(), has_null })
        });
        let tests = [Predicate::IsNull(column), Predicate::IsNan(column)];
        for predicate in lists.chain(tests) {
            // Null and false differ under NOT only.
            for predicate in [predicate.clone(), Predicate::Not(Box::new(predicate))] {
                let request = ScanRequest { predicate: Some(predicate), ..request.clone() };
                ensure_scan(tier, segments, &request)
                    .await
                    .map_err(|failure| failure.during(format!("{:?}", request.predicate)))?;
            }
        }
        Ok(())
    })
}

fn any_predicate_keeps_the_right_rows(bench: &TierBench) -> CaseResult {
    let strategy = schemas::any_schema()
        .prop_flat_map(|schema| (segments::segments(&schema, 2, 100), queries::predicates(&schema)));
    bench.for_all(&strategy, |(segments, predicate)| {
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            let plain = plain_scan(&segments[0].schema, &handles);
            ensure_scan(&tier, &taken, &ScanRequest { predicate: Some(predicate.clone()), ..plain }).await
        })
    })
}

fn a_predicate_may_read_columns_that_are_not_projected(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 100)?;
        let handles = store_all(&tier, &segments).await?;
        let schema = &segments[0].schema;
        for column in all_columns(schema) {
            for projection in [vec![], vec![schema.time_column().id]] {
                let predicate = Some(Predicate::Not(Box::new(Predicate::IsNull(column))));
                let request = ScanRequest { predicate, projection, ..plain_scan(schema, &handles) };
                ensure_scan(&tier, &segments, &request).await?;
            }
        }
        Ok(())
    })
}

/// Both directions, nulls on both sides.
fn keys(column: ColumnId) -> impl Iterator<Item = SortKey> {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    flags.into_iter().map(move |(descending, nulls_first)| SortKey { column, descending, nulls_first })
}

fn every_type_orders_totally_with_nulls_where_asked(bench: &TierBench) -> CaseResult {
    for_every_column(bench, async |tier, segments, request, column| {
        for key in keys(column) {
            let request = ScanRequest { order: vec![key], ..request.clone() };
            ensure_scan(tier, segments, &request)
                .await
                .map_err(|failure| failure.during(format!("{key:?}")))?;
        }
        Ok(())
    })
}

fn any_order_gives_rows_sorted_with_ties_by_row_number(bench: &TierBench) -> CaseResult {
    let strategy = schemas::any_schema()
        .prop_flat_map(|schema| (segments::segments(&schema, 3, 300), queries::orders(&schema)));
    bench.for_all(&strategy, |(segments, order)| {
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            let plain = plain_scan(&segments[0].schema, &handles);
            ensure_scan(&tier, &taken, &ScanRequest { order: order.clone(), ..plain }).await
        })
    })
}

fn an_order_may_read_columns_that_are_not_projected(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2, 100)?;
        let handles = store_all(&tier, &segments).await?;
        let schema = &segments[0].schema;
        for column in all_columns(schema) {
            for key in keys(column) {
                let projection = vec![schema.columns()[0].id];
                let request = ScanRequest { order: vec![key], projection, ..plain_scan(schema, &handles) };
                ensure_scan(&tier, &segments, &request).await?;
            }
        }
        Ok(())
    })
}

fn a_limit_counts_over_the_whole_request(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(3, 50)?;
        let handles = store_all(&tier, &segments).await?;
        for limit in [0, 1, 49, 50, 51, 100, 149, 150, 151, u64::MAX] {
            for batch_rows in [7, 1_000] {
                let plain = plain_scan(&segments[0].schema, &handles);
                let request = ScanRequest { limit: Some(limit), batch_rows, ..plain };
                ensure_scan(&tier, &segments, &request)
                    .await
                    .map_err(|failure| failure.during(format!("limit {limit}")))?;
            }
        }
        Ok(())
    })
}

fn a_limit_with_an_order_counts_per_segment(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(3, 50)?;
        let handles = store_all(&tier, &segments).await?;
        let schema = &segments[0].schema;
        for column in all_columns(schema) {
            for key in keys(column) {
                // Many rows have the same value: which of them come is decided by their numbers.
                for limit in [0, 1, 2, 13, 49, 50, 51, u64::MAX] {
                    let request =
                        ScanRequest { limit: Some(limit), order: vec![key], ..plain_scan(schema, &handles) };
                    ensure_scan(&tier, &segments, &request)
                        .await
                        .map_err(|failure| failure.during(format!("limit {limit}, {key:?}")))?;
                }
            }
        }
        Ok(())
    })
}

fn any_combination_gives_the_right_rows(bench: &TierBench) -> CaseResult {
    let strategy = schemas::any_schema().prop_flat_map(|schema| {
        let request = (
            queries::projections(&schema),
            prop::option::of(queries::predicates(&schema)),
            prop::option::of(queries::orders(&schema)),
            queries::limits(60),
            proptest::sample::select(vec![1usize, 5, 64, 65_536]),
        );
        (segments::segments(&schema, 3, 130), request)
    });
    bench.for_all(&strategy, |(segments, (projection, predicate, order, limit, batch_rows))| {
        with_tier(bench, async |tier| {
            let (taken, handles) = offer_all(&tier, &segments).await?;
            let request = ScanRequest {
                projection: projection.clone(),
                predicate: predicate.clone(),
                order: order.clone().unwrap_or_default(),
                limit,
                batch_rows,
                ..plain_scan(&segments[0].schema, &handles)
            };
            ensure_scan(&tier, &taken, &request).await
        })
    })
}
