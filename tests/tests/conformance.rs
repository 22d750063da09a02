//! The suite over everything that ships with TSDS, and over the reference implementations.
#![allow(missing_docs, unreachable_pub)]

mod reference;

use std::process::ExitCode;
use std::sync::Arc;

use tsds_conformance::{MemoryMeter, Suite};
use tsds_segment::conformance::FromFiles;
use tsds_traits::{Codec, CodecSet};

#[global_allocator]
static METER: MemoryMeter = MemoryMeter;

/// Every codec that ships, for the tiers that meet encoded blocks.
fn codecs() -> Arc<CodecSet> {
    let built: [Arc<dyn Codec>; 3] = [
        Arc::new(tsds_codec_gorilla::GorillaCodec::default()),
        Arc::new(tsds_segment::PlainCodec::default()),
        Arc::new(tsds_segment::ZstdCodec::default()),
    ];
    Arc::new(built.into_iter().try_fold(CodecSet::default(), CodecSet::with).unwrap_or_default())
}

fn main() -> ExitCode {
    let shipped = [
        tsds_warm_cpu::conformance::fixtures(),
        tsds_cold_parquet::conformance::fixtures(),
        tsds_codec_gorilla::conformance::fixtures(),
        tsds_segment::conformance::fixtures(),
        tsds_hot::conformance::fixtures(),
    ];
    let codecs = codecs();
    let fixtures = shipped.into_iter().flatten().map(|fixture| fixture.with_codecs(codecs.clone()));
    let suite = fixtures.fold(Suite::new(), Suite::plugin);
    let devices = tsds_warm_wgpu::conformance::fixtures();
    let gorilla = Arc::new(tsds_codec_gorilla::GorillaCodec::default());
    // One of them: with little room segments are cut where their blocks are not, and nothing stays encoded.
    let encoded = devices.iter().take(1).map(|device| FromFiles::new(*device, "encoded", gorilla.clone()));
    let suite = encoded.fold(suite, Suite::tier);
    let cuda = tsds_warm_cuda::conformance::fixtures();
    let encoded = cuda.iter().take(1).map(|device| FromFiles::new(*device, "encoded", gorilla.clone()));
    let suite = encoded.fold(suite, Suite::tier);
    let suite = cuda.into_iter().fold(suite, Suite::tier);
    devices
        .into_iter()
        .fold(suite, Suite::tier)
        .tier(reference::tier::volatile())
        .tier(reference::tier::durable())
        .tier(reference::tier::plain())
        .codec(reference::codec::every_type())
        .codec(reference::codec::floats_only())
        .wal(reference::wal::durable())
        .wal(reference::wal::volatile())
        .evictor(reference::evictor::ReferenceEvictorFixture)
        .key_provider(reference::key_provider::rotating())
        .key_provider(reference::key_provider::fixed())
        .main()
}
