//! A log that writes one file for each sync.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::checksum::{checked, sealed};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_conformance::fixture::WalFixture;
use tsds_traits::{
    BuildContext, Durability, Error, ErrorKind, OpenMode, Presence, RecordKind, Result, SchemaVersion,
    Sequence, TableId, WalOpen, WalRecord, WalSink, WalUsage, World,
};

#[derive(Debug)]
pub struct ReferenceWal {
    world: World,
    directory: PathBuf,
    durability: Durability,
    found: Arc<Vec<WalRecord>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Appended and not yet durable.
    pending: Vec<WalRecord>,
    /// The sequence of the next record.
    next: Sequence,
    durable: Sequence,
    /// Closed, or poisoned.
    closed: bool,
}

/// A record as it is stored.
type StoredRecord = (u64, u32, u32, u16, u32, Option<[u8; 16]>, Vec<u8>);

fn to_stored(record: &WalRecord) -> StoredRecord {
    let (table, schema, kind) = (record.table.0, record.schema_version.0, record.kind.0);
    let payload = record.payload.concat();
    (record.sequence.0, table, schema, kind, record.rows, record.client_batch_id, payload)
}

fn from_stored((sequence, table, schema, kind, rows, client, payload): StoredRecord) -> WalRecord {
    WalRecord {
        sequence: Sequence(sequence),
        table: TableId(table),
        schema_version: SchemaVersion(schema),
        kind: RecordKind(kind),
        rows,
        client_batch_id: client,
        payload: vec![Bytes::from(payload)],
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "log is closed")
}

/// Files are named by their last sequence.
fn last_of(name: &str) -> Option<u64> {
    name.strip_suffix(".json")?.parse().ok()
}

impl ReferenceWal {
    pub async fn open(
        context: BuildContext,
        open: WalOpen,
        durability: Durability,
    ) -> Result<Arc<dyn WalSink>> {
        let (vfs, directory) = (context.world.vfs.clone(), context.directory.clone());
        let load = move || {
            let (mut files, mut found) = (Vec::new(), Vec::new());
            if durability >= Durability::Process {
                vfs.create_dir_all(&directory)?;
                for entry in vfs.read_dir(&directory)? {
                    if last_of(&entry.name).is_some() {
                        let file = vfs.open(&directory.join(&entry.name), OpenMode::Read)?;
                        let mut bytes = vec![0; file.len()? as usize];
                        file.read_exact_at(&mut bytes, 0)?;
                        let (previous, stored): (u64, Vec<StoredRecord>) =
                            serde_json::from_slice(checked(&bytes)?)
                                .map_err(|_| Error::corrupt("log file"))?;
                        files.push((previous, stored));
                    }
                }
            }
            files.sort_by_key(|(previous, _)| *previous);
            for (previous, stored) in files {
                let last = found.last().map_or(Sequence::ZERO, |record: &WalRecord| record.sequence);
                if Sequence(previous) != last && Sequence(previous) > open.floor {
                    return Err(Error::corrupt("a file of the log is missing").with("after", last));
                }
                found.extend(stored.into_iter().map(from_stored));
            }
            Ok(found)
        };
        let found: Vec<WalRecord> = (*context.world.executor).blocking(load).await?;
        let last = found.last().map_or(open.floor, |record| record.sequence.max(open.floor));
        if last < open.known_durable {
            return Err(Error::corrupt("the log lacks durable records").with("last", last));
        }
        let state = State { pending: Vec::new(), next: open.next, durable: last, closed: false };
        Ok(Arc::new(Self {
            world: context.world,
            directory: context.directory,
            durability,
            found: Arc::new(found),
            state: Arc::new(Mutex::new(state)),
        }))
    }

