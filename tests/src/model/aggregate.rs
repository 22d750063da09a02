//! Aggregates over rows.

use std::collections::BTreeMap;

use tsds_traits::{Aggregate, AggregatePlan, ColumnId, Function, Predicate, SegmentMeta, TableSchema, Value};

use super::bucket::bucket_start;
use super::exact_sum::ExactSum;
use super::predicate::Columns;
use super::scan::matches;
use crate::data::segments::Row;

/// What a group is known by. Grouping is by bits, as [`Value`]'s equality is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The values of the group columns.
    pub columns: Row,
    /// The start of the time bucket.
    pub bucket: Option<i64>,
}

/// A row that is the first or the last of a group so far. Ordered as `first` and `last` are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pick {
    /// Its time.
    pub time: i64,
    /// Its series.
    pub series: Row,
    /// The end of its segment's interval.
    pub sequence: u64,
    /// Its number in the segment.
    pub row: u64,
    /// Its value.
    pub value: Value,
}

/// One aggregate of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// Of `count`.
    Count(u64),
    /// Of `sum` and `avg`.
    Sum {
        /// How many values there are.
        count: u64,
        /// Their sum.
        sum: ExactSum,
    },
    /// Of `min` and `max`.
    Extreme(Option<Value>),
    /// Of `first` and `last`.
    Edge(Option<Pick>),
}

/// Groups with the states of a plan's aggregates.
pub type Group = BTreeMap<GroupKey, Vec<GroupState>>;

/// Aggregates the matching rows of segments.
pub fn aggregate(
    schema: &TableSchema,
    segments: &[(&SegmentMeta, &[Row])],
    predicate: Option<&Predicate>,
    plan: &AggregatePlan,
) -> Group {
    let mut groups = Group::new();
    for (meta, rows) in segments {
        for (number, row) in rows.iter().enumerate() {
            if !matches(schema, predicate, row) {
                continue;
            }
            let place = Place {
                columns: Columns { schema, row },
                sequence: meta.interval.upto.0,
                row: number as u64,
            };
            let states =
                groups.entry(place.key(plan)).or_insert_with(|| plan.aggregates.iter().map(empty).collect());
            for (state, aggregate) in states.iter_mut().zip(&plan.aggregates) {
                merge(aggregate.function, state, &place.state(aggregate));
            }
        }
    }
    canonical(groups)
}

/// The same groups with every sum as states have it, so that groups compare.
pub(super) fn canonical(mut groups: Group) -> Group {
    for state in groups.values_mut().flatten() {
        if let GroupState::Sum { sum, .. } = state {
            *sum = sum.canonical();
        }
    }
    groups
}

/// The state of no rows.
fn empty(aggregate: &Aggregate) -> GroupState {
    match aggregate.function {
        Function::Sum | Function::Avg => GroupState::Sum { count: 0, sum: ExactSum::default() },
        Function::Min | Function::Max => GroupState::Extreme(None),
        Function::First | Function::Last => GroupState::Edge(None),
        // `count`; the generators build none of the functions that may be added.
        _ => GroupState::Count(0),
    }
}

/// Merges a state of the same function into `state`.
pub(super) fn merge(function: Function, state: &mut GroupState, other: &GroupState) {
    match (state, other) {
        (GroupState::Count(own), GroupState::Count(other)) => *own += other,
        (GroupState::Sum { count, sum }, GroupState::Sum { count: others, sum: other }) => {
            *count += others;
            sum.merge(other);
        }
        (GroupState::Extreme(own), GroupState::Extreme(other)) => choose(function, own, other),
        (GroupState::Edge(own), GroupState::Edge(other)) => choose(function, own, other),
        // States of one plan have one shape.
        _ => {}
    }
}

/// Keeps the smaller one for `min` and `first`, the larger one for `max` and `last`.
fn choose<T: Ord + Clone>(function: Function, own: &mut Option<T>, other: &Option<T>) {
    let Some(other) = other else { return };
    let better = match (&own, function) {
        (None, _) => true,
        (Some(own), Function::Min | Function::First) => other < own,
        (Some(own), _) => other > own,
    };
    if better {
        *own = Some(other.clone());
    }
}

