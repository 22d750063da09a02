//! Predicates against their definition, row by row.

use crate::common::*;
use crate::naive::*;
use proptest::prelude::*;
use tsds_compute::predicate::fold;
use tsds_compute::{CompiledPredicate, Verdict, column_stats, merge_stats, prune};
use tsds_traits::{ColumnId, ColumnStats, Comparison, ErrorKind, Predicate, Value, ValueClass};

fn check(schema: &tsds_traits::TableSchema, predicate: &Predicate, rows: &[Row], layout: &Layout) {
    let batch = batch(schema, rows, layout);
    let compiled = CompiledPredicate::new(predicate, schema).unwrap();
    let mask = compiled.evaluate(&ids(schema), &batch).unwrap();
    assert_eq!(mask.len(), rows.len());
    for (index, row) in rows.iter().enumerate() {
        let expected = kleene(schema, predicate, row) == Some(true);
        assert_eq!(mask.value(index), expected, "row {index} {row:?} of {predicate:?}");
    }
}

proptest! {
    #[test]
    fn a_filter_keeps_exactly_the_rows_that_are_true(
        rows in rows(&schema(), 0..140), layout in layout(), predicate in predicate(&schema())) {
        check(&schema(), &predicate, &rows, &layout);
    }

    #[test]
    fn statistics_never_prune_a_match_nor_promise_one(
        rows in rows(&schema(), 1..5), predicate in predicate(&schema()), forget in any::<bool>(),
        known in prop::sample::subsequence(ids(&schema()), 0..=11)) {
        let schema = schema();
        let batch = batch(&schema, &rows, &PLAIN);
        let stats: Vec<ColumnStats> = schema.columns().iter().zip(batch.columns())
            .map(|(column, array)| {
                let mut stats = column_stats(column.id, array).unwrap();
                if forget {
                    (stats.min, stats.exact) = (None, false);
                }
                stats
            })
            .filter(|stats| known.contains(&stats.column))
            .collect();
        let lookup = |id: ColumnId| stats.iter().find(|stats| stats.column == id);
        let matches = rows.iter().filter(|row| kleene(&schema, &predicate, row) == Some(true)).count();
        let verdict = prune::verdict(&predicate, &lookup, rows.len() as u64);
        let compiled = CompiledPredicate::new(&predicate, &schema).unwrap();
        prop_assert_eq!(compiled.verdict(&lookup, rows.len() as u64), verdict);
        match verdict {
            Verdict::None => prop_assert_eq!(matches, 0),
            Verdict::All => prop_assert_eq!(matches, rows.len()),
            Verdict::Some => {}
        }
    }

    #[test]
    fn one_condition_over_few_rows_is_never_misjudged(
        rows in rows(&schema(), 1..4), column in 0usize..11, comparison in prop::sample::select(Comparison::ALL.to_vec()),
        literals in crate::common::schema().columns().iter().map(|column| value_of(&column.data_type)).collect::<Vec<_>>(),
        kind in 0u8..4, negate in any::<bool>()) {
        let schema = schema();
        let column = &schema.columns()[column];
        let value = literals[schema.index_of(column.id).unwrap()].clone();
        let predicate = match kind {
            0 => Predicate::IsNan(column.id),
            1 => Predicate::In { column: column.id, values: vec![value], has_null: false },
            _ => Predicate::Compare { column: column.id, comparison, value },
        };
        let predicate = if negate { Predicate::Not(Box::new(predicate)) } else { predicate };
        let batch = batch(&schema, &rows, &PLAIN);
        let stats = column_stats(column.id, batch.column(schema.index_of(column.id).unwrap())).unwrap();
        let matches = rows.iter().filter(|row| kleene(&schema, &predicate, row) == Some(true)).count();
        match prune::verdict(&predicate, &|_| Some(&stats), rows.len() as u64) {
            Verdict::None => prop_assert_eq!(matches, 0),
            Verdict::All => prop_assert_eq!(matches, rows.len()),
            Verdict::Some => {}
        }
    }

    #[test]
    fn one_comparison_over_one_row_is_decided_by_exact_statistics(
        row in rows(&schema(), 1..2), column in 0usize..11, comparison in prop::sample::select(Comparison::ALL.to_vec()),
        literals in crate::common::schema().columns().iter().map(|column| value_of(&column.data_type)).collect::<Vec<_>>()) {
        let schema = schema();
        let column = &schema.columns()[column];
        let value = literals[schema.index_of(column.id).unwrap()].clone();
        let predicate = Predicate::Compare { column: column.id, comparison, value };
        let batch = batch(&schema, &row, &PLAIN);
        let stats = column_stats(column.id, batch.column(schema.index_of(column.id).unwrap())).unwrap();
        let verdict = prune::verdict(&predicate, &|_| Some(&stats), 1);
        let matches = kleene(&schema, &predicate, &row[0]) == Some(true);
        // A row of NaN alone leaves its width unknown.
        if !stats.has_nan {
            prop_assert_eq!(verdict, if matches { Verdict::All } else { Verdict::None });
        }
    }

    #[test]
    fn merged_statistics_still_bound_every_row(
        rows in rows(&schema(), 1..12), place in any::<prop::sample::Index>(), predicate in predicate(&schema())) {
        let schema = schema();
        let (a, b) = rows.split_at(place.index(rows.len() + 1));
        let of = |rows: &[Row]| {
            let batch = batch(&schema, rows, &PLAIN);
            let columns = schema.columns().iter().zip(batch.columns().to_vec());
            columns.map(|(column, array)| column_stats(column.id, &array).unwrap()).collect::<Vec<_>>()
        };
        let merged: Vec<ColumnStats> = of(a).iter().zip(&of(b))
            .map(|(x, y)| merge_stats((x, a.len() as u64), (y, b.len() as u64))).collect();
        for (merged, whole) in merged.iter().zip(of(&rows)) {
            prop_assert_eq!((merged.null_count, merged.has_nan), (whole.null_count, whole.has_nan));
            if merged.min.is_some() {
                prop_assert_eq!(&merged, &&whole);
            }
        }
        let lookup = |id: ColumnId| merged.iter().find(|stats| stats.column == id);
        let matches = rows.iter().filter(|row| kleene(&schema, &predicate, row) == Some(true)).count();
        match prune::verdict(&predicate, &lookup, rows.len() as u64) {
            Verdict::None => prop_assert_eq!(matches, 0),
            Verdict::All => prop_assert_eq!(matches, rows.len()),
            Verdict::Some => {}
        }
    }
}