    /// Makes everything appended durable, in a job that nobody can stop half-way.
    async fn write(&self) -> Result<Sequence> {
        let (state, world, directory) = (self.state.clone(), self.world.clone(), self.directory.clone());
        let on_disk = self.durability >= Durability::Process;
        let write = move || {
            let mut state = lock(&state);
            let Some(last) = state.pending.last().map(|record| record.sequence) else {
                return Ok(state.durable);
            };
            if state.closed {
                return Err(Error::new(ErrorKind::NotDurable, "sync failed"));
            }
            let result = if on_disk {
                let stored: Vec<StoredRecord> = state.pending.iter().map(to_stored).collect();
                let json = serde_json::to_vec(&(state.durable.0, stored))
                    .map_err(|e| Error::internal("json").with("cause", e))?;
                world.replace_file(&directory.join(format!("{last}.json")), &sealed(json))
            } else {
                Ok(())
            };
            match result {
                Ok(()) => {
                    state.pending.clear();
                    state.durable = last;
                    Ok(last)
                }
                Err(error) if error.kind() == ErrorKind::NoSpace => {
                    state.pending.clear();
                    Err(error)
                }
                Err(error) => {
                    state.closed = true;
                    Err(Error::new(ErrorKind::NotDurable, "sync failed").with_source(error))
                }
            }
        };
        (*self.world.executor).blocking(write).await
    }
}

#[async_trait]
impl WalSink for ReferenceWal {
    fn name(&self) -> &'static str {
        "reference.wal"
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    async fn append(&self, record: WalRecord) -> Result<()> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(closed());
        }
        if record.sequence != state.next {
            return Err(Error::internal("not the next record").with("sequence", record.sequence));
        }
        state.next = record.sequence.next();
        state.pending.push(record);
        Ok(())
    }

    async fn sync(&self, up_to: Sequence) -> Result<Sequence> {
        {
            let state = lock(&self.state);
            if state.closed {
                return Err(closed());
            }
            if up_to >= state.next {
                return Err(Error::invalid_input("not appended").with("sequence", up_to));
            }
            if up_to <= state.durable {
                return Ok(state.durable);
            }
        }
        let durable = self.write().await?;
        if durable < up_to {
            return Err(Error::new(ErrorKind::NoSpace, "record was withdrawn").with("sequence", up_to));
        }
        Ok(durable)
    }

    fn durable(&self) -> Sequence {
        lock(&self.state).durable
    }

    fn replay(&self, after: Sequence) -> BoxStream<'static, Result<WalRecord>> {
        let (found, from) =
            (self.found.clone(), self.found.partition_point(|record| record.sequence <= after));
        stream::iter((from..found.len()).map(move |index| Ok(found[index].clone()))).boxed()
    }

    async fn release(&self, up_to: Sequence) -> Result<()> {
        if self.durability < Durability::Process {
            return Ok(());
        }
        let (vfs, directory) = (self.world.vfs.clone(), self.directory.clone());
        let release = move || {
            for entry in vfs.read_dir(&directory)? {
                if last_of(&entry.name).is_some_and(|last| last <= up_to.0) {
                    vfs.remove_file(&directory.join(&entry.name))?;
                }
            }
            Ok(vfs.sync_dir(&directory)?)
        };
        (*self.world.executor).blocking(release).await
    }

    fn usage(&self) -> WalUsage {
        WalUsage::default()
    }

    async fn close(&self) -> Result<()> {
        if lock(&self.state).closed {
            return Ok(());
        }
        let result = self.write().await;
        lock(&self.state).closed = true;
        result.map(|_| ())
    }
}

/// Opens a reference log.
pub struct ReferenceWalFixture {
    pub id: &'static str,
    pub durability: Durability,
}

#[async_trait]
impl WalFixture for ReferenceWalFixture {
    fn id(&self) -> String {
        self.id.into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    async fn open(&self, context: BuildContext, open: WalOpen) -> Result<Arc<dyn WalSink>> {
        ReferenceWal::open(context, open, self.durability).await
    }
}

pub fn durable() -> ReferenceWalFixture {
    ReferenceWalFixture { id: "reference.wal", durability: Durability::Power }
}

pub fn volatile() -> ReferenceWalFixture {
    ReferenceWalFixture { id: "reference.wal+volatile", durability: Durability::Volatile }
}
