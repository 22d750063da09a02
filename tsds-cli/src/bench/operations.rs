//! What is measured, and what of it a device cannot avoid to read.

use tsds_traits::{
    Aggregate, AggregatePlan, AggregateRequest, ColumnId, Comparison, Function, Predicate, ScanRequest,
    SegmentHandle, SortKey, TableSchema, TimeBucket, Value,
};

use super::trades::COLUMNS;

/// Bytes of a number and of a text, which is a code.
const NUMBER: u64 = 8;
const TEXT: u64 = 4;
const MINUTE_NANOS: i64 = 60 * 1_000_000_000;

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Its name, for people and in JSON.
    pub(crate) name: &'static str,
    /// How many bytes of every row it reads.
    pub(crate) read_bytes: u64,
    /// How many bytes of every row that it returns it reads as well.
    pub(crate) returned_bytes: u64,
    asked: Asked,
}

#[derive(Clone, Debug)]
enum Asked {
    Scan { projection: Vec<ColumnId>, predicate: Option<Predicate>, order: Vec<SortKey>, limit: Option<u64> },
    Aggregate(AggregatePlan),
}

/// A request about segments.
pub(crate) enum Request {
    Scan(ScanRequest),
    Aggregate(AggregateRequest),
}

impl Operation {
    /// The operation over segments of a table.
    pub(crate) fn request(
        &self,
        schema: &std::sync::Arc<TableSchema>,
        segments: Vec<SegmentHandle>,
    ) -> Request {
        match self.asked.clone() {
            Asked::Scan { projection, predicate, order, limit } => {
                let plain = ScanRequest::new(schema.clone(), segments, projection);
                Request::Scan(ScanRequest { predicate, order, limit, ..plain })
            }
            Asked::Aggregate(plan) => {
                Request::Aggregate(AggregateRequest::new(schema.clone(), segments, plan))
            }
        }
    }

    /// How many bytes it must read of so many rows, of which it returns some.
    pub(crate) fn bytes(&self, rows: u64, returned: u64) -> u64 {
        self.read_bytes * rows + self.returned_bytes * returned
    }
}

/// Every operation on trades, of which `low` is a price in the middle, `upper` one that a tenth exceeds, and `high` one that few do.
pub(crate) fn operations(low: f64, upper: f64, high: f64) -> Vec<Operation> {
    let above = |price: f64| Predicate::Compare {
        column: COLUMNS.price,
        comparison: Comparison::Greater,
        value: Value::F64(price),
    };
    let symbol = |comparison, name: &str| Predicate::Compare {
        column: COLUMNS.symbol,
        comparison,
        value: Value::Text(name.into()),
    };
    let large = Predicate::Compare {
        column: COLUMNS.size,
        comparison: Comparison::GreaterOrEqual,
        value: Value::Int(500),
    };
    let filter = |name, read_bytes, predicate| Operation {
        name,
        read_bytes,
        returned_bytes: 2 * NUMBER,
        asked: Asked::Scan {
            projection: vec![COLUMNS.time, COLUMNS.price],
            predicate: Some(predicate),
            order: Vec::new(),
            limit: None,
        },
    };
    let call = |function, column| Aggregate { function, column };
    let price = Some(COLUMNS.price);
    vec![
        filter("range filter, few match", NUMBER, above(high)),
        filter("range filter, many match", NUMBER, above(low)),
        Operation {
            name: "filter and gather of 3 columns",
            read_bytes: NUMBER,
            returned_bytes: 3 * NUMBER,
            asked: Asked::Scan {
                projection: vec![COLUMNS.time, COLUMNS.price, COLUMNS.size],
                predicate: Some(above(upper)),
                order: Vec::new(),
                limit: None,
            },
        },
        filter("text equality", TEXT, symbol(Comparison::Equal, "NVDA")),
        filter(
            "three columns and",
            TEXT + 2 * NUMBER,
            Predicate::And(vec![symbol(Comparison::NotEqual, "SPY"), above(low), large]),
        ),
        Operation {
            name: "scan of one column",
            read_bytes: NUMBER,
            returned_bytes: 0,
            asked: Asked::Scan {
                projection: vec![COLUMNS.price],
                predicate: None,
                order: Vec::new(),
                limit: None,
            },
        },
        Operation {
            name: "top 100 by price",
            read_bytes: NUMBER,
            returned_bytes: 2 * NUMBER,
            asked: Asked::Scan {
                projection: vec![COLUMNS.time, COLUMNS.price],
                predicate: None,
                order: vec![SortKey { column: COLUMNS.price, descending: true, nulls_first: false }],
                limit: Some(100),
            },
        },
        Operation {
            name: "1 m buckets by symbol",
            read_bytes: TEXT + 2 * NUMBER,
            returned_bytes: 0,
            asked: Asked::Aggregate(AggregatePlan {
                group_by: vec![COLUMNS.symbol],
                bucket: Some(TimeBucket::Units { width: MINUTE_NANOS, origin: 0 }),
                aggregates: vec![
                    call(Function::Count, None),
                    call(Function::Sum, price),
                    call(Function::Min, price),
                    call(Function::Max, price),
                ],
            }),
        },
        Operation {
            name: "sum of the table",
            read_bytes: NUMBER,
            returned_bytes: 0,
            asked: Asked::Aggregate(AggregatePlan {
                group_by: Vec::new(),
                bucket: None,
                aggregates: vec![call(Function::Sum, price)],
            }),
        },
    ]
}
