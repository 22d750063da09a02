//! A tier that keeps rows as they are, in memory, and on disk too if it is durable. It answers by the suite's own model.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::checksum::{checked, sealed};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema as ArrowSchema};
use arrow_select::concat::concat;
use arrow_select::take::take;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tsds_conformance::data::arrays::{Cell, Layout, build, cell_of};
use tsds_conformance::data::segments::{Row, rows_of};
use tsds_conformance::fixture::TierFixture;
use tsds_conformance::{Failure, model};
use tsds_traits::{
    AggregateRequest, BuildContext, Durability, Error, ErrorKind, OpenMode, Presence, Put, Result,
    ScanRequest, SegmentBatch, SegmentHandle, SegmentId, SegmentMeta, SegmentSource, Stored, StoredSegment,
    Tier, TierCapabilities, TierUsage, Value, World, is_payload_type,
};

#[derive(Debug)]
pub struct ReferenceTier {
    world: World,
    directory: PathBuf,
    capabilities: TierCapabilities,
    limit_bytes: Option<u64>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    segments: BTreeMap<SegmentId, Arc<Held>>,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Held {
    meta: SegmentMeta,
    rows: Vec<Row>,
    /// A segment with payload: its columns. Rows, which cannot hold it, have row numbers instead. Only in memory.
    #[serde(skip)]
    payload: BTreeMap<usize, ArrayRef>,
}

impl Held {
    /// What the rows take in memory.
    fn bytes(&self) -> u64 {
        let text = |value: &Option<Value>| match value {
            Some(Value::Text(text)) => text.capacity(),
            _ => 0,
        };
        let row = |row: &Row| size_of_val(row) + size_of_val(&**row) + row.iter().map(text).sum::<usize>();
        self.rows.iter().map(row).sum::<usize>() as u64
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn internal(failure: Failure) -> Error {
    Error::internal("reference tier failed").with("failure", failure)
}

fn path_of(directory: &std::path::Path, id: SegmentId) -> PathBuf {
    directory.join(format!("{id}.json"))
}

impl ReferenceTier {
    pub async fn open(
        context: BuildContext,
        capabilities: TierCapabilities,
        limit_bytes: Option<u64>,
    ) -> Result<Arc<dyn Tier>> {
        let (vfs, directory) = (context.world.vfs.clone(), context.directory.clone());
        let durable = capabilities.durability >= Durability::Process;
        let load = move || {
            let mut segments = BTreeMap::new();
            if durable {
                vfs.create_dir_all(&directory)?;
                for entry in vfs.read_dir(&directory)?.iter().filter(|entry| entry.name.ends_with(".json")) {
                    let file = vfs.open(&directory.join(&entry.name), OpenMode::Read)?;
                    let mut bytes = vec![0; file.len()? as usize];
                    file.read_exact_at(&mut bytes, 0)?;
                    let held: Held = serde_json::from_slice(checked(&bytes)?)
                        .map_err(|error| Error::corrupt("segment file").with("cause", error))?;
                    segments.insert(held.meta.id, Arc::new(held));
                }
            }
            Ok(segments)
        };
        let segments = (*context.world.executor).blocking(load).await?;
        let state = Arc::new(Mutex::new(State { closed: false, segments }));
        let (world, directory) = (context.world, context.directory);
        Ok(Arc::new(Self { world, directory, capabilities, limit_bytes, state }))
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>> {
        let state = lock(&self.state);
        if state.closed { Err(Error::new(ErrorKind::Closed, "tier is closed")) } else { Ok(state) }
    }

    fn durable(&self) -> bool {
        self.capabilities.durability >= Durability::Process
    }

    /// The segments of a request, all of which must be here.
    fn held(&self, handles: &[SegmentHandle]) -> Result<Vec<Arc<Held>>> {
        let state = self.open_state()?;
        let find = |handle: &SegmentHandle| {
            state.segments.get(&handle.meta.id).cloned().ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "segment is absent").with("segment", handle.meta.id)
            })
        };
        handles.iter().map(find).collect()
    }

