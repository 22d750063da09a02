//! The object at the root of a store that says whose files lie there.
//!
//! Paths are made of table and segment numbers, which begin anew in every database: two databases on one store would take
//! each other's files for their own. `docs/formats/cold-file.md` describes the object.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};
use tsds_traits::{DatabaseId, Error, ErrorKind, Result};

use super::errors::from_store;
use crate::checksum::crc32c;

/// The object's name. Readers that look for data skip names that begin with an underscore.
const NAME: &str = "_tsds.json";
/// The format version that is written.
const FORMAT: u64 = 1;
/// No root of any version is longer.
const MAX_BYTES: u64 = 4_096;
/// What stands after the checksum.
const END: &str = "\"}\n";
const CHECKSUM_DIGITS: usize = 8;

/// Whether the store is known to belong to the database.
#[derive(Debug, Default)]
pub(crate) struct Root {
    bound: AtomicBool,
}

/// What stands before the checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u64,
    database: String,
    crc32c: String,
}

impl Root {
    /// Refuses a store of another database. Returns whether the store belongs to `database`; nobody owns a new one.
    ///
    /// # Errors
    ///
    /// `Conflict` naming both databases; `Corrupt`; `Unsupported` for a later version; as for I/O.
    pub(crate) async fn check(&self, store: &dyn ObjectStore, database: DatabaseId) -> Result<bool> {
        if self.bound.load(Ordering::Acquire) {
            return Ok(true);
        }
        let Some(owner) = read(store).await? else { return Ok(false) };
        if owner != database.to_string() {
            return Err(belongs_to(&owner, database).with("file", NAME));
        }
        self.bound.store(true, Ordering::Release);
        Ok(true)
    }

    /// Makes the store that of `database`, unless it is already.
    ///
    /// # Errors
    ///
    /// As [`Root::check`]. Of several who claim a store at once, one succeeds.
    pub(crate) async fn claim(&self, store: &dyn ObjectStore, database: DatabaseId) -> Result<()> {
        if self.check(store, database).await? {
            return Ok(());
        }
        let payload = PutPayload::from(encode(database)?);
        let created = store.put_opts(&Path::from(NAME), payload, PutMode::Create.into()).await;
        match created {
            Ok(_) => {
                self.bound.store(true, Ordering::Release);
                Ok(())
            }
            // Somebody else was faster: another database, or another call of this one.
            Err(object_store::Error::AlreadyExists { .. }) if self.check(store, database).await? => Ok(()),
            // A request that failed may have been carried out.
            Err(error) => match self.check(store, database).await {
                Ok(true) => Ok(()),
                _ => Err(from_store(error).with("file", NAME)),
            },
        }
    }
}

/// What is wrong with a file or store of `owner`.
pub(crate) fn belongs_to(owner: &str, database: DatabaseId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        "cold files here belong to another database; give every database a storage.cold_path of its own, or clear this one \
         if the other database is gone",
    )
    .with("database", database)
    .with("owner", owner)
}

/// The database that owns the store.
async fn read(store: &dyn ObjectStore) -> Result<Option<String>> {
    let found = match store.get(&Path::from(NAME)).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(from_store(error).with("file", NAME)),
    };
    if found.meta.size > MAX_BYTES {
        return Err(damaged("too long"));
    }
    let bytes = found.bytes().await.map_err(|error| from_store(error).with("file", NAME))?;
    decode(&bytes).map(Some)
}

fn encode(database: DatabaseId) -> Result<Bytes> {
    let unsealed = Content { format: FORMAT, database: database.to_string(), crc32c: String::new() };
    let text = serde_json::to_string(&unsealed)
        .map_err(|error| Error::internal("root of a cold store cannot be written").with("cause", error))?;
    let body = text.strip_suffix(END.trim_end()).unwrap_or(&text);
    Ok(format!("{body}{:08x}{END}", crc32c(body.as_bytes())).into())
}

fn decode(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("not text"))?;
    let sealed = text.strip_suffix(END).ok_or_else(|| damaged("has no end"))?;
    let split = sealed.len().checked_sub(CHECKSUM_DIGITS).and_then(|at| sealed.split_at_checked(at));
    let (body, checksum) = split.ok_or_else(|| damaged("too short"))?;
    if checksum != format!("{:08x}", crc32c(body.as_bytes())) {
        return Err(damaged("checksum differs"));
    }
    let json: serde_json::Value = serde_json::from_str(text).map_err(|_| damaged("not json"))?;
    let format = json.get("format").and_then(serde_json::Value::as_u64);
    let format = format.ok_or_else(|| damaged("has no format version"))?;
    if format != FORMAT {
        return Err(Error::unsupported(
            "cold store was written by a later version of TSDS; use that version",
        )
        .with("file", NAME)
        .with("format", format)
        .with("supported", FORMAT));
    }
    let content: Content = serde_json::from_value(json).map_err(|_| damaged("other keys than expected"))?;
    Ok(content.database)
}

fn damaged(problem: &'static str) -> Error {
    Error::corrupt(
        "root of a cold store is damaged; put back a copy, or remove it if all files beside it are of this database",
    )
    .with("file", NAME)
    .with("problem", problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sim;
    use object_store::memory::InMemory;

    const OWN: DatabaseId = DatabaseId([7; 16]);
    const OTHER: DatabaseId = DatabaseId([9; 16]);

    /// Version 1 as it was frozen.
    const GOLDEN: &str =
        "{\"format\":1,\"database\":\"07070707070707070707070707070707\",\"crc32c\":\"8e020afe\"}\n";

    #[test]
    fn version_1_is_written_and_read_as_it_was_frozen() {
        assert_eq!(encode(OWN).unwrap(), GOLDEN);
        assert_eq!(decode(GOLDEN.as_bytes()).unwrap(), OWN.to_string());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_corrupt() {
        let bytes = encode(OWN).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged).unwrap_err().kind(), ErrorKind::Corrupt, "{bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]).unwrap_err().kind(), ErrorKind::Corrupt, "{len}");
        }
    }

    #[test]
    fn a_later_version_is_unsupported_and_named() {
        let body = "{\"format\":2,\"owner\":{},\"crc32c\":\"";
        let text = format!("{body}{:08x}{END}", crc32c(body.as_bytes()));
        let error = decode(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("format=2 supported=1"), "{error}");
    }

    #[test]
    fn of_two_who_claim_a_store_at_once_one_gets_it() {
        let store = InMemory::new();
        let (a, b) = (Root::default(), Root::default());
        let (machine, _) = sim(1);
        let both = machine.block_on(async {
            // Both have seen that nobody owns the store.
            assert!(!a.check(&store, OWN).await.unwrap() && !b.check(&store, OTHER).await.unwrap());
            futures::join!(a.claim(&store, OWN), b.claim(&store, OTHER))
        });
        assert!(both.0.is_ok());
        let error = both.1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let text = error.to_string();
        assert!(text.contains(&OWN.to_string()) && text.contains(&OTHER.to_string()), "{text}");
        assert!(text.contains("cold_path"), "{text}");
        machine.block_on(async { a.claim(&store, OWN).await.unwrap() });
    }
}
