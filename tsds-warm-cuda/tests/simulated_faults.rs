//! Every call of the driver that opening, putting, scanning, aggregating and removing make fails once, on the simulator: rows stay right,
//! nothing is touched that must not be, nothing is left, and the tier goes on or is lost and can be built anew.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// What the trials of the tier itself put.
#[path = "../../tsds-device/src/conformance/tier/source.rs"]
mod source;
mod support;

use std::process::ExitCode;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow_select::concat::concat_batches;
use futures::StreamExt;
use futures::stream::BoxStream;
use libtest_mimic::{Arguments, Trial};
use tsds_device::DeviceTier;
use tsds_io::Runtime;
use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ErrorKind, Function, Put, Result, ScanRequest, SortKey,
    StoredSegment, Tier,
};
use tsds_warm_cuda::simulator::{Count, Setting, Simulator};
use tsds_warm_cuda::{CudaDevice, NAME};

use source::Blocks;

type CudaTier = Arc<DeviceTier<CudaDevice>>;

/// What is done while a call fails.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Open,
    Put,
    Scan,
    TopRows,
    Aggregate,
    Evict,
}

/// How calls fail: the code, and whether the device is lost by it.
#[derive(Clone, Copy, Debug)]
enum Failure {
    /// An argument was wrong.
    Refused,
    OutOfMemory,
    /// Nobody knows what it means.
    Unknown,
    /// A kernel read what is not there.
    Fault,
}

