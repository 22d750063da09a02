//! A result in a file.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use tsds_traits::{OpenMode, Vfs, VfsFile};

const BUFFER: usize = 256 * 1024;

/// Opens a file for writing from its beginning; what it held is gone. Blocking.
///
/// # Errors
///
/// As the system's.
pub(crate) fn file_writer(vfs: &dyn Vfs, path: &Path) -> io::Result<Box<dyn Write + Send>> {
    let file = vfs.open(path, OpenMode::OpenOrCreate)?;
    file.set_len(0)?;
    Ok(Box::new(BufWriter::with_capacity(BUFFER, FileWriter { file, offset: 0 })))
}

struct FileWriter {
    file: Arc<dyn VfsFile>,
    offset: u64,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
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
