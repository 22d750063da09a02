//! Where the Parquet writer's bytes go: through the checksums, into parts of equal size.

use std::io;

use bytes::Bytes;

use crate::checksum::{FileChecksums, FileHasher};

/// Hashes a file and cuts it into parts of equal size.
#[derive(Debug)]
pub(super) struct PartSink {
    hasher: FileHasher,
    part_bytes: usize,
    /// `None` where only the checksums are wanted.
    growing: Option<Vec<u8>>,
    full: Vec<Bytes>,
    /// The last bytes of the file, which tell the length of its footer.
    tail: [u8; 8],
}

impl PartSink {
    /// With parts of this many bytes, which is positive; `None` where only the checksums are wanted.
    pub(super) fn new(part_bytes: Option<usize>) -> Self {
        Self {
            hasher: FileHasher::default(),
            part_bytes: part_bytes.unwrap_or_default(),
            growing: part_bytes.map(|_| Vec::new()),
            full: Vec::new(),
            tail: [0; 8],
        }
    }

    /// The parts that are complete.
    pub(super) fn take_full(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.full)
    }

    /// The last part, the checksums and the last eight bytes of the file.
    pub(super) fn finish(self) -> (Option<Bytes>, FileChecksums, [u8; 8]) {
        let last = self.growing.filter(|bytes| !bytes.is_empty()).map(Bytes::from);
        (last, self.hasher.finish(), self.tail)
    }

    fn remember_tail(&mut self, bytes: &[u8]) {
        match bytes.last_chunk::<8>() {
            Some(tail) => self.tail = *tail,
            None => {
                self.tail.rotate_left(bytes.len());
                let at = self.tail.len() - bytes.len();
                if let Some(end) = self.tail.get_mut(at..) {
                    end.copy_from_slice(bytes);
                }
            }
        }
    }
}

impl io::Write for PartSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.remember_tail(bytes);
        let Some(growing) = &mut self.growing else { return Ok(bytes.len()) };
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.part_bytes - growing.len()));
            growing.extend_from_slice(now);
            if growing.len() == self.part_bytes {
                self.full.push(std::mem::take(growing).into());
            }
            rest = later;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const PART_BYTES: usize = 8 << 20;

    #[test]
    fn parts_are_of_equal_size_and_make_up_the_file() {
        let file: Vec<u8> = (0..PART_BYTES * 2 + 5).map(|i| (i % 253) as u8).collect();
        let mut sink = PartSink::new(Some(PART_BYTES));
        for piece in file.chunks(1_000_003) {
            sink.write_all(piece).unwrap();
        }
        let mut parts = sink.take_full();
        assert!(parts.iter().all(|part| part.len() == PART_BYTES));
        let (last, checksums, tail) = sink.finish();
        parts.extend(last);
        assert_eq!(parts.concat(), file);
        assert_eq!(checksums.size, file.len() as u64);
        assert_eq!(Some(&tail), file.last_chunk());
    }

    #[test]
    fn the_tail_is_put_together_from_small_pieces() {
        let mut sink = PartSink::new(None);
        for piece in ["abcdefgh", "ijk", "l", ""] {
            sink.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(&sink.finish().2, b"efghijkl");
    }
}
