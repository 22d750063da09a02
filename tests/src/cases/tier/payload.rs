//! Payload, for tiers that take it: bytes and nested values come back to the bit.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, FixedSizeListArray, Float64Array, Int64Array,
    ListArray, MapArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ColumnId, Comparison, Function, Predicate, Put, ScanRequest,
    SegmentHandle, SegmentMeta, SortKey, TableSchema, Tier, Value,
};

use super::bench::{TierBench, aggregate, collect, plain_scan, with_tier};
use crate::case::{Case, cases};
use crate::data::MemorySource;
use crate::data::arrays::read;
use crate::data::schemas::{self, ColumnSpec};
use crate::data::segments::{Row, Segment};
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_eq};
use crate::{CaseResult, Failure, model};

const ROWS: usize = 60;

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [] payload_is_read_as_it_was_put,
        [claims Predicate] payload_follows_the_rows_that_match,
        [claims Order, claims Limit] payload_follows_its_rows_into_an_order,
        [claims Aggregate] a_count_of_payload_is_of_what_is_not_null,
    ]
}

/// One column of each kind. Lists are empty, null, and of nulls; there are NaNs of several payloads.
fn columns() -> CaseResult<Vec<ArrayRef>> {
    let floats = |count: usize| -> ArrayRef {
        let nan = |payload: u64| f64::from_bits(0x7ff8_0000_0000_0000 | payload);
        let values = [Some(nan(1)), None, Some(-0.0), Some(-nan(7)), Some(0.0)];
        Arc::new((0..count).map(|index| values[index % values.len()]).collect::<Float64Array>())
    };
    let valid =
        |every: usize| -> Option<NullBuffer> { Some((0..ROWS).map(|row| row % every != 1).collect()) };
    let item = |data_type: DataType| Arc::new(Field::new_list_field(data_type, true));
    let lengths = |of: usize| OffsetBuffer::from_lengths((0..ROWS).map(|row| row % of));
    let total = |of: usize| (0..ROWS).map(|row| row % of).sum::<usize>();
    let texts: ArrayRef =
        Arc::new((0..total(4)).map(|row| ["", "ä", "b"].get(row % 4).copied()).collect::<StringArray>());
    let lists: ArrayRef =
        Arc::new(ListArray::new(item(DataType::Float64), lengths(3), floats(total(3)), valid(5)));
    let text_lists: ArrayRef = Arc::new(ListArray::new(item(DataType::Utf8), lengths(4), texts, valid(7)));
    let numbers = (0..ROWS as i64).map(|row| (row % 6 != 2).then_some(row - 30));
    let numbers: ArrayRef = Arc::new(numbers.collect::<Int64Array>());
    let fields = Fields::from(vec![
        Field::new("number", DataType::Int64, true),
        Field::new("text \"list\"", text_lists.data_type().clone(), true),
    ]);
    let records = StructArray::new(fields, vec![numbers, Arc::clone(&text_lists)], valid(4));
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
    ]);
    let keys: ArrayRef = Arc::new((0..total(3)).map(|row| Some(["a", ""][row % 2])).collect::<StringArray>());
    let maps = MapArray::new(
        Arc::new(Field::new("entries", DataType::Struct(entries.clone()), false)),
        lengths(3),
        StructArray::new(entries, vec![keys, floats(total(3))], None),
        valid(6),
        false,
    );
    let pairs = FixedSizeListArray::new(item(DataType::Float64), 2, floats(2 * ROWS), valid(3));
    let bytes = (0..ROWS).map(|row| (row % 4 != 1).then(|| vec![row as u8; row % 3]));
    let ids = FixedSizeBinaryArray::try_from_iter((0..ROWS).map(|row| [row as u8, 0, 255]))
        .map_err(|error| Failure::new(format!("generating bytes: {error}")))?;
    Ok(vec![
        lists,
        text_lists,
        Arc::new(records),
        Arc::new(maps),
        Arc::new(pairs),
        Arc::new(bytes.collect::<BinaryArray>()),
        Arc::new(ids),
    ])
}

