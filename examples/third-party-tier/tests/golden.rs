//! A file as version 1 wrote it: it stays readable for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_io::SimWorld;
use tsds_traits::{
    BlockLayout, BuildContext, ChunkRange, CodecSet, Column, ColumnId, DatabaseId, EncodedColumn, KeyDomain,
    Put, Registry, Result, ScanRequest, SchemaVersion, SegmentHandle, SegmentId, SegmentMeta, SegmentSource,
    Sequence, SequenceInterval, TableId, TableSchema, Tier,
};

const NAME: &str = "0000000000000001-00000000.5.2c0bec32.arrow";
const GOLDEN: &[u8] = include_bytes!("golden/0000000000000001-00000000.5.2c0bec32.arrow");

/// The segment in the file, in two batches.
#[derive(Debug)]
struct Golden {
    meta: Arc<SegmentMeta>,
    schema: Arc<TableSchema>,
}

impl Golden {
    fn new() -> Self {
        let column = |id, name: &str, data_type, nullable| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type,
            nullable,
        };
        let columns = vec![
            column(1, "time", DataType::Timestamp(TimeUnit::Microsecond, None), false),
            column(2, "host", DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()), true),
            column(3, "load", DataType::Float64, true),
        ];
        let schema = TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[]).unwrap();
        let meta = SegmentMeta {
            id: SegmentId::new(1),
            table: TableId(1),
            schema_version: SchemaVersion(1),
            chunk: ChunkRange { start: 0, end: 86_400 },
            key_domain: KeyDomain(0),
            interval: SequenceInterval::new(Sequence(0), Sequence(2)),
            rows: 5,
            time_range: (1, 5),
            series: 1,
            plain_bytes: 100,
            columns: Vec::new(),
        };
        Self { meta: Arc::new(meta), schema: Arc::new(schema) }
    }

    fn rows(&self) -> Vec<RecordBatch> {
        let batch = |time: Vec<i64>, host: DictionaryArray<Int32Type>, load: Vec<Option<f64>>| {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(TimestampMicrosecondArray::from(time)),
                Arc::new(host),
                Arc::new(Float64Array::from(load)),
            ];
            RecordBatch::try_new(self.schema.arrow().clone(), columns).unwrap()
        };
        let odd = f64::from_bits(0x7ff0_0000_0000_beef);
        vec![
            batch(
                vec![1, 2, 3],
                [Some("a"), None, Some("b")].into_iter().collect(),
                vec![Some(0.5), None, Some(odd)],
            ),
            batch(vec![4, 5], [Some("c"), Some("a")].into_iter().collect(), vec![Some(-0.0), Some(1e300)]),
        ]
    }
}

#[async_trait]
impl SegmentSource for Golden {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::iter(self.rows().into_iter().map(Ok)).boxed()
    }

    fn layout(&self, _column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        Ok(None)
    }

    async fn blocks(&self, _column: ColumnId, _rows: std::ops::Range<u64>) -> Result<Option<EncodedColumn>> {
        Ok(None)
    }
}

async fn open(machine: &SimWorld) -> Arc<dyn Tier> {
    let mut registry = Registry::new();
    registry.register(example_ipc::PLUGIN).unwrap();
    let codecs = Arc::new(CodecSet::default());
    let context = BuildContext::new(machine.world(), DatabaseId([7; 16]), "/tier".into(), codecs);
    registry.tier("example.ipc", serde_json::json!({}), context).await.unwrap()
}

#[test]
fn a_file_of_version_1_is_still_read() {
    let machine = SimWorld::new(1);
    machine.block_on(async {
        // Opening makes the directory.
        open(&machine).await.close().await.unwrap();
        machine.write_file(format!("/tier/{NAME}"), GOLDEN).unwrap();
        let (tier, golden) = (open(&machine).await, Golden::new());
        assert_eq!((tier.usage().rows, tier.usage().bytes), (5, GOLDEN.len() as u64));
        let handle = SegmentHandle { meta: golden.meta.clone(), record: NAME.into() };
        let columns = golden.schema.columns().iter().map(|column| column.id).collect();
        let scan = tier.scan(ScanRequest::new(golden.schema.clone(), vec![handle], columns));
        let batches: Vec<_> = scan.map_ok(|batch| batch.rows).try_collect().await.unwrap();
        assert_eq!(batches, golden.rows());
    });
}

/// A new Arrow may lay a file out otherwise. That is no new version as long as the test above holds.
#[test]
fn the_same_file_is_written() {
    let machine = SimWorld::new(2);
    machine.block_on(async {
        let Put::Stored(stored) = open(&machine).await.put(Arc::new(Golden::new())).await.unwrap() else {
            panic!()
        };
        let name = String::from_utf8(stored.record.to_vec()).unwrap();
        let written = machine.read_file(format!("/tier/{name}")).unwrap();
        assert_eq!((name.as_str(), &written[..]), (NAME, GOLDEN));
    });
}
