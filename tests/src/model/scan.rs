//! Scans and orders.

use std::cmp::Ordering;

use tsds_traits::{Predicate, ScanRequest, SortKey, TableSchema, Value};

use super::predicate::{Columns, evaluate};
use crate::data::segments::Row;

/// The rows that a tier must answer a request with: the position of the segment in the request and the projected values.
/// `segments` are the rows of the request's segments, in its order.
pub fn scan(segments: &[&[Row]], request: &ScanRequest) -> Vec<(usize, Row)> {
    let schema = &*request.schema;
    let limit = request.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut answer = Vec::new();
    for (position, rows) in segments.iter().enumerate() {
        let mut matching: Vec<&Row> =
            rows.iter().filter(|row| matches(schema, request.predicate.as_ref(), row)).collect();
        if !request.order.is_empty() {
            sort_rows(schema, &request.order, &mut matching);
            matching.truncate(limit);
        }
        answer.extend(matching.into_iter().map(|row| (position, project(request, row))));
    }
    if request.order.is_empty() {
        answer.truncate(limit);
    }
    answer
}

/// Whether a filter keeps a row.
pub(super) fn matches(schema: &TableSchema, predicate: Option<&Predicate>, row: &[Option<Value>]) -> bool {
    predicate.is_none_or(|predicate| evaluate(predicate, Columns { schema, row }) == Some(true))
}

fn project(request: &ScanRequest, row: &Row) -> Row {
    let columns = Columns { schema: &request.schema, row };
    request.projection.iter().map(|column| columns.value(*column).cloned()).collect()
}

/// Sorts rows by keys; equal rows keep their order, which is that of row numbers.
pub fn sort_rows(schema: &TableSchema, order: &[SortKey], rows: &mut [&Row]) {
    rows.sort_by(|a, b| {
        let by_key = |key: &SortKey| {
            let value = |row| Columns { schema, row }.value(key.column);
            compare(value(a), value(b), key)
        };
        order.iter().map(by_key).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    });
}

fn compare(a: Option<&Value>, b: Option<&Value>, key: &SortKey) -> Ordering {
    let null_side = if key.nulls_first { Ordering::Less } else { Ordering::Greater };
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => null_side,
        (Some(_), None) => null_side.reverse(),
        (Some(a), Some(b)) if key.descending => b.cmp(a),
        (Some(a), Some(b)) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schemas;
    use tsds_traits::ColumnId;

    fn column(name: &str) -> ColumnId {
        schemas::sensors().unwrap().column_named(name).unwrap().id
    }

    fn rows(values: &[Option<f64>]) -> Vec<Row> {
        let row = |(index, value): (usize, &Option<f64>)| -> Row {
            let host = Some(Value::Text("a".into()));
            vec![host, Some(Value::Int(index as i64)), value.map(Value::F64), None]
        };
        values.iter().enumerate().map(row).collect()
    }

    fn ordered(values: &[Option<f64>], descending: bool, nulls_first: bool, limit: Option<u64>) -> Vec<i64> {
        let schema = schemas::sensors().unwrap();
        let order = vec![SortKey { column: column("value"), descending, nulls_first }];
        let request = ScanRequest { order, limit, ..ScanRequest::new(schema, vec![], vec![column("time")]) };
        let rows = rows(values);
        let time = |(_, row): (usize, Row)| match row[0] {
            Some(Value::Int(time)) => time,
            _ => unreachable!(),
        };
        scan(&[&rows], &request).into_iter().map(time).collect()
    }

    #[test]
    fn order_is_total_and_ties_keep_their_place_in_both_directions() {
        let values = [Some(0.0), None, Some(-0.0), Some(f64::NAN), Some(0.0), Some(-f64::NAN)];
        assert_eq!(ordered(&values, false, true, None), [1, 5, 2, 0, 4, 3]);
        assert_eq!(ordered(&values, true, false, None), [3, 0, 4, 2, 5, 1]);
        assert_eq!(ordered(&values, true, true, Some(2)), [1, 3]);
    }

    #[test]
    fn a_limit_counts_over_the_request_without_order_and_per_segment_with_one() {
        let schema = schemas::sensors().unwrap();
        let rows = rows(&[Some(1.0), Some(2.0)]);
        let plain = ScanRequest { limit: Some(3), ..ScanRequest::new(schema, vec![], vec![column("time")]) };
        let positions = |request: &ScanRequest| -> Vec<usize> {
            scan(&[&rows, &rows], request).into_iter().map(|(position, _)| position).collect()
        };
        assert_eq!(positions(&plain), [0, 0, 1]);
        let key = SortKey { column: column("time"), descending: false, nulls_first: false };
        let ordered = ScanRequest { limit: Some(1), order: vec![key], ..plain };
        assert_eq!(positions(&ordered), [0, 1]);
    }
}
