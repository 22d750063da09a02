//! The encoding `DELTA_BINARY_PACKED`, as far as to find where it ends:
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#delta-encoding-delta_binary_packed--5>.

/// Steps over a list of numbers; gives what stands behind it, or nothing if it has more than `most` numbers or is none.
pub(super) fn skip_deltas(bytes: &[u8], most: u64) -> Option<&[u8]> {
    let mut reader = Reader(bytes);
    let (block, minis, count) = (reader.varint()?, reader.varint()?, reader.varint()?);
    reader.varint()?;
    if count > most || minis == 0 || block % minis != 0 {
        return None;
    }
    let per_mini = block / minis;
    if per_mini == 0 || per_mini % 8 != 0 {
        return None;
    }
    // The first number stands in the header.
    let mut left = count.saturating_sub(1);
    while left > 0 {
        reader.varint()?;
        let widths = reader.take(minis)?;
        for width in widths {
            if left == 0 {
                break;
            }
            if *width > 64 {
                return None;
            }
            reader.take((per_mini / 8).checked_mul(u64::from(*width))?)?;
            left = left.saturating_sub(per_mini);
        }
    }
    Some(reader.0)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { return None };
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 128 numbers in a block of 4 parts, each of 32 numbers of one bit.
    fn block(count: u8) -> Vec<u8> {
        let mut bytes = vec![0x80, 1, 4, count, 0, 0, 1, 1, 1, 1];
        let parts = usize::from(count.saturating_sub(1)).div_ceil(32);
        bytes.resize(bytes.len() + parts * 4, 0xaa);
        bytes
    }

    #[test]
    fn the_end_of_a_list_is_found() {
        for count in [2, 33, 34, 100] {
            let mut bytes = block(count);
            bytes.extend_from_slice(b"rest");
            assert_eq!(skip_deltas(&bytes, count.into()), Some(&b"rest"[..]), "{count}");
        }
        assert_eq!(skip_deltas(&[0x80, 1, 4, 1, 9, 7], 1), Some(&[7][..]));
    }

    #[test]
    fn more_numbers_than_there_can_be_are_refused() {
        assert_eq!(skip_deltas(&block(100), 99), None);
        assert_eq!(skip_deltas(&block(100)[..20], 100), None);
        assert_eq!(skip_deltas(&[0x80, 1, 0, 1, 0], 1), None);
        assert_eq!(skip_deltas(&[], 1), None);
    }
}
