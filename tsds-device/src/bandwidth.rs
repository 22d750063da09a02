//! How fast a device copies its own memory: what its kernels are held against.

use std::sync::Arc;
use std::time::Duration;

use tsds_traits::Clock;

use crate::device::{Device, Fault, Step, Work};

/// A stretch of copies that takes less says more of submitting than of copying.
const LEAST_STRETCH: Duration = Duration::from_millis(50);
/// No more copies than this are submitted at once.
const MOST_COPIES: usize = 1 << 12;
/// How often the final stretch is measured. The fastest one counts: nothing makes a device faster than it is.
const STRETCHES: usize = 3;

/// Measures how many bytes a second the device moves when it copies `bytes` bytes from one buffer to another, again and again. Each copied
/// byte counts twice, since it is read and written. `bytes` is cut to what one buffer can be, and to a multiple of 4.
///
/// # Errors
///
/// `OutOfMemory` if there is no room for two such buffers; `Lost`.
pub async fn copy_bandwidth<D: Device>(device: &D, clock: &dyn Clock, bytes: u64) -> Result<f64, Fault> {
    let bytes = (bytes.min(device.info().max_buffer_bytes) & !3).max(4);
    let from = Arc::new(device.allocate(bytes).await?);
    let to = Arc::new(device.allocate(bytes).await?);
    let stretch = async |copies: usize| -> Result<Duration, Fault> {
        let copy = |_| Step::Copy { from: (Arc::clone(&from), 0), to: (Arc::clone(&to), 0), bytes };
        // The read ends when the copies before it have.
        let work = Work::new((0..copies).map(copy).collect(), vec![(Arc::clone(&to), 0..4)]);
        let start = clock.monotonic();
        device.run(work).await?;
        Ok(clock.monotonic().saturating_sub(start))
    };
    // Memory that nobody has written may be no memory yet.
    let touch = [&from, &to].map(|buffer| Step::Clear(Arc::clone(buffer), 0..bytes));
    device.run(Work::new(touch.into(), Vec::new())).await?;
    stretch(1).await?;
    let mut copies = 1;
    let mut best = stretch(copies).await?;
    while best < LEAST_STRETCH && copies < MOST_COPIES {
        copies *= 2;
        best = stretch(copies).await?;
    }
    for _ in 1..STRETCHES {
        best = best.min(stretch(copies).await?);
    }
    Ok(2.0 * bytes as f64 * copies as f64 / best.as_secs_f64().max(1e-9))
}
