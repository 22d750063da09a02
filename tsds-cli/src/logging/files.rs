//! Log files that roll over at midnight UTC.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tsds_traits::{Clock, OpenMode, Vfs, VfsFile, World};

/// How many files are kept.
const KEPT: usize = 14;
const NANOS_PER_DAY: i64 = 86_400 * 1_000_000_000;

/// A directory with one log file a day: `tsds-2024-01-31.log`.
#[derive(Debug)]
pub(super) struct RollingFiles {
    vfs: Arc<dyn Vfs>,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
    today: Mutex<Option<Today>>,
}

#[derive(Debug)]
struct Today {
    day: i64,
    file: Arc<dyn VfsFile>,
    offset: u64,
}

impl RollingFiles {
    pub(super) fn new(world: &World, directory: PathBuf) -> Self {
        Self {
            vfs: Arc::clone(&world.vfs),
            clock: Arc::clone(&world.clock),
            directory,
            today: Mutex::new(None),
        }
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let day = self.clock.wall_nanos().div_euclid(NANOS_PER_DAY);
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match today.take() {
            Some(open) if open.day == day => open,
            _ => self.open(day)?,
        };
        open.file.write_all_at(bytes, open.offset)?;
        open.offset += bytes.len() as u64;
        *today = Some(open);
        Ok(())
    }

    fn open(&self, day: i64) -> io::Result<Today> {
        self.vfs.create_dir_all(&self.directory)?;
        let name = format!(
            "tsds-{}.log",
            chrono::DateTime::from_timestamp_nanos(day.saturating_mul(NANOS_PER_DAY)).format("%Y-%m-%d")
        );
        let file = self.vfs.open(&self.directory.join(&name), OpenMode::OpenOrCreate)?;
        let offset = file.len()?;
        let entries = self.vfs.read_dir(&self.directory)?;
        let logs: Vec<_> = entries.iter().filter(|entry| !entry.is_dir && is_log(&entry.name)).collect();
        for old in logs.iter().take(logs.len().saturating_sub(KEPT)) {
            self.vfs.remove_file(&self.directory.join(&old.name))?;
        }
        Ok(Today { day, file, offset })
    }
}

/// Whether a file is one of ours, so that no other one is removed.
fn is_log(name: &str) -> bool {
    let day = name.strip_prefix("tsds-").and_then(|rest| rest.strip_suffix(".log"));
    day.is_some_and(|day| day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

/// Takes one event.
pub(super) struct Line(pub(super) Arc<RollingFiles>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::BoxFuture;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    #[derive(Debug, Default)]
    struct Calendar(AtomicI64);

    impl Clock for Calendar {
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn wall_nanos(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn each_day_has_a_file_and_old_ones_go() {
        let runtime = tsds_io::Runtime::new(Some(1)).unwrap();
        let directory = tempfile::TempDir::new().unwrap();
        let calendar = Arc::new(Calendar::default());
        let world = World { clock: Arc::clone(&calendar) as Arc<dyn Clock>, ..runtime.world() };
        world.vfs.open(&directory.path().join("tsds-notes.log"), OpenMode::CreateNew).unwrap();
        let open = || RollingFiles::new(&world, directory.path().join("."));
        let files = open();
        for day in 0..20 {
            calendar.0.store(day * NANOS_PER_DAY + 7, Ordering::Relaxed);
            files.append(b"one\n").unwrap();
            files.append(b"two\n").unwrap();
        }
        open().append(b"three\n").unwrap();
        let entries = world.vfs.read_dir(directory.path()).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), KEPT + 1);
        assert_eq!(
            (names[0], names[KEPT - 1], names[KEPT]),
            ("tsds-1970-01-07.log", "tsds-1970-01-20.log", "tsds-notes.log")
        );
        assert_eq!((entries[0].len, entries[KEPT - 1].len), (8, 14));
    }
}
