//! The settings of `tsds.wal.arrow`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tsds_traits::{Error, ErrorKind, Result, WalRecord};

use super::format::{FRAME_ALIGN, MAX_BODY, PAGE, framed_len};

/// How the log is laid out and how much it holds back in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WalSettings {
    /// Bytes that a file is given in advance, from 16 KiB to 4 GiB; rounded down to a multiple of 4 KiB. A record that is
    /// larger gets a file of its own size.
    pub file_bytes: u64,
    /// Milliseconds without a write after which what waits is written, and a mark states what is durable. At least 1.
    pub sync_mark_ms: u64,
    /// Bytes that may wait to be written. Beyond, `append` is refused with a retryable `Exhausted`.
    pub max_pending_bytes: u64,
    /// Bytes of the largest record; at most 4 GiB.
    pub max_record_bytes: u64,
    /// Bytes after which no further record joins a group that is written and synced at once.
    pub group_bytes: u64,
    /// Bytes of the largest frame, from 1 KiB to 16 MiB; rounded down to a multiple of 8. A longer record is split.
    pub frame_bytes: usize,
    /// Released files that are kept to be written again, which syncs about twice as fast as a new file.
    pub recycled_files: usize,
}

impl Default for WalSettings {
    fn default() -> Self {
        Self {
            file_bytes: 100_000_000,
            sync_mark_ms: 50,
            max_pending_bytes: 64 << 20,
            max_record_bytes: 256 << 20,
            group_bytes: 8 << 20,
            frame_bytes: MAX_BODY,
            recycled_files: 1,
        }
    }
}

impl WalSettings {
    /// Checks ranges, and rounds the file size to pages.
    pub(crate) fn checked(mut self) -> Result<Self> {
        let refuse = |setting: &'static str, range: &'static str| {
            Err(Error::new(ErrorKind::ConfigInvalid, "setting of the write-ahead log is out of range")
                .with("setting", setting)
                .with("allowed", range))
        };
        if !((16 << 10)..=(4 << 30)).contains(&self.file_bytes) {
            return refuse("file_bytes", "16 KiB to 4 GiB");
        }
        if !(1..=60_000).contains(&self.sync_mark_ms) {
            return refuse("sync_mark_ms", "1 to 60000");
        }
        if self.max_pending_bytes == 0 {
            return refuse("max_pending_bytes", "at least 1");
        }
        if !(1..=(4 << 30)).contains(&self.max_record_bytes) {
            return refuse("max_record_bytes", "1 to 4 GiB");
        }
        if !(1..=(1 << 30)).contains(&self.group_bytes) {
            return refuse("group_bytes", "1 to 1 GiB");
        }
        if !((1 << 10)..=MAX_BODY).contains(&self.frame_bytes) {
            return refuse("frame_bytes", "1 KiB to 16 MiB");
        }
        self.frame_bytes -= self.frame_bytes % FRAME_ALIGN;
        self.file_bytes -= self.file_bytes % PAGE as u64;
        Ok(self)
    }

    /// Bytes of the frames of a record.
    pub(crate) fn framed_len(&self, record: &WalRecord) -> u64 {
        framed_len(payload_len(record), self.frame_bytes)
    }

    pub(crate) fn sync_mark(&self) -> Duration {
        Duration::from_millis(self.sync_mark_ms)
    }
}

/// Bytes of a record's payload.
pub(crate) fn payload_len(record: &WalRecord) -> u64 {
    record.payload.iter().map(|slice| slice.len() as u64).sum()
}
