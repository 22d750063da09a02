//! How fast the link between host and device is: what copies to the device are held against.

use std::sync::Arc;
use std::time::Duration;

use tsds_device::Fault;
use tsds_traits::{Clock, Result, World};

use crate::driver::{Context, Memory, Pinned, Stream};

/// How much is copied at once: so much that beginning a copy counts for nothing.
const COPIED_BYTES: usize = 128 << 20;
/// A stretch of copies that takes less says more of submitting than of copying.
const LEAST_STRETCH: Duration = Duration::from_millis(50);
const MOST_COPIES: usize = 256;
/// How often the final stretch is measured. The fastest one counts: nothing makes a link faster than it is.
const STRETCHES: usize = 3;

/// Measures how many bytes a second the device takes from pinned memory of the host, by copies of the driver in a queue of their own.
///
/// # Errors
///
/// `NoSpace` without room on either side; as for anything the device does; those of the executor.
pub(crate) async fn bandwidth(context: &Arc<Context>, world: &World) -> Result<f64> {
    let (context, clock) = (Arc::clone(context), Arc::clone(&world.clock));
    Ok((*world.executor).blocking(move || Ok(measure(&context, &*clock))).await??)
}

/// Blocking.
fn measure(context: &Arc<Context>, clock: &dyn Clock) -> Result<f64, Fault> {
    let entered = context.enter()?;
    let queue = Arc::new(Stream::new(context, &entered)?);
    let to = Memory::new(&queue, &entered, COPIED_BYTES)?;
    let from = Pinned::for_upload(context, &entered, COPIED_BYTES)?;
    // Memory that nobody has written may be no memory yet.
    // SAFETY: all of it is there, and nobody else has it.
    unsafe { from.fill(0, &vec![0x5a; COPIED_BYTES]) };
    let stretch = |copies: usize| -> Result<Duration, Fault> {
        let start = clock.monotonic();
        let copied = (0..copies).try_for_each(|_| {
            // SAFETY: both are so long, and nobody writes that of the host any more.
            unsafe { to.upload(&entered, &queue, 0, (&from, 0), COPIED_BYTES) }
        });
        // Also of a failure: memory is given back that the device may read.
        queue.synchronize(&entered)?;
        copied.map(|()| clock.monotonic().saturating_sub(start))
    };
    let mut copies = 1;
    stretch(copies)?;
    let mut best = stretch(copies)?;
    while best < LEAST_STRETCH && copies < MOST_COPIES {
        copies *= 2;
        best = stretch(copies)?;
    }
    for _ in 1..STRETCHES {
        best = best.min(stretch(copies)?);
    }
    Ok((copies * COPIED_BYTES) as f64 / best.as_secs_f64().max(1e-9))
}