#[test]
fn long_batches_agree_across_words() {
    let schema = schema();
    let row = |n: i64| -> Row {
        schema
            .columns()
            .iter()
            .map(|column| match ValueClass::of(&column.data_type).unwrap() {
                ValueClass::Int => Some(Value::Int(n % 97)),
                ValueClass::UInt => Some(Value::UInt((n % 5) as u64)),
                ValueClass::F64 => Some(Value::F64((n % 7) as f64)),
                ValueClass::F32 => Some(Value::F32((n % 3) as f32)),
                ValueClass::Bool => Some(Value::Bool(n % 2 == 0)),
                _ => Some(Value::Text(format!("t{}", n % 11))),
            })
            .collect()
    };
    let rows: Vec<Row> = (0..1_000).map(row).collect();
    let predicates = [
        Predicate::Compare { column: COUNT, comparison: Comparison::Less, value: Value::Int(50) },
        Predicate::Compare { column: LOAD, comparison: Comparison::NotEqual, value: Value::F64(3.0) },
        Predicate::Compare {
            column: NOTE,
            comparison: Comparison::GreaterOrEqual,
            value: Value::Text("t3".into()),
        },
        Predicate::In {
            column: COUNT,
            values: (0..20).map(|n| Value::Int(n * 3)).collect(),
            has_null: false,
        },
        Predicate::In {
            column: NOTE,
            values: ["t1", "t5", "t9"].map(|text| Value::Text(text.into())).to_vec(),
            has_null: true,
        },
    ];
    for predicate in &predicates {
        for text in 0..3 {
            for odd_dictionary in [false, true] {
                check(&schema, predicate, &rows, &Layout { offset: 61, text, odd_dictionary, garbage: true });
            }
        }
    }
    check(&schema, &Predicate::And(predicates.to_vec()), &rows, &PLAIN);
    check(&schema, &Predicate::Not(Box::new(Predicate::Or(predicates.to_vec()))), &rows, &PLAIN);
}

