//! A segment in memory whose columns come in blocks of the Gorilla codec.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tsds_codec_gorilla::GorillaCodec;
use tsds_compute::column_stats;
use tsds_traits::{
    BlockLayout, ChunkRange, Codec, Column, ColumnId, EncodeHints, EncodedBlock, EncodedColumn, Error,
    KeyDomain, Result, SchemaVersion, SegmentHandle, SegmentId, SegmentMeta, SegmentSource, Sequence,
    SequenceInterval, TableId, TableSchema,
};

#[derive(Debug)]
pub(crate) struct Blocks {
    meta: Arc<SegmentMeta>,
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) batch: RecordBatch,
    cuts: Vec<Range<usize>>,
    codecs: Vec<GorillaCodec>,
}

impl Blocks {
    /// The same columns, encoded otherwise: blocks of a column in turns, and neighbouring columns not in the same ones.
    pub(crate) fn encoded_by(self, codecs: Vec<GorillaCodec>) -> Self {
        Self { codecs, ..self }
    }

    /// The rows of each block.
    pub(crate) fn cuts(&self) -> impl Iterator<Item = &Range<usize>> {
        self.cuts.iter()
    }

    /// Columns, the first of which is the time, in blocks of these lengths, again and again.
    pub(crate) fn new(id: u64, columns: &[(&str, ArrayRef)], lengths: &[usize]) -> Self {
        let rows = columns[0].1.len();
        let column = |(index, (name, array)): (usize, &(&str, ArrayRef))| Column {
            id: ColumnId(index as u32 + 1),
            name: (*name).into(),
            data_type: array.data_type().clone(),
            nullable: index > 0,
        };
        let schema = columns.iter().enumerate().map(column).collect();
        let schema = TableSchema::new(TableId(1), SchemaVersion(1), schema, ColumnId(1), &[]).unwrap();
        let arrays = columns.iter().map(|(_, array)| Arc::clone(array)).collect();
        let ids: Vec<ColumnId> = schema.columns().iter().map(|column| column.id).collect();
        let fields = schema.project(&ids).unwrap();
        let batch = RecordBatch::try_new(fields, arrays).unwrap();
        let mut cuts = Vec::new();
        let mut start = 0;
        for length in lengths.iter().cycle() {
            if start >= rows {
                break;
            }
            let end = rows.min(start + length);
            cuts.push(start..end);
            start = end;
        }
        let meta = SegmentMeta {
            id: SegmentId::new(id),
            table: TableId(1),
            schema_version: SchemaVersion(1),
            chunk: ChunkRange { start: i64::MIN, end: i64::MAX },
            key_domain: KeyDomain(0),
            interval: SequenceInterval::new(Sequence(0), Sequence(rows as u64)),
            rows: rows as u64,
            time_range: (i64::MIN, i64::MAX),
            series: 1,
            plain_bytes: rows as u64 * 8,
            columns: Vec::new(),
        };
        Self {
            meta: Arc::new(meta),
            schema: Arc::new(schema),
            batch,
            cuts,
            codecs: vec![GorillaCodec::new()],
        }
    }

    pub(crate) fn handle(&self) -> SegmentHandle {
        SegmentHandle { meta: Arc::clone(&self.meta), record: bytes::Bytes::new() }
    }

    /// How long all blocks are together.
    pub(crate) fn encoded_bytes(&self) -> u64 {
        let blocks = self.schema.columns().iter().flat_map(|column| self.encode(column.id)).flatten();
        blocks.map(|block| block.bytes.len() as u64).sum()
    }

    /// The blocks of a column, if the codec takes it as it is or as a file holds it.
    fn encode(&self, id: ColumnId) -> Option<Vec<EncodedBlock>> {
        let index = self.schema.index_of(id).unwrap();
        let values = self.batch.column(index);
        let values = digits(values).unwrap_or_else(|| Arc::clone(values));
        GorillaCodec::new().capabilities().types.contains(values.data_type()).then_some(())?;
        let block = |(number, rows): (usize, &Range<usize>)| {
            let codec = &self.codecs[(index + number) % self.codecs.len()];
            let array = values.slice(rows.start, rows.len());
            let mut bytes = Vec::new();
            codec.encode(&array, &EncodeHints::default(), &mut bytes).unwrap();
            let layout = BlockLayout {
                codec: codec.id().into(),
                version: codec.version(),
                data_type: array.data_type().clone(),
                first_row: rows.start as u64,
                rows: rows.len() as u32,
                run_starts: Arc::from([0]),
                stats: column_stats(id, &array).unwrap(),
            };
            EncodedBlock { layout, bytes: bytes.into() }
        };
        Some(self.cuts.iter().enumerate().map(block).collect())
    }
}

#[async_trait]
impl SegmentSource for Blocks {
    fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn batches(&self) -> BoxStream<'static, Result<RecordBatch>> {
        stream::iter([Ok::<_, Error>(self.batch.clone())]).boxed()
    }

    fn layout(&self, column: ColumnId) -> Result<Option<Vec<BlockLayout>>> {
        Ok(self.encode(column).map(|blocks| blocks.into_iter().map(|block| block.layout).collect()))
    }

    async fn blocks(&self, column: ColumnId, _: Range<u64>) -> Result<Option<EncodedColumn>> {
        Ok(self.encode(column).map(|blocks| EncodedColumn { dictionary: None, blocks }))
    }
}

/// Decimals as segment files hold them: digits, where all fit 64 bits.
fn digits(array: &ArrayRef) -> Option<ArrayRef> {
    let decimals = array.as_primitive_opt::<Decimal128Type>()?;
    let fit = decimals.iter().flatten().all(|value| i64::try_from(value).is_ok());
    fit.then(|| Arc::new(decimals.unary::<_, Int64Type>(|value| value as i64)) as ArrayRef)
}
