//! A result in a file.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tsds_traits::{OpenMode, Vfs, VfsFile};

const BUFFER: usize = 256 * 1024;

/// Opens a file for writing from its beginning; what it held is gone. Blocking.
///
/// # Errors
///
/// As the system's.
pub(crate) fn file_writer(vfs: &dyn Vfs, path: &Path) -> io::Result<Box<dyn Write + Send>> {
    Ok(FileWriter::open(vfs, path)?.buffered())
}

/// Writes a file from its beginning. Clones write the same file, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct FileWriter {
    file: Arc<dyn VfsFile>,
    written: Arc<AtomicU64>,
}

impl FileWriter {
    /// Opens a file; what it held is gone. Blocking.
    ///
    /// # Errors
    ///
    /// As the system's.
    pub(crate) fn open(vfs: &dyn Vfs, path: &Path) -> io::Result<Self> {
        let file = vfs.open(path, OpenMode::OpenOrCreate)?;
        file.set_len(0)?;
        Ok(Self { file, written: Arc::default() })
    }

    /// A writer that gathers what it is given.
    pub(crate) fn buffered(&self) -> Box<dyn Write + Send> {
        Box::new(BufWriter::with_capacity(BUFFER, self.clone()))
    }

    /// How many bytes have been written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Makes what was written durable. Blocking.
    ///
    /// # Errors
    ///
    /// As the system's.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.written())?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tsds_io::RealVfs;

    #[test]
    fn a_file_is_written_from_its_beginning() {
        let directory = tempfile::TempDir::new().unwrap();
        let (vfs, path) = (RealVfs::new(), directory.path().join("out"));
        for text in ["long before", "short"] {
            let mut writer = file_writer(&vfs, &path).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
            writer.flush().unwrap();
        }
        let file = vfs.open(&path, OpenMode::Read).unwrap();
        assert_eq!(file.len().unwrap(), 5);
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let directory = tempfile::TempDir::new().unwrap();
        assert!(file_writer(&RealVfs::new(), directory.path()).is_err());
    }
}