/// A value by its bits.
fn shown(array: &dyn Array, row: usize) -> CaseResult<String> {
    if array.is_null(row) {
        return Ok("null".into());
    }
    let all = |array: &dyn Array| -> CaseResult<String> {
        let items = (0..array.len()).map(|row| shown(array, row));
        Ok(items.collect::<CaseResult<Vec<_>>>()?.join(" "))
    };
    Ok(match array.data_type() {
        DataType::List(_) => format!("[{}]", all(&array.as_list::<i32>().value(row))?),
        DataType::FixedSizeList(_, _) => format!("[{}]", all(&array.as_fixed_size_list().value(row))?),
        DataType::Map(_, _) => format!("[{}]", all(&array.as_map().value(row))?),
        DataType::Struct(_) => {
            let fields = array.as_struct().columns().iter().map(|column| shown(column, row));
            format!("({})", fields.collect::<CaseResult<Vec<_>>>()?.join(" "))
        }
        DataType::FixedSizeBinary(_) => format!("{:?}", array.as_fixed_size_binary().value(row)),
        _ => format!("{:?}", read(&array.slice(row, 1))?),
    })
}

/// A segment of times, numbers and one payload column.
struct Stored {
    schema: Arc<TableSchema>,
    meta: Arc<SegmentMeta>,
    handle: SegmentHandle,
    payload: ArrayRef,
}

/// Stores a segment with a column of payload; `None` if the tier declines it.
async fn store(tier: &Arc<dyn Tier>, number: u64, payload: ArrayRef) -> CaseResult<Option<Stored>> {
    let column = |name: &str, data_type, nullable| ColumnSpec { name: name.into(), data_type, nullable };
    let schema = schemas::schema(
        &[
            column("payload", payload.data_type().clone(), true),
            column("time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
            column("reading", DataType::Int64, false),
        ],
        1,
        &[],
    )?;
    // The same rows without payload have the same metadata, but for what they say of columns.
    let row = |row: i64| vec![Some(Value::Int(row * 1_000)), Some(Value::Int(-row))];
    let plain = Segment::new(&schemas::readings()?, number, 0, (0..ROWS as i64).map(row).collect());
    let meta = Arc::new(SegmentMeta { columns: Vec::new(), ..(*plain.meta).clone() });
    let mut batches = Vec::new();
    for batch in plain.batches()? {
        let columns = std::iter::once(Arc::clone(&payload)).chain(batch.columns().iter().cloned());
        let batch = RecordBatch::try_new(schema.arrow().clone(), columns.collect())
            .map_err(|error| Failure::new(format!("generating a batch: {error}")))?;
        batches.extend([batch.slice(0, 17), batch.slice(17, ROWS - 17)]);
    }
    let source = MemorySource::new(meta.clone(), schema.clone(), batches);
    let Put::Stored(stored) = tier.put(Arc::new(source)).await? else { return Ok(None) };
    let handle = SegmentHandle { meta: meta.clone(), record: stored.record };
    Ok(Some(Stored { schema, meta, handle, payload }))
}

impl Stored {
    /// The rows as the model has them: what stands for a value of payload is its row number.
    fn rows(&self) -> Vec<Row> {
        let row = |row: usize| {
            let number = row as i64;
            let payload = self.payload.is_valid(row).then_some(Value::Int(number));
            vec![payload, Some(Value::Int(number * 1_000)), Some(Value::Int(-number))]
        };
        (0..ROWS).map(row).collect()
    }

    /// The columns `payload` and `reading`.
    fn columns(&self) -> (ColumnId, ColumnId) {
        (self.schema.columns()[0].id, self.schema.columns()[2].id)
    }

    /// Asks for rows, the payload of which is the first column, and compares with the model.
    async fn ensure_scan(&self, tier: &Arc<dyn Tier>, request: ScanRequest) -> CaseResult {
        let expected = model::scan(&[&self.rows()], &request);
        let batch_rows = request.batch_rows;
        let (found, error) = collect(tier, request).await;
        if let Some(error) = error {
            return Err(Failure::from(error).during("scan"));
        }
        let mut next = expected.iter();
        for batch in &found {
            let array = batch.rows.column(0);
            ensure_eq(array.data_type(), self.payload.data_type(), "type of a payload column")?;
            ensure(array.len() <= batch_rows, || format!("a batch has {} rows", array.len()))?;
            for row in 0..array.len() {
                let Some((_, expected)) = next.next() else {
                    return Err(Failure::new("there are more rows than match"));
                };
                let given = match expected.first() {
                    Some(Some(Value::Int(number))) => shown(&self.payload, *number as usize)?,
                    _ => "null".to_string(),
                };
                ensure_eq(&shown(array, row)?, &given, "a value of payload")?;
            }
        }
        ensure(next.next().is_none(), || "a scan lacks rows".into())
    }
}

/// A segment with payload is read as it was put, in batches of any size and alone. A tier may decline it.
fn payload_is_read_as_it_was_put(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        for (number, payload) in (0..).zip(columns()?) {
            let Some(stored) = store(&tier, number, payload).await? else { continue };
            for (batch_rows, alone) in [(8_192, false), (7, false), (25, true)] {
                let mut request = plain_scan(&stored.schema, std::slice::from_ref(&stored.handle));
                request.batch_rows = batch_rows;
                if alone {
                    request.projection.truncate(1);
                }
                stored.ensure_scan(&tier, request).await?;
            }
        }
        Ok(())
    })
}

