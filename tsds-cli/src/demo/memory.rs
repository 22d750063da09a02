//! How much memory this process takes, as Linux tells it.

use std::path::Path;

use tsds_traits::{OpenMode, Vfs};

/// The resident memory of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Bytes now.
    pub(crate) resident: Option<u64>,
    /// The most bytes since it began.
    pub(crate) peak: Option<u64>,
}

/// Asks the system; nothing is known where it does not say. Blocking, but for no longer than a system call.
pub(crate) fn memory(vfs: &dyn Vfs) -> Memory {
    let read = || -> std::io::Result<String> {
        let file = vfs.open(Path::new("/proc/self/status"), OpenMode::Read)?;
        let mut bytes = vec![0; 16 * 1024];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_or(Memory::default(), |status| parse(&status))
}

fn parse(status: &str) -> Memory {
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Memory { resident: kib("VmRSS"), peak: kib("VmHWM") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_lines_are_found() {
        let status = "Name:\ttsds\nVmHWM:\t   2048 kB\nVmRSS:\t    512 kB\n";
        assert_eq!(parse(status), Memory { resident: Some(512 << 10), peak: Some(2 << 20) });
        assert_eq!(parse("Name:\ttsds\n"), Memory::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_takes_some_memory() {
        let memory = memory(&tsds_io::RealVfs::new());
        assert!(memory.resident.unwrap() > 1 << 20 && memory.peak >= memory.resident, "{memory:?}");
    }
}
