//! Cases for [`tsds_traits::KeyProvider`].

use std::sync::Arc;

use tsds_traits::{ErrorKind, KeyMetadata, KeyProvider, MAX_KEY_METADATA_BYTES, MasterKey};

use crate::case::{Bench, Case, Machine, cases};
use crate::claims::{Claim, Claims};
use crate::fixture::KeyProviderFixture;
use crate::outcome::{ensure, ensure_eq, ensure_error, ensure_goes_by};
use crate::{CaseResult, Failure};

type KeyBench = Bench<dyn KeyProviderFixture>;

/// A provider has no capabilities: whether it rotates, it says when asked to.
pub(crate) fn claims(fixture: &dyn KeyProviderFixture) -> CaseResult<Claims> {
    let machine = Machine::new(0);
    let rotates = machine.run(async {
        let provider = fixture.open(machine.context()).await?;
        match provider.rotate().await {
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
            _ => Ok(true),
        }
    })?;
    Ok(Claims::default().with(Claim::Rotation, rotates))
}

/// Every case of the trait.
pub fn cases() -> Vec<Case<dyn KeyProviderFixture>> {
    cases![
        [] it_goes_by_its_plugin_id,
        [] current_gives_the_same_key_until_it_is_rotated,
        [] unwrap_gives_the_key_that_was_handed_out,
        [] metadata_that_was_never_handed_out_gives_key_unavailable,
        [] nothing_that_is_printed_shows_a_key,
        [] the_key_is_the_same_after_reopening,
        [] metadata_is_small,
        [claims Rotation] rotation_makes_a_new_key_of_the_next_version,
        [claims Rotation] old_keys_stay_after_rotation,
        [claims Rotation] a_rotated_key_survives_a_power_cut,
        [claims Rotation] concurrent_rotations_give_different_versions,
        [lacks Rotation] rotation_that_is_not_supported_changes_nothing,
    ]
}

async fn open(bench: &KeyBench, machine: &Machine) -> CaseResult<Arc<dyn KeyProvider>> {
    bench.fixture.open(machine.context()).await.map_err(|error| Failure::from(error).during("opening"))
}

fn with_provider(bench: &KeyBench, body: impl AsyncFnOnce(Arc<dyn KeyProvider>) -> CaseResult) -> CaseResult {
    let machine = bench.machine();
    machine.run(async { body(open(bench, &machine).await?).await })
}

fn same_key(actual: &MasterKey, expected: &MasterKey, what: &str) -> CaseResult {
    ensure_eq(&actual.metadata, &expected.metadata, what)?;
    ensure(actual.key.expose() == expected.key.expose(), || {
        format!("{what}: another key for the same metadata")
    })
}

async fn unwraps_to(provider: &dyn KeyProvider, master: &MasterKey) -> CaseResult {
    let key = provider.unwrap(&master.metadata).await?;
    ensure(key.expose() == master.key.expose(), || {
        format!(
            "unwrap gives another key than the one of version {} that was handed out",
            master.metadata.version
        )
    })
}

fn it_goes_by_its_plugin_id(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| ensure_goes_by(provider.name(), &bench.fixture.id()))
}

fn current_gives_the_same_key_until_it_is_rotated(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let first = provider.current().await?;
        ensure(first.metadata.version >= 1, || "versions begin at 1".into())?;
        same_key(&provider.current().await?, &first, "current, asked again")
    })
}

fn unwrap_gives_the_key_that_was_handed_out(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let master = provider.current().await?;
        unwraps_to(&*provider, &master).await
    })
}

fn metadata_that_was_never_handed_out_gives_key_unavailable(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let known = provider.current().await?.metadata;
        let future = KeyMetadata { version: known.version + 1_000, ..known.clone() };
        let zero = KeyMetadata { version: 0, ..known.clone() };
        let longer = KeyMetadata { opaque: [&known.opaque[..], b"x"].concat(), ..known.clone() };
        let foreign = KeyMetadata { opaque: b"of another provider".to_vec(), ..known };
        for metadata in [future, zero, longer, foreign] {
            let what = format!("unwrap of {metadata:?}");
            ensure_error(provider.unwrap(&metadata).await, ErrorKind::KeyUnavailable, &what)?;
        }
        Ok(())
    })
}