/// A predicate tests other columns, and whether payload is there at all.
fn payload_follows_the_rows_that_match(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        for (number, payload) in (0..).zip(columns()?) {
            let Some(stored) = store(&tier, number, payload).await? else { continue };
            let (payload, reading) = stored.columns();
            let below = |value| Predicate::Compare {
                column: reading,
                comparison: Comparison::Less,
                value: Value::Int(value),
            };
            let absent = Predicate::IsNull(payload);
            let present = Predicate::Not(Box::new(absent.clone()));
            for predicate in
                [below(-31), absent, present.clone(), Predicate::And(vec![present, below(-5)]), below(-1_000)]
            {
                let mut request = plain_scan(&stored.schema, std::slice::from_ref(&stored.handle));
                request.predicate = Some(predicate);
                request.batch_rows = 11;
                stored.ensure_scan(&tier, request).await?;
            }
        }
        Ok(())
    })
}

fn payload_follows_its_rows_into_an_order(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        for (number, payload) in (0..).zip(columns()?) {
            let Some(stored) = store(&tier, number, payload).await? else { continue };
            let (_, reading) = stored.columns();
            for (descending, limit) in [(false, None), (true, Some(7)), (false, Some(23))] {
                let mut request = plain_scan(&stored.schema, std::slice::from_ref(&stored.handle));
                request.order = vec![SortKey { column: reading, descending, nulls_first: false }];
                request.limit = limit;
                stored.ensure_scan(&tier, request).await?;
            }
        }
        Ok(())
    })
}

fn a_count_of_payload_is_of_what_is_not_null(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        for (number, payload) in (0..).zip(columns()?) {
            let Some(stored) = store(&tier, number, payload).await? else { continue };
            let (payload, _) = stored.columns();
            let aggregates = vec![Aggregate { function: Function::Count, column: Some(payload) }];
            let plan = AggregatePlan { group_by: vec![], bucket: None, aggregates };
            let rows = stored.rows();
            let expected = model::aggregate(&stored.schema, &[(&stored.meta, &rows[..])], None, &plan);
            let request =
                AggregateRequest::new(stored.schema.clone(), vec![stored.handle.clone()], plan.clone());
            let states = aggregate(&tier, request).await?;
            let found = model::merge_states(&stored.schema, &plan, &states)?;
            ensure_eq(&found, &expected, "count of payload")?;
        }
        Ok(())
    })
}