    fn answer(&self, request: &ScanRequest) -> Result<Vec<SegmentBatch>> {
        let claims = &self.capabilities;
        let beyond = (request.predicate.is_some() && !claims.predicate)
            || (!request.order.is_empty() && !claims.order)
            || (request.limit.is_some() && !claims.limit);
        if beyond {
            return Err(Error::unsupported("scan is beyond the capabilities"));
        }
        let held = self.held(&request.segments)?;
        let rows: Vec<&[Row]> = held.iter().map(|held| &held.rows[..]).collect();
        let answer = model::scan(&rows, request);
        let mut batches = Vec::new();
        for of_segment in answer.chunk_by(|a, b| a.0 == b.0) {
            for rows in of_segment.chunks(request.batch_rows) {
                let rows: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
                let segment = of_segment[0].0;
                batches.push(SegmentBatch { segment, rows: batch(request, &held[segment], &rows)? });
            }
        }
        Ok(batches)
    }

    fn states(&self, request: &AggregateRequest) -> Result<Option<RecordBatch>> {
        let claims = &self.capabilities;
        if !claims.aggregate || (request.predicate.is_some() && !claims.predicate) {
            return Err(Error::unsupported("aggregate is beyond the capabilities"));
        }
        let held = self.held(&request.segments)?;
        let segments: Vec<(&SegmentMeta, &[Row])> =
            held.iter().map(|held| (&held.meta, &held.rows[..])).collect();
        let groups = model::aggregate(&request.schema, &segments, request.predicate.as_ref(), &request.plan);
        model::write_states(&request.schema, &request.plan, &groups).map_err(internal)
    }
}

/// Takes columns of payload out of a batch, and leaves the numbers of its rows, from `first` on, in their place.
fn number_payload(
    batch: &RecordBatch,
    first: usize,
    payload: &mut BTreeMap<usize, Vec<ArrayRef>>,
) -> Result<RecordBatch> {
    let mut fields = batch.schema().fields().to_vec();
    let mut columns = batch.columns().to_vec();
    for (index, column) in columns.iter_mut().enumerate() {
        if is_payload_type(column.data_type()) {
            let numbers = (first as i64..).take(column.len()).collect();
            let numbers = Int64Array::new(numbers, column.logical_nulls());
            payload.entry(index).or_default().push(std::mem::replace(column, Arc::new(numbers)));
            fields[index] = Arc::new(Field::new("payload", DataType::Int64, true));
        }
    }
    Ok(RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns)?)
}