fn nothing_that_is_printed_shows_a_key(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let master = provider.current().await?;
        let foreign = KeyMetadata { version: master.metadata.version + 1_000, opaque: b"unknown".to_vec() };
        let error = provider.unwrap(&foreign).await.err();
        for text in
            [format!("{provider:?}"), format!("{provider:#?}"), format!("{master:?}"), format!("{error:?}")]
        {
            ensure(!shows(&text, master.key.expose()), || "printed text holds bytes of a key".into())?;
            ensure(!shows(&text, &master.metadata.opaque) || !opaque_is_key(&master), || {
                "metadata holds the key, and is printed".into()
            })?;
        }
        ensure(!opaque_is_key(&master), || "metadata, which is stored beside the data, holds the key".into())
    })
}

fn opaque_is_key(master: &MasterKey) -> bool {
    master.metadata.opaque.windows(8).any(|window| master.key.expose().windows(8).any(|key| key == window))
}

/// Whether eight bytes in a row are there in hexadecimal or as a list of numbers. Nothing of it goes into a message.
fn shows(text: &str, key: &[u8]) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    key.windows(8).any(|window| {
        let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<String> = window.iter().map(ToString::to_string).collect();
        let hex_list: Vec<String> = window.iter().map(|byte| format!("0x{byte:02x}")).collect();
        [hex, list.join(","), hex_list.join(",")].iter().any(|shown| dense.contains(shown.as_str()))
    })
}

fn the_key_is_the_same_after_reopening(bench: &KeyBench) -> CaseResult {
    let machine = bench.machine();
    let before = machine.run(async { Ok(open(bench, &machine).await?.current().await?) })?;
    let machine = machine.kill();
    machine.run(async {
        let provider = open(bench, &machine).await?;
        unwraps_to(&*provider, &before).await?;
        same_key(&provider.current().await?, &before, "current after reopening")
    })
}

fn metadata_is_small(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let bytes = provider.current().await?.metadata.opaque.len();
        ensure(bytes <= MAX_KEY_METADATA_BYTES, || {
            format!("metadata has {bytes} bytes; at most {MAX_KEY_METADATA_BYTES} are allowed")
        })
    })
}

fn rotation_makes_a_new_key_of_the_next_version(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let mut known = vec![provider.current().await?];
        for _ in 0..3 {
            let next = provider.rotate().await?;
            let last = known.last().map_or(0, |master| master.metadata.version);
            ensure_eq(&next.metadata.version, &(last + 1), "the version after a rotation")?;
            ensure(known.iter().all(|old| old.key.expose() != next.key.expose()), || {
                format!("version {} has the key of an older version", next.metadata.version)
            })?;
            same_key(&provider.current().await?, &next, "current after a rotation")?;
            known.push(next);
        }
        Ok(())
    })
}

fn old_keys_stay_after_rotation(bench: &KeyBench) -> CaseResult {
    let machine = bench.machine();
    let known = machine.run(async {
        let provider = open(bench, &machine).await?;
        let mut known = vec![provider.current().await?];
        for _ in 0..3 {
            known.push(provider.rotate().await?);
        }
        for master in &known {
            unwraps_to(&*provider, master).await?;
        }
        Ok(known)
    })?;
    let machine = machine.kill();
    machine.run(async {
        let provider = open(bench, &machine).await?;
        for master in &known {
            unwraps_to(&*provider, master).await.map_err(|failure| failure.during("after reopening"))?;
        }
        Ok(())
    })
}

fn a_rotated_key_survives_a_power_cut(bench: &KeyBench) -> CaseResult {
    for number in 0..10 {
        let machine = bench.machine_number(number);
        let rotated = machine.run(async { Ok(open(bench, &machine).await?.rotate().await?) })?;
        let machine = machine.crash();
        machine.run(async {
            let provider = open(bench, &machine).await?;
            unwraps_to(&*provider, &rotated).await?;
            same_key(&provider.current().await?, &rotated, "current after a power cut")
        })?;
    }
    Ok(())
}

fn concurrent_rotations_give_different_versions(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let rotations = futures::future::join_all((0..4).map(|_| provider.rotate())).await;
        let masters = rotations.into_iter().collect::<tsds_traits::Result<Vec<_>>>()?;
        let mut versions: Vec<_> = masters.iter().map(|master| master.metadata.version).collect();
        versions.sort_unstable();
        versions.dedup();
        ensure_eq(&versions.len(), &masters.len(), "distinct versions of concurrent rotations")?;
        for master in &masters {
            unwraps_to(&*provider, master).await?;
        }
        Ok(())
    })
}

fn rotation_that_is_not_supported_changes_nothing(bench: &KeyBench) -> CaseResult {
    with_provider(bench, async |provider| {
        let before = provider.current().await?;
        ensure_error(provider.rotate().await, ErrorKind::Unsupported, "rotate")?;
        same_key(&provider.current().await?, &before, "current after a refused rotation")
    })
}
