//! What this process holds, as Linux counts it.

use std::fmt;
use std::fs;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// Bytes of resident memory.
    pub(crate) memory: u64,
    pub(crate) files: u64,
    pub(crate) threads: u64,
}

impl Held {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        let files = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        Self { memory: field("VmRSS:") << 10, files, threads: field("Threads:") }
    }

    pub(crate) fn most(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            files: self.files.max(other.files),
            threads: self.threads.max(other.threads),
        }
    }

    pub(crate) fn is_within(self, before: Self, slack: Self) -> bool {
        self.memory <= before.memory + slack.memory
            && self.files <= before.files + slack.files
            && self.threads <= before.threads.saturating_add(slack.threads)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB, {} open files, {} threads", self.memory >> 20, self.files, self.threads)
    }
}