fn batch(request: &ScanRequest, held: &Held, rows: &[&Row]) -> Result<RecordBatch> {
    let schema = request.schema.project(&request.projection)?;
    let column = |index: usize| {
        let stored = request.schema.index_of(request.projection[index]);
        if let Some(payload) = stored.and_then(|stored| held.payload.get(&stored)) {
            let number = |row: &&Row| match row[index] {
                Some(Value::Int(number)) => Some(number as u32),
                _ => None,
            };
            return Ok(take(payload, &rows.iter().map(number).collect::<UInt32Array>(), None)?);
        }
        let cells: Vec<Option<Cell>> = rows.iter().map(|row| row[index].as_ref().map(cell_of)).collect();
        build(schema.field(index).data_type(), &cells, Layout::COMPACT).map_err(internal)
    };
    let columns = (0..schema.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

#[async_trait]
impl Tier for ReferenceTier {
    fn name(&self) -> &'static str {
        "reference.tier"
    }

    fn capabilities(&self) -> &TierCapabilities {
        &self.capabilities
    }

    async fn put(&self, source: Arc<dyn SegmentSource>) -> Result<Put> {
        drop(self.open_state()?);
        let meta = source.meta().clone();
        if self.capabilities.max_segment_bytes.is_some_and(|limit| meta.plain_bytes > limit) {
            return Ok(Put::Declined("segment is too large".into()));
        }
        let (mut rows, mut payload) = (Vec::new(), BTreeMap::new());
        let mut batches = source.batches();
        while let Some(batch) = batches.try_next().await? {
            let batch = number_payload(&batch, rows.len(), &mut payload)?;
            rows.extend(rows_of(&batch).map_err(internal)?);
        }
        let joined = |arrays: &Vec<ArrayRef>| {
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            concat(&arrays)
        };
        let payload = payload.iter().map(|(index, arrays)| Ok((*index, joined(arrays)?)));
        let payload = payload.collect::<Result<_>>()?;
        let held = Held { meta: (*meta).clone(), rows, payload };
        let stored = Stored { bytes: held.bytes(), record: Bytes::from(meta.id.to_string()) };
        let (world, path, durable) = (self.world.clone(), path_of(&self.directory, meta.id), self.durable());
        let (state, limit) = (self.state.clone(), self.limit_bytes);
        // Under the lock and in one job: whoever stops waiting stops nothing half-way.
        let store = move || {
            let mut state = lock(&state);
            let used: u64 = state.segments.values().map(|held| held.bytes()).sum();
            if let Entry::Vacant(vacant) = state.segments.entry(held.meta.id) {
                if limit.is_some_and(|limit| used + held.bytes() > limit) {
                    return Err(Error::new(ErrorKind::NoSpace, "tier is full").with("used", used));
                }
                if durable {
                    let json =
                        serde_json::to_vec(&held).map_err(|e| Error::internal("json").with("cause", e))?;
                    world.replace_file(&path, &sealed(json))?;
                }
                vacant.insert(Arc::new(held));
            }
            Ok(Put::Stored(stored))
        };
        (*self.world.executor).blocking(store).await
    }

    fn scan(self: Arc<Self>, request: ScanRequest) -> BoxStream<'static, Result<SegmentBatch>> {
        let batches =
            async move { self.answer(&request).map(|batches| stream::iter(batches.into_iter().map(Ok))) };
        stream::once(batches).try_flatten().boxed()
    }

    fn aggregate(self: Arc<Self>, request: AggregateRequest) -> BoxStream<'static, Result<RecordBatch>> {
        let states = async move { self.states(&request).map(|batch| stream::iter(batch.map(Ok))) };
        stream::once(states).try_flatten().boxed()
    }

    async fn remove(&self, segments: &[StoredSegment]) -> Result<()> {
        drop(self.open_state()?);
        let (state, vfs, directory) = (self.state.clone(), self.world.vfs.clone(), self.directory.clone());
        let (ids, durable): (Vec<_>, _) =
            (segments.iter().map(|segment| segment.id).collect(), self.durable());
        let remove = move || {
            let mut state = lock(&state);
            for id in ids {
                if state.segments.remove(&id).is_some() && durable {
                    vfs.remove_file(&path_of(&directory, id))?;
                    vfs.sync_dir(&directory)?;
                }
            }
            Ok(())
        };
        (*self.world.executor).blocking(remove).await
    }

    async fn list(&self) -> Result<Vec<StoredSegment>> {
        let stored = |id: &SegmentId| StoredSegment { id: *id, record: Bytes::new() };
        Ok(self.open_state()?.segments.keys().map(stored).collect())
    }

    fn usage(&self) -> TierUsage {
        let state = lock(&self.state);
        let held = state.segments.values();
        TierUsage {
            segments: state.segments.len() as u64,
            rows: held.clone().map(|held| held.meta.rows).sum(),
            bytes: held.map(|held| held.bytes()).sum(),
            limit_bytes: self.limit_bytes,
            ..TierUsage::default()
        }
    }

    async fn close(&self) -> Result<()> {
        let mut state = lock(&self.state);
        state.closed = true;
        state.segments.clear();
        Ok(())
    }
}

/// Opens a reference tier that claims what it is told to.
pub struct ReferenceTierFixture {
    pub id: &'static str,
    pub capabilities: TierCapabilities,
    pub limit_bytes: Option<u64>,
}

#[async_trait]
impl TierFixture for ReferenceTierFixture {
    fn id(&self) -> String {
        self.id.into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(self.capabilities.device.clone().unwrap_or_default())
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn Tier>> {
        ReferenceTier::open(context, self.capabilities.clone(), self.limit_bytes).await
    }
}

/// Volatile, with every pushdown.
pub fn volatile() -> ReferenceTierFixture {
    let capabilities = TierCapabilities::new(Durability::Volatile).with_all_pushdown();
    ReferenceTierFixture { id: "reference.tier+volatile", capabilities, limit_bytes: None }
}

/// Durable, with every pushdown.
pub fn durable() -> ReferenceTierFixture {
    let capabilities = TierCapabilities::new(Durability::Power).with_all_pushdown();
    ReferenceTierFixture { id: "reference.tier+durable", capabilities, limit_bytes: None }
}

/// Volatile, with plain scans only, a largest segment and little room.
pub fn plain() -> ReferenceTierFixture {
    let capabilities = TierCapabilities::new(Durability::Volatile).with_max_segment_bytes(1 << 30);
    ReferenceTierFixture { id: "reference.tier+plain", capabilities, limit_bytes: Some(1 << 20) }
}
