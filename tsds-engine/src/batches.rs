//! Batches that their writers have named, so that writing one again changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tokio::sync::watch;
use tsds_traits::{Error, Result, Sequence, TableId};

use crate::catalog::{BatchRecord, Edit};
use crate::core::lock;

/// What a writer calls a batch: 16 bytes, such as a UUID or a hash, that no other batch of the table gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub [u8; 16]);

impl From<u128> for BatchId {
    fn from(number: u128) -> Self {
        Self(number.to_be_bytes())
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchId({self})")
    }
}

impl Serialize for BatchId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BatchId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(&text, 16) {
            Ok(number) if is_hex => Ok(number.into()),
            _ => Err(D::Error::custom("a batch id is 32 lower-case hexadecimal digits")),
        }
    }
}

/// The named batches of all tables that were written last, and those that are being written.
///
/// What is acknowledged is known as long as its rows are in the log, since its name is there too, and is put into the catalog by
/// the seal that moves the rows. Both only up to a number of batches for each table: the oldest are forgotten.
#[derive(Debug)]
pub(crate) struct KnownBatches {
    keep: usize,
    tables: Mutex<HashMap<TableId, Known>>,
    /// Told whenever a batch that was being written is so no more.
    changed: watch::Sender<()>,
}

/// The batches of one table.
#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<BatchId, State>,
    /// Those that are written.
    by_sequence: BTreeMap<Sequence, BatchId>,
    /// Up to here batches may be in the catalog.
    catalogued_upto: Option<Sequence>,
    /// May be in the catalog, and are forgotten.
    forgotten: Vec<Sequence>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Writing,
    Written { sequence: Sequence, rows: u64, catalogued: bool },
}

/// What is to be done about a batch.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is not known: to be written.
    Claimed(Claim),
    /// It was written before, as this.
    Written(Sequence),
}

/// The right to write a batch. Dropped without [`Claim::written`], somebody else may.
#[derive(Debug)]
pub(crate) struct Claim {
    batches: Arc<KnownBatches>,
    table: TableId,
    id: BatchId,
    rows: u64,
}

impl Claim {
    /// What goes into the log with the rows.
    pub(crate) fn id(&self) -> BatchId {
        self.id
    }

    /// The batch is durable. To be called before its rows can be sealed.
    pub(crate) fn written(self, sequence: Sequence) {
        let batch = BatchRecord { sequence, id: self.id, rows: self.rows };
        self.batches.insert(self.table, &batch, false);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(known) = lock(&self.batches.tables).get_mut(&self.table)
            && known.by_id.get(&self.id) == Some(&State::Writing)
        {
            known.by_id.remove(&self.id);
        }
        self.batches.changed.send_replace(());
    }
}

impl KnownBatches {
    /// Knows the batches of the catalog, and keeps so many for each table.
    pub(crate) fn new(keep: usize, catalogued: &[(TableId, BatchRecord)]) -> Self {
        let batches = Self { keep, tables: Mutex::default(), changed: watch::Sender::new(()) };
        for (table, batch) in catalogued {
            lock(&batches.tables).entry(*table).or_default().catalogued_upto = Some(batch.sequence);
            batches.insert(*table, batch, true);
        }
        batches
    }

    /// A batch that is in the log, and not yet in segments.
    pub(crate) fn replayed(&self, table: TableId, id: [u8; 16], sequence: Sequence, rows: u64) {
        self.insert(table, &BatchRecord { sequence, id: BatchId(id), rows }, false);
    }

