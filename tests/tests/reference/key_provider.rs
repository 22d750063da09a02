//! A provider that keeps its keys in a file, and one that has a single key and cannot make another.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tsds_conformance::fixture::KeyProviderFixture;
use tsds_traits::{
    BuildContext, Error, ErrorKind, KeyMetadata, KeyProvider, MasterKey, OpenMode, Presence, Result,
    SecretKey,
};

/// Keys in the order of their versions, from 1 upwards; metadata is a number that says nothing.
type Keys = Vec<([u8; 8], [u8; 32])>;

pub struct ReferenceKeyProvider {
    context: BuildContext,
    rotates: bool,
    keys: Arc<Mutex<Keys>>,
}

impl fmt::Debug for ReferenceKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceKeyProvider").field("rotates", &self.rotates).finish_non_exhaustive()
    }
}

fn master(keys: &Keys, version: usize) -> Option<MasterKey> {
    let (number, key) = keys.get(version.checked_sub(1)?)?;
    let metadata = KeyMetadata { version: version as u32, opaque: number.to_vec() };
    Some(MasterKey { key: SecretKey::new(*key), metadata })
}

fn unavailable(version: u32) -> Error {
    Error::new(ErrorKind::KeyUnavailable, "no such key").with("version", version)
}

impl ReferenceKeyProvider {
    pub async fn open(context: BuildContext, rotates: bool) -> Result<Arc<dyn KeyProvider>> {
        let (vfs, path) = (context.world.vfs.clone(), context.directory.join("keys.json"));
        let directory = context.directory.clone();
        let load = move || {
            vfs.create_dir_all(&directory)?;
            let file = match vfs.open(&path, OpenMode::Read) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Keys::new()),
                file => file?,
            };
            let mut bytes = vec![0; file.len()? as usize];
            file.read_exact_at(&mut bytes, 0)?;
            serde_json::from_slice(&bytes).map_err(|_| Error::corrupt("key file"))
        };
        let keys: Keys = (*context.world.executor).blocking(load).await?;
        let empty = keys.is_empty();
        let provider = Self { context, rotates, keys: Arc::new(Mutex::new(keys)) };
        if empty {
            provider.add().await?;
        }
        Ok(Arc::new(provider))
    }

    async fn add(&self) -> Result<MasterKey> {
        let (mut number, mut key) = ([0; 8], [0; 32]);
        self.context.world.random.fill(&mut number)?;
        self.context.world.random.fill(&mut key)?;
        let (world, path) = (self.context.world.clone(), self.context.directory.join("keys.json"));
        let keys = self.keys.clone();
        let add = move || {
            let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
            let mut more = keys.clone();
            more.push((number, key));
            world.replace_file(&path, &serde_json::to_vec(&more).unwrap_or_default())?;
            *keys = more;
            master(&keys, keys.len()).ok_or_else(|| unavailable(0))
        };
        (*self.context.world.executor).blocking(add).await
    }
}

#[async_trait]
impl KeyProvider for ReferenceKeyProvider {
    fn name(&self) -> &'static str {
        "reference.keys"
    }

    async fn current(&self) -> Result<MasterKey> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        master(&keys, keys.len()).ok_or_else(|| unavailable(0))
    }

    async fn unwrap(&self, metadata: &KeyMetadata) -> Result<SecretKey> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match master(&keys, metadata.version as usize) {
            Some(master) if master.metadata == *metadata => Ok(master.key),
            _ => Err(unavailable(metadata.version)),
        }
    }

    async fn rotate(&self) -> Result<MasterKey> {
        if !self.rotates {
            return Err(Error::unsupported("keys are rotated elsewhere"));
        }
        self.add().await
    }
}

pub struct ReferenceKeyProviderFixture {
    pub id: &'static str,
    pub rotates: bool,
}

#[async_trait]
impl KeyProviderFixture for ReferenceKeyProviderFixture {
    fn id(&self) -> String {
        self.id.into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    async fn open(&self, context: BuildContext) -> Result<Arc<dyn KeyProvider>> {
        ReferenceKeyProvider::open(context, self.rotates).await
    }
}

pub fn rotating() -> ReferenceKeyProviderFixture {
    ReferenceKeyProviderFixture { id: "reference.keys", rotates: true }
}

pub fn fixed() -> ReferenceKeyProviderFixture {
    ReferenceKeyProviderFixture { id: "reference.keys+fixed", rotates: false }
}
