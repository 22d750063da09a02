//! Key providers that are broken.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tsds_conformance::Suite;
use tsds_conformance::fixture::KeyProviderFixture;
use tsds_traits::{
    BuildContext, Error, ErrorKind, KeyMetadata, KeyProvider, MasterKey, Presence, Result, SecretKey,
};

use crate::lying_disk::{self, Lie};
use crate::reference::key_provider::ReferenceKeyProvider;
use crate::saboteurs;

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    /// Nothing.
    None,
    PrintsItsKey,
    StoresTheKeyInTheMetadata,
    UnwrapsAnything,
    CallsUnknownKeysNotFound,
    ForgetsOldKeys,
    SkipsVersions,
    KeepsItsKey,
    RotatesWhenAsked,
    StoresLargeMetadata,
    LivesOnALyingDisk(Lie),
    GoesByAnotherId,
}

struct Saboteur {
    inner: Arc<dyn KeyProvider>,
    sabotage: Sabotage,
    first: [u8; 32],
    shown: Option<[u8; 32]>,
}

impl fmt::Debug for Saboteur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saboteur").field("key", &self.shown).finish()
    }
}

impl Saboteur {
    fn change(&self, mut master: MasterKey) -> MasterKey {
        match self.sabotage {
            Sabotage::StoresTheKeyInTheMetadata => master.metadata.opaque.extend(master.key.expose()),
            Sabotage::StoresLargeMetadata => {
                master.metadata.opaque.resize(tsds_traits::MAX_KEY_METADATA_BYTES + 1, 0)
            }
            Sabotage::SkipsVersions => master.metadata.version *= 2,
            Sabotage::KeepsItsKey => master.key = SecretKey::new(self.first),
            _ => {}
        }
        master
    }
}

#[async_trait]
impl KeyProvider for Saboteur {
    fn name(&self) -> &'static str {
        if self.sabotage == Sabotage::GoesByAnotherId { "tsds.other" } else { "saboteur.keys" }
    }

    async fn current(&self) -> Result<MasterKey> {
        match self.sabotage {
            Sabotage::RotatesWhenAsked => self.inner.rotate().await,
            _ => Ok(self.change(self.inner.current().await?)),
        }
    }

    async fn unwrap(&self, metadata: &KeyMetadata) -> Result<SecretKey> {
        let mut metadata = metadata.clone();
        let current = self.inner.current().await?;
        match self.sabotage {
            Sabotage::UnwrapsAnything => return Ok(current.key),
            Sabotage::ForgetsOldKeys if metadata.version < current.metadata.version => {
                return Err(Error::new(ErrorKind::KeyUnavailable, "the key is old"));
            }
            Sabotage::StoresTheKeyInTheMetadata | Sabotage::StoresLargeMetadata => {
                metadata.opaque.truncate(current.metadata.opaque.len());
            }
            Sabotage::SkipsVersions => metadata.version /= 2,
            _ => {}
        }
        let result = self.inner.unwrap(&metadata).await;
        match self.sabotage {
            Sabotage::CallsUnknownKeysNotFound => {
                result.map_err(|_| Error::new(ErrorKind::NotFound, "no such key"))
            }
            Sabotage::KeepsItsKey => result.map(|_| SecretKey::new(self.first)),
            _ => result,
        }
    }

    async fn rotate(&self) -> Result<MasterKey> {
        Ok(self.change(self.inner.rotate().await?))
    }
}

struct Fixture(Sabotage);

#[async_trait]
impl KeyProviderFixture for Fixture {
    fn id(&self) -> String {
        "saboteur.keys".into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    async fn open(&self, mut context: BuildContext) -> Result<Arc<dyn KeyProvider>> {
        if let Sabotage::LivesOnALyingDisk(lie) = self.0 {
            context.world = lying_disk::with(context.world, lie);
        }
        let inner = ReferenceKeyProvider::open(context, true).await?;
        let key = *inner.current().await?.key.expose();
        let shown = (self.0 == Sabotage::PrintsItsKey).then_some(key);
        Ok(Arc::new(Saboteur { inner, sabotage: self.0, first: key, shown }))
    }
}

fn suite(sabotage: Sabotage) -> Suite {
    Suite::new().key_provider(Fixture(sabotage))
}

saboteurs! { "key_provider", suite, twin Sabotage::None;
    prints_its_key: Sabotage::PrintsItsKey => nothing_that_is_printed_shows_a_key,
    stores_the_key_in_the_metadata: Sabotage::StoresTheKeyInTheMetadata
        => nothing_that_is_printed_shows_a_key,
    unwraps_anything: Sabotage::UnwrapsAnything
        => metadata_that_was_never_handed_out_gives_key_unavailable,
    calls_unknown_keys_not_found: Sabotage::CallsUnknownKeysNotFound
        => metadata_that_was_never_handed_out_gives_key_unavailable,
    forgets_old_keys: Sabotage::ForgetsOldKeys => old_keys_stay_after_rotation,
    skips_versions: Sabotage::SkipsVersions => rotation_makes_a_new_key_of_the_next_version,
    keeps_its_key: Sabotage::KeepsItsKey => rotation_makes_a_new_key_of_the_next_version,
    rotates_when_asked: Sabotage::RotatesWhenAsked
        => current_gives_the_same_key_until_it_is_rotated,
    stores_large_metadata: Sabotage::StoresLargeMetadata => metadata_is_small,
    syncs_nothing: Sabotage::LivesOnALyingDisk(Lie::SyncsNothing)
        => a_rotated_key_survives_a_power_cut,
    goes_by_another_id: Sabotage::GoesByAnotherId => it_goes_by_its_plugin_id,
}
