//! What every device refuses, and whether one computes at all.

use std::ops::Range;
use std::sync::Arc;

use tsds_traits::{Error, ErrorKind};

use crate::device::{Device, Fault, Launch, PARAMS, Step, Work};
use crate::kernel::{Access, Kernel};

/// Words that [`check_health`] has computed.
const HEALTH_WORDS: u32 = 1000;

/// Refuses a work whose launches have other bindings than their kernels, or whose ranges are not whole words within buffers.
/// `bytes_of` is how long a buffer is.
///
/// # Errors
///
/// `Rejected`.
pub fn check_work<B>(work: &Work<B>, bytes_of: impl Fn(&B) -> u64) -> Result<(), Fault> {
    for step in &work.steps {
        match step {
            Step::Launch(launch) => check_launch(launch)?,
            Step::Clear(buffer, range) => check_range(bytes_of(buffer), range)?,
            Step::Copy { from, to, bytes } => {
                for (buffer, at) in [from, to] {
                    check_range(bytes_of(buffer), &range_at(*at, *bytes)?)?;
                }
                if Arc::ptr_eq(&from.0, &to.0) {
                    return Err(Fault::Rejected("a copy within one buffer".into()));
                }
            }
        }
    }
    work.reads.iter().try_for_each(|(buffer, range)| check_range(bytes_of(buffer), range))
}

/// Refuses to write bytes at `at` that are not whole words within a buffer of `buffer_bytes`.
///
/// # Errors
///
/// `Rejected`.
pub fn check_write(buffer_bytes: u64, at: u64, bytes: &[u8]) -> Result<(), Fault> {
    check_range(buffer_bytes, &range_at(at, bytes.len() as u64)?)
}

fn check_launch<B>(launch: &Launch<B>) -> Result<(), Fault> {
    let Launch { kernel, buffers, .. } = launch;
    let refused = |why: String| Err(Fault::Rejected(format!("kernel {kernel}: {why}")));
    let bindings = kernel.bindings();
    if buffers.len() != bindings.len() {
        return refused(format!("{} buffers, not {}", buffers.len(), bindings.len()));
    }
    for (buffer, access) in buffers.iter().zip(bindings) {
        let times = buffers.iter().filter(|other| Arc::ptr_eq(buffer, other)).count();
        if *access == Access::Write && times > 1 {
            return refused("a buffer that is written is bound more than once".into());
        }
    }
    Ok(())
}

fn range_at(at: u64, bytes: u64) -> Result<Range<u64>, Fault> {
    let end = at.checked_add(bytes);
    Ok(at..end.ok_or_else(|| Fault::Rejected(format!("{bytes} bytes at {at}")))?)
}

fn check_range(bytes: u64, range: &Range<u64>) -> Result<(), Fault> {
    let fits = range.start <= range.end && range.end <= bytes;
    if fits && range.start.is_multiple_of(4) && range.end.is_multiple_of(4) {
        return Ok(());
    }
    let (start, end) = (range.start, range.end);
    Err(Fault::Rejected(format!("bytes {start} to {end} of a buffer of {bytes}: not whole words within it")))
}

/// Runs [`Kernel::Health`], of which a workgroup computes `group_words`.
///
/// # Errors
///
/// `Unavailable` if the device computes wrong numbers; what the device says.
pub async fn check_health<D: Device>(device: &D, group_words: u32) -> tsds_traits::Result<()> {
    let bytes = u64::from(HEALTH_WORDS) * 4;
    let out = Arc::new(device.allocate(bytes).await?);
    let mut params = [0; PARAMS];
    params[0] = HEALTH_WORDS.div_ceil(group_words);
    params[6] = HEALTH_WORDS;
    let launch = Launch { kernel: Kernel::Health, buffers: vec![Arc::clone(&out)], params };
    let answer = device.run(Work::new(vec![Step::Launch(launch)], vec![(out, 0..bytes)])).await?;
    let expected: Vec<u8> = (0..HEALTH_WORDS).flat_map(|i| health_word(i).to_le_bytes()).collect();
    if answer.first() == Some(&expected) {
        return Ok(());
    }
    let wrong = "the device computes wrong numbers: update its driver, or use another tier";
    let info = device.info();
    Err(Error::new(ErrorKind::Unavailable, wrong).with("device", &info.name).with("driver", &info.driver))
}

fn health_word(i: u32) -> u32 {
    let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
    i.wrapping_mul(2_654_435_761).wrapping_add(u32::from(wide(!i, i) > wide(i, 7)))
}
