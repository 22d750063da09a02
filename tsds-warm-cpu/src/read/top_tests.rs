use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use tsds_traits::{Column, SchemaVersion, TableId};

use super::*;
use crate::segment::tests::segment;

const FLOAT: ColumnId = ColumnId(1);
const NUMBER: ColumnId = ColumnId(2);
const TEXT: ColumnId = ColumnId(3);

fn columns() -> Vec<Column> {
    let column = |id, name: &str, data_type, nullable| Column { id, name: name.into(), data_type, nullable };
    vec![
        column(FLOAT, "float", DataType::Float64, true),
        column(NUMBER, "number", DataType::Int64, false),
        column(TEXT, "text", DataType::Utf8, true),
    ]
}

fn schema() -> Arc<TableSchema> {
    let time = Column {
        id: ColumnId(9),
        name: "time".into(),
        data_type: DataType::Timestamp(TimeUnit::Second, None),
        nullable: false,
    };
    let all = columns().into_iter().chain([time]).collect();
    Arc::new(TableSchema::new(TableId(1), SchemaVersion(1), all, ColumnId(9), &[]).unwrap())
}

/// Few distinct values, so that ties cross blocks and groups, and long text, of which a bound is cut.
fn any_row() -> impl Strategy<Value = (Option<f64>, i64, Option<String>)> {
    let nan = f64::from_bits(0x7ff8_0000_0000_00aa);
    let floats = [0.0, -0.0, 1.5, -1.5, f64::INFINITY, f64::NEG_INFINITY, nan, -nan];
    let float = prop::option::weighted(0.9, prop_oneof![prop::sample::select(floats.to_vec()), -9.0..9.0f64]);
    let text = prop_oneof![Just(String::new()), "[ab]{1,2}", "[ab]".prop_map(|end| "long".repeat(20) + &end)];
    (float, -3i64..3, prop::option::weighted(0.8, text))
}

fn any_order() -> impl Strategy<Value = Vec<SortKey>> {
    let keys = prop::sample::subsequence(vec![FLOAT, NUMBER, TEXT], 1..=3).prop_shuffle();
    (keys, prop::collection::vec((any::<bool>(), any::<bool>()), 3)).prop_map(|(columns, flags)| {
        let key = |(column, (descending, nulls_first))| SortKey { column, descending, nulls_first };
        columns.into_iter().zip(flags).map(key).collect()
    })
}

proptest! {
    #[test]
    fn the_groups_of_a_segment_together_keep_the_first_rows(
        rows in prop::collection::vec(any_row(), 1..200),
        selected in prop::collection::vec(prop::bool::weighted(0.7), 200),
        order in any_order(),
        limit in 1usize..30,
        block_rows in 1usize..20,
        group_rows in 20u64..120,
    ) {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.0))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2.as_deref()))),
        ];
        let blocks: Vec<u32> = rows.chunks(block_rows).map(|block| block.len() as u32).collect();
        let held: Vec<_> = columns().into_iter().zip(arrays.iter().cloned()).collect();
        let segment = segment(&held, &blocks, group_rows);
        let top = Top { order: order.clone(), limit };
        let bound = Bound::new(&schema(), &order).unwrap();

        let mut kept = Vec::new();
        for group in segment.cuts().groups() {
            let own = &selected[group.rows.start as usize..group.rows.end as usize];
            let selection = Selection::of(BooleanBuffer::from(own.to_vec()));
            let Segment::Memory(memory) = &segment else { panic!("in memory") };
            let parts = top.columns().into_iter().map(|id| (id, memory.part(id, group.index).unwrap())).collect();
            let first = first_rows(selection, &segment, &group, &parts, &top, &bound).unwrap();
            prop_assert!(first.count(group.len()) <= limit);
            let bits = match first {
                Selection::Nothing => continue,
                Selection::Everything => BooleanBuffer::new_set(group.len()),
                Selection::Rows(bits) => bits,
            };
            kept.extend(bits.set_indices().map(|row| group.rows.start as usize + row));
        }

        let first_of = |candidates: Vec<usize>| -> Vec<usize> {
            let positions = UInt32Array::from_iter_values(candidates.iter().map(|row| *row as u32));
            let columns = take_arrays(&arrays, &positions, None).unwrap();
            let batch = GroupRows { columns, rows: candidates.len() }.batch().unwrap();
            let sorted = sort_indices(&[FLOAT, NUMBER, TEXT], &batch, &order, Some(limit)).unwrap();
            sorted.values().iter().map(|position| candidates[*position as usize]).collect()
        };
        let all = (0..rows.len()).filter(|row| selected[*row]).collect();
        prop_assert_eq!(first_of(kept), first_of(all));
    }
}

#[test]
fn a_bound_only_ever_tightens() {
    let by = |descending| [SortKey { column: NUMBER, descending, nulls_first: false }];
    let numbers = Int64Array::from(vec![5, 3, 7]);
    for (descending, tightest) in [(true, 7), (false, 3)] {
        let bound = Bound::new(&schema(), &by(descending)).unwrap();
        (0..3).for_each(|row| bound.tighten(&numbers, row).unwrap());
        let best = bound.best.lock().unwrap();
        assert_eq!(best.as_ref().unwrap().0, Value::Int(tightest));
    }
}

#[test]
fn nulls_and_nans_are_no_bounds() {
    let order = [SortKey { column: FLOAT, descending: true, nulls_first: true }];
    let bound = Bound::new(&schema(), &order).unwrap();
    let floats = Float64Array::from(vec![None, Some(f64::NAN)]);
    (0..2).for_each(|row| bound.tighten(&floats, row).unwrap());
    assert!(bound.term().is_none());
}
