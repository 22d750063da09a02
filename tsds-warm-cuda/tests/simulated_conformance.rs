//! The conformance suite over the tier on the simulator: `TSDS_SEED`, `TSDS_CASES` and `TSDS_REQUIRE` as for the suite of everything that
//! ships, but that fewer inputs are tried by default: the simulator looks at every access of every thread.

mod support;

use std::process::ExitCode;
use std::sync::Arc;

use tsds_conformance::{MemoryMeter, Suite};
use tsds_segment::conformance::FromFiles;

#[global_allocator]
static METER: MemoryMeter = MemoryMeter;

const INPUTS: u32 = 6;

fn main() -> ExitCode {
    // Where it cannot be loaded the suite says that there is no device.
    let _ = support::simulator();
    let tiers = tsds_warm_cuda::conformance::fixtures();
    let gorilla = Arc::new(tsds_codec_gorilla::GorillaCodec::default());
    let encoded = tiers.iter().take(1).map(|tier| FromFiles::new(*tier, "encoded", gorilla.clone()));
    let suite = encoded.fold(Suite::new(), Suite::tier);
    tiers.into_iter().fold(suite, Suite::tier).with_inputs(INPUTS).main()
}