/// A row where it stands.
struct Place<'a> {
    columns: Columns<'a>,
    sequence: u64,
    row: u64,
}

impl Place<'_> {
    fn value(&self, column: ColumnId) -> Option<Value> {
        self.columns.value(column).cloned()
    }

    fn time(&self) -> i64 {
        match self.value(self.columns.schema.time_column().id) {
            Some(Value::Int(time)) => time,
            // The time column holds timestamps and no nulls.
            _ => 0,
        }
    }

    fn key(&self, plan: &AggregatePlan) -> GroupKey {
        let unit = self.columns.schema.time_unit();
        GroupKey {
            columns: plan.group_by.iter().map(|column| self.value(*column)).collect(),
            bucket: plan.bucket.map(|bucket| bucket_start(self.time(), &bucket, unit)),
        }
    }

    /// The state of this row alone.
    fn state(&self, aggregate: &Aggregate) -> GroupState {
        let value = aggregate.column.and_then(|column| self.value(column));
        match aggregate.function {
            Function::Sum | Function::Avg => {
                let mut sum = ExactSum::default();
                value.iter().for_each(|value| sum.add(value));
                GroupState::Sum { count: u64::from(value.is_some()), sum }
            }
            Function::Min | Function::Max => GroupState::Extreme(value),
            Function::First | Function::Last => GroupState::Edge(value.map(|value| self.pick(value))),
            _ => GroupState::Count(u64::from(aggregate.column.is_none() || value.is_some())),
        }
    }

    fn pick(&self, value: Value) -> Pick {
        let schema = self.columns.schema;
        Pick {
            time: self.time(),
            series: schema.series_indices().iter().map(|index| self.columns.row[*index].clone()).collect(),
            sequence: self.sequence,
            row: self.row,
            value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::schemas;
    use crate::data::segments::Segment;

    fn row(host: &str, time: i64, value: Option<f64>) -> Row {
        vec![Some(Value::Text(host.into())), Some(Value::Int(time)), value.map(Value::F64), None]
    }

    fn states(function: Function, rows: Vec<Row>) -> GroupState {
        let schema = schemas::sensors().unwrap();
        let column = Some(schema.column_named("value").unwrap().id);
        let plan = AggregatePlan {
            group_by: vec![],
            bucket: None,
            aggregates: vec![Aggregate { function, column }],
        };
        let segment = Segment::new(&schema, 0, 0, rows);
        let groups = aggregate(&schema, &[(&segment.meta, &segment.rows)], None, &plan);
        groups.into_values().next().unwrap().remove(0)
    }

    #[test]
    fn nulls_are_skipped() {
        let rows = vec![row("a", 1, None), row("a", 2, Some(2.0)), row("a", 3, None)];
        assert_eq!(states(Function::Count, rows.clone()), GroupState::Count(1));
        assert_eq!(states(Function::Min, rows.clone()), GroupState::Extreme(Some(Value::F64(2.0))));
        let GroupState::Edge(Some(pick)) = states(Function::First, rows) else { panic!("no first") };
        assert_eq!((pick.time, pick.value), (2, Value::F64(2.0)));
    }

    #[test]
    fn first_is_by_time_before_series() {
        let rows = vec![row("a", 5, Some(1.0)), row("b", 4, Some(2.0)), row("c", 5, Some(3.0))];
        let GroupState::Edge(Some(first)) = states(Function::First, rows.clone()) else { panic!("no first") };
        let GroupState::Edge(Some(last)) = states(Function::Last, rows) else { panic!("no last") };
        assert_eq!((first.value, last.value), (Value::F64(2.0), Value::F64(3.0)));
    }

    #[test]
    fn no_matching_row_makes_no_group() {
        let schema = schemas::sensors().unwrap();
        let plan = AggregatePlan {
            group_by: vec![],
            bucket: None,
            aggregates: vec![Aggregate { function: Function::Count, column: None }],
        };
        let segment = Segment::new(&schema, 0, 0, vec![row("a", 1, None)]);
        let never = Predicate::Constant(Some(false));
        assert!(aggregate(&schema, &[(&segment.meta, &segment.rows)], Some(&never), &plan).is_empty());
    }
}