    /// Says what is to be done about a batch of so many rows. While somebody else writes it, this waits.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a batch of this name has another number of rows.
    pub(crate) async fn begin(self: &Arc<Self>, table: TableId, id: BatchId, rows: u64) -> Result<Begun> {
        // Before the state is looked at, so that no change is missed.
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(begun) = self.try_begin(table, id, rows)? {
                return Ok(begun);
            }
            // The sender lives as long as this does.
            changed.changed().await.unwrap_or_default();
        }
    }

    /// `None` while somebody else writes it.
    fn try_begin(self: &Arc<Self>, table: TableId, id: BatchId, rows: u64) -> Result<Option<Begun>> {
        let mut tables = lock(&self.tables);
        let known = tables.entry(table).or_default();
        match known.by_id.get(&id) {
            None => {
                known.by_id.insert(id, State::Writing);
                Ok(Some(Begun::Claimed(Claim { batches: Arc::clone(self), table, id, rows })))
            }
            Some(State::Writing) => Ok(None),
            Some(State::Written { sequence, rows: written, .. }) if *written == rows => {
                Ok(Some(Begun::Written(*sequence)))
            }
            Some(State::Written { sequence, rows: written, .. }) => {
                Err(Error::invalid_input("another batch was written under this id; give each batch its own")
                    .with("batch", id)
                    .with("rows", rows)
                    .with("rows_written", *written)
                    .with("sequence", sequence))
            }
        }
    }

    /// What a seal up to `upto` changes in the catalog. Once that is committed, [`KnownBatches::catalogued`] is to be called.
    pub(crate) fn edits(&self, table: TableId, upto: Sequence) -> Vec<Edit> {
        let mut tables = lock(&self.tables);
        let Some(known) = tables.get_mut(&table) else { return Vec::new() };
        known.catalogued_upto = known.catalogued_upto.max(Some(upto));
        let added = known.by_sequence.range(..=upto).filter_map(|(_, id)| match known.by_id.get(id) {
            Some(State::Written { sequence, rows, catalogued: false }) => {
                Some(Edit::PutBatch(table, BatchRecord { sequence: *sequence, id: *id, rows: *rows }))
            }
            _ => None,
        });
        let removed = known.forgotten.iter().map(|sequence| Edit::RemoveBatch(table, *sequence));
        added.chain(removed).collect()
    }

    /// The edits of a table are in the catalog.
    pub(crate) fn catalogued(&self, table: TableId, edits: &[Edit]) {
        let mut tables = lock(&self.tables);
        let Some(known) = tables.get_mut(&table) else { return };
        for edit in edits {
            match edit {
                Edit::PutBatch(_, batch) => {
                    if let Some(State::Written { catalogued, .. }) = known.by_id.get_mut(&batch.id) {
                        *catalogued = true;
                    }
                }
                Edit::RemoveBatch(_, removed) => known.forgotten.retain(|sequence| sequence != removed),
                _ => {}
            }
        }
    }

    fn insert(&self, table: TableId, batch: &BatchRecord, catalogued: bool) {
        let mut tables = lock(&self.tables);
        let known = tables.entry(table).or_default();
        let written = State::Written { sequence: batch.sequence, rows: batch.rows, catalogued };
        known.by_id.insert(batch.id, written);
        known.by_sequence.insert(batch.sequence, batch.id);
        while known.by_sequence.len() > self.keep
            && let Some((sequence, id)) = known.by_sequence.pop_first()
        {
            known.by_id.remove(&id);
            if Some(sequence) <= known.catalogued_upto {
                known.forgotten.push(sequence);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const TABLE: TableId = TableId(1);

    fn known(keep: usize) -> Arc<KnownBatches> {
        Arc::new(KnownBatches::new(keep, &[]))
    }

    fn write(batches: &Arc<KnownBatches>, id: u128, sequence: u64) {
        match batches.try_begin(TABLE, id.into(), 5).unwrap() {
            Some(Begun::Claimed(claim)) => claim.written(Sequence(sequence)),
            other => panic!("{other:?}"),
        }
    }

    fn sequence_of(batches: &Arc<KnownBatches>, id: u128) -> Option<u64> {
        match batches.try_begin(TABLE, id.into(), 5).unwrap() {
            Some(Begun::Written(sequence)) => Some(sequence.0),
            Some(Begun::Claimed(_)) | None => None,
        }
    }

    /// Puts and removals of the next seal, by sequence.
    fn seal(batches: &KnownBatches, upto: u64) -> (Vec<u64>, Vec<u64>) {
        let edits = batches.edits(TABLE, Sequence(upto));
        batches.catalogued(TABLE, &edits);
        let (mut put, mut removed) = (Vec::new(), Vec::new());
        for edit in edits {
            match edit {
                Edit::PutBatch(_, batch) => put.push(batch.sequence.0),
                Edit::RemoveBatch(_, sequence) => removed.push(sequence.0),
                other => panic!("{other:?}"),
            }
        }
        (put, removed)
    }

    #[test]
    fn a_batch_is_written_once_and_then_known() {
        let batches = known(10);
        write(&batches, 7, 3);
        assert_eq!(sequence_of(&batches, 7), Some(3));
        assert_eq!(sequence_of(&batches, 8), None);
        let error = batches.try_begin(TABLE, 7.into(), 6).unwrap_err();
        assert!(error.to_string().contains("rows=6 rows_written=5 sequence=3"), "{error}");
        assert!(matches!(batches.try_begin(TableId(2), 7.into(), 6), Ok(Some(Begun::Claimed(_)))));
    }

    #[test]
    fn a_claim_that_came_to_nothing_leaves_the_batch_to_others() {
        let batches = known(10);
        let Ok(Some(Begun::Claimed(claim))) = batches.try_begin(TABLE, 7.into(), 5) else { panic!() };
        let mut waiting = Box::pin(batches.begin(TABLE, 7.into(), 5));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(claim);
        let Some(Ok(Begun::Claimed(claim))) = waiting.now_or_never() else { panic!() };
        let mut waiting = Box::pin(batches.begin(TABLE, 7.into(), 5));
        assert!(waiting.as_mut().now_or_never().is_none());
        claim.written(Sequence(9));
        assert!(matches!(waiting.now_or_never(), Some(Ok(Begun::Written(Sequence(9))))));
    }

    #[test]
    fn a_seal_puts_what_it_covers_into_the_catalog_and_removes_what_is_forgotten() {
        let batches = known(3);
        for sequence in 1..=3 {
            write(&batches, sequence.into(), sequence);
        }
        assert_eq!(seal(&batches, 2), (vec![1, 2], vec![]));
        assert_eq!(seal(&batches, 2), (vec![], vec![]), "once");
        write(&batches, 4, 4);
        assert_eq!((sequence_of(&batches, 1), sequence_of(&batches, 2)), (None, Some(2)));
        assert_eq!(seal(&batches, 4), (vec![3, 4], vec![1]));
        assert_eq!(seal(&batches, 4), (vec![], vec![]));
    }

    #[test]
    fn what_is_forgotten_before_it_is_sealed_never_reaches_the_catalog() {
        let batches = known(1);
        for sequence in 1..=3 {
            write(&batches, sequence.into(), sequence);
        }
        assert_eq!(seal(&batches, 3), (vec![3], vec![]));
    }

    #[test]
    fn what_is_forgotten_during_a_seal_is_removed_by_the_next() {
        let batches = known(1);
        write(&batches, 1, 1);
        let edits = batches.edits(TABLE, Sequence(1));
        write(&batches, 2, 2);
        batches.catalogued(TABLE, &edits);
        assert_eq!(seal(&batches, 2), (vec![2], vec![1]));
    }

    #[test]
    fn a_seal_that_failed_is_put_again() {
        let batches = known(10);
        write(&batches, 1, 1);
        assert_eq!(batches.edits(TABLE, Sequence(1)).len(), 1);
        assert_eq!(seal(&batches, 1), (vec![1], vec![]));
    }

    #[test]
    fn ids_are_written_as_text() {
        let id = BatchId::from(0xab_u128);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, "\"000000000000000000000000000000ab\"");
        assert_eq!(serde_json::from_str::<BatchId>(&text).unwrap(), id);
        for wrong in
            ["\"ab\"", "\"+00000000000000000000000000000ab\"", "\"000000000000000000000000000000AB\""]
        {
            assert!(serde_json::from_str::<BatchId>(wrong).is_err(), "{wrong}");
        }
    }
}