const OPERATIONS: [(&str, Operation); 6] = [
    ("opening", Operation::Open),
    ("putting", Operation::Put),
    ("scanning", Operation::Scan),
    ("finding_the_first_rows", Operation::TopRows),
    ("aggregating", Operation::Aggregate),
    ("evicting", Operation::Evict),
];
const FAILURES: [(&str, Failure); 4] = [
    ("is_refused", Failure::Refused),
    ("finds_no_memory", Failure::OutOfMemory),
    ("fails_for_a_reason_unheard_of", Failure::Unknown),
    ("finds_the_device_faulted", Failure::Fault),
];
/// More calls than any operation makes.
const MOST_CALLS: i64 = 3_000;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // There is one simulator.
    arguments.test_threads = Some(1);
    let simulator = Simulator::load();
    let mut trials = Vec::new();
    for (doing, operation) in OPERATIONS {
        for (fails, failure) in FAILURES {
            let name = format!("{doing}_survives_that_any_call_{fails}");
            trials.push(match &simulator {
                Ok(simulator) => {
                    let simulator = *simulator;
                    Trial::test(name, move || {
                        sweep(simulator, operation, failure);
                        Ok(())
                    })
                }
                Err(reason) => Trial::test(name, || Ok(()))
                    .with_kind(format!("absent: {reason}"))
                    .with_ignored_flag(true),
            });
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Fails the first call of the operation, then the second, and so on, until it makes no more.
fn sweep(simulator: &'static Simulator, operation: Operation, failure: Failure) {
    let runtime = Runtime::new(Some(2)).unwrap();
    let expected = outcome_of(simulator, &runtime, operation, None).1.unwrap();
    for call in 1..MOST_CALLS {
        let (made, outcome) = outcome_of(simulator, &runtime, operation, Some((call, failure)));
        let what = format!("call {call} of {operation:?} fails: {failure:?}");
        match outcome {
            Ok(rows) => assert!(rows == expected, "{what}: other rows"),
            Err(error) => {
                let expected =
                    [ErrorKind::DeviceLost, ErrorKind::NoSpace, ErrorKind::Internal, ErrorKind::Unavailable];
                assert!(expected.contains(&error.kind()), "{error} {what}");
            }
        }
        assert_eq!(simulator.violation(), "", "{what}");
        assert_eq!(simulator.leaks(), "", "{what}");
        if made < call {
            return;
        }
    }
    panic!("{operation:?} never ends");
}

/// What the operation gives on a new machine, and how many calls it made. Whatever that is, the tier answers right afterwards, or another
/// one in its place does.
fn outcome_of(
    simulator: &'static Simulator,
    runtime: &Runtime,
    operation: Operation,
    fails: Option<(i64, Failure)>,
) -> (i64, Result<Vec<RecordBatch>>) {
    let (first, second) = (segment(1), segment(2));
    simulator.reset().set(Setting::Recoverable, 1).set(Setting::Seed, fails.map_or(0, |(call, _)| call));
    let before = match operation {
        Operation::Open => None,
        _ => Some(open(runtime).unwrap()),
    };
    if let Some(tier) = before.as_ref().filter(|_| !matches!(operation, Operation::Put)) {
        runtime.block_on(tier.put(Arc::clone(&first) as _)).unwrap();
    }
    let calls = simulator.count(Count::Calls);
    if let Some((call, failure)) = fails {
        fail(simulator, call, failure);
    }
    let (tier, outcome) = match (operation, before) {
        (Operation::Put, Some(tier)) => {
            let outcome = runtime.block_on(tier.put(Arc::clone(&first) as _));
            (Some(tier), outcome.map(|_| Vec::new()))
        }
        (Operation::Scan, Some(tier)) => {
            let outcome = runtime.block_on(all(Arc::clone(&tier).scan(scan(&first, &[], None))));
            (Some(tier), outcome)
        }
        (Operation::TopRows, Some(tier)) => {
            let outcome = runtime.block_on(all(Arc::clone(&tier).scan(scan(&first, &[1, 2], Some(10)))));
            (Some(tier), outcome)
        }
        (Operation::Aggregate, Some(tier)) => {
            let states = Arc::clone(&tier).aggregate(aggregate(&first));
            let outcome = runtime
                .block_on(async { states.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<_>>>() });
            (Some(tier), outcome)
        }
        (Operation::Evict, Some(tier)) => {
            let held = StoredSegment { id: source_id(&first), record: bytes::Bytes::new() };
            let outcome = runtime.block_on(async {
                tier.remove(&[held]).await?;
                tier.put(Arc::clone(&second) as _).await
            });
            (Some(tier), outcome.map(|_| Vec::new()))
        }
        _ => match open(runtime) {
            Ok(tier) => (Some(tier), Ok(Vec::new())),
            Err(error) => (None, Err(error)),
        },
    };
    simulator.set(Setting::FailCall, 0);
    let made = simulator.count(Count::Calls) - calls;
    let lives_on = tier.filter(|tier| !tsds_device::Device::is_lost(tier.device()));
    let tier = lives_on.unwrap_or_else(|| open(runtime).expect("a lost device is built anew"));
    let put = runtime.block_on(tier.put(Arc::clone(&first) as _)).unwrap();
    assert!(matches!(put, Put::Stored(_)));
    let rows = runtime.block_on(all(Arc::clone(&tier).scan(scan(&first, &[], None)))).unwrap();
    assert_eq!(concat_batches(&first.batch.schema(), &rows).unwrap(), first.batch);
    runtime.block_on(tier.close()).unwrap();
    drop(tier);
    // Jobs let go of what they hold after they have answered.
    for _ in 0..1_000 {
        if simulator.leaks().is_empty() {
            break;
        }
        runtime.block_on(runtime.world().clock.sleep(std::time::Duration::from_millis(1)));
    }
    (made, outcome)
}

fn fail(simulator: &Simulator, call: i64, failure: Failure) {
    let (code, sticky) = match failure {
        Failure::Refused => (1, 0),
        Failure::OutOfMemory => (2, 0),
        Failure::Unknown => (999, 0),
        Failure::Fault => (700, 1),
    };
    simulator
        .set(Setting::FailCallCode, code)
        .set(Setting::FailCallSticky, sticky)
        .set(Setting::FailCall, call);
}

fn open(runtime: &Runtime) -> Result<CudaTier> {
    let device = runtime.block_on(CudaDevice::open(&support::small(), &runtime.world()))?;
    Ok(DeviceTier::new(NAME, runtime.world(), device, 16 << 20))
}

fn segment(id: u64) -> Arc<Blocks> {
    let rows = 3_000_i64;
    let columns: [(&str, ArrayRef); 3] = [
        ("time", Arc::new(TimestampNanosecondArray::from_iter_values((0..rows).map(|row| row * 1_000_000)))),
        (
            "level",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|row| (row * 7_919 % 1_000) as f64 / 100.0),
            )),
        ),
        (
            "count",
            Arc::new(Int64Array::from_iter((0..rows).map(|row| (row % 11 != 0).then_some(row * row % 97)))),
        ),
    ];
    Arc::new(Blocks::new(id, &columns, &[2_048]))
}

fn source_id(source: &Blocks) -> tsds_traits::SegmentId {
    source.handle().meta.id
}

fn scan(source: &Blocks, order: &[usize], limit: Option<u64>) -> ScanRequest {
    let ids: Vec<_> = source.schema.columns().iter().map(|column| column.id).collect();
    let mut request = ScanRequest::new(Arc::clone(&source.schema), vec![source.handle()], ids.clone());
    request.order = order
        .iter()
        .map(|index| SortKey { column: ids[*index], descending: true, nulls_first: false })
        .collect();
    request.limit = limit;
    request
}

fn aggregate(source: &Blocks) -> AggregateRequest {
    let functions = [Function::Count, Function::Min, Function::Max, Function::Sum, Function::First];
    let of = |column: &tsds_traits::Column| {
        let column = column.id;
        functions.map(|function| Aggregate { function, column: Some(column) })
    };
    let aggregates = source.schema.columns().iter().skip(1).flat_map(of).collect();
    let plan = AggregatePlan { group_by: Vec::new(), bucket: None, aggregates };
    AggregateRequest::new(Arc::clone(&source.schema), vec![source.handle()], plan)
}

async fn all(rows: BoxStream<'static, Result<tsds_traits::SegmentBatch>>) -> Result<Vec<RecordBatch>> {
    rows.collect::<Vec<_>>().await.into_iter().map(|batch| Ok(batch?.rows)).collect()
}