#[test]
fn two_bounds_on_one_column_become_one_range() {
    let schema = schema();
    let bound =
        |comparison, value| Predicate::Compare { column: COUNT, comparison, value: Value::Int(value) };
    let both = Predicate::And(vec![bound(Comparison::GreaterOrEqual, 3), bound(Comparison::Less, 9)]);
    let compiled = CompiledPredicate::new(&both, &schema).unwrap();
    let terms: Vec<_> = compiled.key_terms().collect();
    assert_eq!(terms.len(), 1);
    assert_eq!(terms[0].1.ranges().len(), 1);
    let expected = fold(ValueClass::Int, Comparison::Equal, &Value::Int(3)).unwrap();
    assert_eq!(terms[0].1.ranges()[0].start(), expected.ranges()[0].start());
}

#[test]
fn unknown_columns_and_foreign_literals_are_refused_by_name() {
    let schema = schema();
    let unknown = CompiledPredicate::new(&Predicate::IsNull(ColumnId(99)), &schema).unwrap_err();
    assert_eq!((unknown.kind(), unknown.to_string().contains("column=99")), (ErrorKind::InvalidInput, true));
    let foreign =
        Predicate::In { column: COUNT, values: vec![Value::Int(1), Value::UInt(1)], has_null: false };
    let foreign = CompiledPredicate::new(&foreign, &schema).unwrap_err();
    assert!(foreign.to_string().contains("column=count"), "{foreign}");
}

#[test]
fn a_batch_without_the_column_is_refused() {
    let schema = schema();
    let compiled = CompiledPredicate::new(&Predicate::IsNull(COUNT), &schema).unwrap();
    let batch = batch(&schema, &[], &PLAIN);
    assert!(compiled.evaluate(&[TIME], &batch).is_err());
    let mut other = ids(&schema);
    other[5] = ColumnId(77);
    assert_eq!(compiled.evaluate(&other, &batch).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_nan_beside_equal_numbers_matches_not_equal() {
    let stats = ColumnStats {
        column: LOAD,
        null_count: 0,
        has_nan: true,
        min: Some(Value::F64(1.5)),
        max: Some(Value::F64(1.5)),
        exact: true,
    };
    let verdict = |comparison| {
        let predicate = Predicate::Compare { column: LOAD, comparison, value: Value::F64(1.5) };
        prune::verdict(&predicate, &|_| Some(&stats), 2)
    };
    assert_eq!(verdict(Comparison::NotEqual), Verdict::Some);
    assert_eq!(verdict(Comparison::Equal), Verdict::Some);
    assert_eq!(verdict(Comparison::Greater), Verdict::None);
}

#[test]
fn a_merged_bound_is_exact_if_one_of_its_sources_is() {
    let stats = |min: &str, max: &str, exact| ColumnStats {
        column: NOTE,
        null_count: 0,
        has_nan: false,
        min: Some(Value::Text(min.into())),
        max: Some(Value::Text(max.into())),
        exact,
    };
    let merged = |a: &ColumnStats, b: &ColumnStats| merge_stats((a, 1), (b, 1));
    assert!(merged(&stats("a", "z", true), &stats("a", "z", false)).exact);
    assert!(merged(&stats("a", "z", true), &stats("b", "y", false)).exact);
    assert!(!merged(&stats("a", "y", true), &stats("b", "z", false)).exact);
    assert_eq!(merged(&stats("b", "y", true), &stats("a", "z", true)), stats("a", "z", true));
}
