//! What a tier keeps in memory, it says: limits are kept by what tiers say.

use std::sync::Arc;

use tsds_traits::Tier;

use super::bench::{TierBench, sensor_segments, with_tier};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::Encoding;
use crate::data::segments::Segment;
use crate::fixture::TierFixture;
use crate::meter::live;
use crate::outcome::ensure;

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![[claims MemoryMeter, lacks Process, lacks Room] usage_is_about_the_memory_that_segments_take]
}

/// Tables of a fixed size, file handles, what is allocated once.
const FIXED: isize = 96 << 10;

/// By how much what is said and what is may differ: rounding of allocations, and simulated files, which are memory too.
const FACTOR: isize = 3;

fn usage_is_about_the_memory_that_segments_take(bench: &TierBench) -> CaseResult {
    let encodings = [true, false].map(|dictionaries| Some(Encoding { block_rows: 4_096, dictionaries }));
    for encoding in [None].into_iter().chain(encodings) {
        let segment = sensor_segments(1, 12_000)?.remove(0).with_encoding(encoding);
        with_tier(bench, async |tier| usage_is_honest(&tier, &segment).await)
            .map_err(|failure| failure.during(format!("a segment given as {encoding:?}")))?;
    }
    Ok(())
}

async fn usage_is_honest(tier: &Arc<dyn Tier>, segment: &Segment) -> CaseResult {
    // What is allocated once for all is there after the first put.
    let another = segment.clone().with_generation(1);
    tier.put(Arc::new(another.source()?)).await?;
    let source = Arc::new(segment.source()?);
    let (said_before, held_before) = (tier.usage().bytes as isize, live());
    drop(tier.put(source.clone()).await?);
    let (said, held) = (tier.usage().bytes as isize - said_before, live() - held_before);
    drop(source);
    ensure(held <= FACTOR * said + FIXED, || {
        format!("a segment takes {held} bytes of memory, and usage counts {said} for it")
    })?;
    // What a tier holds elsewhere, on a device, has its size as plain data.
    let plain = segment.meta.plain_bytes as isize;
    ensure(said <= FACTOR * held.max(plain) + FIXED, || {
        format!("usage counts {said} bytes for a segment that takes {held}, and {plain} as plain data")
    })
}
