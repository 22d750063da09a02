//! All that differs between operating systems. Tested on Linux only; what stands here for others is untested.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "implements what the rest of TSDS must use instead"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Never follows a symbolic link to a file, never waits for the other end of a pipe.
pub(super) fn guard(options: &mut OpenOptions) {
    options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
}

/// Explains what `guard` caused.
pub(super) fn explain(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return io::Error::new(io::ErrorKind::InvalidInput, "the file is a symbolic link: not followed");
    }
    error
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    let directory = File::open(path)?;
    if !directory.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    directory.sync_all()
}

/// Reserves space up to `len` and extends the file to it.
#[cfg(target_os = "linux")]
pub(super) fn allocate(file: &File, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    if len == 0 {
        return Ok(());
    }
    match rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, len)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => extend(file, len),
        result => Ok(result?),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn allocate(file: &File, len: u64) -> io::Result<()> {
    extend(file, len)
}

fn extend(file: &File, len: u64) -> io::Result<()> {
    if file.metadata()?.len() < len { file.set_len(len) } else { Ok(()) }
}

/// Drops clean pages from the page cache. Whoever wants to see what the disk holds reads it from end to end, so the system is
/// asked to read far ahead.
#[cfg(target_os = "linux")]
pub(super) fn drop_cache(file: &File) -> io::Result<()> {
    use rustix::fs::{Advice, fadvise};
    fadvise(file, 0, None, Advice::DontNeed)?;
    Ok(fadvise(file, 0, None, Advice::Sequential)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn drop_cache(_file: &File) -> io::Result<()> {
    Ok(())
}

pub(super) fn available_space(path: &Path) -> io::Result<Option<u64>> {
    let status = rustix::fs::statvfs(path)?;
    Ok(Some(status.f_bavail.saturating_mul(status.f_frsize)))
}

#[cfg(target_os = "linux")]
pub(super) use super::network::network_file_system;

/// Others say it in other ways, which nobody has tried.
#[cfg(not(target_os = "linux"))]
pub(super) fn network_file_system(_path: &Path) -> io::Result<Option<String>> {
    Ok(None)
}

#[cfg(target_os = "linux")]
pub(super) fn fill_random(mut bytes: &mut [u8]) -> io::Result<()> {
    use rustix::rand::{GetRandomFlags, getrandom};
    while !bytes.is_empty() {
        let filled = rustix::io::retry_on_intr(|| getrandom(&mut *bytes, GetRandomFlags::empty()))?;
        bytes = bytes.get_mut(filled..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    use std::io::Read;
    File::open("/dev/urandom")?.read_exact(bytes)
}
